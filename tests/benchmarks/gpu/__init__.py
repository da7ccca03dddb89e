"""What a GPU makes of the committed networks, beside one core: proof, speed, memory, and the limit.

Needs a CUDA device; ``make test-gpu`` runs it after the tests that need one too. Whole, it takes under
five minutes. Its parts run alone by ``--parts``, and ``--folder`` has each part's tables written there
as soon as they are known, so that a run that is cut off loses no more than the part it was at.
"""

from importlib import import_module

from service.inference.backend.device import why_not_cuda
from tests.benchmarks.gpu.place import Place
from tests.benchmarks.report import Options, Skipped, Table

#: In the order in which they run; each is a module of this package.
PARTS = ("machine", "speed", "binding", "precision", "limit", "memory")


def run(options: Options) -> list[Table]:
    """Run the parts that were asked for; ``Skipped`` where CUDA does not work."""
    if unknown := set(options.parts) - set(PARTS):
        raise Skipped(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    if (reason := why_not_cuda()) is not None:
        raise Skipped(f"CUDA does not work here: {reason}")
    return run_parts(Place(options))


def run_parts(place: Place) -> list[Table]:
    """Run them on this device; those that fail do not keep the others from their turn.

    Raises ``RuntimeError`` at the end where any failed.
    """
    options, tables, failed = place.options, [], []
    for part in options.parts or PARTS:
        options.say(f"gpu: {part}")
        try:
            made = import_module(f"tests.benchmarks.gpu.{part}").run(place)
        except Exception as error:  # noqa: BLE001 - the others are run all the same, and it is raised below
            failed.append(f"{part}: {type(error).__name__}: {error}")
            options.say(f"gpu: {failed[-1]}")
            continue
        tables += made
        for table in made:
            options.say(table.markdown())
        if options.folder is not None:
            options.folder.mkdir(parents=True, exist_ok=True)
            text = "\n".join(table.markdown() for table in made)
            (options.folder / f"gpu-{part}.md").write_text(text)
    if failed:
        raise RuntimeError("; ".join(failed))
    return tables

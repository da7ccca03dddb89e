"""Which bundles the benchmarks serve: the committed ones, and networks made on the spot."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from models.bundle.loading import open_bundle
from models.bundle.manifest import FeaturizerEntry
from models.errors import ModelError
from models.features import Accepted
from models.registry.store import Repository
from tests.benchmarks.report import Options, Skipped

MOLECULES, CANDIDATES = "tox21", "htru2"
#: The made network's name in its own repository.
MADE = "made"


def champion(options: Options, model: str) -> Path:
    """The folder of a committed bundle; ``Skipped`` where there is none."""
    try:
        repository = Repository(options.models)
        return repository.bundle(model, repository.serving(model).champion)
    except ModelError as error:
        raise Skipped(f"there is no bundle of {model} in the model repository") from error


def readable(options: Options) -> list[list[float]]:
    """Candidates that the committed model can read: a tensor is refused as a whole for one it cannot."""
    from tests.benchmarks.records import candidates

    made = candidates(1024).tolist()
    outcomes = open_bundle(champion(options, CANDIDATES)).featurizer.featurize(made).outcomes
    return [row for row, outcome in zip(made, outcomes, strict=True) if isinstance(outcome, Accepted)]


@dataclass(frozen=True, slots=True)
class Made:
    """A made network: a repository that serves it, and its graph without anything around it."""

    models: Path
    plain: Path
    inputs: int

    @property
    def bundle(self) -> Path:
        """Its bundle's folder."""
        return self.models / MADE / "1"


def eight_by_256() -> Made:
    """8 hidden layers of 256 units over a candidate's 8 numbers."""
    from tests.benchmarks.records import candidates

    entry = FeaturizerEntry(identifier="pulsar-1", parameters={})
    return made_bundle("8x256", 8, 256, 8, entry, lambda count: candidates(count).tolist())


def made_bundle(
    folder: str,
    inputs: int,
    width: int,
    layers: int,
    entry: FeaturizerEntry,
    records: Callable[[int], list[object]],
) -> Made:
    """Make a network, or take the one that this run of the benchmarks has made in ``folder``."""
    from tests.benchmarks import made

    place = Path(_folder().name) / folder
    result = Made(place / "repository", place / "plain.onnx", inputs)
    if not result.plain.exists():  # exporting takes seconds
        net = made.network(inputs, width, layers)
        made.publish(result.models, MADE, net, entry, records)
        result.plain.write_bytes(made.plain_graph(net))
    return result


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    """One folder for a run of the benchmarks, removed when the process ends."""
    return tempfile.TemporaryDirectory(prefix="snn-benchmarks-")

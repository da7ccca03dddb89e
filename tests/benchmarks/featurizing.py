"""How fast records become feature rows, and where the time goes."""

import cProfile
import pstats
from pathlib import Path
from statistics import median

from tests.benchmarks import direct
from tests.benchmarks.bundles import CANDIDATES, MOLECULES, champion
from tests.benchmarks.records import Molecules, candidates, source_of_molecules
from tests.benchmarks.report import Options, Table, spread

_MOLECULES, _CANDIDATES = 1024, 100_000
#: Functions below this share of the time are left out.
_LEAST_SHARE = 0.02
_OWN_CODE = "models/features/"


def run(options: Options) -> list[Table]:
    """The featurizers of both models by themselves, on one core."""
    molecules, pulsars = champion(options, MOLECULES), champion(options, CANDIDATES)
    supply = Molecules()
    per_second: dict[str, list[float]] = {MOLECULES: [], CANDIDATES: []}
    rows = candidates(_CANDIDATES).tolist()
    with direct.worker() as worker:
        for _ in range(options.repetitions):
            smiles = supply.take(_MOLECULES)
            seconds = worker.do(direct.featurize_seconds, molecules, smiles)
            per_second[MOLECULES].append(_MOLECULES / seconds)
            seconds = worker.do(direct.featurize_seconds, pulsars, rows)
            per_second[CANDIDATES].append(_CANDIDATES / seconds)
            options.say(f"featurizing: {per_second[MOLECULES][-1]:.0f} molecules/s")
        shares = worker.do(profile, molecules, supply.take(_MOLECULES))
    return [
        Table(
            "Featurizing, records per second and core",
            ["", "median (range)", "target"],
            [
                ["molecules", spread(per_second[MOLECULES]), "≥ 2,000"],
                ["pulsar candidates", spread(per_second[CANDIDATES]), ""],
            ],
            [source_of_molecules()],
        ),
        Table(
            "Where the time of a molecule goes",
            ["function", "share", "µs"],
            [
                [name, f"{share:.0%}", 1e6 * share / median(per_second[MOLECULES])]
                for name, share in shares
            ],
            ["By cProfile, each with all that it calls; the profiler's own cost is in the shares."],
        ),
    ]


def profile(bundle: Path, smiles: list[str]) -> list[tuple[str, float]]:
    """Each function of models/features with its share of the time, the largest first."""
    featurizer = direct.opened(bundle)[0].featurizer
    featurizer.featurize(smiles[:16])
    profiler = cProfile.Profile()
    profiler.runcall(featurizer.featurize, smiles)
    functions: dict = pstats.Stats(profiler).stats  # type: ignore[attr-defined]
    total = max(cumulative for _, _, _, cumulative, _ in functions.values())
    shares = [
        (f"{Path(file).stem}.{name}", cumulative / total)
        for (file, _, name), (_, _, _, cumulative, _) in functions.items()
        if _OWN_CODE in file and not name.startswith("<") and cumulative < total
    ]
    shares = [(name, share) for name, share in shares if share >= _LEAST_SHARE]
    return sorted(shares, key=lambda entry: -entry[1])

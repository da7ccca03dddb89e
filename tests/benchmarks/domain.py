"""What the domain costs: plain predictions with and without it, the nearest compounds, memory."""

from pathlib import Path
from time import process_time

from models.features import create
from models.features.molecules.featurizer import MoleculeFeaturizer
from models.networks.outputs import INPUT
from tests.benchmarks import direct
from tests.benchmarks.bundles import MOLECULES, champion
from tests.benchmarks.records import Molecules, recorded_molecules, source_of_molecules
from tests.benchmarks.report import Options, Table, ratio, spread

_MOLECULES, _AT_ONCE, _NEAREST = 512, 256, 128


def run(options: Options) -> list[Table]:
    """The same molecules with and without the domain in turn, by processor time."""
    bundle = champion(options, MOLECULES)
    supply = Molecules()
    supply.take(len(recorded_molecules() or ()))  # those are in the domain, and need no search
    with_it: list[float] = []
    without: list[float] = []
    nearest: list[float] = []
    with direct.worker() as worker:
        memory = worker.do(index_memory, bundle)
        for _ in range(options.repetitions):
            one, other, each = worker.do(seconds_of, bundle, supply.take(_MOLECULES))
            with_it.append(_MOLECULES / one)
            without.append(_MOLECULES / other)
            nearest.append(1000 * each)
            options.say(f"domain: {with_it[-1]:.0f} of {without[-1]:.0f} molecules/s, {each:.1e} s")
    rows = [
        ["featurizing and inference without the domain, molecules/s", spread(without), "", ""],
        ["with it", spread(with_it), f"{ratio(with_it, without):.3f}", "≥ .95"],
        ["ten nearest compounds beside featurizing, ms a molecule", spread(nearest), "", "≤ 2"],
        ["memory of the domain, MiB", f"{memory:.1f}", "", "≤ 30"],
    ]
    note = (
        f"{source_of_molecules()} Those that are recorded are left out: they are in the domain. One"
        f" core; processor time, in requests of {_AT_ONCE}."
    )
    return [Table("What the domain of molecules costs", ["", "", "ratio", "target"], rows, [note])]


def seconds_of(folder: Path, smiles: list[str]) -> tuple[float, float, float]:
    """Processor seconds with the domain and without it, and of the nearest compounds of a molecule."""
    bundle, session = direct.opened(folder)
    whole = bundle.featurizer
    assert isinstance(whole, MoleculeFeaturizer)
    assert whole.domain is not None
    entry = bundle.manifest.featurizer
    plain = create(entry.identifier, entry.parameters)
    plain.featurize(smiles[:16])
    spent = {False: 0.0, True: 0.0}
    for first in range(0, len(smiles), _AT_ONCE):
        part = smiles[first : first + _AT_ONCE]
        for is_whole in (True, False) if first // _AT_ONCE % 2 else (False, True):
            featurizer = whole if is_whole else plain
            began = process_time()
            session.run(None, {INPUT: featurizer.featurize(part).rows})
            spent[is_whole] += process_time() - began
    asked = [each for each in smiles[:_NEAREST] if _is_read(whole, each)]
    fingerprints = [whole.fingerprint(each) for each in asked]
    began = process_time()
    for fingerprint in fingerprints:
        whole.domain.nearest(fingerprint, 10)
    return spent[True], spent[False], (process_time() - began) / len(asked)


def _is_read(featurizer: MoleculeFeaturizer, smiles: str) -> bool:
    return bool(len(featurizer.featurize([smiles]).rows))


def index_memory(folder: Path) -> float:
    """How many MiB the process grows by reading the domain's file."""
    from models.bundle.manifest import DOMAIN_FILE
    from models.domain.measured import MeasuredCompounds

    before = _resident()
    domain = MeasuredCompounds.from_bytes((folder / DOMAIN_FILE).read_bytes())
    grown = _resident() - before
    assert domain.smiles
    return grown


def _resident() -> float:
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024

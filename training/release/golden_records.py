"""The raw inputs of the golden rows: constructed, never taken from a data set."""

from itertools import pairwise

from models.bundle.manifest import FeaturizerEntry
from training.errors import TrainingError

#: Well-known molecules, written by hand. They differ in size, elements, charge and shape, so that each
#: descriptor and many fragments take several values.
MOLECULES = (
    "CCO",  # ethanol
    "c1ccccc1",  # benzene
    "CC(=O)Oc1ccccc1C(=O)O",  # aspirin
    "Cn1cnc2c1c(=O)n(C)c(=O)n2C",  # caffeine
    "CC(=O)Nc1ccc(O)cc1",  # paracetamol
    "CC(C)Cc1ccc(C(C)C(=O)O)cc1",  # ibuprofen
    "CN1CCCC1c1cccnc1",  # nicotine
    "Oc1ccc(C(C)(C)c2ccc(O)cc2)cc1",  # bisphenol A
    "ClC(Cl)C(c1ccc(Cl)cc1)c1ccc(Cl)cc1",  # DDD
    "CC12CCC3C(CCC4=CC(=O)CCC34C)C1CCC2O",  # testosterone
    "CC12CCC3c4ccc(O)cc4CCC3C1CCC2O",  # estradiol
    "OCC1OC(O)C(O)C(O)C1O",  # glucose
    "NCC(=O)O",  # glycine
    "CC(=O)[O-].[Na+]",  # sodium acetate, a salt
    "C[N+](C)(C)CCO",  # choline, a permanent charge
    "O=[N+]([O-])c1ccc([N+](=O)[O-])cc1",  # 1,4-dinitrobenzene
    "c1ccc2cc3ccccc3cc2c1",  # anthracene
    "Clc1cc2c(cc1Cl)Oc1cc(Cl)c(Cl)cc1O2",  # TCDD
    "CCCCCCCCCCCCCCCC(=O)O",  # palmitic acid
    "CS(C)=O",  # dimethyl sulfoxide
    "FC(F)(F)C(Cl)Br",  # halothane
    "OP(=O)(O)O",  # phosphoric acid
    "CCOP(=S)(OCC)Oc1ccc([N+](=O)[O-])cc1",  # parathion
    "CN(C)c1ccc(N=Nc2ccccc2)cc1",  # methyl yellow
    "NC(=O)c1cccnc1",  # nicotinamide
    "C#CCN(C)Cc1ccccc1",  # pargyline
    "O=C1c2ccccc2C(=O)c2ccccc21",  # anthraquinone
    "CCN(CC)CCOC(=O)c1ccc(N)cc1",  # an aminobenzoate
    "OB(O)c1ccccc1",  # phenylboronic acid
    "C[Si](C)(C)O[Si](C)(C)C",  # hexamethyldisiloxane
    "CC(C)(C)c1cc(C)cc(C(C)(C)C)c1O",  # BHT
    "NC(CCC(=O)NC(CS)C(=O)NCC(=O)O)C(=O)O",  # glutathione
)


def golden_records(featurizer: FeaturizerEntry) -> tuple[object, ...]:
    """Return the constructed records for a kind of featurizer; raises ``TrainingError`` if unknown."""
    records = {"molecules": MOLECULES, "pulsar": _candidates()}
    kind = featurizer.identifier.rsplit("-", 1)[0]
    if kind not in records:
        raise TrainingError(f"no golden records are known for featurizer {featurizer.identifier!r}")
    return records[kind]


def _candidates() -> tuple[list[float], ...]:
    """Candidates constructed over the ranges of the eight features, typical to extreme."""
    low = (6.0, 25.0, -1.8, -1.7, 0.3, 7.5, -3.0, -1.9)
    noise = (115.0, 46.0, 0.2, 0.3, 3.0, 18.0, 8.5, 80.0)
    pulsar = (55.0, 38.0, 1.2, 3.0, 50.0, 55.0, 2.7, 8.0)
    high = (190.0, 98.0, 8.0, 68.0, 220.0, 110.0, 34.0, 1190.0)
    corners = (low, noise, pulsar, high, low)
    between = [
        [round(first * (1 - share) + second * share, 3) for first, second in zip(a, b, strict=True)]
        for a, b in pairwise(corners)
        for share in (0.0, 0.25, 0.5, 0.75)
    ]
    # The noise candidate with one feature at a time at either end of its range.
    extreme = [
        [end if column == position else value for position, value in enumerate(noise)]
        for column in range(len(noise))
        for end in (low[column], high[column])
    ]
    return tuple(map(_possible, (*between, *extreme)))


def _possible(candidate: list[float]) -> list[float]:
    """A candidate whose excess kurtosis is not below what its skewness allows: skewness² - 2."""
    for skewness, kurtosis in ((2, 3), (6, 7)):
        least = round(candidate[skewness] ** 2 - 1.9, 3)
        candidate[kurtosis] = max(candidate[kurtosis], least)
    return candidate

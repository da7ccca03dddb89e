"""The domain: what is in it, what was measured, and what is nearest; of a few molecules and of Tox21."""

from pathlib import Path

import numpy as np
import pytest

from models.bundle.loading import Bundle, open_bundle, read_manifest
from models.bundle.manifest import DOMAIN_FILE
from models.domain.measured import Cutoffs, MeasuredCompounds
from models.errors import BundleRefused, FeaturizerError
from models.features import Accepted, within
from tests.support import bundles
from tests.support.committed import COMMITTED

KIND = bundles.JUDGED_MOLECULES

# The requirement: small common solvents are in the domain of Tox21, whether they were measured or not.
SOLVENTS = {
    "ethanol": "CCO", "methanol": "CO", "acetone": "CC(C)=O", "hexane": "CCCCCC", "DMSO": "CS(C)=O",
    "DMF": "CN(C)C=O", "ethyl acetate": "CCOC(C)=O", "toluene": "Cc1ccccc1", "THF": "C1CCOC1",
    "acetonitrile": "CC#N", "chloroform": "ClC(Cl)Cl", "diethyl ether": "CCOCC", "dioxane": "C1COCCO1",
    "pyridine": "c1ccncc1", "anisole": "COc1ccccc1", "tert-butanol": "CC(C)(C)O", "glycerol": "OCC(O)CO",
    "cyclopentyl methyl ether": "COC1CCCC1", "hexafluoroisopropanol": "OC(C(F)(F)F)C(F)(F)F",
    "tetramethylurea": "CN(C)C(=O)N(C)C", "NMP": "CN1CCCC1=O", "hexadecane": "C" * 16,
}  # fmt: skip
DRUGS = {
    "aspirin": "CC(=O)Oc1ccccc1C(=O)O", "tafamidis": "OC(=O)c1ccc2nc(oc2c1)-c1cc(Cl)cc(Cl)c1",
    "apixaban": "COc1ccc(cc1)-n1nc(C(N)=O)c2CCN(C(=O)c12)c1ccc(cc1)N1CCCCC1=O",
}  # fmt: skip
_CHAIN = "CCCCCCCCCCCCCCCCC"
OUTSIDE = {
    "hexaglycine": "NCC(=O)" * 6 + "O", "pentaglycine": "NCC(=O)" * 5 + "O",
    "decaglycine": "NCC(=O)" * 10 + "O", "hexaalanine": "NC(C)C(=O)" * 6 + "O",
    "pentalysine": "NC(CCCCN)C(=O)" * 5 + "O", "pentaphenylalanine": "NC(Cc1ccccc1)C(=O)" * 5 + "O",
    "hexaglutamic acid": "NC(CCC(=O)O)C(=O)" * 6 + "O", "hexaserine": "NC(CO)C(=O)" * 6 + "O",
    "C30 alkane": "C" * 30, "C40 alkane": "C" * 40, "C58 alkane": "C" * 58, "C100 alkane": "C" * 100,
    "PEG 8": "O" + "CCO" * 8, "PEG 12": "O" + "CCO" * 12, "PEG 45": "O" + "CCO" * 45,
    "methoxy PEG 8": "CO" + "CCO" * 8, "polylactic acid": "CC(O)C(=O)" + "OC(C)C(=O)" * 9 + "O",
    "polystyrene": "C(c1ccccc1)C" * 8, "polyvinyl alcohol": "C(O)C" * 10,
    "silicone": "C[Si](C)(C)" + "O[Si](C)(C)" * 10 + "C",
    "perfluoroeicosane": "FC(F)(F)" + "C(F)(F)" * 18 + "C(F)(F)F",
    "fullerene": "c12c3c4c5c1c1c6c7c2c2c8c3c3c9c4c4c%10c5c5c1c1c6c6c%11c7c2c2c7c8c3c3c8c9c4c4c9c%10c5c5c"
    "1c1c6c6c%11c2c2c7c3c3c8c4c4c9c5c1c1c6c2c3c41",
    **{f"C{n} alkane, too": "C" * n for n in (32, 36, 44, 50, 60)},
    **{f"PEG {n}, too": "OCC" * n + "O" for n in (6, 10, 15, 20)},
    **{f"(Gly){n}": "NCC(=O)" * n + "O" for n in (8, 12, 15, 20)},
    **{f"(Ala){n}": "NC(C)C(=O)" * n + "O" for n in (8, 10, 20)},
    **{f"(Val){n}": "NC(C(C)C)C(=O)" * n + "O" for n in (4, 6, 10)},
    **{f"(Phe){n}": "NC(Cc1ccccc1)C(=O)" * n + "O" for n in (4, 8, 10)},
    "polypropylene glycol": "OC(C)C" * 8 + "O", "polyacrylic acid": "CC(C(=O)O)" * 8,
    "polymethacrylate": "CC(C)(C(=O)OC)" * 5, "nylon 66": "NCCCCCCNC(=O)CCCCC(=O)" * 3 + "O",
    "polyethylenimine": "NCC" * 8 + "N", "polyyne": "C#C" * 10, "polyene": "C=C" * 10,
    "sexiphenyl": "c1ccc(cc1)" + "-c1ccc(cc1)" * 4 + "-c1ccccc1",
    "cubane": "C12C3C4C1C5C2C3C45", "dodecahedrane": "C12C3C4C5C1C6C7C2C8C3C9C4C1C5C6C2C7C8C9C12",
    "tristearin": f"{_CHAIN}C(=O)OCC(OC(=O){_CHAIN})COC(=O){_CHAIN}",
    "stearyl behenate": f"{_CHAIN}CCCCC(=O)OC{_CHAIN}",
}  # fmt: skip


def details(featurizer, smiles: str) -> dict[str, object]:
    """What the domain tells of one molecule."""
    (outcome,) = featurizer.featurize([smiles]).outcomes
    assert isinstance(outcome, Accepted), outcome
    return outcome.details


@pytest.fixture(scope="module")
def tox21():
    """The featurizer of the committed model, with its domain."""
    version = max(int(folder.name) for folder in (COMMITTED / "tox21").iterdir() if folder.is_dir())
    bundle: Bundle = open_bundle(COMMITTED / "tox21" / str(version))
    if bundle.featurizer.domain is None:
        pytest.skip(f"tox21@{version} is of before there were domains")
    return bundle.featurizer


@pytest.mark.parametrize("name", [*SOLVENTS, *DRUGS])
def test_what_is_in_the_domain_of_tox21(tox21, name: str) -> None:
    """Small common solvents and drugs."""
    told = details(tox21, (SOLVENTS | DRUGS)[name])
    assert told["domain"]["in_domain"], told
    assert "outside_domain" not in {warning["code"] for warning in told.get("warnings", [])}


@pytest.mark.parametrize("name", OUTSIDE)
def test_what_is_outside_of_the_domain_of_tox21(tox21, name: str) -> None:
    """Polymers, long chains, peptides, cages and large lipids, with a warning that says why."""
    told = details(tox21, OUTSIDE[name])
    assert not told["domain"]["in_domain"], told
    (warning,) = told["warnings"]
    assert warning["code"] == "outside_domain"
    assert "similarity" in warning["message"] or "repeats" in warning["message"]


def test_ethanol_was_measured_inactive(tox21) -> None:
    """In all twelve assays of Tox21."""
    told = details(tox21, "OCC")
    assert told["domain"] == {"similarity": 1.0, "in_domain": True}
    assert told["measured"] == dict.fromkeys(bundles.TARGETS, False)


def test_a_measured_compound_is_told_however_it_is_drawn() -> None:
    """As a salt and in another order of atoms; with the assays where it was measured."""
    featurizer = within(KIND.featurizer(), bundles.domain_of(KIND))
    at = bundles.SMILES.index("CC(=O)Oc1ccccc1C(=O)O")
    measured = details(featurizer, "[Na+].[O-]C(=O)c1ccccc1OC(C)=O")["measured"]
    assert measured == details(featurizer, bundles.SMILES[at])["measured"]
    assert [target for target, active in measured.items() if active] == [KIND.targets[at]]
    assert KIND.targets[at + 1] not in measured
    assert len(measured) == len(KIND.targets) - 1


def test_rows_and_other_outcomes_stay_as_they_are() -> None:
    """A record that is refused or not applicable among others changes nothing of theirs."""
    records = ["CCCO", "C[", "[K+].[Cl-]", "CCO", "Cc1ccccc1O.Cc1cccc(O)c1"]
    plain, judged = KIND.featurizer(), within(KIND.featurizer(), bundles.domain_of(KIND))
    before, after = plain.featurize(records), judged.featurize(records)
    np.testing.assert_array_equal(before.rows, after.rows)
    assert before.outcomes[1] == after.outcomes[1]
    assert after.outcomes[2].message == before.outcomes[2].message
    domains = [outcome.details["domain"] for outcome in after.outcomes if hasattr(outcome, "details")]
    assert len(domains) == 4
    assert after.outcomes[4].details["warnings"][0]["code"] == "mixture"
    assert {"parent", "removed"} <= after.outcomes[4].details.keys()


@pytest.mark.parametrize(
    ("cutoffs", "smiles", "inside", "why"),
    [
        (Cutoffs(0.0, 1.0), "C" * 58, True, ""),
        (Cutoffs(1.0, 1.0), "CCCO", False, "below the cut-off of 1.00"),
        (Cutoffs(0.0, 0.0), "C" * 58, False, "repeats"),
        (Cutoffs(1.0, 0.0), "CCO", True, ""),
    ],
)
def test_each_cutoff_decides(cutoffs: Cutoffs, smiles: str, inside: bool, why: str) -> None:
    """Similarity and repeats, each by itself; a measured compound is in the domain whatever they are."""
    told = details(within(KIND.featurizer(), bundles.domain_of(KIND, cutoffs=cutoffs)), smiles)
    assert told["domain"]["in_domain"] is inside
    assert why in str(told.get("warnings", ""))
    assert bool(told.get("warnings")) is not inside


def test_the_nearest_compounds_are_the_most_similar() -> None:
    """The compound itself first, with what was measured; no more than there are."""
    featurizer = within(KIND.featurizer(), bundles.domain_of(KIND))
    nearest = featurizer.nearest("OCC", 3)
    assert (nearest[0]["smiles"], nearest[0]["similarity"]) == ("CCO", 1.0)
    similarities = [one["similarity"] for one in nearest]
    assert similarities == sorted(similarities, reverse=True)
    assert nearest[0]["measured"] == details(featurizer, "CCO")["measured"]
    listed = featurizer.nearest("CCO", 99)
    assert 0 < len(listed) < len(bundles.SMILES)  # nothing that shares no fragment
    assert all(one["similarity"] > 0 for one in listed)
    assert featurizer.nearest("[Xe]", 3) == []
    assert KIND.featurizer().nearest("CCO", 3) == []


def test_a_domain_is_the_same_after_it_was_written() -> None:
    """Byte for byte, and in what it tells."""
    domain = bundles.domain_of(KIND)
    again = MeasuredCompounds.from_bytes(domain.content)
    assert again.identity == domain.identity == MeasuredCompounds.from_bytes(again._to_bytes()).identity
    for smiles in ("CCO", "CCCN", "C" * 40):
        featurizer = KIND.featurizer()
        assert details(within(featurizer, domain), smiles) == details(within(featurizer, again), smiles)


def test_a_domain_of_another_radius_or_of_numbers_is_refused() -> None:
    """Its fragments are not those that the features count."""
    domain = bundles.domain_of(KIND)
    domain.radius = 3
    with pytest.raises(FeaturizerError, match="radius"):
        within(KIND.featurizer(), domain)
    with pytest.raises(FeaturizerError, match="no domain of molecules"):
        within(bundles.CANDIDATES.featurizer(), domain)


def test_a_bundle_brings_its_domain(tmp_path: Path) -> None:
    """Its featurizer tells the domain; the manifest lists the file's hash."""
    bundles.write_bundle(tmp_path, 1, name="tox21", kind=KIND, domain=bundles.domain_of(KIND))
    assert DOMAIN_FILE in read_manifest(tmp_path).files
    assert "domain" in details(open_bundle(tmp_path).featurizer, "CCO")


@pytest.mark.parametrize("content", [b"", b"no archive", bundles.domain_of(KIND).content[:-900]])
def test_a_domain_that_cannot_be_read_is_refused(tmp_path: Path, content: bytes) -> None:
    """With its name, before the model is loaded."""
    domain = bundles.domain_of(KIND)
    domain.content = content
    bundles.write_bundle(tmp_path, 1, name="tox21", kind=KIND, domain=domain)
    with pytest.raises(BundleRefused, match=r"domain\.npz"):
        open_bundle(tmp_path)


def test_a_domain_of_other_targets_is_refused(tmp_path: Path) -> None:
    """Its labels would be told of the wrong assays."""
    domain = bundles.domain_of(KIND)
    other = MeasuredCompounds(
        domain.smiles,
        domain.labels,
        domain.targets[::-1],
        domain.index,
        domain.usual,
        domain.radius,
        domain.cutoffs,
    )
    bundles.write_bundle(tmp_path, 1, name="tox21", kind=KIND, domain=other)
    with pytest.raises(BundleRefused, match="other targets"):
        open_bundle(tmp_path)

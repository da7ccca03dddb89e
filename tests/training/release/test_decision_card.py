"""What the model card says of an assay's cut-offs, of assays, of intervals and of parts of the rows."""

from pathlib import Path

from models.bundle.loading import open_bundle
from tests.support import bundles
from training.recipes.official import RECIPES
from training.release.decision_card import by_round, decisions, part_lines


def test_assays_are_explained_with_both_cut_offs(tmp_path: Path) -> None:
    """A line for each level with its rates, what each assay measures, and what falls short."""
    bundles.write_bundle(tmp_path, 1, name="tox21", kind=bundles.JUDGED_MOLECULES, decided=True)
    manifest = open_bundle(tmp_path).manifest
    text = decisions(manifest)
    assert text.count("| active | 0.5000 | 0.500 (0.400–0.600)") == 12
    assert text.count("| elevated | 0.3000 |") == 12
    assert "active in 1.00 assays on average and elevated or active in 2.00" in text
    assert "probabilities expect 0.90 and 0.80 were measured" in text
    assert text.count("| a receptor | agonist | HeLa | dye | 220 | 20 |") == 12
    assert "below it" not in text
    assert "90% of refits" in text
    assert part_lines(manifest).startswith("* Of the 220 rows of the leaderboard set alone")
    overall = manifest.metrics["overall"] | {"assays_a_record_95_interval": {"active": [0.9, 1.1]}}
    newer = manifest.model_copy(update={"metrics": manifest.metrics | {"overall": overall}})
    assert "active in 1.00 (0.90–1.10) assays on average" in decisions(newer)
    figures = manifest.metrics["targets"]
    weak = {"SR-p53": figures["SR-p53"] | {"precision": 0.41}}
    poor = manifest.model_copy(update={"metrics": manifest.metrics | {"targets": figures | weak}})
    assert "as the highest that is reached, are SR-p53 0.41." in decisions(poor)


def test_what_is_no_assay_has_no_levels(tmp_path: Path) -> None:
    """An older bundle has none of the sections."""
    bundles.write_bundle(tmp_path, 1)
    manifest = open_bundle(tmp_path).manifest
    assert decisions(manifest) == ""


def test_every_official_assay_is_explained() -> None:
    """Each with its cells and a source, and no other."""
    from training.data.official.tox21 import TARGETS

    assays = RECIPES["tox21"].assays
    assert tuple(assays) == TARGETS
    assert len({assay.source for assay in assays.values()}) == 12
    assert "assays" not in RECIPES["tox21"].configuration()
    assert not RECIPES["htru2"].assays


def test_rounds_have_intervals_where_the_version_has_them(tmp_path: Path) -> None:
    """Of either kind of targets; older versions give the figures alone."""
    bundles.write_bundle(tmp_path, 1)
    manifest = open_bundle(tmp_path).manifest
    older = manifest.model_copy(update={"metrics": {"r2_by_round": [0.5, 0.25]}})
    assert by_round(older, "r2") == "0.5000, 0.2500"
    told = {"r2_by_round": [0.5], "r2_by_round_95_interval": [[0.4, 0.6]]}
    newer = manifest.model_copy(update={"metrics": told})
    assert by_round(newer, "r2") == "0.5000 (0.4000–0.6000)"

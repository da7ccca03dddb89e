"""A molecule's domain, what was measured of it, what is nearest, and why: on the page."""

from collections.abc import Iterator

import pytest
from rdkit import Chem

from tests.browser.conftest import PHONE
from tests.browser.test_browser_playground import drop, saved
from tests.support.both import serving_both
from tests.support.server import Server

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect

PATIENT = 30_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One worker with a small tox21 that has a domain."""
    with serving_both(tmp_path_factory.mktemp("explanation"), workers=1, domain=True) as server:
        yield server


def asked(visit, molecules: str, **options: object):
    """The cards of some molecules."""
    page = visit(**options)
    page.get_by_role("tab", name="tox21").click(timeout=PATIENT)
    page.get_by_label("Molecules").fill(molecules)
    page.get_by_role("button", name="Predict", exact=True).click()
    cards = page.locator(".molecule")
    expect(cards).to_have_count(len(molecules.split("\n")), timeout=PATIENT)
    return cards


def test_a_card_tells_domain_and_measured_labels(visit) -> None:
    """Measured, inside, outside with the reason; a dot for each label that was measured."""
    cards = asked(visit, "OCC\nCCCO\n" + "C" * 58)
    expect(cards.nth(0).locator(".domain")).to_contain_text("Measured")
    expect(cards.nth(0).locator(".measured")).to_have_count(11)
    expect(cards.nth(1).locator(".domain")).to_contain_text("In the domain similarity 0.")
    expect(cards.nth(1).locator(".measured")).to_have_count(0)
    expect(cards.nth(2).locator(".domain.outside")).to_contain_text("Outside the domain")
    expect(cards.nth(2).locator(".domain.outside")).to_contain_text("repeats")


def test_the_parent_is_drawn_where_it_is_another(visit) -> None:
    """Of a salt, and not of a molecule that was written in another order."""
    cards = asked(visit, "CC(=O)O[Na]\nOCC")
    cards.nth(0).scroll_into_view_if_needed()
    expect(cards.nth(0).get_by_role("img", name="Structure of CC(=O)O", exact=True)).to_be_visible(
        timeout=PATIENT
    )
    expect(cards.nth(0).locator("figcaption")).to_have_text("Judged as CC(=O)O")
    expect(cards.nth(1).get_by_role("img", name="Structure of OCC")).to_be_visible(timeout=PATIENT)
    expect(cards.nth(1).locator("figure")).to_be_hidden()


@pytest.mark.parametrize("options", [{}, {"viewport": PHONE}, {"color_scheme": "dark"}])
def test_nearest_compounds_and_reasons_come_on_demand(visit, options: dict[str, object]) -> None:
    """Three compounds with labels; the chosen assay's atoms as a picture, and the alerts."""
    (card,) = asked(visit, "O=[N+]([O-])c1ccccc1O", **options).all()
    card.get_by_role("button", name="Nearest compounds").click()
    expect(card.locator(".nearest li")).to_have_count(3, timeout=PATIENT)
    expect(card.locator(".nearest li").first).to_contain_text("active in")
    card.get_by_label("Assay to explain").select_option("SR-p53")
    card.get_by_role("button", name="Why").click()
    picture = card.get_by_role("img", name="Atoms that SR-p53 comes from")
    expect(picture).to_be_visible(timeout=PATIENT)
    assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
    expect(card.locator(".more")).to_contain_text("nitroaromatic")
    assert card.evaluate("card => card.scrollWidth <= card.clientWidth + 1")


def test_a_molecule_without_an_active_assay_has_a_sentence(visit) -> None:
    """It says that an assay measures what it measures; one with an active assay does not have it."""
    page = visit()

    def first_inactive(route) -> None:
        """Answer as the service does, but for the calls of the first molecule."""
        answer = route.fetch()
        document = answer.json()
        document["results"][0]["call"] = dict.fromkeys(document["results"][0]["call"], False)
        document["results"][1]["call"] = dict.fromkeys(document["results"][1]["call"], True)
        route.fulfill(response=answer, json=document)

    page.route("**/predict*", first_inactive)
    page.get_by_role("tab", name="tox21").click(timeout=PATIENT)
    page.get_by_label("Molecules").fill("CCO\nCCN")
    page.get_by_role("button", name="Predict", exact=True).click()
    captions = page.locator(".molecule caption")
    sentence = "Twelve assays measure what they measure"
    expect(captions.nth(0)).to_contain_text(sentence, timeout=PATIENT)
    expect(captions.nth(1)).not_to_contain_text(sentence)


def record(smiles: str, title: str) -> str:
    """A molecule as a record of an SDF, with a batch."""
    molecule = Chem.MolFromSmiles(smiles)
    molecule.SetProp("_Name", title)
    return f"{Chem.MolToMolBlock(molecule)}> <batch>\n7\n\n$$$$\n"


@pytest.mark.parametrize("options", [{}, {"viewport": PHONE}, {"color_scheme": "dark"}])
def test_a_toxicologist_drops_an_sdf_and_a_table(visit, tmp_path, options: dict[str, object]) -> None:
    """Salt, platinum, chain and phenol: domain, what is near and why are read, and all is taken home."""
    page = visit(**options)
    page.get_by_role("tab", name="tox21").click(timeout=PATIENT)
    molecules = ("CCN.OC(=O)c1ccccc1O", "N[Pt](N)(Cl)Cl", "C" * 58, "O=[N+]([O-])c1ccccc1O")
    titles = ("salicylate", "cisplatin", "chain", "nitrophenol")
    drop(page, "#panel-tox21 .drop", "set.sdf", "".join(map(record, molecules, titles)))
    page.get_by_role("button", name="Predict", exact=True).click()
    cards = page.locator(".molecule")
    expect(cards).to_have_count(4, timeout=PATIENT)
    expect(cards.nth(0)).to_contain_text("title salicylate, batch 7")
    expect(cards.nth(0)).to_contain_text("Judged without CCN")
    expect(cards.nth(1)).to_contain_text("holds no carbon")
    expect(cards.nth(1)).to_contain_text("Its parent would be N.N.[Cl-].[Cl-].[Pt+2]")
    expect(cards.nth(2).locator(".domain.outside")).to_contain_text("Outside the domain")
    expect(page.locator("#panel-tox21")).to_contain_text("1 of them cannot be judged")
    cards.nth(3).get_by_role("button", name="Nearest compounds").click()
    expect(cards.nth(3).locator(".nearest li")).to_have_count(3, timeout=PATIENT)
    cards.nth(3).get_by_role("button", name="Why").click()
    expect(cards.nth(3).locator(".more")).to_contain_text("nitroaromatic", timeout=PATIENT)
    rows = saved(page, "Download CSV")
    assert [row["title"] for row in rows] == list(titles)
    assert [row["status"] for row in rows] == ["ok", "not_applicable", "ok", "ok"]
    assert rows[0]["parent"] == "O=C(O)c1ccccc1O"
    assert rows[2]["in_domain"] == "false"
    table = 'Compound;SMILES\n"ethanol; dry";CCO\nbroken;C1CC\n'
    drop(page, "#panel-tox21 .drop", "table.csv", table)
    page.get_by_role("button", name="Predict", exact=True).click()
    expect(cards).to_have_count(2, timeout=PATIENT)
    expect(cards.nth(0)).to_contain_text("Compound ethanol; dry")
    expect(cards.nth(1)).to_contain_text("unclosed ring")
    page.screenshot(path=tmp_path / "walk.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert [row["Compound"] for row in saved(page, "Download CSV")] == ["ethanol; dry", "broken"]


def test_what_is_no_text_is_named(visit) -> None:
    """It is not taken for molecules, line by line."""
    page = visit()
    page.get_by_role("tab", name="tox21").click(timeout=PATIENT)
    for text, words in (("PAR1\u0015", "is Parquet"), ("PK\u0003\u0004", "a zip archive")):
        drop(page, "#panel-tox21 .drop", "set.bin", text)
        expect(page.locator("#panel-tox21 .results")).to_contain_text(words)

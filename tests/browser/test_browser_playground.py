"""The user's half of the page: molecules typed, candidates dropped, results taken home."""

import csv
import io
import re

import pytest

from models.features.tabular.pulsar import NAMES
from tests.support import bundles
from tests.support.server import Server

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = sync_api.expect

PATIENT = 20_000


def drop(page, selector: str, name: str, text: str) -> None:
    """Drop a file, as the pointer would."""
    transfer = page.evaluate_handle(
        """([name, text]) => {
          const held = new DataTransfer();
          held.items.add(new File([text], name, {type: "text/csv"}));
          return held;
        }""",
        [name, text],
    )
    page.dispatch_event(selector, "drop", {"dataTransfer": transfer})


def saved(page, button: str) -> list[dict[str, str]]:
    """What a click downloads, as rows."""
    with page.expect_download() as download:
        page.get_by_role("button", name=button).locator("visible=true").click()
    text = download.value.path().read_text()
    return list(csv.DictReader(io.StringIO(text)))


def open_tab(visit, model: str, **options: object):
    """The page with a model's playground."""
    page = visit(**options)
    page.get_by_role("tab", name=model).click(timeout=PATIENT)
    return page


def test_molecules_are_drawn_with_their_probabilities(server: Server, visit) -> None:
    """Each line gets a picture, twelve bars with thresholds, a p-value; what is none says why."""
    page = open_tab(visit, "tox21")
    page.get_by_label("Molecules").fill("CCO\nCC[Na\nc1ccccc1O phenol\nCCN.Cl")
    page.get_by_role("button", name="Predict", exact=True).click()
    cards = page.locator(".molecule")
    expect(cards).to_have_count(4, timeout=PATIENT)
    expect(cards.nth(1)).to_contain_text("not a valid SMILES")
    expect(cards.nth(3)).to_contain_text("Judged without Cl")
    phenol = cards.nth(2)
    phenol.scroll_into_view_if_needed()
    image = phenol.get_by_role("img", name="Structure of c1ccccc1O")
    expect(image).to_be_visible(timeout=PATIENT)
    assert image.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
    expect(phenol.locator("tbody tr")).to_have_count(len(bundles.TARGETS))
    expect(phenol).to_contain_text(re.compile(r"p-value [\d.]+"))
    answer = server.client.post("/predict", json={"smiles": ["c1ccccc1O"]}).json()
    shown = phenol.locator("tbody tr").filter(has_text="SR-p53").locator(".amount").text_content()
    assert shown == f"{answer['predictions']['c1ccccc1O']['SR-p53']:.3f}"
    rows = saved(page, "Download CSV")
    assert [row["smiles"] for row in rows] == ["CCO", "CC[Na", "c1ccccc1O", "CCN.Cl"]
    assert float(rows[2]["probability_SR-p53"]) == pytest.approx(float(shown), abs=5e-4)
    assert rows[1]["error"]
    assert rows[1]["p_value"] == ""


def test_a_dropped_table_of_molecules_keeps_its_names(server: Server, visit) -> None:
    """Commas in quotes do not part it; each card and each row taken home has the table's columns."""
    page = open_tab(visit, "tox21")
    text = 'id\tcanonical_smiles\tname\tstatus\n7\tCCO\t"ethanol, dry"\told\n8\tCC[Na\tnone\t\n'
    drop(page, "#panel-tox21 .drop", "molecules.tsv", text)
    expect(page.locator("#panel-tox21")).to_contain_text("molecules.tsv")
    page.get_by_role("button", name="Predict", exact=True).click()
    cards = page.locator(".molecule")
    expect(cards).to_have_count(2, timeout=PATIENT)
    expect(cards.nth(0)).to_contain_text("id 7, name ethanol, dry, input_status old")
    expect(cards.nth(1)).to_contain_text("name none")
    expect(cards.nth(1)).to_contain_text("not a valid SMILES")
    expect(page.locator("#panel-tox21")).to_contain_text("SMILES are in the column canonical_smiles")
    expect(cards.nth(0).get_by_role("img", name="Structure of CCO")).to_be_visible(timeout=PATIENT)
    answer = server.client.post("/predict", json={"smiles": ["CCO"]}).json()
    rows = saved(page, "Download CSV")
    assert [(row["id"], row["name"], row["smiles"]) for row in rows] == [
        ("7", "ethanol, dry", "CCO"),
        ("8", "none", "CC[Na"),
    ]
    assert float(rows[0]["probability_SR-p53"]) == pytest.approx(
        answer["predictions"]["CCO"]["SR-p53"], abs=1e-6
    )


def test_an_example_and_an_empty_box(visit) -> None:
    """The example fills the box; without anything in it there is a sentence, and focus is there."""
    page = open_tab(visit, "tox21")
    page.get_by_label("Molecules").fill("")
    page.get_by_role("button", name="Predict", exact=True).click()
    expect(page.locator("#panel-tox21").get_by_role("alert")).to_contain_text("no molecule in the box")
    expect(page.get_by_label("Molecules")).to_be_focused()
    page.get_by_role("button", name="Use an example").locator("visible=true").click()
    page.get_by_role("button", name="Predict", exact=True).click()
    expect(page.locator(".molecule")).to_have_count(3, timeout=PATIENT)
    expect(page.locator(".molecule").nth(2)).to_contain_text("name bisphenol A")


def test_a_first_visit_has_something_to_ask(visit) -> None:
    """Both models have an example in the box; one click answers it, and names are kept."""
    page = open_tab(visit, "tox21")
    expect(page.get_by_label("Molecules")).to_have_value(re.compile("aspirin"))
    page.get_by_role("tab", name="htru2").click()
    page.get_by_role("button", name="Predict and rank").click()
    rows = page.locator("#panel-htru2 .results tbody tr")
    expect(rows).to_have_count(3, timeout=PATIENT)
    expect(rows.filter(has_text="like a pulsar")).to_have_count(1)
    page.get_by_label("Candidates").focus()
    page.keyboard.type("x")
    expect(page.get_by_label("Candidates")).to_have_value("x")


def test_dropped_candidates_are_ranked_and_downloadable(visit) -> None:
    """A file without a header, with the line ends of old, is taken by position and ranked."""
    page = open_tab(visit, "htru2")
    rows = bundles.candidates(40, seed=3).tolist()
    text = "\r".join(",".join(f"{value:.6f}" for value in row) + ",0" for row in rows)
    drop(page, "#panel-htru2 .drop", "candidates.csv", text)
    expect(page.locator("#panel-htru2")).to_contain_text("candidates.csv")
    page.get_by_role("button", name="Predict and rank").click()
    table = page.locator("#panel-htru2 .results tbody tr")
    expect(table).to_have_count(40, timeout=PATIENT)
    expect(page.locator("#panel-htru2")).to_contain_text("taken by position")
    ranked = [float(row.locator(".probability").text_content()) for row in table.all()]
    assert ranked == sorted(ranked, reverse=True)
    right = bundles.run(bundles.graph(), bundles.candidates(40, seed=3))["probability"][:, 0]
    assert ranked[0] == pytest.approx(float(right.max()), abs=1e-3)
    taken = saved(page, "Download CSV")
    assert len(taken) == 40
    assert [float(row["probability_pulsar"]) for row in taken] == pytest.approx(right.tolist(), abs=1e-4)
    assert taken[0]["extra_1"] == "0"


def test_a_bad_row_stays_in_its_place_and_a_bad_table_says_why(visit) -> None:
    """A row that cannot be read is listed last with its reason; a table without columns is refused."""
    page = open_tab(visit, "htru2", expected="status of 422")
    names = ",".join(NAMES)
    good = ",".join(map(str, bundles.candidates(1)[0].tolist()))
    box, run = page.get_by_label("Candidates"), page.get_by_role("button", name="Predict and rank")
    box.fill(f"{names}\noops,1,1,1,1,1,1,1\n{good}\n")
    run.click()
    rows = page.locator("#panel-htru2 .results tbody tr")
    expect(rows).to_have_count(2, timeout=PATIENT)
    expect(rows.nth(1).locator(".fault")).to_contain_text("profile_mean")
    box.fill("a,b\n1,2\n")
    run.click()
    expect(page.locator("#panel-htru2 .results .failure, #panel-htru2 .fault").first).to_be_visible()


def test_one_candidate_by_hand(server: Server, visit) -> None:
    """The form has a field for each column; its answer is the service's."""
    page = open_tab(visit, "htru2")
    page.get_by_text("Type one record").click()
    values = [round(value, 3) for value in bundles.candidates(1, seed=8)[0].tolist()]
    fields = page.locator(".fields input")
    expect(fields).to_have_count(8)
    for field, value in zip(fields.all(), values, strict=True):
        field.fill(str(value))
    page.get_by_role("button", name="Predict this one").click()
    answer = server.client.post("/predict", json={"model": "htru2", "inputs": [values]}).json()
    probability = answer["results"][0]["probability"]["pulsar"]
    expect(page.locator(".single")).to_contain_text(f"{probability:.3f}", timeout=PATIENT)


def test_what_is_typed_is_never_taken_for_markup(visit) -> None:
    """A SMILES that is HTML is shown as the text that it is."""
    page = open_tab(visit, "tox21")
    page.get_by_label("Molecules").fill("<img/src=x/onerror=document.title='taken'>")
    page.get_by_role("button", name="Predict", exact=True).click()
    expect(page.locator(".molecule.wrong .smiles")).to_have_text(
        "<img/src=x/onerror=document.title='taken'>"
    )
    assert page.title() != "taken"
    assert page.locator(".molecule.wrong img").count() == 0


def test_no_smiles_is_logged(server: Server, visit) -> None:
    """Neither predicting nor drawing leaves a molecule in the log."""
    page = open_tab(visit, "tox21")
    page.get_by_label("Molecules").fill("CCCCCCCCCCCCCCCCCI")
    page.get_by_role("button", name="Predict", exact=True).click()
    expect(page.locator(".molecule img")).to_be_visible(timeout=PATIENT)
    server.wait_for_line("request", route="/molecule.svg")
    assert not [line for line in server.lines() if "CCCCCCCCCCCCCCCCCI" in str(line)]
    assert server.errors() == ""

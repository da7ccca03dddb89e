"""Molecules over HTTP as chemists have them: SD files, lists of SMILES, tables by other names."""

import csv
import io
import json

import httpx
import pytest
from rdkit import Chem

from tests.service.conftest import App
from tests.support import bundles


@pytest.fixture
def with_molecules(with_app, tmp_path):
    """Return a function that runs a test's work with an application that serves a small tox21, too."""
    bundles.publish(tmp_path, name="tox21", kind=bundles.JUDGED_MOLECULES)
    return with_app


async def send(app: App, content: bytes, kind: str, query: str = "", accept: str = "") -> httpx.Response:
    """Send a file; return the answer, which is a success."""
    headers = {"content-type": kind} | ({"accept": accept} if accept else {})
    answer = await app.client.post(f"/predict{query}", content=content, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer


def rows_of(answer: httpx.Response) -> list[dict[str, str]]:
    """The rows of an answer in CSV."""
    assert answer.headers["content-type"].startswith("text/csv")
    return list(csv.DictReader(io.StringIO(answer.text)))


def test_an_sd_file_is_answered_as_its_smiles(with_molecules) -> None:
    """As CSV, or as what Accept names; title and data are carried."""
    blocks = [
        "ethanol" + Chem.MolToMolBlock(Chem.MolFromSmiles("CCO")) + "> <ID>\n7\n\n$$$$\n",
        "salt" + Chem.MolToMolBlock(Chem.MolFromSmiles("[K+].[Cl-]")) + "$$$$\n",
        "broken\n\n\nnonsense\nM  END\n$$$$\n",
    ]
    content = "".join(blocks).encode()

    async def work(app: App) -> None:
        rows = rows_of(await send(app, content, "chemical/x-mdl-sdfile"))
        assert [row["status"] for row in rows] == ["ok", "not_applicable", "error"]
        assert (rows[0]["title"], rows[0]["ID"], rows[0]["parent"]) == ("ethanol", "7", "CCO")
        answer = await send(app, content, "chemical/x-mdl-sdfile", accept="application/json")
        alone = (await app.predict(smiles=["CCO"])).json()["results"][0]
        result = answer.json()["results"][0]
        assert result["probability"] == alone["probability"]

    with_molecules(work)


def test_a_list_of_smiles_is_answered_with_its_names(with_molecules) -> None:
    """A molecule a line."""

    async def work(app: App) -> None:
        rows = rows_of(await send(app, b"CCO ethanol\nCC\n", "chemical/x-daylight-smiles"))
        assert [(row["smiles"], row["name"], row["status"]) for row in rows] == [
            ("CCO", "ethanol", "ok"),
            ("CC", "", "ok"),
        ]

    with_molecules(work)


def test_a_table_of_tabs_and_latin_1_is_answered(with_molecules) -> None:
    """In UTF-8, and of tabs; as CSV or NDJSON where it is asked for."""
    content = "Canonical_SMILES\tName\nCCO\tÄthanol\n".encode("latin-1")

    async def work(app: App) -> None:
        kinds = ("text/tab-separated-values", "text/csv; charset=iso-8859-1", "text/csv")
        for kind, sign in zip(kinds, "\t,,", strict=True):
            answer = await send(app, content, kind)
            assert answer.headers["content-type"].partition(";")[0] == kind.partition(";")[0]
            (row,) = csv.DictReader(answer.text.splitlines(), delimiter=sign)
            assert (row["Name"], row["parent"]) == ("Äthanol", "CCO")
        for wanted, start in (("text/csv", "Canonical_SMILES,Name,"), ("application/x-ndjson", "{")):
            headers = {"content-type": kinds[0], "accept": wanted}
            answer = await app.client.post("/predict", content=content, headers=headers)
            assert answer.headers["content-type"].startswith(wanted)
            assert answer.text.startswith(start)
        headers = {"accept": "text/tab-separated-values"}
        answer = await app.client.post("/predict", json={"smiles": ["CCO"]}, headers=headers)
        assert answer.text.startswith("smiles\tstatus\tparent\t")

    with_molecules(work)


def test_the_column_of_smiles_can_be_named(with_molecules) -> None:
    """In the query, for tables and for the objects of JSON."""

    async def work(app: App) -> None:
        query = "?smiles_column=Structure"
        (row,) = rows_of(await send(app, b"id,Structure\n1,CCO\n", "text/csv", query))
        assert row["parent"] == "CCO"
        answer = await app.client.post(
            f"/predict{query}", json={"smiles": [{"structure": "CCO", "id": 7}]}
        )
        (result,) = answer.json()["results"]
        assert (result["status"], result["id"]) == ("ok", 7)
        answer = await app.client.post(
            "/predict?model=htru2&smiles_column=x",
            content=b"x\n1\n",
            headers={"content-type": "text/csv"},
        )
        assert answer.status_code == 422
        assert "takes no SMILES" in answer.json()["error"]

    with_molecules(work)


@pytest.mark.parametrize("accept", ["text/csv", "application/x-ndjson"])
def test_a_scored_table_can_be_scored_again(with_molecules, accept: str) -> None:
    """Its columns of results are refused, left out, or get a prefix."""

    async def work(app: App) -> None:
        scored = (await send(app, b"id,smiles\n1,CCO\n2,CC\n", "text/csv", accept=accept)).content

        async def again(query: str) -> httpx.Response:
            headers = {"content-type": accept}
            return await app.client.post(f"/predict{query}", content=scored, headers=headers)

        refused = await again("")
        if accept == "text/csv":
            assert refused.status_code == 422
            assert "result_columns" in refused.json()["error"]
        replaced = await again("?result_columns=replace")
        assert replaced.content == scored
        prefixed = (await again("?result_columns=prefix")).text
        first = (
            next(csv.DictReader(io.StringIO(prefixed)))
            if accept == "text/csv"
            else json.loads(prefixed.splitlines()[0])
        )
        assert first["input_status"] == first["status"] == "ok"
        assert first["input_parent"] == "CCO"
        answer = await again("?result_columns=maybe")
        assert answer.status_code == 422

    with_molecules(work)

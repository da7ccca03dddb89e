"""``POST /explain``: atoms, alerts and nearest compounds; bounded, and no traffic."""

import xml.etree.ElementTree as ET

import numpy as np
import pytest
from rdkit import Chem

from service.inference.explanation.explainer import MOST_MOLECULES
from tests.service.conftest import App
from tests.support import bundles

KIND = bundles.JUDGED_MOLECULES
NITRO, SALT, INORGANIC, BAD = "O=[N+]([O-])c1ccccc1", "CC(=O)O[Na]", "[K+].[Cl-]", "C["


@pytest.fixture
def with_domain(with_app, tmp_path):
    """Return a function that runs a test's work with a service of a small tox21 that has a domain."""
    bundles.publish(tmp_path, name="tox21", kind=KIND, domain=bundles.domain_of(KIND))
    return with_app


async def explain(app: App, **body: object):
    """Post a body of these fields, by default of a target that there is."""
    return await app.client.post("/explain", json={"target": "SR-MMP"} | body)


def test_an_explanation_is_of_the_parent_and_its_logit(with_domain) -> None:
    """Numbers by atom, needed atoms with what is left without them, alerts, nearest, a picture."""

    async def work(app: App) -> None:
        document = (await explain(app, smiles=[NITRO])).json()
        assert {name: document[name] for name in ("model", "version", "target")} == {
            "model": "tox21", "version": "1", "target": "SR-MMP",
        }  # fmt: skip
        (result,) = document["results"]
        predicted = (await app.predict(smiles=[NITRO])).json()["results"][0]
        assert result["probability"] == pytest.approx(predicted["probability"]["SR-MMP"], abs=1e-6)
        assert result["call"] is predicted["call"]["SR-MMP"]
        shared = ("status", "parent", "domain", "warnings")
        assert [result.get(name) for name in shared] == [predicted.get(name) for name in shared]
        molecule = Chem.MolFromSmiles(result["parent"])
        symbols = [atom.GetSymbol() for atom in molecule.GetAtoms()]
        assert [atom["symbol"] for atom in result["atoms"]] == symbols
        assert np.isfinite([atom["contribution"] for atom in result["atoms"]]).all()
        assert "nitroaromatic" in [alert["name"] for alert in result["alerts"]]
        assert len(result["nearest"]) == 3
        assert ET.fromstring(result["svg"]).tag.endswith("svg")

    with_domain(work)


def test_the_needed_atoms_are_those_without_which_the_logit_is_lower(with_domain) -> None:
    """By what is predicted without them; none where no deletion lowers it."""

    async def work(app: App) -> None:
        found = []
        for target in bundles.TARGETS[:6]:
            (result,) = (await explain(app, smiles=[NITRO], target=target)).json()["results"]
            needed = result["needed"]
            if needed is not None:
                assert needed["logit_without"] < result["logit"]
                assert needed["probability_without"] < result["probability"]
                assert set(needed["atoms"]) < set(range(9))
            found.append(needed)
        assert any(found)

    with_domain(work)


def test_each_molecule_is_answered_by_itself(with_domain) -> None:
    """A salt by its parent; what cannot be read or judged, with the reason, beside the others."""

    async def work(app: App) -> None:
        smiles = [SALT, BAD, INORGANIC, "C" * 101]
        results = (await explain(app, smiles=smiles, nearest=0)).json()["results"]
        statuses = ["ok", "error", "not_applicable", "error"]
        assert [result["status"] for result in results] == statuses
        assert [result["smiles"] for result in results] == smiles
        assert results[0]["parent"] == "CC(=O)O"
        assert results[0]["nearest"] == []
        assert "carbon" in results[2]["message"]
        assert "100" in results[3]["message"]
        ignored = await explain(app, smiles=[INORGANIC], applicability="ignore")
        assert ignored.json()["results"][0]["status"] == "ok"

    with_domain(work)


def test_explaining_is_no_traffic(with_domain) -> None:
    """No row is counted, and no window of the activation health sees the deletions."""

    async def work(app: App) -> None:
        await explain(app, smiles=[NITRO])
        traffic = app.telemetry.traffic("tox21", 1)
        assert traffic.rows == 0
        health = (await app.client.get("/health/activations/tox21")).json()
        assert {window["rows"] for window in health["windows"].values()} == {0}

    with_domain(work)


def test_a_bundle_without_a_domain_is_explained(with_app, tmp_path) -> None:
    """Without nearest compounds."""
    bundles.publish(tmp_path, name="tox21", kind=bundles.MOLECULES)

    async def work(app: App) -> None:
        (result,) = (await explain(app, smiles=[NITRO])).json()["results"]
        assert (result["status"], result["nearest"]) == ("ok", [])
        assert "domain" not in result

    with_app(work)


@pytest.mark.parametrize(
    ("body", "status", "why"),
    [
        ({"smiles": [NITRO], "target": "SR-XYZ"}, 422, "SR-MMP"),
        ({"smiles": []}, 422, "empty"),
        ({"smiles": [NITRO] * (MOST_MOLECULES + 1)}, 413, "most is 5"),
        ({"smiles": [NITRO], "model": "htru2", "target": "pulsar"}, 422, "no atoms"),
        ({"smiles": [NITRO], "model": "other"}, 404, "no model"),
        ({"smiles": [NITRO], "version": "7"}, 404, "not loaded"),
        ({"smiles": NITRO}, 422, "smiles"),
        ({"smiles": [7]}, 422, "smiles"),
        ({"smiles": [NITRO], "nearest": 11}, 422, "nearest"),
        ({"smiles": [NITRO], "colour": "red"}, 422, "colour"),
        ({"smiles": ["C" * 200_000]}, 413, ""),
    ],
)
def test_what_cannot_be_explained_is_refused(with_domain, body: dict, status: int, why: str) -> None:
    """With the status and the sentence that other routes have."""

    async def work(app: App) -> None:
        answer = await explain(app, **body)
        assert answer.status_code == status, answer.text
        assert why in answer.json()["error"]
        assert {"error", "code", "request_id"} == set(answer.json())

    with_domain(work)


def test_a_deadline_ends_it(with_domain) -> None:
    """The next molecule is not begun."""

    async def work(app: App) -> None:
        answer = await app.client.post(
            "/explain",
            json={"smiles": [NITRO] * 5, "target": "SR-MMP"},
            headers={"x-request-timeout-ms": "1"},
        )
        assert answer.status_code == 504

    with_domain(work)

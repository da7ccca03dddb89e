"""Cut-offs that a request asks for, levels of assays, intervals: by every way into the service."""

import csv
import io
import json
from urllib.parse import quote

import numpy as np
import pytest

from tests.service.conftest import App
from tests.support import bundles

ROWS = bundles.candidates(60, seed=3)
HEADER = (
    "profile_mean,profile_stdev,profile_skewness,profile_kurtosis,"
    "dm_mean,dm_stdev,dm_skewness,dm_kurtosis"
)


def table() -> bytes:
    """The candidates as CSV."""
    return "\n".join([HEADER, *(",".join(map(repr, row)) for row in ROWS.tolist())]).encode()


@pytest.fixture
def with_decided(tmp_path, with_app):
    """Run work with an application whose htru2 and tox21 have all that decisions need."""
    bundles.publish(tmp_path, decided=True)
    bundles.publish(tmp_path, name="tox21", kind=bundles.JUDGED_MOLECULES, decided=True)
    return with_app


async def called(app: App, **body: object) -> tuple[dict[str, float], list[bool]]:
    """The thresholds that an answer states, and its calls."""
    answer = await app.predict(model="htru2", inputs=ROWS.tolist(), **body)
    assert answer.status_code == 200, answer.text
    document = answer.json()
    probability = [result["probability"]["pulsar"] for result in document["results"]]
    calls = [result["call"]["pulsar"] for result in document["results"]]
    threshold = document.get("thresholds", {"pulsar": 0.5})["pulsar"]
    assert calls == [value >= threshold for value in probability]
    return document.get("thresholds"), calls


def test_a_request_chooses_its_cut_off(with_decided) -> None:
    """By a probability, a recall or a rate, for all targets or by name; the answer says which it was."""

    async def work(app: App) -> None:
        assert (await called(app))[0] is None
        for asked, threshold in (
            ({"threshold": 0.2}, 0.2),
            ({"threshold": 1}, 1.0),
            ({"recall": 0.95}, 0.3),
            ({"fpr": 0.01}, 0.6),
            ({"recall": {"pulsar": 1}}, 0.05),
        ):
            stated, calls = await called(app, **asked)
            assert stated == {"pulsar": threshold}
            assert any(calls) == (threshold < 1)
        assert (await called(app))[0] is None  # the next request has the model's own

    with_decided(work)


def test_levels_are_the_models_own_whatever_is_asked_for(with_decided) -> None:
    """Of assays: low, elevated, active by two cut-offs; a request's own move the calls alone."""

    async def work(app: App) -> None:
        usual = (await app.predict(smiles=list(bundles.SMILES))).json()
        asked = (await app.predict(smiles=list(bundles.SMILES), threshold={"NR-AR": 0.0})).json()
        assert "thresholds" not in usual
        assert asked["thresholds"] == dict.fromkeys(bundles.TARGETS, 0.5) | {"NR-AR": 0.0}
        seen = set()
        for before, after in zip(usual["results"], asked["results"], strict=True):
            assert before["level"] == after["level"]
            assert after["call"] == before["call"] | {"NR-AR": True}
            for name, probability in before["probability"].items():
                level = "active" if probability >= 0.5 else "elevated" if probability >= 0.3 else "low"
                assert before["level"][name] == level
                assert before["call"][name] == (level == "active")
                seen.add(level)
        assert seen == {"low", "elevated", "active"}
        listed = await app.predict(model="tox21", inputs=["CCO"])
        assert set(listed.json()["results"][0]["level"]) == set(bundles.TARGETS)

    with_decided(work)


def test_models_that_are_no_assays_and_older_ones_have_calls_alone(with_app, tmp_path) -> None:
    """No level without two cut-offs in the manifest; a recall is refused with what is lacking."""
    bundles.publish(tmp_path, name="tox21", kind=bundles.JUDGED_MOLECULES)

    async def work(app: App) -> None:
        (result,) = (await app.predict(model="htru2", inputs=ROWS[:1].tolist())).json()["results"]
        assert "level" not in result
        assert "level" not in (await app.predict(smiles=["CCO"])).json()["results"][0]
        assert (await called(app, threshold=0.2))[0] == {"pulsar": 0.2}
        for asked in ({"recall": 0.9}, {"fpr": 0.1}):
            answer = await app.predict(model="htru2", inputs=ROWS[:1].tolist(), **asked)
            assert answer.status_code == 422
            assert "published without" in answer.json()["error"]
        answer = await app.predict(smiles=["CCO"], interval=True)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")

    with_app(work)


REFUSED = [
    ({"recall": 99}, "a share above 0 and up to 1"),
    ({"recall": 0}, "above 0"),
    ({"fpr": 0.0001}, "cannot be told from none"),
    ({"threshold": -0.1}, "a probability from 0 to 1"),
    ({"threshold": 0.5, "recall": 0.9}, "threshold and recall are asked for; one of"),
    ({"recall": {"NR-AR": 0.9}}, "has pulsar"),
    ({"recall": {}}, "names no target"),
]


@pytest.mark.parametrize(("asked", "reason"), REFUSED)
def test_what_is_no_cut_off_is_422_by_every_way(with_decided, asked: dict, reason: str) -> None:
    """In the body, the query and v2's parameters; the sentence says what may be asked for."""

    async def work(app: App) -> None:
        body = await app.predict(model="htru2", inputs=ROWS[:1].tolist(), **asked)
        query = "&".join(f"{name}={quote(json.dumps(value))}" for name, value in asked.items())
        headers = {"content-type": "text/csv"}
        sent = await app.client.post(f"/predict?model=htru2&{query}", content=table(), headers=headers)
        tensor = {"name": "features", "shape": [1, 8], "datatype": "FP32", "data": ROWS[0].tolist()}
        v2 = {"inputs": [tensor], "parameters": asked}
        inferred = await app.client.post("/v2/models/htru2/infer", json=v2)
        for answer in (body, sent, inferred):
            assert answer.status_code == 422, answer.text
            assert reason in answer.json()["error"]

    with_decided(work)


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("recall=many", "it is a number, or an object"),
        ("interval=yes", "'true' or 'false'"),
        ("threshold=true", "it is a number"),
        ("fpr=[1]", "it is a number"),
        ("recall=NaN", "number"),
    ],
)
def test_texts_that_are_no_numbers_are_refused(with_decided, query: str, reason: str) -> None:
    """In the query of a table."""

    async def work(app: App) -> None:
        answer = await app.client.post(
            f"/predict?model=htru2&{query}", content=table(), headers={"content-type": "text/csv"}
        )
        assert answer.status_code == 422, answer.text
        assert reason in answer.json()["error"]

    with_decided(work)


def test_body_and_query_may_not_differ(with_decided) -> None:
    """The same cut-off in both is one."""

    async def work(app: App) -> None:
        body = {"model": "htru2", "inputs": ROWS[:1].tolist(), "recall": 0.9}
        same = await app.client.post("/predict?recall=0.9", json=body)
        assert same.json()["thresholds"] == {"pulsar": 0.3}
        other = await app.client.post("/predict?recall=0.8", json=body)
        assert (other.status_code, "recall twice" in other.json()["error"]) == (422, True)

    with_decided(work)


@pytest.mark.parametrize("wanted", ["text/csv", "application/x-ndjson", "application/json"])
def test_tables_state_their_cut_offs_and_have_columns(with_decided, wanted: str) -> None:
    """The header names the thresholds; JSON has them in its document. Errors have empty cells."""

    async def work(app: App) -> None:
        query = "/predict?model=tox21&recall=0.95&interval=true"
        content = b"smiles\nCCO\nCC[Na\nc1ccccc1O\n"
        answer = await app.client.post(
            query, content=content, headers={"content-type": "text/csv", "accept": wanted}
        )
        assert answer.status_code == 200, answer.text
        expected = dict.fromkeys(bundles.TARGETS, 0.3)
        assert json.loads(answer.headers["x-thresholds"]) == expected
        if wanted == "text/csv":
            first, bad, _ = csv.DictReader(io.StringIO(answer.text))
            assert (first["call_NR-AR"] == "true") == (float(first["probability_NR-AR"]) >= 0.3)
            assert first["level_NR-AR"] in ("low", "elevated", "active")
            low, high = float(first["interval_low_NR-AR"]), float(first["interval_high_NR-AR"])
            assert low < float(first["probability_NR-AR"]) < high
            assert {bad[f"{name}_SR-p53"] for name in ("level", "interval_low", "call")} == {""}
            assert bad["error"]
        else:
            document = answer.json() if wanted == "application/json" else {"thresholds": expected}
            lines = answer.text.splitlines()
            results = document.get("results") or [json.loads(line) for line in lines]
            assert document["thresholds"] == expected
            assert [result["status"] for result in results] == ["ok", "error", "ok"]
            assert set(results[0]["level"]) == set(results[0]["interval"]) == set(bundles.TARGETS)

    with_decided(work)


def test_intervals_come_of_the_members_spread(with_decided) -> None:
    """Half of one is the factor times the members' deviation and the typical one, about the logit."""

    async def work(app: App) -> None:
        answer = await app.predict(model="htru2", inputs=ROWS.tolist(), interval=True)
        made = bundles.run_all(bundles.graph(), ROWS)
        variance = made["member_logit"][:, :, 0].var(axis=1, ddof=1)
        half = 1.5 * np.sqrt((variance + 0.2**2) / 2)
        logit = made["logit"][:, 0]
        expected = 1 / (1 + np.exp(-np.stack([logit - half, logit + half], axis=1)))
        found = [result["interval"]["pulsar"] for result in answer.json()["results"]]
        assert found == pytest.approx(expected.astype(float), abs=1e-6)
        plain = await app.predict(model="htru2", inputs=ROWS.tolist())
        assert all("interval" not in result for result in plain.json()["results"])

    with_decided(work)


def test_v2_gives_calls_levels_and_intervals_to_who_asks(with_decided) -> None:
    """Cut-offs set ``call``, which comes unasked where they are given; binary and as JSON."""

    async def work(app: App) -> None:
        tensor = {"name": "features", "shape": [60, 8], "datatype": "FP32", "data": ROWS.tolist()}
        body = {"inputs": [tensor], "parameters": {"recall": 0.95}}
        document = (await app.client.post("/v2/models/htru2/infer", json=body)).json()
        assert document["parameters"] == {"threshold_pulsar": 0.3}
        outputs = {output["name"]: output for output in document["outputs"]}
        assert list(outputs) == ["probability", "logit", "taps", "call"]
        assert outputs["call"]["datatype"] == "BOOL"
        assert outputs["call"]["data"] == [value >= 0.3 for value in outputs["probability"]["data"]]
        names = [{"name": "call", "parameters": {"binary_data": True}}, {"name": "interval"}]
        answer = await app.client.post("/v2/models/htru2/infer", json=body | {"outputs": names})
        length = int(answer.headers["inference-header-content-length"])
        call, interval = json.loads(answer.content[:length])["outputs"]
        assert list(answer.content[length:]) == list(map(int, outputs["call"]["data"]))
        assert (call["shape"], interval["shape"]) == ([60, 1], [60, 1, 2])

        smiles = {"name": "smiles", "shape": [2], "datatype": "BYTES", "data": ["CCO", "[Na+].[Cl-]"]}
        asked = {"inputs": [smiles], "outputs": [{"name": n} for n in ("level", "interval", "reason")]}
        level, interval, reason = (await app.client.post("/v2/models/tox21/infer", json=asked)).json()[
            "outputs"
        ]
        assert (level["shape"], interval["shape"], reason["shape"]) == ([2, 12], [2, 12, 2], [2])
        assert set(level["data"][:12]) <= {"low", "elevated", "active"}
        assert set(level["data"][12:]) == {""}
        assert set(interval["data"][24:]) == {None}
        assert "carbon" in reason["data"][1]

    with_decided(work)


def test_models_tell_their_figures_and_assays(with_decided) -> None:
    """Cut-offs, rates with intervals, counts, what an assay measures; and the card is served."""

    async def work(app: App) -> None:
        known = {one["model"]: one for one in (await app.client.get("/models")).json()["models"]}
        tox21, htru2 = known["tox21"], known["htru2"]
        assert tox21["cut_offs"] == ["threshold", "recall", "fpr"]
        assert tox21["intervals"] is True
        assert tox21["figures"]["parts"]["leaderboard"]["mean_auc"]["interval"] == [0.7, 0.9]
        first = tox21["targets"][0]
        assert (first["threshold"], first["elevated"]["threshold"]) == (0.5, 0.3)
        assert first["call"]["precision"] == {"value": 0.5, "interval": [0.4, 0.6]}
        assert first["prevalence"]["value"] == pytest.approx(20 / 220)
        assert first["prevalence"]["interval"][0] < 20 / 220 < first["prevalence"]["interval"][1]
        assert first["assay"]["cells"] == "HeLa"
        assert not {"elevated", "assay"} & set(htru2["targets"][0])
        card = await app.client.get("/models/tox21/card")
        assert (card.status_code, card.text) == (200, "# A small model for tests\n")
        assert card.headers["content-type"] == "text/markdown; charset=utf-8"
        assert (await app.client.get("/models/nothing/card")).status_code == 404

    with_decided(work)


def test_older_manifests_are_told_without_figures(with_app) -> None:
    """What a manifest lacks is null, and nothing fails."""

    async def work(app: App) -> None:
        (about,) = (await app.client.get("/models")).json()["models"]
        assert about["figures"] is None
        assert (about["cut_offs"], about["intervals"]) == (["threshold"], False)
        assert about["targets"] == [{"name": "pulsar", "threshold": 0.5}]

    with_app(work)

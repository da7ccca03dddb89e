"""Any request, sent in every format and on both paths: the same records have the same results."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest
import uvicorn
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from uvicorn.server import ServerState

from service.api.transport.fast_path import FastPath
from service.api.transport.protocol import HttpProtocol
from tests.service.api.routes.test_predict import NAMES
from tests.service.conftest import MAX_ROWS, App
from tests.support import bundles

GOOD = bundles.candidates(4, seed=7).tolist()

numbers = st.sampled_from([value for row in GOOD for value in row])
odd = st.sampled_from(
    [
        None,
        True,
        "1.5",
        "NaN",
        "",
        float("nan"),
        float("inf"),
        1e39,
        10**400,
        2**70,
        [1],
        {},
        -0.0,
        1e-320,
    ]
)
lists = st.lists(numbers | odd, min_size=7, max_size=9) | st.lists(numbers, min_size=8, max_size=8)
extra = st.dictionaries(
    st.sampled_from(["id", "note", "status", "smiles", "model"]), st.text(max_size=3) | odd, max_size=2
)


def _named(values: list, more: dict, missing: str | None) -> dict:
    return {k: v for k, v in zip(NAMES, values, strict=True) if k != missing} | more


named = st.builds(
    _named,
    st.lists(numbers | odd, min_size=8, max_size=8),
    extra,
    st.sampled_from([None, None, NAMES[0]]),
)
scalars = st.sampled_from(["text", 7, None, False, float("nan")])
candidates = st.lists(lists | named | scalars, min_size=1, max_size=6)
smiles = st.sampled_from([*bundles.SMILES, "CC[Na", "", "CCO.Cl"])
molecules = st.lists(
    smiles
    | st.builds(lambda text, more: more | {"smiles": text}, smiles | odd, extra)
    | extra
    | lists
    | scalars,
    min_size=1,
    max_size=6,
)


class Service:
    """The application on a socket, in a loop of its own thread."""

    def __init__(self, root) -> None:
        self.taken = 0
        self._ready, self._stop = threading.Event(), None
        self._root = root
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()))
        self._thread.start()
        self._ready.wait(60)
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}")

    async def _main(self) -> None:
        app = App(self._root)
        await app.reloader.poll()
        config = uvicorn.Config(
            app.asgi, lifespan="off", ws="none", log_config=None, proxy_headers=False
        )
        config.load()
        loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        protocol = lambda: HttpProtocol(config, ServerState(), {})  # noqa: E731
        async with await loop.create_server(protocol, "127.0.0.1", 0) as listener:
            self.port, self._loop = listener.sockets[0].getsockname()[1], loop
            self._ready.set()
            await self._stop.wait()
        await app.client.aclose()
        app.predictor.close()

    def close(self) -> None:
        """End the loop."""
        self.client.close()
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def ask(self, content: str | bytes, query: str = "", **headers: str) -> httpx.Response:
        """Post to ``/predict``; headers are named with underscores."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.post(f"/predict{query}", content=content, headers=named)


@pytest.fixture(scope="module")
def service(tmp_path_factory) -> Iterator[Service]:
    """A service of the small htru2 and a small tox21, which counts requests on the fast path."""
    root = tmp_path_factory.mktemp("models")
    bundles.publish(root)
    bundles.publish(root, name="tox21", kind=bundles.MOLECULES)
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        service = Service(root)
        stack.callback(service.close)
        begin = FastPath.begin

        def counted(*arguments):
            request = begin(*arguments)
            service.taken += request is not None
            return request

        patch.setattr(FastPath, "begin", counted)
        yield service


def check_same(results: list[dict], expected: list[dict], way: str) -> None:
    """Check that results say the same of their records, whatever else the records carry."""
    for result, wanted in zip(results, expected, strict=True):
        for name in ("status", "message", "call", "parent", "removed"):
            assert result.get(name) == wanted.get(name), way
        if wanted["status"] == "ok":  # batches of another size differ in the last digits
            assert result["probability"] == pytest.approx(wanted["probability"], abs=1e-6), way
            assert result["p_value"] == pytest.approx(wanted["p_value"], abs=5e-3), way


JSON, USUAL, NDJSON = "application/json", "application/json; charset=utf-8", "application/x-ndjson"


def every_way(service: Service, model: str, records: list) -> dict[str, list[dict]]:
    """The results of the records by each way that JSON and NDJSON have."""
    body = json.dumps({"model": model, "inputs": records})
    lines = "".join(json.dumps(record) + "\n" for record in records)
    answers = {
        "usual path": service.ask(body, content_type=USUAL),
        "fast path": service.ask(body, content_type=JSON),
        "JSON to NDJSON": service.ask(body, content_type=JSON, accept=NDJSON),
        "NDJSON": service.ask(lines, f"?model={model}", content_type=NDJSON),
        "NDJSON to JSON": service.ask(lines, f"?model={model}", content_type=NDJSON, accept=JSON),
    }
    assert {name: answer.status_code for name, answer in answers.items()} == dict.fromkeys(answers, 200)
    return {
        name: [json.loads(line) for line in answer.text.split("\n")[:-1]]
        if answer.headers["content-type"].startswith(NDJSON)
        else answer.json(parse_constant=pytest.fail)["results"]
        for name, answer in answers.items()
    }


_MANY = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@_MANY
@given(records=candidates)
def test_candidates_have_the_same_results_by_every_way(service: Service, records: list) -> None:
    """JSON on both paths and NDJSON agree on every record, in every format of the answer."""
    answers = every_way(service, "htru2", records)
    for name, results in answers.items():
        check_same(results, answers["usual path"], name)


@settings(_MANY, max_examples=60)
@given(records=molecules)
def test_molecules_have_the_same_results_by_every_way(service: Service, records: list) -> None:
    """As candidates; and ``smiles`` has the results of ``inputs``."""
    answers = every_way(service, "tox21", records)
    keyed = service.ask(json.dumps({"smiles": records}), content_type=JSON)
    answers["smiles"] = keyed.json()["results"]
    for name, results in answers.items():
        check_same(results, answers["usual path"], name)


@_MANY
@given(records=st.lists(st.lists(numbers, min_size=8, max_size=8), min_size=1, max_size=6))
def test_numbers_have_the_same_results_as_csv_and_on_the_fast_path(
    service: Service, records: list[list[float]]
) -> None:
    """A table of numbers is answered as the same numbers in JSON, which take the fast path."""
    table = "\n".join([",".join(NAMES), *(",".join(map(repr, record)) for record in records)])
    before = service.taken
    fast = service.ask(json.dumps({"model": "htru2", "inputs": records}), content_type=JSON)
    results = [fast.json()["results"]]
    for accept in (JSON, NDJSON):
        answer = service.ask(table, "?model=htru2", content_type="text/csv", accept=accept)
        lines = answer.text.split("\n")[:-1] if accept == NDJSON else ()
        results.append([json.loads(line) for line in lines] or answer.json()["results"])
    check_same(results[1], results[0], "CSV to JSON")
    check_same(results[2], results[0], "CSV to NDJSON")
    assert service.taken - before <= 1


def test_the_fast_path_is_taken(service: Service) -> None:
    """Plain numbers take it, so that the comparison above compares both paths."""
    before = service.taken
    for row in GOOD * 10:
        service.ask(json.dumps({"model": "htru2", "inputs": [row]}), content_type=JSON)
    assert service.taken > before


ROW = json.dumps(GOOD[0])


@pytest.mark.parametrize(
    ("status", "query", "headers"),
    [
        (404, "?model=nobody", {}),
        (422, "?model=htru2&model=htru2", {}),
        (422, "?model=htru2&mode=x", {}),
        (404, "?model=", {}),
        (404, "?model=htru2&version=2", {}),
        (404, "?model=htru2&version=", {}),
        (422, "?model=htru2&version=1&version=1", {}),
        (200, "?model=htru2&version=1", {}),
        (406, "?model=htru2", {"accept": "application/xml"}),
        (422, "?x", {}),
        (406, "?model=htru2", {"accept": "image/png"}),
        (
            406,
            "?model=htru2",
            {"accept": "*/*;q=0, application/xml"},
        ),
        (415, "?model=htru2", {"charset": "utf-16"}),
        (415, "?model=htru2", {"content_encoding": "br"}),
        (400, "?model=htru2", {"content_encoding": "gzip"}),
        (400, "?model=htru2", {"x_request_timeout_ms": "soon"}),
        (200, "?model=htru2", {}),
        (200, "?model=htru2", {"accept": ""}),
        (200, "?model=htru2", {"charset": "utf8"}),
        (200, "?model=htru2", {"boundary": "x"}),
    ],
)
def test_a_request_as_a_whole_has_the_same_status_by_every_way(
    service: Service, status: int, query: str, headers: dict[str, str]
) -> None:
    """Query, Accept, charset, encoding and time-out have one rule for JSON, NDJSON and CSV."""
    parameters = {name: headers[name] for name in ("charset", "boundary") if name in headers}
    rest = {name: value for name, value in headers.items() if name not in parameters}
    suffix = "".join(f"; {name}={value}" for name, value in parameters.items())
    bodies = {
        JSON: f'{{"inputs": [{ROW}]}}',
        NDJSON: ROW,
        "text/csv": ",".join(NAMES) + "\n" + ROW[1:-1],
    }
    for kind, body in bodies.items():
        answer = service.ask(body, query, content_type=kind + suffix, **rest)
        assert answer.status_code == status, (kind, answer.text)
        if status >= 400:
            assert set(answer.json()) == {"error", "code", "request_id"}


@pytest.mark.parametrize("accept", [JSON, NDJSON, "text/csv"])
@pytest.mark.parametrize(
    ("status", "body"),
    [
        (413, {"model": "htru2", "inputs": [[1]] * (MAX_ROWS + 1)}),
        (200, {"model": "htru2", "inputs": [[1]] * MAX_ROWS}),
        (413, {"smiles": [{}] * (MAX_ROWS + 1)}),
        (422, {"model": "htru2", "inputs": []}),
        (422, {"model": "htru2", "smiles": ["C"]}),
        (422, {"model": "htru2", "inputs": [GOOD[0]], "applicability": "maybe"}),
        (200, {"model": "htru2", "inputs": [GOOD[0]], "applicability": "ignore"}),
        (422, {"model": "htru2", "inputs": [GOOD[0]], "applicable": True}),
        (404, {"model": "", "inputs": [GOOD[0]]}),
        (404, {"model": "", "smiles": ["C"]}),
        (200, {"model": "htru2", "version": "1", "inputs": [GOOD[0]]}),
        (200, {"model": "htru2", "version": 1, "inputs": [GOOD[0]]}),
        (404, {"model": "htru2", "version": "2", "inputs": [GOOD[0]]}),
        (404, {"model": "htru2", "version": "", "inputs": [GOOD[0]]}),
        (404, {"smiles": ["C"], "version": 2}),
        (422, {"smiles": ["C"], "version": None}),
        (404, {"model": "nobody", "inputs": [GOOD[0]]}),
    ],
)
def test_a_json_body_has_the_same_status_whatever_its_answer_is(
    service: Service, status: int, body: dict, accept: str
) -> None:
    """Limits and rules are those of the request, not of the answer's format."""
    answer = service.ask(json.dumps(body), content_type=JSON, accept=accept)
    assert answer.status_code == status, answer.text[:300]


def test_the_model_of_the_query_is_that_of_a_body_without_one(service: Service) -> None:
    """A body may leave the model to the query, and is refused where the two differ."""
    assert service.ask(f'{{"inputs": [{ROW}]}}', "?model=htru2", content_type=JSON).status_code == 200
    both = service.ask(f'{{"model": "htru2", "inputs": [{ROW}]}}', "?model=tox21", content_type=JSON)
    assert both.status_code == 422
    assert "'htru2'" in both.json()["error"]


def test_a_torn_smiles_has_an_error_in_its_place_by_every_way(service: Service) -> None:
    """Its neighbours are answered; where its text is repeated, U+FFFD stands for the half."""
    answers = every_way(service, "tox21", ["CCO", "\ud800", "CC\udc00 CCO", "C"])
    keyed = service.ask('{"smiles": ["CCO", "\\ud800", "CC\\udc00 CCO", "C"]}', content_type=JSON).json()
    answers["smiles"] = keyed["results"]
    for name, results in answers.items():
        assert [result["status"] for result in results] == ["ok", "error", "error", "ok"], name
    assert keyed["predictions"]["\ufffd"] is None
    assert set(keyed["predictions"]) == {"CCO", "\ufffd", "CC\ufffd CCO", "C"}

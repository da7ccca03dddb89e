"""Health, integrity, statistics and metrics, before anything was predicted and after everything was."""

from collections.abc import Iterator

from tests.answers.corpus.predict import PULSAR
from tests.answers.request import SETTLE, Request, get, post_json, request

_MODELS = ("htru2", "tox21", "broken", "nosuch", "a%20b")
_METRICS = (
    "", "application/openmetrics-text", "application/openmetrics-text; version=1.0.0", "text/plain",
    "text/html", "text/plain; version=0.0.4; escaping=underscores", "text/plain;version=1.0.0",
)  # fmt: skip


_MOLECULES = ["CCO", "CC[Na", "c1ccccc1O", "CC(=O)Oc1ccccc1C(=O)O", "C" * 60, "[U]", "CCO.Cl", "CCO"]


def _look(when: str) -> Iterator[Request]:
    yield get(f"health:ready {when}", "/health/ready").but(settle=SETTLE)
    yield get(f"health:live {when}", "/health/live")
    yield get(f"health:healthz {when}", "/healthz")
    yield get(f"health:integrity twice {when}", "/health/integrity/htru2/htru2")
    yield get(f"activations:all {when}", "/health/activations").but(settle=SETTLE)
    for model in _MODELS:
        yield get(f"activations:{model} {when}", f"/health/activations/{model}")
        yield get(f"integrity:{model} {when}", f"/health/integrity/{model}")
    stream = get(f"stream:first event {when}", "/health/activations/stream")
    yield stream.but(fresh=True, events=2)
    typed = get(f"stream:accept {when}", "/health/activations/stream", ("accept", "text/event-stream"))
    yield typed.but(fresh=True, events=2)
    yield get(f"statistics:all {when}", "/v2/models/stats")
    for accept in _METRICS:
        asked = get(f"metrics:{accept} {when}", "/metrics", ("accept", accept))
        yield asked.but(
            settle=0.0 if accept else SETTLE
        )  # the streams before have been given up by then


def _once() -> Iterator[Request]:
    """One request for each model: sums of several are rounded by how they were gathered in time."""
    rows = [[value * (1 + row / 80) for value in PULSAR] for row in range(160)]
    yield post_json("activations:candidates", "/predict", {"model": "htru2", "inputs": rows})
    yield post_json("activations:molecules", "/predict", {"smiles": _MOLECULES})


def before() -> Iterator[Request]:
    """The first that is asked, then one request for each model, and the same again."""
    for each in _look("before"):
        yield each.but(exact=True)
    yield from _once()
    for each in _look("after one"):
        yield each.but(exact=True)
    for model in _MODELS:
        path = f"/health/activations/{model}/baseline"
        yield request(f"baseline:take {model} before", "POST", path)
        yield request(f"baseline:drop {model} before", "DELETE", path)


def after() -> Iterator[Request]:
    """What all the others left behind; a baseline is taken and dropped again."""
    yield from _look("after")
    for model in _MODELS:
        path = f"/health/activations/{model}/baseline"
        yield request(f"baseline:take {model} after", "POST", path)
        yield get(f"baseline:seen {model} after", f"/health/activations/{model}").but(settle=SETTLE)
        yield request(f"baseline:drop {model} after", "DELETE", path)
        yield request(f"baseline:drop {model} again", "DELETE", path)
        yield get(f"baseline:gone {model} after", f"/health/activations/{model}").but(settle=SETTLE)
        yield request(f"integrity:check {model}", "POST", f"/health/integrity/{model}")
    yield get("metrics:at the end", "/metrics").but(settle=SETTLE)

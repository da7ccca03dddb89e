"""Health, integrity, statistics and metrics, before anything was predicted and after everything was."""

from collections.abc import Iterator

from tests.answers.corpus.predict import PULSAR
from tests.answers.request import Request, get, post_json, request

_MODELS = ("htru2", "tox21", "broken", "nosuch", "a%20b")
#: What workers tell each other arrives within this many seconds.
SETTLE = 2.5
_METRICS = (
    "", "application/openmetrics-text", "application/openmetrics-text; version=1.0.0", "text/plain",
    "text/html", "text/plain; version=0.0.4; escaping=underscores", "text/plain;version=1.0.0",
)  # fmt: skip


_MIXED = ["CCO", "CC[Na", "c1ccccc1O", "CC(=O)Oc1ccccc1C(=O)O", "C" * 60, 5, "[U]", "CCO.Cl"]


def _look(when: str) -> Iterator[Request]:
    yield get(f"health:ready {when}", "/health/ready").but(settle=SETTLE)
    yield get(f"health:live {when}", "/health/live")
    yield get(f"health:healthz {when}", "/healthz")
    yield get(f"health:integrity twice {when}", "/health/integrity/htru2/htru2")
    yield get(f"activations:all {when}", "/health/activations")
    for model in _MODELS:
        yield get(f"activations:{model} {when}", f"/health/activations/{model}")
        yield get(f"integrity:{model} {when}", f"/health/integrity/{model}")
    stream = get(f"stream:first event {when}", "/health/activations/stream")
    yield stream.but(fresh=True, events=2)
    typed = get(f"stream:accept {when}", "/health/activations/stream", ("accept", "text/event-stream"))
    yield typed.but(fresh=True, events=2)
    yield get(f"statistics:all {when}", "/v2/models/stats")
    for accept in _METRICS:
        yield get(f"metrics:{accept} {when}", "/metrics", ("accept", accept))


def _burst() -> Iterator[Request]:
    """Traffic within one bucket, all by one connection and so by one worker."""
    for number in range(20):
        rows = [[value * (1 + number / 100 + row / 10) for value in PULSAR] for row in range(8)]
        asked = post_json(f"activations:burst {number:02}", "/predict", {"model": "htru2", "inputs": rows})
        yield asked.but(aligned=number == 0)
    for number in range(5):
        yield post_json(f"activations:burst of molecules {number}", "/predict", {"smiles": _MIXED[number:]})


def before() -> Iterator[Request]:
    """The first that is asked, then a little traffic, and the same again."""
    for each in _look("before"):
        yield each.but(exact=True)
    yield from _burst()
    for each in _look("after a burst"):
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

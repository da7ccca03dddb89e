"""What all calls of ``ModelInfer`` need: who serves, who may call, how long it may take, who counts."""

from dataclasses import dataclass
from time import perf_counter
from typing import Any

from service.api.auth.keys import KeyStore
from service.api.body.decoding import Limits
from service.api.context import RequestContext, finish
from service.api.transport.client_address import ClientAddress
from service.api.transport.head import RequestHead, begun
from service.grpc.calls import Headers, client_of
from service.grpc.core import Call
from service.grpc.messages import SERVICE
from service.inference.predictor import Predictor
from service.inference.served_models import ServedModels
from service.observability.counters import Telemetry
from service.observability.tracing import Tracing

#: The route's name in logs and metrics.
ROUTE = f"/{SERVICE}/ModelInfer"


@dataclass(frozen=True, slots=True)
class Entrance:
    """As ``create_app``.

    Without ``key_store`` no call needs a key, and without ``client_address`` the log has none.
    """

    served_models: ServedModels
    predictor: Predictor
    telemetry: Telemetry
    limits: Limits
    deadline_seconds: float
    key_store: KeyStore | None = None
    tracing: Tracing | None = None
    client_address: ClientAddress | None = None

    def context(self, head: RequestHead, headers: Headers, call: Call, started: float) -> RequestContext:
        """Return a call's context with its deadline: the client's, by gRPC or by metadata, or ours.

        Raises ``Problem`` 400 for a time-out that cannot be read.
        """
        known = head.synthetic or self.client_address is not None
        peer = client_of(call) if known else None
        context = begun(head, headers, peer, self.tracing)
        if self.client_address is not None:
            context.client = self.client_address(peer, headers)
        left, seconds = call.seconds_left(), head.seconds(self.deadline_seconds)
        assert seconds is not None
        context.deadline = started + (seconds if left is None else min(left, seconds))
        return context

    def finish(self, context: RequestContext, started: float, failure: dict[str, Any]) -> None:
        """Count and log a call that has been answered."""
        finish(self.telemetry, "POST", ROUTE, context, perf_counter() - started, failure)

"""A canary's share is the same by the fast path as by the usual one."""

import json

import pytest

from service.inference.trials.routing import Routing
from tests.service.api.transport.conftest import GOOD, body_of
from tests.service.conftest import App
from tests.support import bundles


@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=utf-8"])
def test_both_paths_choose_by_the_requests_id(with_server, tmp_path, content_type: str) -> None:
    """The answer names the version that the routing gives to its id, which is repeated in the answer."""

    async def work(app: App, server) -> None:
        version = bundles.publish(tmp_path, seed=1, promote=False)
        champion = app.served_models.get("htru2")
        challenger = app.reloader._worker.loader.load("htru2", version)
        for served in (champion, challenger):  # whatever else this machine computes, records are quick
            served.featurize_pace.expect = lambda _: 0.0
        routing = Routing(0.3, sticky=False, salt="ab" * 8)
        champion.trial.challenger, champion.trial.routing = challenger, routing
        async with server.client() as client:
            for number in range(60):
                sent = f"request-{number}"
                status, headers, body = await client.ask(
                    body_of(GOOD[0]), content_type=content_type, x_request_id=sent
                )
                assert (status, headers["x-request-id"]) == (200, sent)
                expected = version if routing.takes(sent.encode()) else 1
                assert json.loads(body)["version"] == str(expected)
        assert server.taken == (60 if content_type == "application/json" else 0)
        assert challenger.leases.count == 0
        champion.trial.challenger = champion.trial.routing = None
        challenger.lane.shutdown()

    with_server(work)

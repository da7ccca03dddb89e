"""The decision of the state machine alone: what one worker does next, by what it and others know."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from service.coordination.statuses import CutoverDecision
from service.lifecycle.state_machine import Failure, Load, Ready, State, next_step

FAILED = {2: Failure("broken", (), 0.0)}
READY = Ready(2, None, 0.1, 0.0)
#: Version 1 serves, and version 2 was promoted a moment ago.
PROMOTED = State("m", "serving", version=1, champion=2, previous=(1,), fresh=True)
STARTING = State("m", champion=2, previous=(1,), fresh=True)
WITHDRAWN = replace(STARTING, status="withdrawn")


def peers(*, alone: bool = False, serve: bool = True, refuse: bool = False, follow: bool = False):
    """Other workers, as a coordinator tells of them."""
    return SimpleNamespace(
        alone=alone,
        serves=lambda _: serve and not alone,
        refuses=lambda *_: refuse,
        can_follow=lambda *_: follow,
    )


@pytest.mark.parametrize(
    ("state", "agreed", "others", "step"),
    [
        (PROMOTED, 1, peers(), (2, "load")),
        (PROMOTED, 1, peers(refuse=True), (None, "stay")),
        (replace(PROMOTED, fresh=False), 1, peers(), (None, "stay")),
        (replace(PROMOTED, fresh=False, loading=Load(2, 0.0)), 1, peers(), (2, "load")),
        (replace(PROMOTED, failures=FAILED), 1, peers(), (None, "stay")),
        (replace(PROMOTED, ready=READY), 1, peers(), (2, "stay")),
        (replace(PROMOTED, ready=READY), 1, peers(follow=True), (2, "propose")),
        (replace(PROMOTED, ready=READY._replace(at=-99.0)), 1, peers(), (2, "propose")),
        (replace(PROMOTED, ready=READY), 2, peers(), (2, "serve")),
        (replace(PROMOTED, ready=READY), 2, peers(refuse=True), (2, "serve")),
        (replace(PROMOTED, ready=READY), None, peers(alone=True), (2, "serve")),
        (replace(PROMOTED, version=2), 1, peers(), (2, "propose at once")),
        (replace(PROMOTED, version=2), 2, peers(), (None, "stay")),
        (STARTING, 1, peers(), (1, "load")),
        (STARTING, 1, peers(serve=False), (2, "load")),
        (replace(STARTING, ready=READY), None, peers(serve=False), (2, "propose at once")),
        (replace(STARTING, failures=FAILED), None, peers(serve=False), (1, "load")),
        (replace(WITHDRAWN, failures=FAILED), None, peers(serve=False), (None, "stay")),
        (replace(STARTING, status="unloaded"), None, peers(), (None, "stay")),
        (replace(STARTING, status="unloaded", returning=True), None, peers(), (2, "load")),
    ],
)  # fmt: skip
def test_the_next_step(state: State, agreed: int | None, others, step: tuple) -> None:
    """Each situation has one step, and looking for it changes nothing."""
    before = replace(state)
    decision = None if agreed is None else CutoverDecision(agreed, 0.0)
    assert next_step(state, decision, others, now=1.0) == step
    assert state == before


def test_a_decision_is_followed_at_its_moment() -> None:
    """Before it the ready version waits."""
    state, decision = replace(PROMOTED, ready=READY), CutoverDecision(2, 5.0)
    assert next_step(state, decision, peers(), now=4.9) == (2, "wait")
    assert next_step(state, decision, peers(), now=5.0) == (2, "serve")

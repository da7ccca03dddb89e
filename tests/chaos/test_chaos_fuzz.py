"""The OpenAPI document, taken at its word by schemathesis."""

import json
from contextlib import suppress

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from service.api.routes.health.stream import PATH as STREAM
from tests.support.server import Server

#: Shape is not all: SMILES for a model of candidates are refused, and a list of seven numbers costs
#: its own place in an answer and no more.
_TOO_STRICT = [negative_data_rejection, positive_data_acceptance]

#: Requests of each kind, allowed and not, for each operation.
_EXAMPLES = 12


def test_what_the_document_allows_is_answered_and_the_rest_refused(server: Server) -> None:
    """No operation fails, answers with an undocumented status, or breaks its own schema."""
    document = json.loads(server.client.get("/openapi.json").content)
    faults = []
    for found in schemathesis.openapi.from_dict(document).get_all_operations():
        operation = found.ok()
        if operation.path == STREAM:  # whose answer has no end
            continue
        for mode in GenerationMode:
            # Nothing can be wrong with a request that has neither parameters nor a body.
            with suppress(Unsatisfiable):
                try:
                    _try(server, operation, mode)
                except BaseExceptionGroup as group:
                    faults.append((operation.label, mode.value, [str(e) for e in group.exceptions]))
    assert not faults, "\n".join(f"{label} ({mode}): {text}" for label, mode, text in faults)


def _try(server: Server, operation: schemathesis.APIOperation, mode: GenerationMode) -> None:
    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=_EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def check(case: schemathesis.Case) -> None:
        case.call_and_validate(base_url=server.address, timeout=20, excluded_checks=_TOO_STRICT)

    check()

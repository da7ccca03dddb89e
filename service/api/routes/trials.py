"""Trials of challengers: what was compared, and the steps that begin and end them.

``/health/trials`` tells of all workers. A step is taken in the repository and stands in the release log;
it needs a key of scope ``admin``.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Annotated

import msgspec
from fastapi import APIRouter, Path, Request, Response

from models.registry.releases import Releases
from models.registry.serving_state import Challenger, ServingState
from service.api.body.decoding import decode
from service.api.openapi import answers, json_response, request_body
from service.api.release_steps import WHY, asked, posted, taken
from service.api.schemas import Change, TrialChange
from service.api.specification.trials import (
    TrialAnswer,
    TrialBegun,
    TrialConcordance,
    TrialsAnswer,
    TrialTarget,
    TrialVersion,
)
from service.coordination.coordinator import WorkerCoordinator
from service.inference.served_models import ServedModel, ServedModels
from service.inference.trials.comparison import TrialSums, WatchedHealth
from service.observability.counters import Telemetry

_Name = Annotated[str, Path(max_length=64)]
_trial = msgspec.json.Decoder(TrialChange)


def routes(served_models: ServedModels, coordinator: WorkerCoordinator) -> APIRouter:
    """Return the routes that tell of trials."""
    router = APIRouter(prefix="/health/trials", tags=["health"])

    @router.get("", summary="The trial of every model's challenger", responses=answers(TrialsAnswer))
    async def trials() -> Response:
        counted = coordinator.whole().counted
        found = {
            name: await asyncio.to_thread(_document, state.served, coordinator, counted)
            for name, state in served_models.states().items()
            if state.served is not None
        }
        return json_response(TrialsAnswer(found))

    @router.get(
        "/{model}",
        summary="A model's challenger beside its champion, on the same rows",
        responses=answers(TrialAnswer, 404, 503),
    )
    async def trial(model: _Name) -> Response:
        served, counted = served_models.get(model), coordinator.whole().counted
        return json_response(await asyncio.to_thread(_document, served, coordinator, counted))

    return router


def steps(releases: Releases) -> APIRouter:
    """Return the routes that begin and end trials."""
    router = APIRouter(prefix="/models")
    described = answers(TrialBegun, 400, 403, 404, 409, 413, 422)

    @router.post(
        "/{model}/trial",
        summary="Try a version beside the champion: in its shadow, or for a share of the requests",
        responses=described,
        openapi_extra=request_body(TrialChange),
    )
    async def begin(model: _Name, request: Request) -> Response:
        by, content = await posted(request)
        wanted = decode(content, _trial)
        challenger = Challenger(wanted.version, wanted.share, wanted.sticky, wanted.auto)
        why = wanted.why or WHY
        before = (await asyncio.to_thread(releases.serving, model)).challenger
        replaced = None if before is None or before.version == wanted.version else before.version
        step = partial(releases.challenge, model, challenger, by, why)
        return await _changed(releases, model, step, replaced)

    @router.post(
        "/{model}/drop",
        summary="End the trial of a challenger; the champion serves on",
        responses=described,
        openapi_extra=request_body(Change, required=False),
    )
    async def drop(model: _Name, request: Request) -> Response:
        by, change = await asked(request)
        why = change.why or WHY
        return await _changed(releases, model, lambda: releases.drop(model, by, why, change.version))

    return router


async def _changed(
    releases: Releases, model: str, step: Callable[[], ServingState], replaced: int | None = None
) -> Response:
    """Take a step and answer with the versions, with a warning where it could not be logged."""
    serving, warning = await taken(releases, model, step)
    challenger = serving.challenger
    version = None if challenger is None else challenger.version
    return json_response(TrialBegun(model, serving.champion, version, replaced, warning))


def _document(served: ServedModel, coordinator: WorkerCoordinator, counted: Telemetry) -> TrialAnswer:
    name, on_trial = served.manifest.name, served.trial
    wanted, sums = on_trial.wanted, coordinator.trial(name)
    finding = coordinator.findings.get(name)
    champion_health, challenger_health = (None, None) if sums is None else sums.health
    concordance = None if sums is None else sums.agreement.concordance()
    challenger = on_trial.challenger
    kind = None if wanted is None else "canary" if wanted.share else "shadow"
    return TrialAnswer(
        model=name,
        kind=kind,  # type: ignore[arg-type]
        share=0.0 if wanted is None else wanted.share,
        sticky=wanted is not None and wanted.sticky,
        auto=wanted is not None and wanted.auto,
        champion=_version(served, champion_health, sums, 0, counted),
        challenger=None
        if challenger is None
        else _version(challenger, challenger_health, sums, 1, counted),
        rows=0 if sums is None else sums.agreement.rows,
        requests=0 if sums is None else sums.agreement.requests,
        shed=0 if sums is None else sums.agreement.shed,
        concordance=None
        if concordance is None
        else TrialConcordance(concordance.value, concordance.low, concordance.high),
        targets=[] if sums is None else _targets(served, sums),
        fault=None if finding is None else finding.fault,
        waits=None if finding is None else finding.waits,
        error=coordinator.trial_errors.get(name),
    )


def _version(
    served: ServedModel,
    health: WatchedHealth | None,
    sums: TrialSums | None,
    side: int,
    counted: Telemetry,
) -> TrialVersion:
    traffic = counted.traffic(served.manifest.name, served.manifest.version)
    answered = traffic.succeeded.count
    compared = sums is not None and sums.agreement.rows > 0
    return TrialVersion(
        version=str(served.manifest.version),
        verdict=None if health is None else health.verdict,
        reason=None if health is None else health.reason,
        effect=None if health is None else health.effect,
        seconds_per_row=sums.agreement.seconds[side] / sums.agreement.rows
        if sums is not None and compared
        else None,
        requests=answered,
        failed=traffic.inferences_failed,
        mean_seconds=traffic.succeeded.seconds / answered if answered else None,
    )


def _targets(served: ServedModel, sums: TrialSums) -> list[TrialTarget]:
    agreement = sums.agreement
    rows = max(agreement.rows - agreement.not_finite, 1)
    return [
        TrialTarget(name, float(gap) / rows, float(largest), int(called))
        for name, gap, largest, called in zip(
            served.targets, agreement.gaps, agreement.largest, agreement.called, strict=True
        )
    ]

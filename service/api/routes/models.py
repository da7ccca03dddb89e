"""``GET /models``: what each model takes and returns; ``GET /metadata``: the molecule model."""

from fastapi import APIRouter, Response

from service.api.body.decoding import DEFAULT_SMILES_MODEL
from service.api.openapi import answers, json_response
from service.api.schemas import About, AboutAnswer, AboutTarget, Column, Metadata
from service.inference.served_models import ServedModel, ServedModels


def routes(served_models: ServedModels, max_rows: int) -> APIRouter:
    """Return the routes; ``max_rows`` is the most records of a request."""
    router = APIRouter(tags=["predict"])

    @router.get(
        "/metadata",
        summary="The molecule model, as the Tox21 leaderboard asks",
        responses=answers(Metadata, 404, 503),
    )
    async def metadata() -> Response:
        served = served_models.get(DEFAULT_SMILES_MODEL)
        name, version = served.manifest.name, str(served.manifest.version)
        return json_response(Metadata(name, version, max_rows, list(served.targets)))

    @router.get("/models", summary="What each model takes and gives", responses=answers(AboutAnswer))
    async def models() -> Response:
        states = served_models.states().values()
        known = [_about(state.served) for state in states if state.served is not None]
        return json_response(AboutAnswer(known))

    return router


def _about(served: ServedModel) -> About:
    manifest = served.manifest
    targets = zip(served.targets, served.thresholds.tolist(), strict=True)
    return About(
        model=manifest.name,
        version=str(manifest.version),
        task=manifest.task,
        description=manifest.description,
        created=manifest.created.isoformat(timespec="seconds"),
        columns=None if served.takes_smiles else _columns(served),
        targets=[AboutTarget(name=name, threshold=threshold) for name, threshold in targets],
        threshold_rule=manifest.threshold_rule,
        members=len(manifest.members),
        widths=list(manifest.widths),
    )


def _columns(served: ServedModel) -> list[Column]:
    """Return a record's columns; a table's schema says which are optional, and its categories."""
    featurizer = served.bundle.featurizer
    schema = featurizer.parameters.get("columns")
    described = {column["name"]: column for column in schema} if isinstance(schema, list) else {}
    return [
        Column(
            name=name,
            kind="text" if name in featurizer.texts else "number",
            optional=bool(described.get(name, {}).get("optional", False)),
            values=described.get(name, {}).get("values"),
        )
        for name in featurizer.fields
    ]

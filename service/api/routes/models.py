"""``GET /models``: what each served model takes and gives, for whoever builds a form for it."""

from fastapi import APIRouter, Response

from service.api.openapi import answers, json_response
from service.api.schemas import About, AboutAnswer, AboutTarget, Column
from service.inference.served_models import ServedModel, ServedModels


def routes(served_models: ServedModels) -> APIRouter:
    """The one route."""
    router = APIRouter(tags=["predict"])

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
    """A record's values; plain tables also say which may be missing and what a category may be."""
    featurizer = served.bundle.featurizer
    schema = featurizer.parameters.get("columns")
    told = {one["name"]: one for one in schema} if isinstance(schema, list) else {}
    return [
        Column(
            name=name,
            kind="text" if name in featurizer.texts else "number",
            optional=bool(told.get(name, {}).get("optional", False)),
            values=told.get(name, {}).get("values"),
        )
        for name in featurizer.fields
    ]

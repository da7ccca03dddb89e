"""``GET /models`` and cards: what each model is; ``GET /metadata``: the molecule model."""

from fastapi import APIRouter, Response
from msgspec import UNSET

from models.bundle.cutoffs import By
from service.api.body.decoding import DEFAULT_SMILES_MODEL
from service.api.openapi import answers, json_response
from service.api.routes.model_figures import figures_of, quantity_of, target_of
from service.api.routes.model_schemas import About, AboutAnswer, Column
from service.api.schemas import Metadata
from service.inference.served_models import ServedModel, ServedModels

_MARKDOWN = "text/markdown"


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

    @router.get(
        "/models/{model}/card",
        summary="A model's card: what it is, how good, for what, and how it was made",
        response_class=Response,
        responses=answers(None, 404, 503)
        | {200: {"description": "Markdown.", "content": {_MARKDOWN: {"schema": {"type": "string"}}}}},
    )
    async def card(model: str) -> Response:
        return Response(served_models.get(model).bundle.card, media_type=_MARKDOWN)

    return router


def _about(served: ServedModel) -> About:
    manifest = served.manifest
    return About(
        model=manifest.name,
        version=str(manifest.version),
        task=manifest.task,
        description=manifest.description,
        created=manifest.created.isoformat(timespec="seconds"),
        columns=None if served.takes_smiles else _columns(served),
        targets=[target_of(manifest, target) for target in manifest.targets],
        threshold_rule=manifest.threshold_rule,
        figures=figures_of(manifest),
        cut_offs=_cut_offs(served),
        intervals=manifest.has_intervals,
        members=len(manifest.members),
        widths=list(manifest.widths),
        quantities=[quantity_of(manifest, each) for each in manifest.quantities] or UNSET,
    )


def _cut_offs(served: ServedModel) -> list[By]:
    if served.manifest.exclusive or served.manifest.is_regression:
        return []
    return ["threshold"] if served.bundle.curves is None else ["threshold", "recall", "fpr"]


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

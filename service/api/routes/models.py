"""``GET /models``: what each served model takes and gives, for whoever builds a form for it."""

from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from service.inference.served_models import ServedModel, ServedModels


class Column(BaseModel):
    """One value of a record; ``values`` are those of a category, if the model names them."""

    name: str
    kind: Literal["number", "text"]
    optional: bool
    values: list[str] | None


class AboutTarget(BaseModel):
    """One output, and the probability from which it is called positive."""

    name: str
    threshold: float


class About(BaseModel):
    """One model. ``columns`` is null where a record is a SMILES."""

    model: str
    version: str
    task: str
    description: str
    created: str
    columns: list[Column] | None
    targets: list[AboutTarget]
    threshold_rule: str
    members: int
    widths: Annotated[
        list[int],
        Field(description="Units of each hidden layer; of the widest member where they differ."),
    ]


class AboutAnswer(BaseModel):
    """Every model that this worker serves now."""

    models: list[About]


def routes(served_models: ServedModels) -> APIRouter:
    """The one route."""
    router = APIRouter(tags=["predict"])

    @router.get("/models", summary="What each model takes and gives")
    async def models() -> AboutAnswer:
        states = served_models.states().values()
        return AboutAnswer(models=[_about(state.served) for state in states if state.served is not None])

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

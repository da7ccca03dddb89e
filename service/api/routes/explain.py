"""``POST /explain``: which atoms a prediction comes from, as numbers and as a picture."""

import asyncio
from math import exp

import msgspec
from fastapi import APIRouter, Request, Response
from rdkit import Chem

from models.explanation.attribution import Attribution
from models.features.molecules.rdkit_log import captured_rdkit_log
from models.features.molecules.reading import MAX_CHARACTERS
from service.api.body.decoding import DEFAULT_SMILES_MODEL, decode, read_json
from service.api.context import context_of
from service.api.openapi import answers, json_response, request_body
from service.api.result_schemas import ExplainAnswer
from service.api.routes.molecule_svg import drawing_library, new_drawer
from service.api.schemas import ExplainRequest
from service.errors import DrawingUnavailable
from service.inference.explanation.explainer import MOST_MOLECULES, Explained, Explainer, Unexplained
from service.inference.predictor import Predictor
from service.inference.served_models import ServedModel

PATH = "/explain"

_MOST_BYTES = 8 * MAX_CHARACTERS * MOST_MOLECULES + 4096  # every character may be escaped
#: Atoms that raise the logit are orange, those that lower it blue; both can be told by the colour-blind.
_RAISES, _LOWERS = (0.96, 0.55, 0.15), (0.25, 0.55, 0.95)
_PLACES = 4

_DESCRIPTION = (
    f"At most {MOST_MOLECULES} molecules and one target. `atoms` are those of `parent`, in its order,"
    " each with about how much the logit falls if it is deleted. `needed` are the connected atoms whose"
    " deletion lowers the logit most. `alerts` are facts about the structure, no predictions."
)
_decoder = msgspec.json.Decoder(ExplainRequest)


def routes(predictor: Predictor, explainer: Explainer) -> APIRouter:
    """Return the route."""
    router = APIRouter(tags=["predict"])

    @router.post(
        PATH,
        summary="Explain a prediction by its atoms",
        description=_DESCRIPTION,
        openapi_extra=request_body(ExplainRequest),
        responses=answers(ExplainAnswer, 400, 404, 408, 413, 415, 422, 429, 503, 504),
    )
    async def explain(request: Request) -> Response:
        context = context_of(request.scope)
        asked = decode(await read_json(request.scope, request.receive, _MOST_BYTES), _decoder)
        version = None if asked.version is None else str(asked.version)
        served = predictor.model(asked.model or DEFAULT_SMILES_MODEL).of_version(version)
        context.model, context.rows = served.label, len(asked.smiles)
        applicability = asked.applicability or predictor.applicability
        found = await explainer.explain(
            served,
            asked.smiles,
            asked.target,
            asked.nearest,
            context.deadline,
            ignore_applicability=applicability == "ignore",
        )
        results = await asyncio.to_thread(_results, served, asked, found)
        manifest = served.manifest
        return json_response(
            {
                "model": manifest.name,
                "version": str(manifest.version),
                "target": asked.target,
                "results": results,
            }
        )

    return router


def _results(
    served: ServedModel, asked: ExplainRequest, found: list[Explained | Unexplained]
) -> list[dict[str, object]]:
    threshold = float(served.decision.thresholds[served.targets.index(asked.target)])
    results: list[dict[str, object]] = []
    for smiles, one in zip(asked.smiles, found, strict=True):
        if isinstance(one, Unexplained):
            results.append(
                {"status": one.status, "smiles": smiles, "message": one.message, **one.details}
            )
        else:
            told = _told(one, threshold, dark=asked.dark)
            results.append({"status": "ok", "smiles": smiles, **one.details, **told})
    return results


def _told(one: Explained, threshold: float, *, dark: bool) -> dict[str, object]:
    attribution = one.attribution
    probability = _probability(attribution.logit)
    symbols = [atom.GetSymbol() for atom in one.molecule.GetAtoms()]
    contributions = attribution.contributions.round(_PLACES).tolist()
    needed = None
    if attribution.without_needed is not None:
        needed = {
            "atoms": list(attribution.needed),
            "logit_without": round(attribution.without_needed, _PLACES),
            "probability_without": round(_probability(attribution.without_needed), 9),
        }
    return {
        "logit": round(attribution.logit, _PLACES),
        "probability": round(probability, 9),
        "call": probability >= threshold,
        "atoms": [
            {"symbol": symbol, "contribution": contribution}
            for symbol, contribution in zip(symbols, contributions, strict=True)
        ],
        "needed": needed,
        "alerts": [
            {"name": alert.name, "source": alert.source, "places": [list(p) for p in alert.places]}
            for alert in one.alerts
        ],
        "nearest": one.nearest,
        "svg": contributions_svg(one.molecule, attribution, dark=dark),
    }


def _probability(logit: float) -> float:
    return 1 / (1 + exp(-logit)) if logit > -700 else 0.0


def contributions_svg(molecule: Chem.Mol, attribution: Attribution, *, dark: bool = False) -> str | None:
    """Draw a parent with its atoms coloured by their contributions; None where nothing can be drawn."""
    try:
        library = drawing_library()
    except DrawingUnavailable:
        return None
    contributions = attribution.contributions
    largest = max(float(abs(contributions).max()), 1e-9)
    colours: dict[int, tuple[float, ...]] = {}
    for index, value in enumerate(contributions.tolist()):
        strength = min(abs(value) / largest, 1.0)
        if strength > 0.05:
            colours[index] = (*(_RAISES if value > 0 else _LOWERS), 0.75 * strength)
    needed = set(attribution.needed)
    bonds = [
        bond.GetIdx()
        for bond in molecule.GetBonds()
        if bond.GetBeginAtomIdx() in needed and bond.GetEndAtomIdx() in needed
    ]
    drawer = new_drawer(library, dark=dark)
    options = drawer.drawOptions()
    options.fillHighlights = True
    options.highlightBondWidthMultiplier = 8
    try:
        with captured_rdkit_log():
            drawer.DrawMolecule(
                library.PrepareMolForDrawing(molecule),
                highlightAtoms=list(colours),
                highlightAtomColors=colours,
                highlightBonds=bonds,
                highlightBondColors=dict.fromkeys(bonds, (*_RAISES, 0.35)),
            )
    except (RuntimeError, ValueError):  # a failed invariant inside RDKit
        return None
    drawer.FinishDrawing()
    return str(drawer.GetDrawingText())

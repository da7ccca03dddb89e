"""A served model's tensors, versions and platform in the protocol's terms."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.features import NotApplicable, Outcome
from models.networks.outputs import DOUBLES, INPUT, TAPS
from service.inference.answers.decision import Decision
from service.inference.queue import Outputs
from service.inference.results import LEVELS, intervals_of, levels_of, shown
from service.inference.served_models import ServedModel, ServedModels
from service.tables.schema import Reader, RecordSchema, readers

#: "Platforms" of the Open Inference Protocol: ONNX, by <project>_<format>.
PLATFORM = "onnx_onnxv1"

_SMILES = "smiles"
#: The output that says why a row is not applicable: BYTES ``[-1]``, empty for the other rows.
REASON = "reason"
#: The outputs that the service makes of the graph's by a request's cut-offs, for who asks. They stand in
#: no metadata.
CALL, LEVEL, INTERVAL = "call", "level", "interval"
#: The outputs that tell how near a molecule is to what the model learned from, for who asks.
SIMILARITY, IN_DOMAIN = "similarity", "in_domain"
#: The output that marks rows whose numbers are beyond their bounds, for who asks.
SUSPECT = "suspect"


@dataclass(frozen=True, slots=True)
class Interface:
    """A model's one input, and its outputs' shapes after the rows.

    ``columns`` is None for an input of SMILES, which is BYTES of shape ``[-1]`` or ``[-1, 1]``;
    otherwise it is FP32 of shape ``[-1, columns]``, or where the table has columns of categories
    BYTES of that shape: each element is a cell as CSV has it, and ``readers`` say how it is read.
    """

    input_name: str
    columns: int | None
    readers: tuple[Reader, ...]
    outputs: dict[str, list[int]]
    #: The outputs of text, which are sent only to who asks for them.
    texts: tuple[str, ...] = ()

    @property
    def datatype(self) -> str:
        """The datatype of the input."""
        return "BYTES" if self.columns is None or self.readers else "FP32"


def interface_of(served: ServedModel) -> Interface:
    """Describe a served model's tensors."""
    manifest = served.manifest
    targets = len(manifest.target_names)
    answer = [targets, 2] if manifest.is_regression else [targets]
    shapes = [[targets], answer, [len(manifest.members), manifest.layers, 3]]
    outputs = dict(zip(manifest.outputs, shapes, strict=True))
    if served.monitor is None:
        del outputs[TAPS]
    if served.takes_smiles:
        judges = served.bundle.featurizer.judges_applicability
        return Interface(_SMILES, None, (), outputs, (REASON,) if judges else ())
    form = RecordSchema.of(served.bundle.featurizer)
    cells = readers(form) if form.texts else ()
    return Interface(INPUT, len(form.names or ()), cells, outputs)


def datatype_of(output: str) -> str:
    """The datatype of one of the graph's outputs."""
    return "FP64" if output in DOUBLES else "FP32"


def find(served_models: ServedModels, name: str, version: str | None) -> ServedModel:
    """Return the served model of this name, and of this version unless that is None.

    Raises ``ModelNotFound``, ``VersionNotFound`` or ``ModelNotReady``.
    """
    return served_models.get(name).of_version(version)


def names_of(served: ServedModel) -> tuple[str, ...]:
    """The outputs that a model can be asked for; those of classes and quantities have no cut-off."""
    near: tuple[str, ...] = (SUSPECT,) if served.bundle.marks_rows else ()
    near += () if served.bundle.featurizer.domain is None else (SIMILARITY, IN_DOMAIN)
    if served.manifest.exclusive or served.manifest.is_regression:
        return near
    levels = (LEVEL,) if served.decision.levels is not None else ()
    intervals = (INTERVAL,) if served.manifest.has_intervals else ()
    return (CALL, *levels, *intervals, *near)


def domains(names: Iterable[str], outcomes: Sequence[Outcome]) -> dict[str, NDArray[Any]]:
    """Return ``similarity``, FP32, and ``in_domain``, BOOL, of shape ``(n,)``, where they are named."""
    kinds = {SIMILARITY: np.float32, IN_DOMAIN: np.bool_}
    named = [name for name in names if name in kinds]
    if not named:
        return {}
    told: list[Any] = [
        getattr(outcome, "details", {}).get("domain", {SIMILARITY: np.nan, IN_DOMAIN: False})
        for outcome in outcomes
    ]
    return {name: np.array([one[name] for one in told], kinds[name]) for name in named}


def suspects(
    names: Iterable[str], outputs: Outputs, outcomes: Sequence[Outcome]
) -> dict[str, NDArray[Any]]:
    """Return ``suspect``, BOOL ``(n,)``, where it is named; false of a record that is not applicable."""
    if SUSPECT not in names:
        return {}
    marked = np.zeros(len(outcomes), np.bool_)
    if SUSPECT in outputs:
        applies = [not isinstance(outcome, NotApplicable) for outcome in outcomes]
        marked[np.array(applies)] = outputs[SUSPECT] > 0
    return {SUSPECT: marked}


def decided(
    names: Iterable[str], decision: Decision, outputs: Outputs, outcomes: Sequence[Outcome]
) -> dict[str, NDArray[Any]]:
    """Return the outputs of these names: BOOL and texts ``(n, T)``, FP32 ``(n, T, 2)``.

    Of a record that is not applicable ``call`` is masked, which is null in JSON and false in bytes,
    ``level`` is empty and ``interval`` NaN. Raises what ``intervals_of`` raises.
    """
    wanted = [name for name in names if name in (CALL, LEVEL, INTERVAL)]
    if not wanted or decision.decimals is not None:  # the graph gives the intervals of quantities
        return {}
    applies = np.array([not isinstance(outcome, NotApplicable) for outcome in outcomes])
    count, targets = len(outcomes), len(decision.thresholds)
    empty: dict[str, NDArray[Any]] = {
        CALL: np.zeros((count, targets), np.bool_),
        LEVEL: np.full((count, targets), "", object),
        INTERVAL: np.full((count, targets, 2), np.nan, np.float32),
    }
    made = {name: empty[name] for name in wanted}
    if applies.any():
        rounded, calls = shown(outputs["probability"], decision.thresholds, False)
        if CALL in made:
            made[CALL][applies] = calls
        if LEVEL in made and decision.levels is not None:
            made[LEVEL][applies] = np.array(LEVELS, object)[levels_of(rounded, decision.levels)]
        if INTERVAL in made and decision.spread is not None:
            made[INTERVAL][applies] = intervals_of(outputs, decision.spread)
    if CALL in made and not applies.all():
        mask = np.repeat(~applies[:, None], targets, axis=1)
        made[CALL] = np.ma.MaskedArray(made[CALL], mask, fill_value=False)
    return made

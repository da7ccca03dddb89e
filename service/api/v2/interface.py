"""A served model's tensors, versions and platform in the protocol's terms."""

from dataclasses import dataclass

from models.networks.outputs import INPUT, OUTPUTS, TAPS
from service.inference.served_models import ServedModel, ServedModels
from service.tables.schema import Reader, RecordSchema, readers

#: "Platforms" of the Open Inference Protocol: ONNX, by <project>_<format>.
PLATFORM = "onnx_onnxv1"

_SMILES = "smiles"
#: The output that says why a row is not applicable: BYTES ``[-1]``, empty for the other rows.
REASON = "reason"


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
    targets = len(manifest.targets)
    shapes = [[targets], [targets], [len(manifest.members), manifest.layers, 3]]
    outputs = dict(zip(OUTPUTS, shapes, strict=True))
    if served.monitor is None:
        del outputs[TAPS]
    if served.takes_smiles:
        judges = served.bundle.featurizer.judges_applicability
        return Interface(_SMILES, None, (), outputs, (REASON,) if judges else ())
    form = RecordSchema.of(served.bundle.featurizer)
    cells = readers(form) if form.texts else ()
    return Interface(INPUT, len(form.names or ()), cells, outputs)


def find(served_models: ServedModels, name: str, version: str | None) -> ServedModel:
    """Return the served model of this name, and of this version unless that is None.

    Raises ``ModelNotFound``, ``VersionNotFound`` or ``ModelNotReady``.
    """
    return served_models.get(name).of_version(version)

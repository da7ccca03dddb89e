"""The protocol's shapes: msgspec decodes and encodes by them, OpenAPI describes them.

Sources: the JSON objects of the Open Inference Protocol, and of Triton's model configuration,
statistics and model repository extensions.
"""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

Parameters = Annotated[dict[str, Any] | None, Meta(description="Unknown ones are left alone.")]
#: No more than a row count can be; msgspec refuses the rest.
Size = Annotated[int, Meta(ge=-(2**62), le=2**62)]


#: An element of a tensor in JSON, or a list of them where it is nested.
_SCALAR = [{"type": kind} for kind in ("number", "string", "boolean", "null")]
_ELEMENT = {"anyOf": [*_SCALAR, {"type": "array", "items": {"anyOf": _SCALAR}}]}


class RequestInput(Struct):
    """The model's one input: FP32 ``[-1, F]``, or BYTES ``[-1]`` or ``[-1, 1]`` for SMILES."""

    name: Annotated[str, Meta(examples=["features"])]
    shape: Annotated[list[Size], Meta(examples=[[1, 8]])]
    datatype: Annotated[str, Meta(examples=["FP32"])]
    parameters: Parameters = None
    data: (
        Annotated[
            list[Any],
            Meta(
                description="Row-major, flat or nested; a binary tensor after the JSON replaces it.",
                examples=[[99.4, 41.6, 1.55, 4.1, 27.6, 61.7, 2.2, 3.7]],
                extra_json_schema={"items": _ELEMENT},
            ),
        ]
        | UnsetType
    ) = UNSET


_OUTPUTS = [
    "probability", "logit", "value", "taps", "reason", "call", "level", "interval", "similarity",
    "in_domain", "suspect",
]  # fmt: skip


class RequestOutput(Struct):
    """An output that is asked for; ``binary_data`` among its parameters says how.

    A model that was published without ``taps`` has none; its metadata list what it has.
    """

    name: Annotated[str, Meta(extra_json_schema={"enum": _OUTPUTS})]
    parameters: Parameters = None


class InferenceRequest(Struct):
    """``binary_data_output`` among the parameters asks for all outputs as binary tensors.

    ``threshold``, ``recall`` or ``fpr``, a number or one by target, decide the output ``call``.
    """

    inputs: Annotated[list[RequestInput], Meta(extra_json_schema={"minItems": 1, "maxItems": 1})]
    id: str | None = None
    parameters: Parameters = None
    outputs: list[RequestOutput] | None = None


class ResponseOutput(Struct):
    """One output; its ``data`` is flat, or behind the JSON as a binary tensor."""

    name: str
    datatype: str
    shape: list[int]
    parameters: dict[str, Any] | None = None
    data: list[float] | None = None


class InferenceResponse(Struct, kw_only=True):
    """The answer, one row of every output per record."""

    model_name: str
    model_version: str
    id: str | None = None
    parameters: Annotated[
        dict[str, float] | None,
        Meta(description="Where the request asks for cut-offs: threshold_NAME of each target."),
    ] = None
    outputs: list[ResponseOutput]


class Server(Struct):
    """The server and the extensions it serves."""

    name: str
    version: str
    extensions: list[str]


class ServerLive(Struct):
    """Liveness."""

    live: bool


class ServerReady(Struct):
    """Readiness; ``live`` stands beside it for the clients that look there."""

    live: bool
    ready: bool


class ModelReady(Struct):
    """Readiness of one model."""

    name: str
    version: str | None
    ready: bool


class TensorMetadata(Struct):
    """A tensor; -1 is the number of rows."""

    name: str
    datatype: str
    shape: list[int]


class ModelMetadata(Struct):
    """A model's tensors; ``versions`` are those that can be asked."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class ConfigTensor(Struct, omit_defaults=True):
    """A tensor; ``dims`` leave out the rows."""

    name: str
    data_type: str
    dims: list[int]
    reshape: dict[str, list[int]] | None = None


class ModelConfig(Struct):
    """The part of Triton's model configuration that means something here."""

    name: str
    platform: str
    backend: str
    max_batch_size: int
    version_policy: dict[str, Any]
    input: list[ConfigTensor]
    output: list[ConfigTensor]
    dynamic_batching: dict[str, Any]
    instance_group: list[dict[str, Any]]
    parameters: dict[str, dict[str, str]]


class Duration(Struct):
    """How often, and nanoseconds in all."""

    count: int
    ns: int


class InferStatistics(Struct):
    """Requests, and the stages of those that succeeded; ``compute_input`` is featurizing."""

    success: Duration
    fail: Duration
    queue: Duration
    compute_input: Duration
    compute_infer: Duration
    compute_output: Duration
    cache_hit: Duration
    cache_miss: Duration


class BatchStatistics(Struct):
    """Runs of one size."""

    batch_size: int
    compute_input: Duration
    compute_infer: Duration
    compute_output: Duration


class ModelStatistics(Struct):
    """What one version has done: ``inference_count`` is in rows, ``execution_count`` in batches."""

    name: str
    version: str
    last_inference: Annotated[int, Meta(description="Milliseconds since 1970; 0 for never.")]
    inference_count: int
    execution_count: int
    inference_stats: InferStatistics
    batch_stats: list[BatchStatistics]


class Statistics(Struct):
    """Statistics of every loaded model, or of one."""

    model_stats: list[ModelStatistics]


class IndexEntry(Struct):
    """A model of the repository; ``reason`` says why it, or its newest version, is not served."""

    name: str
    version: str
    state: Literal["READY", "UNAVAILABLE"]
    reason: str


class RepositoryRequest(Struct):
    """``ready`` is of the index, ``parameters`` of loading and unloading."""

    ready: bool | None = None
    parameters: dict[str, Any] | None = None

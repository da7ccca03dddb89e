"""The protocol's shapes for the OpenAPI document. Nothing is validated by these.

Sources: the JSON objects of the Open Inference Protocol, and of Triton's model configuration,
statistics and model repository extensions.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

Parameters = Annotated[dict[str, Any] | None, Field(description="Unknown ones are left alone.")]


class RequestInput(BaseModel):
    """The model's one input: FP32 ``[-1, F]``, or BYTES ``[-1]`` or ``[-1, 1]`` for SMILES."""

    name: Annotated[str, Field(examples=["features"])]
    shape: Annotated[list[int], Field(examples=[[1, 8]])]
    datatype: Annotated[str, Field(examples=["FP32"])]
    parameters: Parameters = None
    data: Annotated[
        list[Any],
        Field(
            description="Row-major, flat or nested; a binary tensor behind the JSON takes its place.",
            examples=[[99.4, 41.6, 1.55, 4.1, 27.6, 61.7, 2.2, 3.7]],
        ),
    ]


class RequestOutput(BaseModel):
    """An output that is asked for; ``binary_data`` among its parameters says how.

    A model that was published without ``taps`` has none; its metadata list what it has.
    """

    name: Literal["probability", "logit", "taps"]
    parameters: Parameters = None


class InferenceRequest(BaseModel):
    """``binary_data_output`` among the parameters asks for all outputs as binary tensors."""

    inputs: Annotated[list[RequestInput], Field(min_length=1, max_length=1)]
    id: str | None = None
    parameters: Parameters = None
    outputs: list[RequestOutput] | None = None


class ResponseOutput(BaseModel):
    """One output; its ``data`` is flat, or behind the JSON as a binary tensor."""

    name: str
    datatype: str
    shape: list[int]
    parameters: dict[str, Any] | None = None
    data: list[float] | None = None


class InferenceResponse(BaseModel):
    """The answer, one row of every output per record."""

    model_name: str
    model_version: str
    id: str | None = None
    outputs: list[ResponseOutput]


class Server(BaseModel):
    """The server and the extensions it serves."""

    name: str
    version: str
    extensions: list[str]


class ServerLive(BaseModel):
    """Liveness."""

    live: bool


class ServerReady(BaseModel):
    """Readiness; ``live`` stands beside it for the clients that look there."""

    live: bool
    ready: bool


class ModelReady(BaseModel):
    """Readiness of one model."""

    name: str
    version: str | None
    ready: bool


class TensorMetadata(BaseModel):
    """A tensor; -1 is the number of rows."""

    name: str
    datatype: str
    shape: list[int]


class ModelMetadata(BaseModel):
    """A model's tensors; ``versions`` are those that can be asked."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class ConfigTensor(BaseModel):
    """A tensor; ``dims`` leave out the rows."""

    name: str
    data_type: str
    dims: list[int]
    reshape: dict[str, list[int]] | None = None


class ModelConfig(BaseModel):
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


class Duration(BaseModel):
    """How often, and nanoseconds in all."""

    count: int
    ns: int


class InferStatistics(BaseModel):
    """Requests, and the stages of those that succeeded; ``compute_input`` is featurizing."""

    success: Duration
    fail: Duration
    queue: Duration
    compute_input: Duration
    compute_infer: Duration
    compute_output: Duration
    cache_hit: Duration
    cache_miss: Duration


class BatchStatistics(BaseModel):
    """Runs of one size."""

    batch_size: int
    compute_input: Duration
    compute_infer: Duration
    compute_output: Duration


class ModelStatistics(BaseModel):
    """What one version has done: ``inference_count`` is in rows, ``execution_count`` in batches."""

    name: str
    version: str
    last_inference: Annotated[int, Field(description="Milliseconds since 1970; 0 for never.")]
    inference_count: int
    execution_count: int
    inference_stats: InferStatistics
    batch_stats: list[BatchStatistics]


class Statistics(BaseModel):
    """Statistics of every loaded model, or of one."""

    model_stats: list[ModelStatistics]


class IndexEntry(BaseModel):
    """A model of the repository; ``reason`` says why it, or its newest version, is not served."""

    name: str
    version: str
    state: Literal["READY", "UNAVAILABLE"]
    reason: str

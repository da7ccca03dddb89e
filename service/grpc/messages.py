"""The messages of the protocol, made from a table of their fields.

Source: "GRPC" of the Open Inference Protocol, and Triton's extensions for statistics and the repository;
``grpc.health.v1`` is gRPC's own health protocol, which Kubernetes asks. The descriptors are in a pool of
their own: a client of Triton in the same process brings messages of the same names.
"""

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

SERVICE, HEALTH = "inference.GRPCInferenceService", "grpc.health.v1.Health"

_KINDS = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "bool": _KINDS.TYPE_BOOL,
    "bytes": _KINDS.TYPE_BYTES,
    "double": _KINDS.TYPE_DOUBLE,
    "float": _KINDS.TYPE_FLOAT,
    "int32": _KINDS.TYPE_INT32,
    "int64": _KINDS.TYPE_INT64,
    "string": _KINDS.TYPE_STRING,
    "uint32": _KINDS.TYPE_UINT32,
    "uint64": _KINDS.TYPE_UINT64,
}

_NAMED = "name:string version:string"
_PARAMETERS = "parameters:{InferParameter}"
_TENSOR = "name:string datatype:string shape:*int64"
_DURATIONS = " ".join(
    f"{name}:StatisticDuration"
    for name in (
        "success", "fail", "queue", "compute_input", "compute_infer", "compute_output", "cache_hit",
        "cache_miss",
    )
)  # fmt: skip

#: By message: its fields in the order of their numbers, from 1. ``*`` is repeated, ``{}`` a map from
#: strings, and ``?`` one of a choice.
_MESSAGES = {
    "ServerLiveRequest": "",
    "ServerLiveResponse": "live:bool",
    "ServerReadyRequest": "",
    "ServerReadyResponse": "ready:bool",
    "ModelReadyRequest": _NAMED,
    "ModelReadyResponse": "ready:bool",
    "ServerMetadataRequest": "",
    "ServerMetadataResponse": "name:string version:string extensions:*string",
    "ModelMetadataRequest": _NAMED,
    "ModelMetadataResponse.TensorMetadata": _TENSOR,
    "ModelMetadataResponse": "name:string versions:*string platform:string"
    " inputs:*ModelMetadataResponse.TensorMetadata outputs:*ModelMetadataResponse.TensorMetadata",
    "InferParameter": "bool_param:?bool int64_param:?int64 string_param:?string double_param:?double"
    " uint64_param:?uint64",
    "InferTensorContents": "bool_contents:*bool int_contents:*int32 int64_contents:*int64"
    " uint_contents:*uint32 uint64_contents:*uint64 fp32_contents:*float fp64_contents:*double"
    " bytes_contents:*bytes",
    "ModelInferRequest.InferInputTensor": f"{_TENSOR} {_PARAMETERS} contents:InferTensorContents",
    "ModelInferRequest.InferRequestedOutputTensor": f"name:string {_PARAMETERS}",
    "ModelInferRequest": f"model_name:string model_version:string id:string {_PARAMETERS}"
    " inputs:*ModelInferRequest.InferInputTensor"
    " outputs:*ModelInferRequest.InferRequestedOutputTensor raw_input_contents:*bytes",
    "ModelInferResponse.InferOutputTensor": f"{_TENSOR} {_PARAMETERS} contents:InferTensorContents",
    "ModelInferResponse": f"model_name:string model_version:string id:string {_PARAMETERS}"
    " outputs:*ModelInferResponse.InferOutputTensor raw_output_contents:*bytes",
    "ModelStatisticsRequest": _NAMED,
    "StatisticDuration": "count:uint64 ns:uint64",
    "InferStatistics": _DURATIONS,
    "InferBatchStatistics": "batch_size:uint64 compute_input:StatisticDuration"
    " compute_infer:StatisticDuration compute_output:StatisticDuration",
    "ModelStatistics": "name:string version:string last_inference:uint64 inference_count:uint64"
    " execution_count:uint64 inference_stats:InferStatistics batch_stats:*InferBatchStatistics",
    "ModelStatisticsResponse": "model_stats:*ModelStatistics",
    "ModelRepositoryParameter": "bool_param:?bool int64_param:?int64 string_param:?string"
    " bytes_param:?bytes",
    "RepositoryIndexRequest": "repository_name:string ready:bool",
    "RepositoryIndexResponse.ModelIndex": "name:string version:string state:string reason:string",
    "RepositoryIndexResponse": "models:*RepositoryIndexResponse.ModelIndex",
    "RepositoryModelLoadRequest": "repository_name:string model_name:string"
    " parameters:{ModelRepositoryParameter}",
    "RepositoryModelLoadResponse": "",
    "RepositoryModelUnloadRequest": "repository_name:string model_name:string"
    " parameters:{ModelRepositoryParameter}",
    "RepositoryModelUnloadResponse": "",
}
_HEALTH_MESSAGES = {
    "HealthCheckRequest": "service:string",
    "HealthCheckResponse": "status:int32",
}

#: The methods of the protocol that are served, each with a request and a response of its name.
METHODS = (
    "ServerLive", "ServerReady", "ModelReady", "ServerMetadata", "ModelMetadata", "ModelInfer",
    "ModelStatistics", "RepositoryIndex", "RepositoryModelLoad", "RepositoryModelUnload",
)  # fmt: skip


def _field(number: int, text: str, package: str, holder: Any) -> None:
    """Add a field to a message's descriptor."""
    name, _, kind = text.partition(":")
    field = holder.field.add(name=name, number=number)
    field.label = _KINDS.LABEL_REPEATED if kind[0] in "*{" else _KINDS.LABEL_OPTIONAL
    if kind[0] == "?":
        if not holder.oneof_decl:
            holder.oneof_decl.add(name="parameter_choice")
        field.oneof_index = 0
    if kind[0] == "{":
        entry = holder.nested_type.add(name="ParametersEntry")
        entry.options.map_entry = True
        _field(1, "key:string", package, entry)
        _field(2, f"value:{kind.strip('{}')}", package, entry)
        own = f"{holder.name}.ParametersEntry"
        kind = _OUTER.get(holder.name, "") + own
    kind = kind.lstrip("*?")
    if kind in _SCALARS:
        field.type = _SCALARS[kind]
    else:
        field.type, field.type_name = _KINDS.TYPE_MESSAGE, f".{package}.{kind}"


#: The message in which a nested one stands.
_OUTER = {name.partition(".")[2]: f"{name.partition('.')[0]}." for name in _MESSAGES if "." in name}


def _file(
    name: str, package: str, messages: dict[str, str], services: dict[str, tuple[str, ...]]
) -> Any:
    file = descriptor_pb2.FileDescriptorProto(name=name, package=package, syntax="proto3")
    made: dict[str, Any] = {}
    for path in sorted(messages, key=lambda path: "." in path):  # those that hold others first
        outer, _, inner = path.rpartition(".")
        holder = made[outer].nested_type if outer else file.message_type
        made[path] = holder.add(name=inner)
    for path, fields in messages.items():
        for number, text in enumerate(fields.split(), 1):
            _field(number, text, package, made[path])
    for service, methods in services.items():
        described = file.service.add(name=service)
        for method in methods:
            asked, answered = (f".{package}.{each}" for each in _shapes(service, method))
            described.method.add(name=method, input_type=asked, output_type=answered)
    return file


def _shapes(service: str, method: str) -> tuple[str, str]:
    """The names of a method's request and response."""
    name = "HealthCheck" if service == "Health" else method
    return f"{name}Request", f"{name}Response"


POOL = descriptor_pool.DescriptorPool()
POOL.Add(_file("snn/inference.proto", "inference", _MESSAGES, {"GRPCInferenceService": METHODS}))
POOL.Add(_file("snn/health.proto", "grpc.health.v1", _HEALTH_MESSAGES, {"Health": ("Check",)}))


def message(name: str) -> Any:
    """Return the class of a message by its full name; raises ``KeyError`` for an unknown one."""
    return message_factory.GetMessageClass(POOL.FindMessageTypeByName(name))


def shapes(service: str, method: str) -> tuple[Any, Any]:
    """Return the classes of a method's request and response."""
    package, _, name = service.rpartition(".")
    asked, answered = _shapes(name, method)
    return message(f"{package}.{asked}"), message(f"{package}.{answered}")

"""Server and model metadata, readiness, and model configuration.

Sources: "Health", "Server Metadata" and "Model Metadata" of the Open Inference Protocol; Triton's
model configuration extension.
"""

from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import msgspec
from fastapi import APIRouter, Response

from service.api.openapi import Described, answers, json_response
from service.api.v2 import schemas
from service.api.v2.interface import PLATFORM, Interface, datatype_of, find, interface_of
from service.coordination.coordinator import WorkerCoordinator
from service.errors import ModelNotReady
from service.inference.served_models import ServedModel, ServedModels

NAME = "snn-serving"
EXTENSIONS = ["binary_tensor_data", "model_configuration", "model_repository", "statistics"]

_MODEL = "/v2/models/{model}"
_VERSION = "/v2/models/{model}/versions/{version}"


def routes(served_models: ServedModels, coordinator: WorkerCoordinator, max_rows: int) -> APIRouter:
    """Return the routes that change nothing; ``max_rows`` is the most rows of a request."""
    router = APIRouter(tags=["v2"])

    @router.get("/v2", summary="The server and its extensions", responses=answers(schemas.Server))
    async def server() -> Response:
        return json_response(schemas.Server(NAME, _release(), EXTENSIONS))

    @router.get(
        "/v2/health/live",
        summary="Whether the process answers at all",
        responses=answers(schemas.ServerLive),
    )
    async def live() -> Response:
        return json_response(schemas.ServerLive(live=True))

    @router.get(
        "/v2/health/ready",
        summary="Whether every promoted model can answer",
        responses=answers(schemas.ServerReady) | answers(schemas.ServerReady, status=503),
    )
    async def ready() -> Response:
        ready = coordinator.whole().ready
        return json_response(schemas.ServerReady(live=True, ready=ready), 200 if ready else 503)

    def about(path: str, summary: str, responses: Described) -> Callable[[Any], Any]:
        """Route a path under a model, and under a version of it."""

        def add(endpoint: Any) -> Any:
            router.get(_MODEL + path, summary=summary, responses=responses)(endpoint)
            return router.get(_VERSION + path, summary="The same of a version", responses=responses)(
                endpoint
            )

        return add

    @about("", "A model's tensors", answers(schemas.ModelMetadata, 404, 503))
    async def metadata(model: str, version: str | None = None) -> Response:
        return json_response(_metadata(find(served_models, model, version)))

    readiness = answers(schemas.ModelReady, 404)

    @about("/ready", "Whether a model can answer", readiness | answers(schemas.ModelReady, status=503))
    async def model_ready(model: str, version: str | None = None) -> Response:
        try:
            version = str(find(served_models, model, version).manifest.version)
            status = coordinator.whole().models.get(model)
            everywhere = status is not None and status.ready
        except ModelNotReady:
            everywhere = False
        document = schemas.ModelReady(model, version, everywhere)
        return json_response(document, 200 if everywhere else 503)

    @about(
        "/config",
        "A model's configuration, as Triton writes it",
        answers(schemas.ModelConfig, 404, 503),
    )
    async def config(model: str, version: str | None = None) -> Response:
        return json_response(_config(find(served_models, model, version), max_rows))

    return router


def _release() -> str:
    try:
        return version(NAME)
    except PackageNotFoundError:  # run from a checkout without installation
        return "0"


def _metadata(served: ServedModel) -> schemas.ModelMetadata:
    interface = interface_of(served)
    shape = [-1] if interface.columns is None else [-1, interface.columns]
    return schemas.ModelMetadata(
        name=served.manifest.name,
        versions=[str(each.manifest.version) for each in (served, served.trial.challenger) if each],
        platform=PLATFORM,
        inputs=[
            schemas.TensorMetadata(name=interface.input_name, datatype=interface.datatype, shape=shape),
        ],
        outputs=[
            schemas.TensorMetadata(name=name, datatype=datatype_of(name), shape=[-1, *sizes])
            for name, sizes in interface.outputs.items()
        ]
        + [schemas.TensorMetadata(name=name, datatype="BYTES", shape=[-1]) for name in interface.texts],
    )


def _config(served: ServedModel, max_rows: int) -> schemas.ModelConfig:
    interface, manifest = interface_of(served), served.manifest
    return schemas.ModelConfig(
        name=manifest.name,
        platform=PLATFORM,
        backend="onnxruntime",
        max_batch_size=max_rows,
        version_policy={"specific": {"versions": [manifest.version]}},
        input=[_config_input(interface)],
        output=[
            schemas.ConfigTensor(name=name, data_type=f"TYPE_{datatype_of(name)}", dims=sizes)
            for name, sizes in interface.outputs.items()
        ],
        dynamic_batching={},
        instance_group=[{"kind": "KIND_GPU" if served.session.may_block else "KIND_CPU", "count": 1}],
        parameters={
            "provider": {"string_value": served.session.provider},
            "targets": {"string_value": ",".join(served.targets)},
            "activation_health": {"string_value": _watching(served)},
            **_columns(served),
        },
    )


def _config_input(interface: Interface) -> schemas.ConfigTensor:
    name = interface.input_name
    if interface.columns is None:
        # Triton knows no empty dims: a string of a row is one element, reshaped to none.
        return schemas.ConfigTensor(name=name, data_type="TYPE_STRING", dims=[1], reshape={"shape": []})
    kind = "TYPE_STRING" if interface.readers else "TYPE_FP32"
    return schemas.ConfigTensor(name=name, data_type=kind, dims=[interface.columns])


def _watching(served: ServedModel) -> str:
    """Return the path of a model's activation health, or that it has none."""
    if served.monitor is None:
        return "unwatched: no taps"
    return f"/health/activations/{served.manifest.name}"


def _columns(served: ServedModel) -> dict[str, dict[str, str]]:
    """Return the input's columns; those of tables with their kinds and categories."""
    featurizer = served.bundle.featurizer
    if not featurizer.fields:
        return {}
    schema = featurizer.parameters.get("columns", [{"name": name} for name in featurizer.fields])
    return {"columns": {"string_value": msgspec.json.encode(schema).decode()}}

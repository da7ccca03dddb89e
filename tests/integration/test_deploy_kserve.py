"""KServe's manifests: fields by the schemas of its resources, pods by those of Kubernetes."""

from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from kubernetes_validate import validate

from service.settings import Settings

KSERVE = Path(__file__).resolve().parents[2] / "deploy" / "kserve"
_TEXT, _COUNT = {"type": "string"}, {"type": "integer", "minimum": 0}


def _closed(required: tuple[str, ...] = (), **properties: object) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


_LABELS = {"type": "object", "additionalProperties": _TEXT}
_FORMAT = _closed(("name",), name=_TEXT, version=_TEXT)
_PROTOCOL = {"enum": ["v1", "v2", "grpc-v1", "grpc-v2"]}
_METADATA = _closed(("name",), name=_TEXT, namespace=_TEXT, labels=_LABELS, annotations=_LABELS)
#: The fields of ``serving.kserve.io/v1alpha1`` ServingRuntime that are in use here; the pod's own are
#: left to the schemas of Kubernetes.
RUNTIME = _closed(
    ("apiVersion", "kind", "metadata", "spec"),
    apiVersion={"const": "serving.kserve.io/v1alpha1"},
    kind={"const": "ServingRuntime"},
    metadata=_METADATA,
    spec=_closed(
        ("supportedModelFormats", "containers"),
        supportedModelFormats={
            "type": "array",
            "minItems": 1,
            "items": _closed(
                ("name",), name=_TEXT, version=_TEXT, autoSelect={"type": "boolean"}, priority=_COUNT
            ),
        },
        protocolVersions={"type": "array", "items": _PROTOCOL},
        annotations=_LABELS,
        containers={"type": "array", "minItems": 1},
        volumes={"type": "array"},
    ),
)
#: Of ``serving.kserve.io/v1beta1`` InferenceService.
SERVICE = _closed(
    ("apiVersion", "kind", "metadata", "spec"),
    apiVersion={"const": "serving.kserve.io/v1beta1"},
    kind={"const": "InferenceService"},
    metadata=_METADATA,
    spec=_closed(
        ("predictor",),
        predictor=_closed(
            ("model",),
            minReplicas=_COUNT,
            maxReplicas=_COUNT,
            model=_closed(
                ("modelFormat",),
                modelFormat=_FORMAT,
                runtime=_TEXT,
                protocolVersion=_PROTOCOL,
                storageUri={"type": "string", "pattern": "^(pvc|s3|gs|https?)://."},
            ),
        ),
    ),
)


def read(name: str) -> dict[str, Any]:
    """One of the manifests."""
    document: dict[str, Any] = yaml.safe_load((KSERVE / name).read_text(encoding="utf-8"))
    return document


@pytest.mark.parametrize(
    ("name", "schema"), [("serving-runtime.yaml", RUNTIME), ("inference-service.yaml", SERVICE)]
)
def test_every_field_is_one_of_the_resource(name: str, schema: dict[str, Any]) -> None:
    """No field that KServe would drop, none of another type; a misspelt one is found."""
    document = read(name)
    jsonschema.validate(document, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**document, "spec": {**document["spec"], "modelz": 1}}, schema)


@pytest.mark.slow
def test_the_runtimes_pod_is_one() -> None:
    """Containers and volumes follow the schemas of Kubernetes."""
    spec = read("serving-runtime.yaml")["spec"]
    pod = {"containers": spec["containers"], "volumes": spec["volumes"]}
    document = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": pod}
    validate(document, "1.28", strict=True)


def test_the_parts_fit_each_other() -> None:
    """The service names the runtime and a format of it; settings exist, ports and volumes are there."""
    runtime, predictor = (
        read("serving-runtime.yaml"),
        read("inference-service.yaml")["spec"]["predictor"],
    )
    model, spec = predictor["model"], runtime["spec"]
    assert model["runtime"] == runtime["metadata"]["name"]
    formats = [{key: each[key] for key in ("name", "version")} for each in spec["supportedModelFormats"]]
    assert model["modelFormat"] in formats
    assert model["protocolVersion"] in spec["protocolVersions"]
    (container,) = spec["containers"]
    assert container["name"] == "kserve-container"
    names = {variable["name"].removeprefix("SNN_").lower() for variable in container["env"]}
    assert names <= set(Settings.model_fields)
    variables = {variable["name"]: variable["value"] for variable in container["env"]}
    (port,) = [each["containerPort"] for each in container["ports"]]
    assert variables["SNN_PORT"] == str(port) == spec["annotations"]["prometheus.kserve.io/port"]
    assert {container[f"{kind}Probe"]["httpGet"]["port"] for kind in ("liveness", "readiness")} == {port}
    assert variables["SNN_MODELS"] == "/mnt/models"
    mounted = {mount["name"] for mount in container["volumeMounts"]}
    assert mounted == {volume["name"] for volume in spec["volumes"]}

"""The Kubernetes manifests: against the API's own schemas, and rendered by kustomize."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes_validate import ValidationError, validate

from service.settings import Settings
from tests.integration.test_deploy_settings import COMPOSE

KUBERNETES = Path(__file__).resolve().parents[2] / "deploy" / "kubernetes"
ADAPTER = KUBERNETES.parent / "prometheus" / "adapter.yml"
METRICS = KUBERNETES.parents[1] / "docs" / "reference" / "metrics.md"
#: The oldest release that the schemas are at hand of, and a newer one.
RELEASES = ("1.28", "1.37")
VARIANTS = ("base", "overlays/gpu", "overlays/keys", "overlays/registry", "overlays/queue")
PLAIN = [
    document
    for file in sorted((KUBERNETES / "base").glob("*.yaml"))
    for document in yaml.safe_load_all(file.read_text(encoding="utf-8"))
    if document["kind"] != "Kustomization"
]

# Reading the schemas takes seconds.
pytestmark = pytest.mark.slow

Document = dict[str, Any]


def rendered(variant: str) -> dict[str, Document]:
    """What kustomize makes of a folder, by kind; the test is skipped where there is no kustomize."""
    if shutil.which("kustomize"):
        command = ["kustomize", "build"]
    elif shutil.which("kubectl"):
        command = ["kubectl", "kustomize"]
    else:
        pytest.skip("neither kustomize nor kubectl is installed")
    done = subprocess.run(
        [*command, str(KUBERNETES / variant)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return {document["kind"]: document for document in yaml.safe_load_all(done.stdout)}


def pod(documents: dict[str, Document]) -> Document:
    """The specification of the deployment's pods."""
    specification: Document = documents["Deployment"]["spec"]["template"]["spec"]
    return specification


def environment(documents: dict[str, Document]) -> dict[str, str]:
    """The service's variables."""
    (container,) = pod(documents)["containers"]
    return {variable["name"]: variable["value"] for variable in container["env"]}


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("document", PLAIN, ids=lambda document: document["kind"])
def test_every_manifest_follows_its_schema(document: Document, release: str) -> None:
    """No field that the API does not know, none of a wrong type, in an old release or a new one."""
    validate(document, release, strict=True)


def test_a_misspelt_field_is_found() -> None:
    """The check can fail: a field that the API would drop in silence is an error here."""
    (service,) = [document for document in PLAIN if document["kind"] == "Service"]
    with pytest.raises(ValidationError):
        validate({**service, "spec": {**service["spec"], "portz": []}}, RELEASES[-1], strict=True)


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_renders_to_valid_manifests(variant: str, release: str) -> None:
    """Kustomize puts base and overlay together, and what comes out follows the schemas."""
    documents = rendered(variant)
    assert set(documents) == {document["kind"] for document in PLAIN}
    for document in documents.values():
        validate(document, release, strict=True)


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_parts_find_each_other(variant: str) -> None:
    """Selectors, the autoscaler's target, volumes and ports name what is there."""
    documents = rendered(variant)
    labels = documents["Deployment"]["spec"]["template"]["metadata"]["labels"].items()
    selectors = [
        documents["Service"]["spec"]["selector"],
        documents["Deployment"]["spec"]["selector"]["matchLabels"],
        documents["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
        documents["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"],
        pod(documents)["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"],
    ]
    assert all(selector and selector.items() <= labels for selector in selectors)
    target = documents["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]
    assert target["name"] == documents["Deployment"]["metadata"]["name"]
    assert "replicas" not in documents["Deployment"]["spec"]
    volumes = {volume["name"]: volume for volume in pod(documents)["volumes"]}
    containers = [*pod(documents)["initContainers"], *pod(documents)["containers"]]
    mounted = {mount["name"] for container in containers for mount in container["volumeMounts"]}
    assert mounted == set(volumes)
    claim = volumes["models"]["persistentVolumeClaim"]["claimName"]
    assert claim == documents["PersistentVolumeClaim"]["metadata"]["name"]
    ports = {port["name"] for port in pod(documents)["containers"][0]["ports"]}
    used = {documents["Service"]["spec"]["ports"][0]["targetPort"]}
    used |= {pod(documents)["containers"][0][f"{kind}Probe"]["httpGet"]["port"] for kind in PROBES}
    assert used == ports


PROBES = {"startup": "/health/live", "liveness": "/health/live", "readiness": "/health/ready"}


@pytest.mark.parametrize("variant", VARIANTS)
def test_pods_are_as_confined_as_composes(variant: str) -> None:
    """No root, no privileges, a read-only root, limits, and models that the service cannot write."""
    specification = pod(rendered(variant))
    assert specification["securityContext"]["runAsUser"] == 10001
    assert specification["securityContext"]["runAsNonRoot"] is True
    assert specification["automountServiceAccountToken"] is False
    for container in [*specification["initContainers"], *specification["containers"]]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert "memory" in container["resources"]["limits"]
    (service,) = specification["containers"]
    (models,) = [mount for mount in service["volumeMounts"] if mount["name"] == "models"]
    assert models["readOnly"] is True
    for kind, path in PROBES.items():
        assert service[f"{kind}Probe"]["httpGet"]["path"] == path


def test_a_pod_has_time_to_drain() -> None:
    """Kubernetes waits longer than the service needs for what is in flight."""
    documents = rendered("base")
    wait = float(environment(documents)["SNN_DRAIN_WAIT_SECONDS"])
    needed = wait + Settings.model_fields["drain_seconds"].default
    assert pod(documents)["terminationGracePeriodSeconds"] > needed


def test_overlays_change_what_they_are_for() -> None:
    """A GPU and the device that must work; the keys' file from a secret."""
    gpu, keys = rendered("overlays/gpu"), rendered("overlays/keys")
    assert pod(gpu)["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert environment(gpu)["SNN_DEVICE"] == "cuda"
    assert pod(gpu)["containers"][0]["image"] == "snn-serving:gpu"
    assert environment(keys)["SNN_API_KEYS_FILE"] == "/run/snn/api-keys.json"


@pytest.mark.parametrize("variant", VARIANTS)
def test_variables_are_settings_of_the_service(variant: str) -> None:
    """A misspelt variable would have no effect."""
    known = {f"SNN_{name.upper()}" for name in Settings.model_fields}
    assert set(environment(rendered(variant))) <= known


def test_the_image_has_the_same_name_as_composes() -> None:
    """What compose builds is what the base asks for."""
    assert pod(rendered("base"))["containers"][0]["image"] == "snn-serving:latest"
    assert "${SNN_SERVICE_IMAGE:-snn-serving:latest}" in COMPOSE


def test_the_image_is_one_parameter() -> None:
    """One line names registry, name and tag, and every container has it; nothing else is applied."""
    line = (KUBERNETES / "overlays" / "registry" / "image.env").read_text(encoding="utf-8").strip()
    documents = rendered("overlays/registry")
    assert "ConfigMap" not in documents
    containers = [*pod(documents)["initContainers"], *pod(documents)["containers"]]
    assert {f"image={container['image']}" for container in containers} == {line}


def test_replicas_follow_the_queue_by_the_adapters_rule() -> None:
    """The autoscaler asks for the metric that the rule makes, of one that the service has."""
    (rule,) = yaml.safe_load((ADAPTER).read_text(encoding="utf-8"))["rules"]
    metrics = rendered("overlays/queue")["HorizontalPodAutoscaler"]["spec"]["metrics"]
    (pods,) = [metric["pods"] for metric in metrics if metric["type"] == "Pods"]
    assert pods["metric"]["name"] == rule["name"]["as"]
    assert rule["seriesQuery"].startswith("snn_queue_rows{")
    assert "`snn_queue_rows`" in METRICS.read_text(encoding="utf-8")
    assert set(rule["resources"]["overrides"]) == {"namespace", "pod"}
    for placeholder in ("<<.Series>>", "<<.LabelMatchers>>", "<<.GroupBy>>"):
        assert placeholder in rule["metricsQuery"]
    assert any(metric["type"] == "Resource" for metric in metrics)

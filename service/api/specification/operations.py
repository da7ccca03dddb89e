"""Names of the operations, by which generated clients call them, and the keys that they take."""

import re
from typing import Any

#: By method and path; what is not listed gets a name of its method and the words of its path.
_NAMES = {
    "post /predict": "predict",
    "get /health/live": "get_liveness",
    "get /healthz": "get_leaderboard_liveness",
    "get /health/ready": "get_readiness",
    "get /health/activations": "list_activation_health",
    "get /health/activations/stream": "stream_activation_health",
    "get /health/activations/{model}": "get_activation_health",
    "get /health/activations/{model}/history": "get_activation_history",
    "post /health/activations/{model}/baseline": "take_baseline",
    "delete /health/activations/{model}/baseline": "drop_baseline",
    "get /health/integrity/{model}": "get_integrity",
    "post /health/integrity/{model}": "check_integrity",
    "get /health/trials": "list_trials",
    "get /health/trials/{model}": "get_trial",
    "get /metrics": "get_metrics",
    "get /models": "list_models",
    "get /metadata": "get_leaderboard_metadata",
    "post /molecule.svg": "draw_molecule",
    "post /explain": "explain",
    "get /models/{model}/card": "get_model_card",
    "post /invocations": "invoke",
    "get /admin/key": "get_own_keys",
    "get /admin/models": "list_releases",
    "get /admin/models/{model}/versions/{version}/gate": "get_gate_report",
    "get /admin/models/{model}/compare": "compare_versions",
    "get /admin/log": "list_release_log",
    "get /admin/keys": "list_keys",
    "post /admin/models/{model}/promote": "promote",
    "post /admin/models/{model}/rollback": "roll_back",
    "post /admin/models/{model}/trial": "begin_trial",
    "post /admin/models/{model}/drop": "drop_challenger",
    "post /admin/models/{model}/load": "load_model",
    "post /admin/models/{model}/unload": "unload_model",
    "post /admin/models/{model}/retire": "retire_model",
    "get /v2": "v2_get_server",
    "get /v2/health/live": "v2_get_liveness",
    "get /v2/health/ready": "v2_get_readiness",
    "get /v2/models/stats": "v2_list_statistics",
    "get /v2/models/{model}/stats": "v2_get_statistics",
    "get /v2/models/{model}/versions/{version}/stats": "v2_get_version_statistics",
    "get /v2/models/{model}": "v2_get_model",
    "get /v2/models/{model}/versions/{version}": "v2_get_version",
    "get /v2/models/{model}/ready": "v2_get_model_readiness",
    "get /v2/models/{model}/versions/{version}/ready": "v2_get_version_readiness",
    "get /v2/models/{model}/config": "v2_get_config",
    "get /v2/models/{model}/versions/{version}/config": "v2_get_version_config",
    "post /v2/models/{model}/infer": "v2_infer",
    "post /v2/models/{model}/versions/{version}/infer": "v2_infer_by_version",
    "post /v2/repository/index": "v2_list_repository",
    "post /v2/repository/models/{model}/load": "v2_load_model",
    "post /v2/repository/models/{model}/unload": "v2_unload_model",
}

#: The two headers that may carry an API key; a service without keys asks for none.
SCHEMES: dict[str, dict[str, str]] = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key, made by `snn keys new`; only where the service has keys.",
    },
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "The same key."},
}
#: Paths that are open in any case.
_OPEN = ("/health/live", "/health/ready", "/healthz", "/v2/health/live", "/v2/health/ready", "/metadata")


def name_of(method: str, path: str) -> str:
    """Return the name of an operation, as in ``get_activation_health``."""
    known = _NAMES.get(f"{method} {path}")
    return known if known is not None else "_".join(re.findall(r"[a-z0-9]+", f"{method} {path}".lower()))


def security_of(path: str) -> list[dict[str, list[Any]]]:
    """Return which keys an operation takes; none of them is an alternative where there are no keys."""
    return [] if path in _OPEN else [{"bearer": []}, {"header": []}, {}]

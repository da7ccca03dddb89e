"""An example of what each operation answers, by its name; a test compares them with the schemas."""

from typing import Any

_TIME = "2026-01-02T03:04:05.678+00:00"
_INTEGRITY: dict[str, Any] = {
    "ok": True,
    "checked_at": _TIME,
    "fault": None,
    "files": {"ok": True, "error": None},
}
_BASELINE = {
    "version": "3", "rows": 1280, "requests": 20, "window": "10m", "taken_at": _TIME, "by": "operator",
}  # fmt: skip
_LAYER: dict[str, Any] = {
    "layer": 1, "mean": -0.01, "variance": 0.9, "saturated": 0.001,
    "reference": {"mean": -0.03, "variance": 0.89, "saturated": 0.0015},
    "spread": {"mean": 0.27, "log_variance": 0.51, "saturated": 0.01},
    "effect": 0.08, "error": 0.08, "departure": 0.0, "theory": None,
}  # fmt: skip
_SHIFT = {"rows": 1280, "requests": 20, "effect": 0.0, "estimate": 0.08, "margin": 0.36}
_HEALTH: dict[str, Any] = {
    "model": "htru2", "version": "3", "verdict": "healthy", "model_verdict": "intact",
    "traffic_verdict": "like_training",
    "headline": "Traffic is like the training data; the model is intact.", "advice": None,
    "reason": "inputs and layers are within 0.01 standard deviations of the reference rows",
    "since": _TIME, "change": None, "origin": None, "first_departing": None, "integrity": _INTEGRITY,
    "window": "1m", "windows": {"1m": _SHIFT, "10m": _SHIFT, "1h": _SHIFT, "start": _SHIFT},
    "inputs": {
        "effect": 0.0, "estimate": 0.08, "margin": 0.36,
        "features": [{"name": "dm_stdev", "effect": 0.08}],
    },
    "sequential": {
        "delta": 0.5, "requests_per_false_alarm": 1_000_000, "requests": 20, "level": 0.0,
        "threshold": 13.8, "alarms": 0, "alarm": None,
    },
    "client": None,
    "clients": [
        {"key": "alice", "rows": 640, "requests": 10, "departing": 9, "effect": 0.0, "estimate": 0.1,
         "margin": 0.5},
        {"key": "bob", "rows": 640, "requests": 10, "departing": 14, "effect": 0.0, "estimate": 0.06,
         "margin": 0.5},
    ],
    "departing": [], "baseline": None, "baseline_error": None, "rows_not_finite": 0,
    "watch": {"mode": "full", "share": 1.0},
    "members": [{"departure": 0.0, "layers": [_LAYER]}],
}  # fmt: skip
_HISTORY = {
    "model": "htru2", "span": "hour", "seconds": 10.0, "since": _TIME, "until": _TIME,
    "times": [1_767_323_040.0], "version": ["2"], "verdict": ["healthy"], "model_verdict": ["intact"],
    "traffic_verdict": ["like_training"], "rows": [1280], "requests": [20], "failed": [0],
    "rejected": [0], "rows_per_second": [128.0], "load": [0.02], "waiting": [0],
    "latency": {"p50": [0.002], "p95": [0.004], "p99": [0.005]}, "effect": [0.0],
    "inputs": [0.0], "network": [0.0],
    "low_p_values": [0.05], "layers": [], "targets": [], "events": [],
}  # fmt: skip
_READY = {"version": "3", "provider": "CPUExecutionProvider", "ready": True, "error": None}
_VERSION = {"version": 2, "created": _TIME, "mean_auc": 0.98, "r2": None, "gate": True}
_RELEASE = {
    "model": "htru2", "champion": 2, "previous": [1], "wanted": 2, "exemption": None,
    "versions": [_VERSION], "serving": "2", "error": None,
}  # fmt: skip
_SIDE = {
    "version": "3", "verdict": "healthy", "reason": "within 0.01 standard deviations",
    "effect": 0.0, "seconds_per_row": 0.00012, "requests": 9512, "failed": 0, "mean_seconds": 0.0009,
}  # fmt: skip
_TRIAL = {
    "model": "htru2", "kind": "canary", "share": 0.05, "sticky": False, "auto": True,
    "champion": _SIDE, "challenger": _SIDE | {"version": "4", "requests": 488}, "rows": 488,
    "requests": 488, "shed": 0, "concordance": {"value": 0.999, "low": 0.998, "high": 1.0},
    "targets": [{"name": "pulsar", "gap": 0.002, "largest": 0.03, "called": 0}], "fault": None,
    "waits": "488 of 10000 rows in 61 of 600 seconds", "error": None,
}  # fmt: skip
_ABOUT = {
    "model": "htru2", "version": "3", "task": "binary", "description": "Pulsar or noise.",
    "created": _TIME,
    "columns": [{"name": "profile_mean", "kind": "number", "optional": False, "values": None}],
    "targets": [{"name": "pulsar", "threshold": 0.3}], "threshold_rule": "largest F1 out-of-fold",
    "figures": None, "cut_offs": ["threshold", "recall", "fpr"], "intervals": False,
    "members": 5, "widths": [64, 64, 64, 64],
}  # fmt: skip
_DURATION = {"count": 20, "ns": 3_000_000}
_STAGES = (
    "success", "fail", "queue", "compute_input", "compute_infer", "compute_output", "cache_hit",
    "cache_miss",
)  # fmt: skip
_STATISTICS = {
    "model_stats": [
        {
            "name": "htru2", "version": "3", "last_inference": 1_767_323_045_678,
            "inference_count": 1280, "execution_count": 20,
            "inference_stats": dict.fromkeys(_STAGES, _DURATION),
            "batch_stats": [],
        }
    ]
}  # fmt: skip
_TENSOR = {"name": "features", "datatype": "FP32", "shape": [-1, 8]}
_OUTPUT = {"name": "probability", "datatype": "FP32", "shape": [-1, 1]}
_METADATA = {
    "name": "htru2", "versions": ["2"], "platform": "onnxruntime_onnx", "inputs": [_TENSOR],
    "outputs": [_OUTPUT],
}  # fmt: skip
_CONFIG = {
    "name": "htru2", "platform": "onnxruntime_onnx", "backend": "onnxruntime", "max_batch_size": 16384,
    "input": [{"name": "features", "data_type": "TYPE_FP32", "dims": [8]}],
    "output": [{"name": "probability", "data_type": "TYPE_FP32", "dims": [1]}],
    "version_policy": {"specific": {"versions": [2]}}, "dynamic_batching": {}, "instance_group": [],
    "parameters": {},
}  # fmt: skip
_INFERRED = {
    "model_name": "htru2", "model_version": "2",
    "outputs": [{"name": "probability", "datatype": "FP32", "shape": [1, 1], "data": [0.944743]}],
}  # fmt: skip
_STEP = {
    "at": _TIME, "model": "htru2", "action": "promote", "before": 1, "after": 2, "by": "key:operator",
    "why": "better on the new survey",
}  # fmt: skip
_READ = {"name": "htru2", "version": "3", "ready": True}

#: What an operation answers where all is well.
EXAMPLES: dict[str, Any] = {
    "predict": {
        "model": "htru2", "version": "3",
        "results": [
            {"status": "ok", "probability": {"pulsar": 0.951312482}, "call": {"pulsar": True},
             "p_value": 0.16811},
            {"status": "error", "message": "8 features expected, 2 given"},
        ],
    },
    "invoke": {
        "predictions": [
            {"status": "ok", "probability": {"pulsar": 0.951312482}, "call": {"pulsar": True},
             "p_value": 0.16811}
        ]
    },
    "explain": {
        "model": "tox21", "version": "4", "target": "SR-MMP",
        "results": [
            {"status": "ok", "smiles": "CCO", "parent": "CCO", "logit": -5.8, "probability": 0.003,
             "call": False, "atoms": [], "needed": None, "alerts": [], "nearest": [], "svg": None}
        ],
    },
    "get_liveness": {"live": True},
    "get_leaderboard_liveness": {"ok": True},
    "get_readiness": {"ready": True, "draining": False, "error": None, "models": {"htru2": _READY}},
    "list_activation_health": {"models": {"htru2": _HEALTH}},
    "get_activation_health": _HEALTH,
    "get_activation_history": _HISTORY,
    "take_baseline": {"baseline": _BASELINE},
    "drop_baseline": {"dropped": True, "baseline": None},
    "get_integrity": {"model": "htru2", "version": "3", **_INTEGRITY, "error": None},
    "check_integrity": {"model": "htru2", "version": "3", **_INTEGRITY, "error": None},
    "list_trials": {"models": {"htru2": _TRIAL}},
    "get_trial": _TRIAL,
    "list_models": {"models": [_ABOUT]},
    "get_leaderboard_metadata": {
        "name": "tox21", "version": "4", "max_batch_size": 16384, "tox_endpoints": ["NR-AR", "SR-p53"],
    },
    "list_releases": {"models": {"htru2": _RELEASE}},
    "get_gate_report": {
        "at": _TIME, "version": 2, "champion": 1, "passed": True, "promote": True,
        "reason": "no check failed",
        "checks": [
            {"name": "golden", "passed": True, "summary": "all 32 golden rows are reproduced",
             "figures": {"rows": 32}}
        ],
    },
    "compare_versions": {
        "model": "htru2", "versions": [_VERSION, _VERSION], "bytes": [355303, 355303],
        "metrics": {"mean_auc": [0.9801, 0.9804]},
    },
    "list_release_log": {"entries": [_STEP]},
    "list_keys": {
        "keys": [
            {"name": "alice", "scopes": ["predict"], "created": _TIME, "expires": None,
             "requests_per_second": None, "rows_per_second": 5000.0}
        ],
        "error": None,
    },
    "get_own_keys": {"needed": True, "keys": [{"name": "alice", "scopes": ["predict"]}]},
    "promote": {"model": "htru2", "champion": 2},
    "roll_back": {"model": "htru2", "champion": 1},
    "begin_trial": {"model": "htru2", "champion": 3, "challenger": 4},
    "drop_challenger": {"model": "htru2", "champion": 3, "challenger": None},
    "load_model": {"model": "htru2", "loaded": True},
    "unload_model": {"model": "htru2", "loaded": False},
    "retire_model": {"model": "htru2", "retired": True},
    "v2_get_server": {"name": "snn-serving", "version": "1", "extensions": ["binary_tensor_data"]},
    "v2_get_liveness": {"live": True},
    "v2_get_readiness": {"live": True, "ready": True},
    "v2_list_statistics": _STATISTICS,
    "v2_get_statistics": _STATISTICS,
    "v2_get_version_statistics": _STATISTICS,
    "v2_get_model": _METADATA,
    "v2_get_version": _METADATA,
    "v2_get_model_readiness": _READ,
    "v2_get_version_readiness": _READ,
    "v2_get_config": _CONFIG,
    "v2_get_version_config": _CONFIG,
    "v2_infer": _INFERRED,
    "v2_infer_by_version": _INFERRED,
    "v2_list_repository": [{"name": "htru2", "version": "3", "state": "READY", "reason": ""}],
    "v2_load_model": {},
    "v2_unload_model": {},
}  # fmt: skip

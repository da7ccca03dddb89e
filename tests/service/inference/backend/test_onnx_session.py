"""Sessions and the device they really run on."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnxruntime
import pytest

from models.bundle.golden import CUDA_FLOAT32, FLOAT32, TF32
from models.errors import BundleRefused
from service.errors import DeviceUnavailable
from service.inference.backend.device import (
    CPU,
    CUDA,
    Device,
    _one_operator,
    choose_device,
    create_session,
    cuda_options,
    why_not_cuda,
)
from service.inference.backend.onnx_session import (
    BUCKETS,
    BucketedSession,
    open_session,
    without_taps,
)
from tests.support import bundles
from tests.support.server import ROOT, environment


def test_a_session_computes_what_onnxruntime_does() -> None:
    """Outputs come by name, equal to the library's own."""
    rows = bundles.candidates(5)
    session = open_session(bundles.graph(), Device(CPU))
    outputs, expected = session.run(rows), bundles.run(bundles.graph(), rows)
    assert set(outputs) == {"probability", "logit", "taps", "squashed", "member_logit"}
    scaled = (rows - bundles.CENTRE) / bundles.SPREAD
    np.testing.assert_allclose(outputs["squashed"], scaled, rtol=1e-6)
    for name, array in expected.items():
        np.testing.assert_array_equal(outputs[name], array)
    assert session.provider == CPU
    assert not session.may_block


def test_an_older_graph_gives_what_it_has() -> None:
    """Graphs published before the inner outputs were are run for the other three."""
    session = open_session(bundles.graph(inner=False), Device(CPU))
    assert set(session.run(bundles.candidates(2))) == {"probability", "logit", "taps"}


def test_a_graph_that_cannot_run_is_refused_with_the_reason() -> None:
    """Bytes that are no graph are the bundle's fault, in one sentence."""
    with pytest.raises(BundleRefused, match=r"^model\.onnx: onnxruntime cannot run it: .+"):
        open_session(b"not a model", Device(CPU))


def test_auto_falls_back_to_the_cpu_and_remembers_why() -> None:
    """Where CUDA does not work the reason is kept for the log."""
    device = choose_device("auto", lambda: "libcublas.so.13: cannot open shared object file.")
    assert device == Device(CPU, "libcublas.so.13: cannot open shared object file.")
    assert choose_device("auto", lambda: None) == Device(CUDA)


def test_cuda_refuses_with_the_librarys_own_reason() -> None:
    """Demanded and not there: no start, and the library's words."""
    with pytest.raises(DeviceUnavailable, match="libcublas") as refused:
        choose_device("cuda", lambda: "libcublas.so.13: cannot open shared object file.")
    assert "\n" not in str(refused.value)


def test_cpu_is_taken_without_looking_for_anything_else() -> None:
    """No attempt is made, so none can fail or print."""

    def attempt() -> str:
        raise AssertionError

    assert choose_device("cpu", attempt) == Device(CPU)


def test_the_attempt_is_quiet_and_says_what_this_machine_says(capfd) -> None:
    """Trying CUDA prints nothing; without a device there is a reason, in one sentence."""
    reason = why_not_cuda()
    assert capfd.readouterr() == ("", "")
    if reason is not None:
        assert reason.endswith(".")
        assert "\n" not in reason


def test_the_service_does_not_start_without_the_cuda_that_it_was_told_to_use(tmp_path) -> None:
    """``SNN_DEVICE=cuda`` on a machine without: status 2 and the reason, on one line."""
    if why_not_cuda() is None:
        pytest.skip("CUDA works here")
    done = subprocess.run(
        [sys.executable, "-m", "service"],
        cwd=ROOT,
        env=environment(models=tmp_path, device="cuda", port=0),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("SNN_DEVICE=cuda: CUDA does not work here: ")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def bucketed(model: bytes) -> BucketedSession:
    """A session of the kind that CUDA gets, its buffers in the memory that is here."""
    made = onnxruntime.InferenceSession(model, providers=[CPU])
    return BucketedSession(made, memory="cpu")


@pytest.mark.parametrize("count", [1, 2, 8, 100, BUCKETS[-1], BUCKETS[-1] + 3])
def test_rows_in_buckets_are_answered_as_they_are(count: int) -> None:
    """Every size gives what onnxruntime gives: filled up, exactly full, and in several pieces."""
    rows = bundles.candidates(count)
    outputs, expected = bucketed(bundles.graph()).run(rows), bundles.run_all(bundles.graph(), rows)
    assert set(outputs) == set(expected)
    for name, array in expected.items():
        np.testing.assert_allclose(outputs[name], array, rtol=1e-5, atol=1e-5)


def test_an_answer_is_not_overwritten_by_the_next() -> None:
    """Buffers are used again; what was answered from them is not."""
    session = bucketed(bundles.graph())
    first = session.run(bundles.candidates(3, seed=1))["probability"]
    kept = first.copy()
    session.run(bundles.candidates(3, seed=2))
    np.testing.assert_array_equal(first, kept)


def test_threads_that_share_a_bucket_get_their_own_answers() -> None:
    """The buffers are one run's at a time."""
    session = bucketed(bundles.graph())
    batches = [bundles.candidates(4, seed=seed) for seed in range(40)]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(session.run, batches))
    for rows, answer in zip(batches, answers, strict=True):
        expected = bundles.run(bundles.graph(), rows)["probability"]
        np.testing.assert_allclose(answer["probability"], expected, rtol=1e-5)


def test_cuda_is_asked_for_memory_and_precision_as_set() -> None:
    """Limit, growth and TF32 are the settings'; the golden rows' tolerance follows the precision."""
    plain, set_up = Device(CUDA), Device(CUDA, memory_bytes=1 << 30, tf32=True)
    assert cuda_options(plain) == {"arena_extend_strategy": "kSameAsRequested", "use_tf32": "0"}
    assert cuda_options(set_up)["gpu_mem_limit"] == "1073741824"
    assert cuda_options(set_up)["use_tf32"] == "1"
    assert Device(CPU, tf32=True).tolerance == FLOAT32
    assert plain.tolerance == CUDA_FLOAT32
    assert set_up.tolerance == TF32
    assert choose_device("auto", lambda: None, memory_bytes=7, tf32=True) == Device(CUDA, None, 7, True)


def test_a_session_on_another_device_than_chosen_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the created session says counts, not what was asked for."""
    made = onnxruntime.InferenceSession(bundles.graph(), providers=[CPU])
    monkeypatch.setattr("service.inference.backend.onnx_session.create_session", lambda *_: made)
    with pytest.raises(DeviceUnavailable, match="the session runs on CPUExecutionProvider"):
        open_session(bundles.graph(), Device(CUDA))


def test_the_operator_that_tries_cuda_is_one_that_runs() -> None:
    """A device that cannot be tried would always be taken for missing."""
    session = create_session(_one_operator(), Device(CPU))
    (made,) = session.run(None, {"x": np.array([1.0], np.float32)})
    assert made == pytest.approx(1.0507, abs=1e-4)


def test_a_graph_without_taps_gives_the_same_answers() -> None:
    """Of the layers there is nothing left."""
    rows = bundles.candidates(5)
    whole = open_session(bundles.graph(), Device(CPU)).run(rows)
    less = open_session(without_taps(bundles.graph()), Device(CPU)).run(rows)
    assert set(less) == {"probability", "logit", "member_logit"}
    for name, array in less.items():
        np.testing.assert_array_equal(array, whole[name])

"""Sessions and the device they really run on."""

import subprocess
import sys

import numpy as np
import pytest

from models.errors import BundleRefused
from service.errors import DeviceUnavailable
from service.session import CPU, CUDA, Device, choose_device, open_session, why_not_cuda
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


@pytest.mark.gpu
def test_cuda_computes_the_same() -> None:
    """On a GPU the session says CUDA, and the numbers are the CPU's."""
    if (reason := why_not_cuda()) is not None:
        pytest.skip(reason)
    rows = bundles.candidates(50)
    session = open_session(bundles.graph(), Device(CUDA))
    assert session.provider == CUDA
    assert session.may_block
    expected = bundles.run(bundles.graph(), rows)
    np.testing.assert_allclose(session.run(rows)["probability"], expected["probability"], atol=1e-3)

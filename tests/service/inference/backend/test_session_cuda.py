"""The committed networks on a CUDA device: proven to run there, and to give what one core gives."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from models.bundle.golden import CUDA_FLOAT32, TF32, Golden
from models.bundle.loading import Bundle, open_bundle
from models.registry.store import Repository
from service.inference.backend.device import (
    CPU,
    CUDA,
    Device,
    create_session,
    cuda_options,
    session_options,
    why_not_cuda,
)
from service.inference.backend.onnx_session import BUCKETS, BucketedSession, Rows, Session, open_session
from tests.benchmarks.gpu.memory import used
from tests.benchmarks.gpu.place import Place, rows_like
from tests.benchmarks.report import Options
from tests.support.server import ROOT, environment, running

REPOSITORY = ROOT / "models" / "repository"
MODELS = ("htru2", "tox21")

pytestmark = pytest.mark.gpu


@pytest.fixture(scope="module", autouse=True)
def _cuda() -> None:
    """Skip, with the library's reason, where CUDA does not work."""
    if (reason := why_not_cuda()) is not None:
        pytest.skip(reason)


@pytest.fixture(scope="module", params=MODELS)
def bundle(request: pytest.FixtureRequest) -> Bundle:
    """A committed champion."""
    repository = Repository(REPOSITORY)
    return open_bundle(repository.bundle(request.param, repository.serving(request.param).champion))


@pytest.fixture(scope="module")
def session(bundle: Bundle) -> BucketedSession:
    """The service's session of it on CUDA."""
    made = open_session(bundle.model, Device(CUDA))
    assert isinstance(made, BucketedSession)
    return made


@pytest.fixture(scope="module")
def core(bundle: Bundle) -> Session:
    """Its session on one core: the oracle."""
    return open_session(bundle.model, Device(CPU))


def compare(bundle: Bundle, rows: Rows, outputs: dict[str, Rows], expected: dict[str, Rows]) -> None:
    """All outputs, taps among them, within the device's tolerance for golden rows."""
    assert set(outputs) == set(expected)
    oracle = Golden((None,) * len(rows), rows, **expected)
    oracle.check_outputs(outputs, bundle.featurizer.names, CUDA_FLOAT32)


def test_the_session_says_that_it_runs_on_cuda(session: BucketedSession) -> None:
    """So no run of it may block the event loop."""
    assert session.provider == CUDA
    assert session.may_block


def test_every_node_runs_on_cuda_even_where_the_cpu_might_help(bundle: Bundle, tmp_path: Path) -> None:
    """Onnxruntime's own profile names the provider of each node; none is a copy between devices."""
    options = session_options()
    options.enable_profiling = True
    options.profile_file_prefix = str(tmp_path / "profile")
    made = onnxruntime.InferenceSession(
        bundle.model, options, providers=[(CUDA, cuda_options(Device(CUDA))), CPU], enable_fallback=0
    )
    made.run(None, {"features": bundle.golden.features})
    events = json.loads(Path(made.end_profiling()).read_text())
    nodes = [
        (event["args"]["provider"], event["args"]["op_name"])
        for event in events
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time")
    ]
    assert len(nodes) > 50
    assert [node for node in nodes if node[0] != CUDA or node[1].startswith("Memcpy")] == []


@pytest.mark.parametrize("tf32", [False, True])
def test_golden_rows_are_reproduced_in_either_precision(bundle: Bundle, tf32: bool) -> None:
    """Layer by layer, within that precision's tolerance."""
    device = Device(CUDA, tf32=tf32)
    assert device.tolerance == (TF32 if tf32 else CUDA_FLOAT32)
    bundle.check_golden(open_session(bundle.model, device).run, device.tolerance)


def test_ten_thousand_rows_are_what_one_core_makes_of_them(
    bundle: Bundle, session: BucketedSession, core: Session
) -> None:
    """Probability, logit, taps and the inner outputs of rows that span the golden ones."""
    rows = rows_like(bundle.golden.features, 10_000)
    compare(bundle, rows, session.run(rows), core.run(rows))


@pytest.mark.parametrize("count", [1, 7, 8, 100, 256, 1000, 1024, 2500])
def test_io_binding_gives_what_a_plain_run_gives(
    bundle: Bundle, session: BucketedSession, count: int
) -> None:
    """Buckets filled up, exactly full, and in pieces, against onnxruntime's own buffers."""
    rows = rows_like(bundle.golden.features, count, seed=count)
    compare(bundle, rows, session.run(rows), Session(session._session).run(rows))


def test_random_sizes_take_no_more_memory_than_each_bucket_once(
    bundle: Bundle, session: BucketedSession
) -> None:
    """The device's memory stays where it is once the buckets are made."""
    rows = rows_like(bundle.golden.features, 2 * BUCKETS[-1])
    for size in (*BUCKETS, len(rows)):
        session.run(rows[:size])
    before, generator = used(), np.random.default_rng(0)
    for _ in range(300):
        session.run(rows[: generator.integers(1, len(rows) + 1)])
    assert before is not None
    assert used() <= before


def test_captured_graphs_reproduce_golden_rows_after_all_buckets_were_captured(bundle: Bundle) -> None:
    """A replay finds its own rows, whatever was captured and replayed in between.

    Where members are joined by a Concat of more than 32 inputs, onnxruntime captures no graph.
    """
    made = Place(Options(REPOSITORY), sizes=BUCKETS).open(bundle.model, captured=True)
    rows = rows_like(bundle.golden.features, BUCKETS[-1])
    if bundle.manifest.name == "tox21":
        with pytest.raises(RuntimeError, match="at most 32 inputs during CUDA Graph capture"):
            made.run(rows[:1])
        return
    bundle.check_golden(made.run, CUDA_FLOAT32)
    for size in BUCKETS:
        made.run(rows[:size])
    for _ in range(3):
        bundle.check_golden(made.run, CUDA_FLOAT32)


def test_a_session_that_was_told_cuda_leaves_nothing_to_the_cpu(bundle: Bundle) -> None:
    """Created without the CPU, and with its help forbidden."""
    made = create_session(bundle.model, Device(CUDA))
    assert made.get_providers()[0] == CUDA
    entry = made.get_session_options().get_session_config_entry("session.disable_cpu_ep_fallback")
    assert entry == "1"


def test_the_service_says_cuda_and_answers_from_there(bundle: Bundle, tmp_path: Path) -> None:
    """A process with ``SNN_DEVICE=cuda``: readiness names the provider, golden records come right."""
    name, targets = bundle.manifest.name, bundle.manifest.target_names
    with running(tmp_path, models=REPOSITORY, device="cuda") as server:
        ready = server.wait_until_ready(90)
        assert ready.status_code == 200
        assert ready.json()["models"][name]["provider"] == CUDA
        body = {"model": name, "inputs": list(bundle.golden.records)}
        results = server.client.post("/predict", json=body).json()["results"]
        made = [[result["probability"][target] for target in targets] for result in results]
        np.testing.assert_allclose(made, bundle.golden.probability, atol=CUDA_FLOAT32.probability)
        assert server.stop() == 0


def test_the_service_does_not_start_on_cuda_where_no_device_is_visible(tmp_path: Path) -> None:
    """With the devices hidden: status 2 and the library's reason, on one line."""
    done = subprocess.run(
        [sys.executable, "-m", "service"],
        cwd=ROOT,
        env=environment(models=tmp_path, device="cuda", port=0) | {"CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("SNN_DEVICE=cuda: CUDA does not work here: ")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""

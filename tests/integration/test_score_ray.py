"""``python -m service score --engine ray`` on a real cluster of this machine's own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pyarrow.csv
import pyarrow.parquet
import pytest

from tests.integration.test_score import begin, library, score
from tests.support import bundles
from tests.support.server import environment

needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="ray is not installed (extra `ray`)")


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model repository with a small tox21 and a small htru2."""
    root = tmp_path_factory.mktemp("repository")
    bundles.publish(root)
    bundles.publish(root, name="tox21", kind=bundles.MOLECULES)
    return root


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """A cluster that is there already, in RAY_ADDRESS."""
    code = (
        "import ray, sys\n"
        "made = ray.init(address='local', num_cpus=3, object_store_memory=200_000_000,"
        " include_dashboard=False, log_to_driver=False, _node_ip_address='127.0.0.2')\n"
        "print(made.address_info['gcs_address'], flush=True)\n"
        "sys.stdin.read()\n"
    )
    # As whoever runs a cluster sets them on every machine of it; a client needs the same.
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0123456789abcdef" * 4}
    for _ in range(3):  # Ray gives its own processes 15 s to come up, which a busy machine may not
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            env=environment() | token | {"RAY_USAGE_STATS_ENABLED": "0"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        with process, pytest.MonkeyPatch.context() as patch:
            assert process.stdout is not None
            address = process.stdout.readline().strip()
            if address:
                for name, value in {**token, "RAY_ADDRESS": address}.items():
                    patch.setenv(name, value)
                yield
                return
            assert process.stderr is not None
            said = process.stderr.read()
            assert "timed out during startup" in said, said
    pytest.skip("this machine is too busy for Ray's own processes to come up in time")


@needs_ray
@pytest.mark.slow
def test_ray_gives_the_same_file(repository: Path, tmp_path: Path) -> None:
    """Molecules from CSV, faults and quoted lines among them: byte for byte as on one machine."""
    source = library(tmp_path / "library.csv", 4000)
    for engine in ("local", "ray"):
        said = score(
            repository,
            source,
            "--output",
            tmp_path / f"{engine}.csv",
            "--workers",
            2,
            "--engine",
            engine,
        )
        assert "4,000 rows" in said
    assert (tmp_path / "ray.csv").read_bytes() == (tmp_path / "local.csv").read_bytes()


@needs_ray
@pytest.mark.slow
def test_ray_reads_and_writes_parquet(repository: Path, cluster: None, tmp_path: Path) -> None:
    """Candidates from Parquet in several row groups to Parquet: the same file again."""
    names = bundles.CANDIDATES.featurizer().names
    rows = bundles.candidates(20_000)
    table = pyarrow.table({name: rows[:, place] for place, name in enumerate(names)})
    pyarrow.parquet.write_table(table, tmp_path / "in.parquet", row_group_size=7000)
    for engine in ("local", "ray"):
        target = tmp_path / f"{engine}.parquet"
        arguments = ("--model", "htru2", "--output", target, "--workers", 2, "--engine", engine)
        score(repository, tmp_path / "in.parquet", *arguments)
    assert (tmp_path / "ray.parquet").read_bytes() == (tmp_path / "local.parquet").read_bytes()
    assert pyarrow.parquet.read_metadata(tmp_path / "ray.parquet").num_rows == 20_000


@needs_ray
@pytest.mark.slow
def test_a_killed_run_goes_on_with_either_engine(
    repository: Path, cluster: None, tmp_path: Path
) -> None:
    """Begun with Ray, killed, gone on with by the local engine: no row is lost or there twice."""
    source, out = library(tmp_path / "library.csv", 6000), tmp_path / "out.csv"
    score(repository, source, "--output", tmp_path / "whole.csv", "--workers", 2)
    process = begin(repository, source, "--output", out, "--engine", "ray")
    journal = out.with_name("out.csv.journal")
    end = time.monotonic() + 90
    while process.poll() is None and time.monotonic() < end:
        if journal.exists() and len(journal.read_bytes().splitlines()) > 2:
            break
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    assert len(journal.read_bytes().splitlines()) > 2
    assert not out.exists()
    score(repository, source, "--output", out, "--workers", 2)
    assert out.read_bytes() == (tmp_path / "whole.csv").read_bytes()


@needs_ray
@pytest.mark.slow
def test_what_makes_the_rest_unreadable_is_told_after_what_could_be_read(
    repository: Path, cluster: None, tmp_path: Path
) -> None:
    """As with the local engine: one sentence, and the rows before the place are kept."""
    source = tmp_path / "broken.csv"
    source.write_text("smiles\n" + "CCO\n" * 300 + '"C\n')
    said = score(repository, source, "--engine", "ray", "--workers", 1, status=2)
    assert said.splitlines()[-1].startswith("record 301: a quoted field has no closing quote")
    assert "Traceback" not in said
    part = (tmp_path / "broken.scored.csv.part").read_text()
    assert len(part.splitlines()) == 301


@pytest.mark.slow
def test_without_ray_it_says_what_to_install(repository: Path, tmp_path: Path) -> None:
    """One sentence and status 2, and nothing is left behind that could not be gone on with."""
    source = tmp_path / "a.csv"
    source.write_text("smiles\nCCO\n")
    code = (
        "import sys; sys.modules['ray'] = sys.modules['ray.data'] = None\n"
        "from service.cli.main import cli\n"
        f"cli(['score', {str(source)!r}, '--engine', 'ray'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(models=repository),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.strip().endswith("pip install 'snn-serving[ray]'")
    assert len(done.stderr.splitlines()) == 1
    score(repository, source)
    assert (tmp_path / "a.scored.csv").exists()

"""How many cores a process may use: the least of its affinity and its control groups' quotas."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from models.cores import cores

ALLOWED = len(os.sched_getaffinity(0))


def groups(folder: Path, membership: str, **files: str) -> tuple[Path, Path]:
    """Write control groups as Linux shows them; ``__`` in a name stands for a slash."""
    own = folder / "own"
    own.write_text(membership)
    for name, content in files.items():
        path = folder / "groups" / name.replace("__", "/").replace("cpu_", "cpu.", 1)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return folder / "groups", own


@pytest.mark.parametrize(
    ("membership", "files", "expected"),
    [
        ("0::/\n", {"cpu_max": "max 100000\n"}, ALLOWED),
        ("0::/\n", {"cpu_max": "50000 100000\n"}, 1),
        ("0::/pod/box\n", {"pod__cpu_max": "100000 100000\n", "pod__box__cpu_max": "max 100000\n"}, 1),
        ("0::/host/name\n", {"cpu_max": "100000 100000\n"}, 1),
        ("0::/\n", {"cpu_max": "150000 100000\n"}, min(ALLOWED, 2)),
        ("4:memory:/\n1:cpu,cpuacct:/box\n", {"cpu__box__cpu_cfs_quota_us": "-1\n"}, ALLOWED),
        ("5:cpuset:/\n", {"cpu_max": "100000 100000\n"}, ALLOWED),
        ("", {}, ALLOWED),
    ],
)
def test_quotas_bound_the_cores(
    tmp_path: Path, membership: str, files: dict[str, str], expected: int
) -> None:
    """Versions 1 and 2 of control groups, of a container and of groups around it; 1.5 cores are 2."""
    assert cores(*groups(tmp_path, membership, **files)) == expected


def test_a_quota_of_version_1_bounds_the_cores(tmp_path: Path) -> None:
    """It stands in two files."""
    mount, own = groups(tmp_path, "1:cpu:/\n")
    (mount / "cpu").mkdir(parents=True)
    (mount / "cpu" / "cpu.cfs_quota_us").write_text("80000\n")
    (mount / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    assert cores(mount, own) == 1


def test_the_affinity_bounds_the_cores() -> None:
    """A process that is pinned to one core counts one."""
    code = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
    code += "from models.cores import cores; print(cores())"
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, check=True)
    assert done.stdout.strip() == b"1"


def test_without_control_groups_the_affinity_alone_counts(tmp_path: Path) -> None:
    """As on a system without them."""
    assert cores(tmp_path, tmp_path / "missing") == ALLOWED

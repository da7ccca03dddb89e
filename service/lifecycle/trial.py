"""Tries a bundle in a process with a memory limit before the service loads it beside others.

What a bundle may contain is checked before anything is run. Should a runtime still crash on it, or take
more memory than expected, that process dies alone, and the bundle is refused.
"""

import contextlib
import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np

from models.bundle.loading import check_place, open_bundle
from models.bundle.manifest import LARGEST_BATCH, MODEL_FILE
from models.errors import BundleRefused, ModelError
from service.errors import ServiceError
from service.inference.backend.device import CPU, Device
from service.inference.backend.onnx_session import open_session

#: Memory of the process: so much, and so many times the model's file, which is copied and unpacked.
_MOST_BYTES, _TIMES_FILE = 768 << 20, 10
_MOST_SECONDS = 120.0
_REFUSED = 3
#: The kernel ends this process first where the machine or the container has no memory left.
_FIRST_TO_GO = "1000"


def try_bundle(folder: Path, name: str, version: int) -> None:
    """Load a bundle and run its golden rows and the largest batch in another process, and wait for it.

    Raises ``BundleRefused`` with the reason, or with how the process ended.
    """
    command = [sys.executable, "-m", "service.lifecycle.trial", str(folder), name, str(version)]
    try:
        done = subprocess.run(  # noqa: S603 - this interpreter, with arguments of our own making
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_MOST_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise BundleRefused(f"loading it on trial took more than {_MOST_SECONDS:g} s") from error
    if done.returncode == _REFUSED:
        raise BundleRefused(done.stdout.decode(errors="replace"))
    if done.returncode:
        raise BundleRefused(
            f"loading it on trial ended the process that did (status {done.returncode}): it crashes the"
            f" runtime, or needs more than {_limit(folder) >> 20} MiB"
        )


def _limit(folder: Path) -> int:
    try:
        return _MOST_BYTES + _TIMES_FILE * (folder / MODEL_FILE).lstat().st_size
    except OSError:
        return _MOST_BYTES


def main(folder: Path, name: str, version: int) -> int:
    """Do what ``try_bundle`` waits for; the reason of a refusal goes to standard output."""
    with contextlib.suppress(OSError):  # not on Linux
        Path("/proc/self/oom_score_adj").write_text(_FIRST_TO_GO, encoding="ascii")
    limit = _limit(folder)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(5)
    try:
        bundle = open_bundle(folder)
        check_place(bundle.manifest, name, version)
        session = open_session(bundle.model, Device(CPU))
        bundle.check_golden(session.run)
        session.run(np.resize(bundle.golden.features, (LARGEST_BATCH, bundle.manifest.features)))
    except (ModelError, ServiceError) as error:
        sys.stdout.write(str(error))
        return _REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))

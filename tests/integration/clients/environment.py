"""Makes a client's environment once, under ``.clients/``.

``python -m tests.integration.clients.environment`` makes all of them ahead of the tests.
"""

import fcntl
import hashlib
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / ".clients"
#: What each environment is made of.
REQUIREMENTS = {
    "kserve": ("kserve>=0.21,<0.22",),
    "mlserver": ("mlserver>=1.7,<1.8",),
    "openapi": ("openapi-python-client>=0.29,<0.30", "ruff>=0.17,<0.18"),
}
_SECONDS = 600


class CannotInstall(Exception):
    """An environment could not be made; the text is the installer's last line."""


def programs(client: str) -> Path:
    """Return the folder of a client's programs, made at the first call.

    Raises ``CannotInstall``. An environment whose requirements have changed is made anew.
    """
    requirements = REQUIREMENTS[client]
    folder = FOLDER / client
    digest = hashlib.sha256(repr((requirements, sys.version_info[:2])).encode()).hexdigest()[:16]
    stamp = folder / f"installed-{digest}"
    FOLDER.mkdir(exist_ok=True)
    with (FOLDER / f"{client}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests may run in several processes
        if not stamp.exists():
            venv.create(folder, clear=True, with_pip=True, symlinks=True)
            _install(folder / "bin", requirements)
            stamp.touch()
    return folder / "bin"


def _install(programs: Path, requirements: tuple[str, ...]) -> None:
    pip = [programs / "python", "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
    try:
        done = subprocess.run(
            [*pip, *requirements], capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise CannotInstall(f"pip took more than {_SECONDS} s") from None
    if done.returncode:
        raise CannotInstall((done.stderr.strip().splitlines() or ["pip failed"])[-1])


if __name__ == "__main__":
    for name in REQUIREMENTS:
        programs(name)

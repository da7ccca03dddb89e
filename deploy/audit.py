"""Look the environment's packages up among the known vulnerabilities: ``python deploy/audit.py``.

Exit status 0: none is known; 1: some are; 3: nobody could be asked. pip-audit by itself calls that last
one "no known vulnerabilities found", so it is first asked about a single package.
"""

import json
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

CLEAN, VULNERABLE, UNKNOWN = 0, 1, 3
#: Every environment of ours has it, and the service knows it.
_PROBE = "numpy"

Document = dict[str, Any]


def ask(*arguments: str) -> Document | None:
    """What pip-audit says, as JSON; None where it could not find out."""
    command = [sys.executable, "-m", "pip_audit", "--format", "json", "--progress-spinner", "off"]
    done = subprocess.run(  # noqa: S603 - this interpreter, with arguments from below
        [*command, "--timeout", "10", *arguments], stdout=subprocess.PIPE, text=True, check=False
    )
    try:
        document: Document = json.loads(done.stdout)
    except ValueError:
        return None
    return document


def verdict(document: Document | None) -> tuple[int, str]:
    """The exit status, and what to say of pip-audit's document."""
    found = [] if document is None else document["dependencies"]
    audited = [one for one in found if "skip_reason" not in one]
    if not audited:
        return UNKNOWN, "NOT AUDITED: the service of known vulnerabilities could not be asked"
    skipped = [one["name"] for one in found if "skip_reason" in one]
    told = f"{len(audited)} packages audited"
    told += f"; not known to the service: {', '.join(skipped)}" if skipped else ""
    flaws = [(one, flaw) for one in audited for flaw in one["vulns"]]
    if not flaws:
        return CLEAN, f"{told}: no vulnerability is known"
    lines = [
        f"{one['name']} {one['version']}: {flaw['id']},"
        f" fixed in {', '.join(flaw['fix_versions']) or 'no version yet'}"
        for one, flaw in flaws
    ]
    return VULNERABLE, "\n".join([*lines, told])


def main() -> int:
    """Ask about one package, then about all."""
    with tempfile.TemporaryDirectory() as folder:
        one = Path(folder) / "requirements.txt"
        one.write_text(f"{_PROBE}=={version(_PROBE)}\n")
        probe = ask("--disable-pip", "--no-deps", "--requirement", str(one))
    status, text = verdict(probe)
    if status != UNKNOWN:
        status, text = verdict(ask("--local", "--skip-editable"))
    sys.stdout.write(f"{text}\n")
    return status


if __name__ == "__main__":
    sys.exit(main())

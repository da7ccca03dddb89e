"""``make mutants``: change the code in random places, and list the changes that no test notices.

mutmut makes every mutant of the wings that ``[tool.mutmut]`` in pyproject.toml names, and runs the quick
tests that call the changed function. A sample says what share of all survives; each survivor is shown,
for a person to judge: a mutant that computes the same is no hole in the tests.
"""

import argparse
import math
import random
import subprocess
import sys

_FIRST = "models.registry.seed.*"  # few mutants; a first run also makes all others and maps the tests
_UNNOTICED = ("survived", "no tests")


def main() -> int:
    """Run a sample, print its survivors; return 0 whatever survives."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m tests.mutants")
    parser.add_argument("--count", type=int, default=400, help="mutants in the sample")
    parser.add_argument("--seed", type=int, default=1, help="of the sample")
    parser.add_argument("--processes", type=int, default=1)
    options = parser.parse_args()
    _run([_FIRST], options.processes)
    names = sorted(_results())
    sample = random.Random(options.seed).sample(names, min(options.count, len(names)))
    _run(sample, options.processes)
    results = _results()
    unnoticed = [name for name in sorted(sample) if results[name] in _UNNOTICED]
    for name in unnoticed:
        sys.stdout.write(f"\n## {name}: {results[name]}\n{_mutmut('show', name)}")
    low, high = _interval(len(unnoticed), len(sample))
    sys.stdout.write(
        f"\n{len(unnoticed)} of {len(sample)} mutants were not noticed"
        f" ({100 * low:.1f} to {100 * high:.1f} % of all {len(names)}, 95 % interval)\n"
    )
    return 0


def _run(names: list[str], processes: int) -> None:
    subprocess.run(["mutmut", "run", "--max-children", str(processes), *names], check=True)


def _results() -> dict[str, str]:
    """Return what became of every mutant, by its name."""
    lines = (line.strip().split(": ", 1) for line in _mutmut("results", "--all", "true").splitlines())
    return {line[0]: line[1] for line in lines if len(line) == 2 and "__mutmut_" in line[0]}


def _mutmut(*arguments: str) -> str:
    return subprocess.run(["mutmut", *arguments], check=True, capture_output=True, text=True).stdout


def _interval(count: int, total: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share (J. Am. Stat. Assoc. 22, 1927)."""
    z, share = 1.959964, count / total
    middle = (share + z**2 / (2 * total)) / (1 + z**2 / total)
    half = z / (1 + z**2 / total) * math.sqrt(share * (1 - share) / total + z**2 / (4 * total**2))
    return middle - half, middle + half


if __name__ == "__main__":
    sys.exit(main())

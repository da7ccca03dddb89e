"""What the kernel says of a process and its children: memory, time and open files."""

import os
from dataclasses import dataclass
from pathlib import Path

_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Memory:
    """Resident and proportional memory of a process tree, in MiB.

    Pages that processes share count once for each in ``resident``, once in ``proportional``.
    """

    resident: float
    proportional: float


def tree(root: int) -> list[int]:
    """The process and all its descendants that still run."""
    parents: dict[int, int] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                # "pid (name with spaces) state parent ...": the name ends at the last bracket.
                parents[int(folder.name)] = int(
                    (folder / "stat").read_text().rpartition(")")[2].split()[1]
                )
            except (OSError, IndexError):
                continue
    found = [root] if root in parents else []
    for number in found:  # grows as it goes
        found += [child for child, parent in parents.items() if parent == number]
    return found


def memory(root: int) -> Memory:
    """Memory of the process tree now."""
    resident = proportional = 0
    for number in tree(root):
        try:
            text = Path(f"/proc/{number}/smaps_rollup").read_text()
        except OSError:
            continue
        sizes = {line.split(":")[0]: line.split() for line in text.splitlines()[1:]}
        resident += int(sizes["Rss"][1]) * 1024
        proportional += int(sizes["Pss"][1]) * 1024
    return Memory(resident / _MIB, proportional / _MIB)


def descriptors(root: int) -> int:
    """Open file descriptors of the process tree."""
    count = 0
    for number in tree(root):
        try:
            count += sum(1 for _ in Path(f"/proc/{number}/fd").iterdir())
        except OSError:
            continue
    return count


def seconds(root: int) -> float:
    """Processor time of the process tree since it started, of what still runs."""
    ticks = 0
    for number in tree(root):
        try:
            fields = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")

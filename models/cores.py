"""How many processor cores a process may use, for training and service alike."""

import math
import os
from collections.abc import Iterator
from pathlib import Path

_GROUPS = Path("/sys/fs/cgroup")
_OWN_GROUPS = Path("/proc/self/cgroup")


def cores(groups: Path = _GROUPS, own_groups: Path = _OWN_GROUPS) -> int:
    """Return how many cores this process may use, at least 1.

    The least of its CPU affinity and its control groups' CPU quotas (Linux's cgroup-v2 ``cpu.max``,
    or version 1's ``cpu.cfs_quota_us``), where 1.5 cores count as 2. ``groups`` is where control groups
    are mounted, ``own_groups`` the file that names those of this process.
    """
    try:
        allowed = len(os.sched_getaffinity(0))
    except AttributeError:  # not on Linux
        allowed = os.cpu_count() or 1
    return max(1, min([allowed, *(math.ceil(quota) for quota in _quotas(groups, own_groups))]))


def _quotas(groups: Path, own_groups: Path) -> Iterator[float]:
    """Yield, in cores, the quotas of this process's control groups and of all groups around them."""
    try:
        memberships = own_groups.read_text(encoding="utf-8").splitlines()
    except OSError:  # not on Linux
        return
    for membership in memberships:
        _, controllers, name = membership.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        mount = groups / "cpu" if controllers else groups
        folder = mount / name.lstrip("/")
        # A container may see its own group as the root, under a name that only the host knows.
        for group in (folder, *folder.parents):
            try:
                if controllers:
                    quota = (group / "cpu.cfs_quota_us").read_text(encoding="utf-8")
                    period = (group / "cpu.cfs_period_us").read_text(encoding="utf-8")
                else:
                    quota, period = (group / "cpu.max").read_text(encoding="utf-8").split()
            except OSError:
                continue
            if quota != "max" and int(quota) > 0:
                yield int(quota) / int(period)

"""What this process may use of the machine it runs on."""

from __future__ import annotations

import ctypes
import math
import os
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
"""Where version 2 of Linux's control groups, by which containers and batch systems set limits, is mounted."""

# From malloc.h.
_M_TRIM_THRESHOLD = -1
_M_MMAP_MAX = -4


def cores() -> int:
    """Cores that this process may run on, and has a share of."""
    allowed = float(len(os.sched_getaffinity(0)))
    for group in _groups():
        quota, _, period = _line(group / "cpu.max").partition(" ")
        if quota.isdigit() and period.isdigit():
            allowed = min(allowed, int(quota) / int(period))
    return max(1, math.floor(allowed))


def free_memory() -> int:
    """Bytes of memory that can be had without swapping or being killed."""
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
        if line.startswith("MemAvailable:"):
            free = int(line.split()[1]) * 1024
    for group in _groups():
        most, used = _line(group / "memory.max"), _line(group / "memory.current")
        if most.isdigit() and used.isdigit():
            free = min(free, int(most) - int(used) + _reclaimable(group))
    return max(0, free)


def _reclaimable(group: Path) -> int:
    """Bytes of a group's memory that hold files read, which the kernel gives back."""
    try:
        lines = (group / "memory.stat").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("inactive_file "))


def _groups() -> list[Path]:
    """The control group of this process and those above it."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    own = next((line[3:] for line in lines if line.startswith("0::")), None)
    if own is None:
        return []
    group = CGROUPS / own.lstrip("/")
    return [path for path in (group, *group.parents) if path == CGROUPS or CGROUPS in path.parents]


def _line(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def keep_memory() -> None:
    """Let this process keep the memory that it frees, for its next light field.

    By default the C library gives large blocks back to the system, which has to find and clear every page again when
    the next light field comes: on virtual machines that takes longer than the arithmetic. Without glibc nothing is
    done.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:
        return
    mallopt(_M_MMAP_MAX, 0)
    mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)

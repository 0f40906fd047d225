"""CPU time and memory of processes, whoever started them."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

MIB = 1024 * 1024

_LIBC = ctypes.CDLL(None, use_errno=True)


def cpu_seconds(pid: int) -> float:
    """User and system time that a process has used, all its threads; to the nanosecond.

    Raises ProcessLookupError where there is none. See clock_getcpuclockid(3).
    """
    clock = ctypes.c_int()
    if _LIBC.clock_getcpuclockid(pid, ctypes.byref(clock)):
        raise ProcessLookupError(f"there is no process {pid}")
    return time.clock_gettime(clock.value)


def cpu_of_kinds(kinds: Mapping[str, Iterable[int]]) -> dict[str, float]:
    """The CPU time of each kind of process, in seconds; `kinds`: process IDs by kind."""
    return {kind: sum(map(cpu_seconds, pids)) for kind, pids in kinds.items()}


def resident_bytes(pid: int) -> int:
    """Resident memory of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024

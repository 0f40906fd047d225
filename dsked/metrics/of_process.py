"""What metrics tell of the process, under Prometheus's usual names.

prometheus_client's own collector wants /proc/stat, which systemd's ProcSubset=pid hides from a service.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Iterator
from pathlib import Path

from dsked.metrics import families as f
from dsked.metrics.families import Scrape

_OWN = Path("/proc/self")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def _started() -> float:
    """Unix time of the process's start: field 22 of proc(5)'s stat, in ticks since the machine was booted."""
    ticks = int((_OWN / "stat").read_text().rpartition(")")[2].split()[19])
    since_boot_s = ticks / os.sysconf("SC_CLK_TCK")
    # In this order: what a busy machine puts between the two makes it later, and never later than now.
    return since_boot_s - time.clock_gettime(time.CLOCK_BOOTTIME) + time.time()


class OwnProcess:
    """This process. Made in it, once: the clock may be set later, and the start stays where it was."""

    def __init__(self) -> None:
        self._started = _started()

    def gather(self, scrape: Scrape) -> Iterator[None]:
        """Costs as much as listing the open descriptors."""
        used = resource.getrusage(resource.RUSAGE_SELF)
        pages = (_OWN / "statm").read_text().split()
        scrape.add(f.PROCESS_START, self._started)
        scrape.add(f.PROCESS_CPU, used.ru_utime + used.ru_stime)
        scrape.add(f.PROCESS_VIRTUAL, int(pages[0]) * _PAGE_BYTES)
        scrape.add(f.PROCESS_RESIDENT, int(pages[1]) * _PAGE_BYTES)
        yield
        scrape.add(f.PROCESS_FDS, len(os.listdir(_OWN / "fd")))  # noqa: PTH208  thousands, and no path is needed
        scrape.add(f.PROCESS_MAX_FDS, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        yield

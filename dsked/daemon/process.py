"""What a daemon sets up in its process, before it is any node: log, memory, core dumps, limits, loop."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import faulthandler
import gc
import logging
import resource
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

from dsked.config.node import ClientSettings, NodeSettings
from dsked.daemon import descriptors, logs
from dsked.limits import KEPT_FREED_BYTES, LARGEST_KEPT_BYTES, MORE_MEMORY_BYTES

_log = logging.getLogger("dsked")
#: Objects until a collection of the young ones: at Python's 700 it runs with every turn of 64 requests, for a
#: tenth of all processor time, and finds next to nothing: requests leave no circle of references behind.
_GC_YOUNG = 20_000


def set_up(settings: NodeSettings) -> None:
    """What comes first, before a secret is read or a part of the node imported."""
    faulthandler.enable()  # a watchdog ends a daemon that hangs with SIGABRT: the log has where
    role = "client" if isinstance(settings, ClientSettings) else "hub"
    logs.set_up(settings.log_format, settings.log_level, role, settings.name)
    keep_freed_memory()
    forbid_core_dumps()


def forbid_core_dumps() -> None:
    """Keys and pads lie in this process's memory: no core file, and no tracing by other processes."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    pr_set_dumpable = 4  # prctl(2)
    ctypes.CDLL(None).prctl(pr_set_dumpable, 0, 0, 0, 0)


def keep_freed_memory() -> None:
    """Shares of large keys come and go: their memory is not given back to the system each time.

    glibc does so with 128 KiB of it (mallopt(3)), and every page that is fetched again costs 0.7 us: as much
    as all that is done with it. Other C libraries do as they like.
    """
    m_trim_threshold, m_top_pad, m_mmap_threshold = -1, -2, -3
    with contextlib.suppress(AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(m_trim_threshold, KEPT_FREED_BYTES)
        mallopt(m_mmap_threshold, LARGEST_KEPT_BYTES)
        mallopt(m_top_pad, MORE_MEMORY_BYTES)


def collect_seldom() -> None:
    """Once all is imported: it stays, so that collections need not look at it, and they come seldom."""
    gc.freeze()
    gc.set_threshold(_GC_YOUNG, *gc.get_threshold()[1:])


def fit_limits(settings: NodeSettings) -> tuple[NodeSettings, int]:
    """Limits that the number of file descriptors allows, and block files to keep open. Raises DskedError."""
    client = isinstance(settings, ClientSettings)
    limits, open_files, cut = descriptors.fitted(
        settings.limits,
        "client" if client else "hub",
        descriptors.raise_limit(),
        dialled=len(settings.hubs) if isinstance(settings, ClientSettings) else 0,
        files=not settings.simulated,
        servers=2 if isinstance(settings, ClientSettings) and settings.skip else 1,
    )
    if cut:
        _log.warning("%s", cut)
    return replace(settings, limits=limits), open_files


def run_loop(main: Coroutine[Any, Any, int]) -> int:
    """Run `main` on uvloop where it is installed; gives what it returns."""
    factory: Callable[[], asyncio.AbstractEventLoop] | None = None
    try:
        import uvloop

        factory = uvloop.new_event_loop
    except ImportError:
        _log.warning("uvloop is not installed: running on asyncio's own event loop, which is slower")
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(main)

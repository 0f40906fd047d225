"""Pages of the STATUS reply: one in a turn of the event loop, and a small part of a core for all who ask."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from dsked.errors import DskedError
from dsked.limits import LONG_STATUS_S, STATUS_KEPT_TIMES

_log = logging.getLogger(__name__)
Done = Callable[[str | DskedError], None]


class StatusPages:
    """`make` gives the text of the page that begins with a peer's number, and takes as long as that needs.

    A page is given to whoever asks for it in the same turn, or where it took long, until a multiple of that
    time has passed; other pages wait until then. So thousands of requests for as many pages hold up nobody
    but who asks.
    """

    def __init__(self, make: Callable[[int], str]) -> None:
        self._make = make
        self._kept: tuple[int, str | DskedError] | None = None
        self._waiting: dict[int, list[Done]] = {}

    def ask(self, first: int, done: Done) -> None:
        """`done` gets the page, at once or later."""
        if self._kept is not None and self._kept[0] == first:
            done(self._kept[1])
            return
        self._waiting.setdefault(first, []).append(done)
        if self._kept is None:
            self._next()

    def _next(self) -> None:
        """The next page that somebody waits for; the first of all goes before others."""
        self._kept = None
        if not self._waiting:
            return
        first = 0 if 0 in self._waiting else next(iter(self._waiting))
        waiting = self._waiting.pop(first)
        begun = time.thread_time()  # of a core: where others have it, a short page is not kept either
        page = self._page(first)
        took_s = time.thread_time() - begun
        pause_s = STATUS_KEPT_TIMES * took_s if took_s > LONG_STATUS_S else 0.0
        self._kept = first, page
        asyncio.get_running_loop().call_later(pause_s, self._next)
        for done in waiting:
            done(page)

    def _page(self, first: int) -> str | DskedError:
        try:
            return self._make(first)
        except DskedError as error:
            return error
        except Exception:
            _log.exception("a status could not be made")
            return DskedError("internal error: see the node's log")

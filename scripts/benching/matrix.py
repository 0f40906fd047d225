"""The whole run: every topology, every load, and what stands beside them."""

from __future__ import annotations

import datetime
import os
import platform
import time
from collections.abc import Iterable
from typing import TypeVar

from laboratory import Laboratory
from torturing.progress import Progress

from benching import durability, large
from benching.echo import Echo
from benching.etsi import measure_etsi
from benching.processes import MIB
from benching.records import Alone, Document, Memory, Row
from benching.rows import measure_row
from benching.shape import Shape
from benching.stand import NothingServedError, Stand
from benching.startup import measure_startup
from benching.topologies import TOPOLOGIES, USUAL, content, quick_shapes, shapes, sizes

_Found = TypeVar("_Found")

#: Of each pool on media: more than the durable topology uses up.
MEDIA_POOL_BYTES = 64 * MIB
_MEDIA_KEY_BYTES = 16 * MIB
#: Of each simulated pool that is filled beforehand.
_FILLED_BYTES = 15 * MIB
_QUICK_FILLED_BYTES = 6 * MIB
_STARTS = 5


class Matrix:
    """Measures one part after the other; `document` holds what it has found."""

    def __init__(self, seconds: float, shown: Progress) -> None:
        self._seconds = seconds
        self._shown = shown
        self._done = 0
        self.document = Document(
            date=datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"),
            machine=f"{os.cpu_count()} cores, Python {platform.python_version()}",
            cores=os.cpu_count() or 1,
            seconds=seconds,
            rows=[], sizes=[], memory=[], alone=Alone(0.0, 0.0), large=[],
        )  # fmt: skip

    def quick(self) -> None:
        """What tells most, in less than a minute."""
        with Echo() as echo:
            self._topology(echo, USUAL, quick_shapes(), self.document.rows)
            filled = large.filled(echo, self._seconds, _QUICK_FILLED_BYTES, large.SIZES[:1])
            self._extend(self.document.large, filled, "large keys")
        self._startup(1)
        self._etsi()

    def full(self) -> None:
        """Everything."""
        self._startup(_STARTS)
        with Echo() as echo:
            for hubs, k in TOPOLOGIES:
                self._topology(echo, (hubs, k), shapes(hubs, k), self.document.rows)
            self._topology(echo, USUAL, sizes(), self.document.sizes)
            self._large(echo)
        self._etsi()

    def _topology(self, echo: Echo, which: tuple[int, int], loads: Iterable[Shape], rows: list[Row]) -> None:
        hubs, k = which
        with Laboratory(content(hubs, k)) as lab, Stand(lab) as stand:
            ready = stand.resident_mib()
            idle = stand.idle_percent(self._seconds)
            for shape in loads:
                row = (measure_row(stand, echo, shape, self._seconds) for _ in range(1))
                self._extend(rows, row, f"{k} of {hubs}: {shape.requests}, {shape.bits} bit")
            if rows is not self.document.rows:
                return
            self.document.memory.append(Memory(hubs, k, ready, stand.resident_mib(), idle))
        if which == USUAL:
            single = Shape(*USUAL, 1, 1, 128)
            seconds = self._seconds / 2
            self.document.alone = Alone(echo.round_trip_ms(single, seconds), echo.scatter_ms(single, seconds))

    def _large(self, echo: Echo) -> None:
        found, seconds = self.document.large, self._seconds
        filled = large.filled(echo, seconds, _FILLED_BYTES, large.SIZES)
        self._extend(found, filled, "large keys, simulated pools filled beforehand")
        self._extend(found, large.refilled(echo, seconds), "large keys, simulated pools refilled meanwhile")
        on_media = Laboratory(content(*USUAL, psrd="media"), media_bytes=MEDIA_POOL_BYTES)
        with on_media as media_lab, Stand(media_lab) as durable:
            keys = large.on_media(durable, echo, seconds, _MEDIA_KEY_BYTES)
            self._extend(found, keys, "large keys, pools on media")
            with Laboratory(content(*USUAL)) as lab, Stand(lab) as in_memory:
                compared = durability.compare(in_memory, durable, 2 * seconds)
                self._extend(self.document.durability, compared, "durability")

    def _startup(self, times: int) -> None:
        self.document.startup = measure_startup(times)
        self._told("start-up")

    def _etsi(self) -> None:
        self.document.etsi = measure_etsi(self._seconds)
        self._told("ETSI")

    def _extend(self, found: list[_Found], more: Iterable[_Found], what: str) -> None:
        """Take what is measured; what this machine is too slow for is left out, and said so."""
        try:
            found.extend(more)
        except NothingServedError as error:
            what = f"{what}: left out from here on: {error}"
        self._told(what)

    def _told(self, what: str) -> None:
        self._done += 1
        self._shown.update(self._done)
        self._shown.tell(f"{time.strftime('%H:%M:%S')} {what}")


def steps(quick: bool) -> int:
    """How many steps a run has."""
    if quick:
        return len(list(quick_shapes())) + 3
    rows = sum(len(list(shapes(*which))) for which in TOPOLOGIES)
    return rows + len(list(sizes())) + 6

"""The whole run: every topology, every load, and what stands beside them."""

from __future__ import annotations

import datetime
import os
import platform
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from laboratory import Laboratory
from torturing.progress import Progress

from benching import durability, large, wrapping
from benching.echo import Echo
from benching.etsi import measure_etsi
from benching.processes import MIB
from benching.records import Alone, Document, Memory, Row
from benching.rows import measure_row
from benching.shape import Shape
from benching.stand import NothingServedError, Stand
from benching.startup import measure_startup
from benching.topologies import TOPOLOGIES, USUAL, content, quick_shapes, shapes, sizes
from dsked.limits import ACK_LIMIT_S

#: Of each pool on media: more than the durable topology uses up.
MEDIA_POOL_BYTES = 64 * MIB
_MEDIA_KEY_BYTES = 16 * MIB
#: Of each simulated pool that is filled beforehand.
_FILLED_BYTES = 9 * MIB
_QUICK_FILLED_BYTES = 6 * MIB
_STARTS = 5
#: Clients refuse after 0.8 s: a load that takes longer would measure refusals.
_IN_TIME_S = ACK_LIMIT_S / 2
_ALWAYS_KEYS = 1024


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
            load=os.getloadavg()[0],
            seconds=seconds,
            rows=[], sizes=[], memory=[], large=[],
        )  # fmt: skip

    def quick(self) -> None:
        """What tells most, in less than a minute."""
        with Echo() as echo:
            self._topology(echo, USUAL, quick_shapes())
            with self._part("large keys"):
                filled = large.filled(echo, self._seconds, _QUICK_FILLED_BYTES, large.SIZES[:1])
                self.document.large.extend(filled)
            self._alone(echo)
        self._wrapping(self._seconds)
        self._startup(1)
        self._etsi()

    def full(self) -> None:
        """Everything."""
        self._startup(_STARTS)
        with Echo() as echo:
            for which in TOPOLOGIES:
                self._topology(echo, which, shapes(*which))
            with self._part("sizes of keys"), self._stand(*USUAL) as stand:
                self._rows(stand, echo, sizes(), self.document.sizes)
            self._large(echo)
            self._alone(echo)
        self._wrapping(2 * self._seconds)
        self._etsi()

    def _topology(self, echo: Echo, which: tuple[int, int], loads: Iterable[Shape]) -> None:
        hubs, k = which
        with self._part(f"{k} of {hubs}"), self._stand(hubs, k) as stand:
            ready, idle = stand.resident_mib(), stand.idle_percent(self._seconds)
            self._rows(stand, echo, loads, self.document.rows)
            self.document.memory.append(Memory(hubs, k, ready, stand.resident_mib(), idle))

    def _rows(self, stand: Stand, echo: Echo, loads: Iterable[Shape], rows: list[Row]) -> None:
        best = 0.0
        for shape in loads:
            with self._part(f"{shape.k} of {shape.hubs}, {shape.requests}, {shape.bits} bit"):
                _check_in_time(shape, best)
                rows.append(measure_row(stand, echo, shape, self._seconds))
                best = max(best, rows[-1].pairs_per_s)

    def _large(self, echo: Echo) -> None:
        found, seconds = self.document.large, self._seconds
        with self._part("large keys, simulated pools filled beforehand"):
            found.extend(large.filled(echo, seconds, _FILLED_BYTES, large.SIZES))
        with self._part("large keys, simulated pools refilled meanwhile"):
            found.extend(large.refilled(echo, seconds))
        with self._part("durability"), self._stand(*USUAL, psrd="media") as durable:
            with self._part("large keys, pools on media"):
                found.extend(large.on_media(durable, echo, seconds, _MEDIA_KEY_BYTES))
            with self._stand(*USUAL) as in_memory:
                self.document.durability.extend(durability.compare(in_memory, durable, 2 * seconds))

    def _alone(self, echo: Echo) -> None:
        shape, seconds = Shape(*USUAL, 1, 1, 128), self._seconds / 2
        with self._part("bare round trips"):
            self.document.alone = Alone(echo.round_trip_ms(shape, seconds), echo.scatter_ms(shape, seconds))

    def _wrapping(self, seconds: float) -> None:
        with (
            self._part("message wrapping"),
            self._stand(*USUAL) as plain,
            self._stand(*USUAL, wrapping="required") as wrapped,
        ):
            self.document.wrapping.extend(wrapping.compare(plain, wrapped, seconds))

    def _startup(self, times: int) -> None:
        with self._part("start-up"):
            self.document.startup = measure_startup(times)

    def _etsi(self) -> None:
        with self._part("ETSI"):
            self.document.etsi = measure_etsi(self._seconds)

    @contextmanager
    def _stand(self, hubs: int, k: int, psrd: str = "simulated", **settings: str) -> Iterator[Stand]:
        media_bytes = MEDIA_POOL_BYTES if psrd == "media" else 0
        with (
            Laboratory(content(hubs, k, psrd=psrd, **settings), media_bytes=media_bytes) as lab,
            Stand(lab) as stand,
        ):
            yield stand

    @contextmanager
    def _part(self, what: str) -> Iterator[None]:
        """A part of a run. What this machine is too slow for is left out, and that is said."""
        try:
            yield
        except (NothingServedError, subprocess.CalledProcessError, TimeoutError) as error:
            self.document.left_out.append(f"{what}: {error}")
            what = f"{what}: left out: {error}"
        self._done += 1
        self._shown.update(self._done)
        self._shown.tell(f"{time.strftime('%H:%M:%S')} {what}")


def _check_in_time(shape: Shape, pairs_per_s: float) -> None:
    """Raise NothingServedError for more keys at once than are served before requests are refused."""
    if shape.keys > max(_ALWAYS_KEYS, _IN_TIME_S * pairs_per_s):
        raise NothingServedError(f"{shape.keys} keys at once, more than are served in {_IN_TIME_S:g} s")


def steps(quick: bool) -> int:
    """How many parts a run has."""
    if quick:
        return len(list(quick_shapes())) + 6
    rows = sum(len(list(shapes(*which))) + 1 for which in TOPOLOGIES)
    return rows + len(list(sizes())) + 9

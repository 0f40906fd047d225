"""An honest pair of encryptors beside an attack: one key after the other at a steady pace, each timed.

It runs in a process of its own, so that the attackers' work is not taken for the daemons'.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TextIO

from laboratory import LIMIT_S, Laboratory, wait_until

from dsked.delivery.control_client import ControlClient
from dsked.errors import DskedError

PACE_S = 0.02


class Sample(NamedTuple):
    """One key pair: when it was asked for (monotonic), how long both ends took, and why it failed, or ""."""

    begun: float
    seconds: float
    error: str


class Times(NamedTuple):
    """What a stretch of time brought."""

    pairs: int
    failed: int
    p50_ms: float
    p99_ms: float
    error: str  # of the last failure


class Honest:
    """The samples, as far as they have come."""

    def __init__(self, samples: Path) -> None:
        self._samples = samples

    def between(self, begin: float, end: float) -> Times:
        """What was asked for, or under way, in this stretch, once all of that has ended.

        One that was asked for later tells that it has. Raises TimeoutError where the pair does not go on.
        """
        wait_until(lambda: any(one.begun >= end for one in self._read()[-1:]), "the honest pair goes on")
        found = [one for one in self._read() if begin <= one.begun + one.seconds and one.begun < end]
        times = sorted(one.seconds for one in found) or [0.0]
        errors = [one.error for one in found if one.error]
        return Times(
            len(found), len(errors), _ms(times, 0.50), _ms(times, 0.99), errors[-1] if errors else ""
        )

    def _read(self) -> list[Sample]:
        lines = self._samples.read_text().split("\n")[:-1]  # the last may be written just now
        return [Sample(*json.loads(line)) for line in lines]


def _ms(times: list[float], part: float) -> float:
    return round(1000 * times[min(int(part * len(times)), len(times) - 1)], 2)


@contextmanager
def honest(lab: Laboratory) -> Iterator[Honest]:
    """sam of carol and sunny of curtis, as long as the `with` block lasts."""
    samples = lab.path / "honest.jsonl"
    samples.touch()
    sockets = [str(lab.socket("client", name)) for name in ("carol", "curtis")]
    child = subprocess.Popen(
        [sys.executable, "-m", __name__, *sockets, str(samples)],
        stdin=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    try:
        yield Honest(samples)
    finally:
        child.communicate(timeout=LIMIT_S)  # its input ends, and so does it


def key_pair(carol: ControlClient, curtis: ControlClient) -> str:
    """Establish a key and fetch it; why that failed, or ""."""
    try:
        keys = carol.get_keys(["sunny"], 1, 256, "sam")
        theirs = curtis.get_keys_by_id("sam", [key.key_id for key in keys], "sunny")
    except DskedError as error:
        return str(error)
    return "" if theirs == keys else "the two ends hold different keys"


def _write(sockets: list[str], samples: TextIO) -> None:
    carol, curtis = (ControlClient(path, LIMIT_S) for path in sockets)
    while not select.select([sys.stdin], [], [], 0)[0]:
        begin = time.monotonic()
        error = key_pair(carol, curtis)
        seconds = time.monotonic() - begin
        samples.write(json.dumps([begin, seconds, error]) + "\n")
        samples.flush()
        time.sleep(max(PACE_S - seconds, 0))


if __name__ == "__main__":
    with Path(sys.argv[3]).open("a") as samples:
        _write(sys.argv[1:3], samples)

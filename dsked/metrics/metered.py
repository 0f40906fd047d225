"""A client's key service with a clock before it: it stands in the way only where metrics are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from time import perf_counter

from dsked.counters import Histogram
from dsked.delivery.service import KeyService
from dsked.delivery.wrapped import WrappedKeys
from dsked.errors import DskedError
from dsked.keys import Done, Outcome


class MeteredKeys(WrappedKeys):
    """A KeyService that measures how long requests take that get their keys: from the call to the answer."""

    def __init__(self, service: KeyService) -> None:
        super().__init__(service)
        self.initiated = Histogram()  # seconds
        self.responded = Histogram()

    def get_keys(
        self, caller: str, responders: Sequence[str], number: int, size_bits: int | None, done: Done
    ) -> None:
        """Establish keys."""
        timed = partial(_measure, self.initiated, perf_counter(), done)
        self._service.get_keys(caller, responders, number, size_bits, timed)

    def get_keys_by_id(self, caller: str, initiator: str, key_ids: Sequence[bytes], done: Done) -> None:
        """Hand out keys."""
        timed = partial(_measure, self.responded, perf_counter(), done)
        self._service.get_keys_by_id(caller, initiator, key_ids, timed)


def _measure(histogram: Histogram, begun: float, done: Done, outcome: Outcome) -> None:
    if not isinstance(outcome, DskedError):
        histogram.add(perf_counter() - begun)
    done(outcome)

"""What key requests that are dealt together have alike, and what their keys take of a pool."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from dsked.client.deal import KeyRequest
from dsked.client.hubs import Strangers
from dsked.limits import MASK_BYTES, MAX_KEYS_PER_FRAME
from dsked.sharing.shares import PAIR_BYTES
from dsked.sharing.terms import Party


class About(NamedTuple):
    """Requests that are dealt together: of one encryptor, for the same responders over the same hubs."""

    encryptor: str
    responders: tuple[Party, ...]
    key_bytes: int
    strangers: Strangers

    @property
    def pads_of_a_key(self) -> int:
        """Bytes of pads that a key takes, for each hub."""
        return self.key_bytes + PAIR_BYTES * (1 + further_codes(self.responders))

    def pads(self, requests: Iterable[KeyRequest]) -> int:
        """What all keys of these take, in a frame of their own."""
        return MASK_BYTES + self.pads_of_a_key * sum(request.number for request in requests)


def further_codes(responders: tuple[Party, ...]) -> int:
    """Codes of a key beside the one that each has: one for every further client that serves a responder."""
    return 0 if len(responders) == 1 else len({party.client for party in responders}) - 1


def frame_by_frame(about: About, requests: list[KeyRequest], max_pads: int) -> Iterator[list[KeyRequest]]:
    """The requests in groups whose keys fit into one frame, so that none waits for many others' shares."""
    some: list[KeyRequest] = []
    room = most = min(MAX_KEYS_PER_FRAME, max(max_pads // about.pads_of_a_key, 1))
    for request in requests:
        if some and request.number > room:
            yield some
            some, room = [], most
        some.append(request)
        room -= request.number
    yield some

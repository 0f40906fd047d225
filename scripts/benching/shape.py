"""The shape of a load: how many requests, keys and bits at once, between how many hubs."""

from __future__ import annotations

import msgspec

from dsked.limits import PROTOCOL_VERSION
from dsked.sharing.terms import Party, Terms


class Shape(msgspec.Struct, frozen=True):
    """`concurrency` requests under way, each for `number` keys of `bits` bits, any `k` of `hubs` hubs."""

    hubs: int
    k: int
    concurrency: int
    number: int
    bits: int

    @property
    def keys(self) -> int:
        """Keys under way at once."""
        return self.concurrency * self.number

    @property
    def key_bytes(self) -> int:
        """Bytes of one key."""
        return self.bits // 8

    @property
    def terms(self) -> Terms:
        """What its keys are dealt under."""
        initiator, responder = Party("carol", "sam"), Party("curtis", "sunny")
        return Terms(PROTOCOL_VERSION, self.hubs, self.k, initiator, (responder,), self.key_bytes)

    @property
    def requests(self) -> str:
        """Requests and keys, for people: 64 x 1."""
        return f"{self.concurrency} x {self.number}"

"""What the oracle remembers: keys as they were dealt and delivered, and what encryptors have asked for."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from dsked.client.deal import Deal, KeyRequest
from dsked.keys import Outcome
from dsked.limits import ANSWER_LIMIT_S
from dsked.sharing.terms import Terms
from simulating.events import Events
from simulating.judging.common_hubs import common
from simulating.processes import ClientProcess
from simulating.topology import Topology

FetchId = tuple[str, bytes]  # (initiator client, key ID)


@dataclass
class Dealt:
    """One key, as its initiator dealt it."""

    terms: Terms
    key: bytes
    deal: Deal
    request: KeyRequest
    at: float
    hub_lives: dict[str, int]  # the life of each hub at the time of dealing

    @property
    def acked(self) -> set[int]:
        """The hubs, by index, that have acknowledged all keys of its request."""
        return self.deal.acked - set(self.request.refusals or ())

    @property
    def ahead(self) -> bool:
        """It was dealt to be stored."""
        return self.deal.holders is not None

    def sure_until(self, share_timeout_s: float) -> float:
        """Asked for by then, shares that were dealt to be stored are found, whatever the rates of clocks."""
        return self.at + 0.97 * share_timeout_s - ANSWER_LIMIT_S if self.ahead else math.inf


@dataclass
class Request:
    """One request of an encryptor. `done` is to be called once."""

    process: ClientProcess
    caller: str
    what: str
    asked_at: float
    outcome: Outcome | None = None


@dataclass
class Memory:
    """What nobody in a world knows. `lives`: the life that each hub is in."""

    events: Events
    topology: Topology
    lives: Callable[[], dict[str, int]]
    dealt: dict[FetchId, Dealt] = field(default_factory=dict)
    delivered: Counter[tuple[FetchId, str]] = field(default_factory=Counter)  # to an encryptor, in all lives
    _delivered: set[FetchId] = field(default_factory=set)

    def deliver(self, fetch_id: FetchId, caller: str) -> int:
        """A responder gets a key. How often it has had it by now."""
        self.delivered[fetch_id, caller] += 1
        self._delivered.add(fetch_id)
        return self.delivered[fetch_id, caller]

    def delivered_to_anyone(self, fetch_id: FetchId) -> bool:
        """Some responder has had the key."""
        return fetch_id in self._delivered

    def same_lives(self, fetch_id: FetchId) -> bool:
        """No hub has been started again since the key was dealt."""
        dealt = self.dealt.get(fetch_id)
        return dealt is not None and dealt.hub_lives == self.lives()

    def serves(self, hub: str, dealt: Dealt) -> bool:
        """Whether all clients of a key have this hub."""
        return hub in common(self.topology, dealt.terms)

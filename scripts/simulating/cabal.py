"""What lying hubs and hostile clients know together, and what they agree on, so that their lies fit.

Members are fewer than k hubs, as far as anything is promised. Besides what they are given they are told
every key, for nothing that is promised may rest on its being unknown to them.
"""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple, TypeVar, cast

from dsked.hub.share_store import ShareId, StoredShare
from dsked.sharing import gfp, shamir
from dsked.sharing.terms import Party, Terms

T = TypeVar("T")
#: Key IDs and baits that are kept: the newest ones.
MAX_LEAKED = 4096


class Leak(NamedTuple):
    """A key that a member has heard of, as early as its first share came."""

    initiator: Party
    key_id: bytes
    responders: tuple[Party, ...]


class Bait(NamedTuple):
    """A key that a hostile client has dealt, for an honest responder to ask for."""

    initiator: Party
    responder: Party
    key_id: bytes


class Cabal:
    """`xs`: x-coordinates of all hubs by name; `k`: as the clients have it."""

    def __init__(self, random: random.Random, k: int, xs: dict[str, int]) -> None:
        self.random = random
        self.k = k
        self.xs = xs
        self.hubs: dict[str, str] = {}  # name of a lying hub -> what it does
        self.clients: set[str] = set()  # hostile ones
        self.leaked: deque[Leak] = deque(maxlen=MAX_LEAKED)
        self.bait: deque[Bait] = deque(maxlen=MAX_LEAKED)
        self.shares: dict[ShareId, dict[str, StoredShare]] = {}  # all that members were ever given
        self.keys: dict[ShareId, bytes] = {}
        self.lies: Counter[str] = Counter()  # told, by name of the hub
        self.misdeeds: Counter[str] = Counter()  # done, by name of the client
        self._known: set[tuple[Party, bytes]] = set()
        self._agreed: dict[Hashable, Any] = {}

    def join(self, hub: str, what: str) -> None:
        """A hub becomes a member; one that starts again stays what it was."""
        self.hubs[hub] = what

    def learn_key(self, initiator: str, key_id: bytes, key: bytes) -> None:
        """A key has been dealt by the client `initiator`: the members are told."""
        self.keys[initiator, key_id] = key

    def leak(self, found: Leak) -> None:
        """A member has heard of a key ID."""
        if (found.initiator, found.key_id) not in self._known:
            self._known.add((found.initiator, found.key_id))
            self.leaked.append(found)

    def given(self, hub: str, key_id: bytes, stored: StoredShare) -> None:
        """A member was given a whole share."""
        self.shares.setdefault((stored.terms.initiator.client, key_id), {})[hub] = stored

    def agreed(self, about: Hashable, make: Callable[[], T]) -> T:
        """What the first member that thought `about` it has made, the same for all others."""
        if about not in self._agreed:
            self._agreed[about] = make()
        return cast(T, self._agreed[about])

    def together(self, what: str) -> list[int]:
        """The x-coordinates of the members that do the same."""
        return sorted(self.xs[name] for name, does in self.hubs.items() if does == what)

    def honest(self) -> list[int]:
        """The x-coordinates of all hubs that are no members."""
        return sorted(x for name, x in self.xs.items() if name not in self.hubs)


class Differences(NamedTuple):
    """Polynomials of degree < k, given by k points: what colluders add to the shares of one key.

    `strings`: over GF(2^8), for the key and r; `pairs`: over GF(p), for x | f. What they are at 0 is added
    to what is rebuilt.
    """

    strings: tuple[tuple[int, bytes], ...]
    pairs: tuple[tuple[int, bytes], ...]

    def at(self, x: int) -> tuple[bytes, bytes]:
        """What the hub at `x` adds: to its string, and to its pair."""
        return shamir.join(self.strings, at=x), gfp.join(self.pairs, at=x)


def secret_bytes(terms: Terms, code_bytes: int) -> int:
    """Length of what is shared over GF(2^8) of one key, at one responder client: the key and r."""
    return terms.key_bytes + code_bytes - 2 * gfp.ELEMENT_BYTES

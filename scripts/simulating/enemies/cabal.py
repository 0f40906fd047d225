"""What lying hubs and hostile clients know together, and what they agree on, so that their lies fit.

Members are fewer than k hubs, as far as anything is promised. Besides what they are given they are told
every key, for nothing that is promised may rest on its being unknown to them.
"""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar, cast

from dsked.sharing import gfp, shamir
from dsked.sharing.shares import code_bytes, cut
from dsked.sharing.terms import Party, Terms, responder_clients
from simulating.enemies.rows import Row

T = TypeVar("T")
ShareId = tuple[str, bytes]  # (initiator client, key ID)
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


@dataclass(slots=True)
class Given:
    """A share that a member was given. `codes`: by responder client."""

    terms: Terms
    codes: dict[str, bytes]
    share: bytes

    @property
    def whole(self) -> bool:
        """True when all pieces of it have come."""
        return len(self.share) == self.terms.key_bytes


class Cabal:
    """`xs`: x-coordinates of all hubs by name; `k`: as the clients have it."""

    def __init__(self, random: random.Random, k: int, xs: dict[str, int]) -> None:
        self.random = random
        self.k = k
        self.xs = xs
        self.hubs: dict[str, str] = {}  # name of a lying hub -> what it does
        self.clients: set[str] = set()  # hostile ones
        self.client_of: dict[str, str] = {}  # of every encryptor, whatever hubs it has
        self.leaked: deque[Leak] = deque(maxlen=MAX_LEAKED)
        self.bait: deque[Bait] = deque(maxlen=MAX_LEAKED)
        self.shares: dict[ShareId, dict[str, Given]] = {}  # all that members were ever given, by hub
        self.keys: dict[ShareId, bytes] = {}
        self.lies: Counter[str] = Counter()  # told, by name of the hub
        self.misdeeds: Counter[str] = Counter()  # done, by name of the client
        self._known: set[tuple[Party, bytes]] = set()
        self._agreed: dict[Hashable, Any] = {}
        self._pieces: dict[tuple[str, ShareId], Given] = {}  # of shares that are not whole yet

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

    def given(self, hub: str, terms: Terms, row: Row) -> None:
        """A member was given a share or a piece of it. What it was given first stands."""
        share_id = (terms.initiator.client, row.key_id)
        known = self.shares.setdefault(share_id, {})
        if hub in known:
            return
        share = self._pieces.get((hub, share_id))
        if share is None and not row.offset:
            codes = cut(row.code, code_bytes(terms))
            of_client = dict(zip(responder_clients(terms), codes, strict=True))
            share = self._pieces[hub, share_id] = Given(terms, of_client, b"")
        if share is None or row.offset != len(share.share):
            return
        share.share += row.share
        if share.whole:
            known[hub] = self._pieces.pop((hub, share_id))

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

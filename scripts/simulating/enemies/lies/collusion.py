"""Colluders: fewer than k hubs whose lies fit together, though the secret tag and the evidence stand.

What k - 1 hubs can do to what is rebuilt is to add a polynomial of degree < k to each column: they choose
what it is at 0 (the shift of the key, of x, of f), or at which honest hubs it vanishes (those agree with
them, and the others look like liars).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

from dsked.sharing import amd, gf256, gfp
from dsked.sharing.dealing import deal
from dsked.sharing.shares import PAIR_BYTES, HubShare, code_bytes, tag_message
from dsked.sharing.terms import Party, Terms, hashes_key, responder_clients, sort_parties
from dsked.wire.connection import HubConnection
from dsked.wire.messages import GetShares, Message, ShareGroup, Shares, cut_key_ids
from dsked.wire.terms import share_terms
from simulating.enemies.cabal import Cabal, Differences, secret_bytes
from simulating.enemies.lies.hub import Lie, Said, ShareLie
from simulating.enemies.rows import Row, replaced, told_under
from simulating.enemies.sums import add_elements

#: The key that colluders would have everyone take.
WANTED = b"\x66"


class Adds(ShareLie):
    """Adds what all of its kind have agreed to add for one key and one responder client."""

    def key(self, to: HubConnection, group: ShareGroup, key: Row) -> Row:
        terms = share_terms(group)
        if terms is None:
            return key
        about = (self.named(), group.initiator.client, key.key_id, to.client)
        differences = self.cabal.agreed(about, lambda: self.differences(terms, key.key_id))
        string, pair = differences.at(self.x)
        share = gf256.xor(key.share, string[key.offset : key.offset + len(key.share)])
        if not key.code:
            return replaced(key, share=share)
        code = add_elements(key.code[:PAIR_BYTES], pair) + gf256.xor(
            key.code[PAIR_BYTES:], string[terms.key_bytes :]
        )
        return replaced(key, share=share, code=code)

    def differences(self, terms: Terms, key_id: bytes) -> Differences:
        """What to add to the shares of this key."""
        raise NotImplementedError

    def through(self, terms: Terms, fixed: Mapping[int, tuple[bytes, bytes]]) -> Differences:
        """Polynomials through the fixed points, for the rest at random: k points in all.

        In at least one column they are not zero everywhere.
        """
        others = [x for x in self.cabal.together(self.named()) if x not in fixed]
        others += [x for x in self.cabal.xs.values() if x not in (*fixed, *others)]
        points = dict(fixed)
        columns = [self.random.random() < 0.5 for _ in range(3)]
        columns[self.random.randrange(3)] = True
        for x in others[: terms.k - len(fixed)]:
            points[x] = self._anything(secret_bytes(terms, code_bytes(terms)), columns)
        strings = tuple((x, string) for x, (string, _) in points.items())
        return Differences(strings, tuple((x, pair) for x, (_, pair) in points.items()))

    def _anything(self, string_bytes: int, columns: list[bool]) -> tuple[bytes, bytes]:
        string = bytearray(string_bytes)
        if columns[0]:
            string[self.random.randrange(string_bytes)] = self.random.randrange(1, 256)
        elements = [self.random.randrange(1, gfp.P) if some else 0 for some in columns[1:]]
        return bytes(string), b"".join(number.to_bytes(gfp.ELEMENT_BYTES, "little") for number in elements)

    def nothing(self, terms: Terms) -> tuple[bytes, bytes]:
        """No difference."""
        return bytes(secret_bytes(terms, code_bytes(terms))), bytes(PAIR_BYTES)

    def some_honest(self, number: int) -> list[int]:
        """So many honest hubs, if there are so many."""
        honest = self.cabal.honest()
        return self.random.sample(honest, min(max(number, 0), len(honest)))


class ShiftsTheKey(Adds):
    """Moves the key to one of their choice: right when the fewest honest hubs that it takes are the chosen.

    They know the key, so they know what f must become for every x; they do not know x, and guess it. For a
    long key they guess r as well.
    """

    wanted: ClassVar[bytes] = WANTED

    def differences(self, terms: Terms, key_id: bytes) -> Differences:
        liars = len(self.cabal.together(self.named()))
        fixed = {x: self.nothing(terms) for x in self.some_honest(terms.k - liars)}
        key = self.cabal.keys.get((terms.initiator.client, key_id))
        shift = self.shift(terms, key_id, key) if key is not None else None
        return self.through(terms, {0: shift or self._anything_at_0(terms), **fixed})

    def shift(self, terms: Terms, key_id: bytes, key: bytes) -> tuple[bytes, bytes]:
        """What is added at 0: from the key to the one wanted, and from f to its tag, if x is as guessed."""
        wanted = (self.wanted * len(key))[: len(key)]
        r = self.guessed_r(terms, key_id)
        x = self.guessed_x(terms, key_id)
        f, other = (amd.tag(x, tag_message(terms, key_id, value, r)) for value in (key, wanted))
        pair = bytes(gfp.ELEMENT_BYTES) + ((other - f) % gfp.P).to_bytes(gfp.ELEMENT_BYTES, "little")
        return gf256.xor(key, wanted) + bytes(len(r)), pair

    def guessed_x(self, terms: Terms, key_id: bytes) -> int:
        """x of the secret tag: one of 2^127 - 1."""
        return self.random.choice([0, 1, self.random.randrange(gfp.P)])

    def guessed_r(self, terms: Terms, key_id: bytes) -> bytes:
        """The hash key of a long key; empty for short ones."""
        return self.random.randbytes(amd.HASH_KEY_BYTES) if hashes_key(terms) else b""

    def _anything_at_0(self, terms: Terms) -> tuple[bytes, bytes]:
        return self._anything(secret_bytes(terms, code_bytes(terms)), [True, True, True])


class FramesHonestHubs(Adds):
    """Differences that cancel at 0: the right key passes with them, and other honest hubs differ from it."""

    def differences(self, terms: Terms, key_id: bytes) -> Differences:
        silent = [0, *self.some_honest(terms.k - 2)]
        return self.through(terms, {x: self.nothing(terms) for x in silent})


class MisleadsDecoding(Adds):
    """Agrees with k - 1 honest hubs on another polynomial: decoding points at the rest of the honest."""

    def differences(self, terms: Terms, key_id: bytes) -> Differences:
        silent = self.some_honest(terms.k - 1)
        return self.through(terms, {x: self.nothing(terms) for x in silent})


# --- dealings of their own ---


class Deals(ShareLie):
    """Gives shares of a dealing that the colluders have made between them, under the key's ID."""

    def group(self, to: HubConnection, group: ShareGroup) -> list[ShareGroup]:
        terms = share_terms(group)
        if group.offset or terms is None or to.client not in responder_clients(terms):
            return [group]
        other = self.other(terms, to.client)
        ids = cut_key_ids(group.key_ids)
        return told_under(other, [invented(self, other, to.client, key_id) for key_id in ids])

    def other(self, terms: Terms, client: str) -> Terms:
        """The terms of their dealing."""
        return terms


class DealsAnother(Deals):
    """A key of their choice under the same terms."""


class DealsForTwo(Deals):
    """2 of n: two of them would do, if anyone believed it."""

    def other(self, terms: Terms, client: str) -> Terms:
        return terms._replace(k=2)


class DealsForOthers(Deals):
    """The client's other encryptors are responders as well."""

    def other(self, terms: Terms, client: str) -> Terms:
        served = {Party(client, name) for name in self.hub.directory.registered(client)}
        return terms._replace(responders=sort_parties({*terms.responders, *served}))


class DealsWhatNeverWas(Lie):
    """A whole key for every ID that is asked for and that nobody has dealt."""

    def hears(self, to: HubConnection, request_id: int, message: Message) -> Message | None:
        if isinstance(message, GetShares):
            for group in message.groups:
                for key_id in cut_key_ids(group.key_ids):
                    if (group.initiator, key_id) not in self.cabal.keys:
                        self._give(to, request_id, group.initiator, key_id)
        return message

    def _give(self, to: HubConnection, request_id: int, initiator: str, key_id: bytes) -> None:
        theirs, ours = (sorted(self.hub.directory.registered(name)) for name in (initiator, to.client))
        if not theirs or not ours:
            return
        responders = tuple(Party(to.client, name) for name in ours)
        terms = Terms(1, len(self.cabal.xs), self.cabal.k, Party(initiator, theirs[0]), responders, 32)
        groups = told_under(terms, [invented(self, terms, to.client, key_id)])
        self.hub.lied()
        self.hub.say(to, Said(Shares(groups, []), request_id))


def invented(liar: Lie, terms: Terms, client: str, key_id: bytes) -> Row:
    """One liar's share of the colluders' own dealing."""
    shares = liar.cabal.agreed(
        ("dealing", terms, key_id), lambda: dealing_of(liar.cabal, terms, key_id, WANTED * terms.key_bytes)
    )
    mine = shares[liar.x]
    return Row(key_id, 0, mine.share, mine.codes[responder_clients(terms).index(client)])


def dealing_of(cabal: Cabal, terms: Terms, key_id: bytes, key: bytes) -> dict[int, HubShare]:
    """A correct dealing of `key`, by x-coordinate."""
    xs = sorted(cabal.xs.values())
    fitting = terms._replace(n=len(xs), k=min(terms.k, len(xs)))  # hostile clients name any n and k
    hubs = deal([(key_id, key)], fitting, xs, cabal.random.randbytes)
    return {x: shares[0] for x, shares in zip(xs, hubs, strict=True)}


class DealsAround(Deals):
    """Their own dealing at first, and at once the true one."""

    def says(self, to: HubConnection, request_id: int, message: Message) -> Iterator[Said]:
        if isinstance(message, Shares) and message.groups:
            yield Said(replaced(self.altered(to, message), missing=[]), request_id)
        yield Said(message, request_id)


COLLUSION: tuple[type[Lie], ...] = (
    ShiftsTheKey, FramesHonestHubs, MisleadsDecoding, DealsAnother, DealsForTwo, DealsForOthers,
    DealsWhatNeverWas, DealsAround,
)  # fmt: skip

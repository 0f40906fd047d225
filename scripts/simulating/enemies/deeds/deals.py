"""Hostile initiators: dealings that are wrong in some way, for honest responders to ask for.

Each deals keys with shares that honest hubs take as they come, for they cannot look inside; what is wrong
shows only at the responder. The IDs go to the cabal as bait.
"""

from __future__ import annotations

from collections.abc import Sequence

from dsked.sharing import gfp
from dsked.sharing.dealing import deal
from dsked.sharing.shares import HubShare
from dsked.sharing.terms import Party, Terms, responder_clients, sort_parties
from dsked.wire.messages import PutShares
from simulating.enemies.cabal import Bait
from simulating.enemies.deeds.client import Deed
from simulating.enemies.rows import Row, put_under
from simulating.enemies.sums import add


class Dealer(Deed):
    """Deals one key, as `change` wants it, to the hubs that it has a session with."""

    def misbehave(self, now: float) -> None:
        terms = self.terms()
        key_id = self.dice.randbytes(16)
        self.deal(key_id, terms)
        for responder in terms.responders:
            self.cabal.bait.append(Bait(terms.initiator, responder, key_id))

    def terms(self) -> Terms:
        """For one or two responders of others, as far as they are known."""
        parties = {party for leak in self.me.some_leaks(20) for party in (leak.initiator, *leak.responders)}
        others = sorted(party for party in parties if party.client != self.me.name)
        chosen = self.dice.sample(others, min(len(others), self.dice.choice([1, 2])))
        responders = sort_parties(set(chosen or [Party("nobody", "nothing")]))
        initiator = Party(self.me.name, self.dice.choice(self.me.encryptors))
        size = self.dice.choice([16, 32, 1025])
        return Terms(1, len(self.cabal.xs), self.cabal.k, initiator, responders, size)

    def deal(self, key_id: bytes, terms: Terms) -> None:
        """Put every hub's share there."""
        shares = self.shares(key_id, terms)
        for hub in self.me.sessions():
            changed_terms, share = self.change(hub.x, terms, shares[hub.x])
            self.me.say(hub, put(key_id, changed_terms, share))

    def shares(self, key_id: bytes, terms: Terms, key: bytes | None = None) -> dict[int, HubShare]:
        """A correct dealing, by x-coordinate."""
        xs = sorted(self.cabal.xs.values())
        value = key or self.dice.randbytes(terms.key_bytes)
        hubs = deal([(key_id, value)], terms, xs, self.dice.randbytes)
        return {x: shares[0] for x, shares in zip(xs, hubs, strict=True)}

    def change(self, x: int, terms: Terms, share: HubShare) -> tuple[Terms, HubShare]:
        """What the hub at `x` gets."""
        return terms, share

    def chosen(self, x: int, number: int) -> bool:
        """Whether `x` is among some of the hubs, the same for all keys of this client."""
        xs = sorted(self.cabal.xs.values())
        return x in self.cabal.agreed(
            (self.me.name, number), lambda: self.dice.sample(xs, min(number, len(xs)))
        )


def put(key_id: bytes, terms: Terms, share: HubShare) -> PutShares:
    """One key's share in one message."""
    row = Row(key_id, 0, share.share, b"".join(share.codes))
    return PutShares(put_under(terms, [row]))


class FramesAHub(Dealer):
    """Deals honestly but for one hub, always the same: it looks like a liar."""

    def change(self, x: int, terms: Terms, share: HubShare) -> tuple[Terms, HubShare]:
        return terms, _altered(share, b"\x01") if self.chosen(x, 1) else share


class FramesWithCodes(Dealer):
    """As FramesAHub, in f alone."""

    def change(self, x: int, terms: Terms, share: HubShare) -> tuple[Terms, HubShare]:
        return terms, _with_other_f(share) if self.chosen(x, 1) else share


class DealsOffThePolynomial(Dealer):
    """Every hub's share is off in another way: no k fit, and responders have all subsets to search."""

    def change(self, x: int, terms: Terms, share: HubShare) -> tuple[Terms, HubShare]:
        return terms, _altered(share, self.dice.randbytes(len(share.share)))


class DealsBadCodes(Dealer):
    """Shares that all fit, and a secret tag that does not."""

    def change(self, x: int, terms: Terms, share: HubShare) -> tuple[Terms, HubShare]:
        return terms, _with_other_f(share)


class DealsBeyondTheField(Dealer):
    def change(self, x: int, terms: Terms, share: HubShare) -> tuple[Terms, HubShare]:
        return terms, HubShare(share.share, tuple(b"\xff" * len(code) for code in share.codes))


class DealsTermsByHub(Dealer):
    """Other responders, another k or another length at some hubs."""

    def change(self, x: int, terms: Terms, share: HubShare) -> tuple[Terms, HubShare]:
        if not self.chosen(x, 2):
            return terms, share
        other = self.dice.choice([
            terms._replace(k=terms.k + 1), terms._replace(k=2), terms._replace(n=terms.n + 1),
            terms._replace(responders=(Party("nobody", "nothing"),)),
        ])  # fmt: skip
        return other, HubShare(share.share, share.codes[: len(responder_clients(other))])


class DealsWrongLengths(Dealer):
    """What hubs refuse: shares and codes that do not have the length that their terms tell."""

    def change(self, x: int, terms: Terms, share: HubShare) -> tuple[Terms, HubShare]:
        wrong: Sequence[HubShare] = [
            HubShare(share.share + b"x", share.codes), HubShare(b"", share.codes), HubShare(share.share, ()),
            HubShare(share.share, tuple(code[:-1] for code in share.codes)),
            HubShare(share.share[:-1], share.codes),
        ]  # fmt: skip
        return terms, self.dice.choice(wrong)


class DealsToNobody(Dealer):
    """Responders that do not exist, and some with names as long as may be."""

    def terms(self) -> Terms:
        nobody = {Party("n" * 64, "o" * 128), Party("nobody", "\U0001f511" * 32), Party("nil", "nix")}
        return super().terms()._replace(responders=sort_parties(nobody))


class DealsTwoKeys(Dealer):
    """Two keys under one ID, each to half of the hubs: at most one of them may come of it."""

    def deal(self, key_id: bytes, terms: Terms) -> None:
        both = [self.shares(key_id, terms) for _ in range(2)]
        for number, hub in enumerate(self.me.sessions()):
            self.me.say(hub, put(key_id, terms, both[number % 2][hub.x]))


class DealsTwice(Dealer):
    """The same ID again with other content: a conflict, and never an overwrite."""

    def deal(self, key_id: bytes, terms: Terms) -> None:
        super().deal(key_id, terms)
        super().deal(key_id, terms)


class ReusesKeys(Dealer):
    """One key value under many IDs, and one that is all zeros."""

    def shares(self, key_id: bytes, terms: Terms, key: bytes | None = None) -> dict[int, HubShare]:
        return super().shares(key_id, terms, self.dice.choice([b"\0", b"\x42"]) * terms.key_bytes)


def _altered(share: HubShare, difference: bytes) -> HubShare:
    return HubShare(add(share.share, difference), share.codes)


def _with_other_f(share: HubShare) -> HubShare:
    codes = []
    for code in share.codes:
        f = (int.from_bytes(code[16:32], "little") + 1) % gfp.P
        codes.append(code[:16] + f.to_bytes(16, "little") + code[32:])
    return HubShare(share.share, tuple(codes))


DEALERS: tuple[type[Deed], ...] = (
    FramesAHub, FramesWithCodes, DealsOffThePolynomial, DealsBadCodes, DealsBeyondTheField,
    DealsTermsByHub, DealsWrongLengths, DealsToNobody, DealsTwoKeys, DealsTwice, ReusesKeys,
)  # fmt: skip

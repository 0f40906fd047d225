"""Lies about the shares themselves: altered, swapped, stale, under other terms, in pieces that contradict."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from dsked.sharing import gfp
from dsked.sharing.shares import PAIR_BYTES
from dsked.wire.connection import HubConnection
from dsked.wire.messages import Message, PartyBody, ShareGroup, Shares
from simulating.enemies.lies.hub import Lie, Said, ShareLie
from simulating.enemies.rows import Row, groups_of, replaced, rows_of
from simulating.enemies.sums import add, add_elements

_ELEMENT = gfp.ELEMENT_BYTES


class AltersShare(ShareLie):
    """Every byte of the share, by a difference of its own."""

    def key(self, to: HubConnection, group: ShareGroup, key: Row) -> Row:
        return replaced(key, share=add(key.share, bytes([self.x])))


class AltersOneByte(ShareLie):
    """The last byte of what it gives."""

    def key(self, to: HubConnection, group: ShareGroup, key: Row) -> Row:
        return replaced(key, share=key.share[:-1] + add(key.share[-1:], bytes([self.x])))


class CodeLie(ShareLie):
    """Shares of the key as they are, and other codes."""

    def key(self, to: HubConnection, group: ShareGroup, key: Row) -> Row:
        return replaced(key, code=self.code(key.code)) if key.code else key

    def code(self, code: bytes) -> bytes:
        """x | f | r in place of those that are stored."""
        raise NotImplementedError

    def shifted(self, code: bytes, x: int, f: int) -> bytes:
        """The code with differences in GF(p) added to x and to f."""
        pair = b"".join(number.to_bytes(_ELEMENT, "little") for number in (x, f))
        return add_elements(code[:PAIR_BYTES], pair) + code[PAIR_BYTES:]


class AltersX(CodeLie):
    def code(self, code: bytes) -> bytes:
        return self.shifted(code, self.x, 0)


class AltersF(CodeLie):
    def code(self, code: bytes) -> bytes:
        return self.shifted(code, 0, self.x)


class AltersXAndF(CodeLie):
    def code(self, code: bytes) -> bytes:
        return self.shifted(code, self.random.randrange(gfp.P), self.random.randrange(gfp.P))


class AltersHashKey(CodeLie):
    """r of long keys; of short ones x."""

    def code(self, code: bytes) -> bytes:
        if len(code) == PAIR_BYTES:
            return self.shifted(code, 1, 0)
        return code[:PAIR_BYTES] + add(code[PAIR_BYTES:], bytes([self.x]))


class BeyondTheField(CodeLie):
    """Elements of p and more."""

    def code(self, code: bytes) -> bytes:
        return self.random.choice([b"\xff" * len(code), gfp.P.to_bytes(_ELEMENT, "little") * 2 + code[32:]])


class WrongCodeLength(CodeLie):
    def code(self, code: bytes) -> bytes:
        return self.random.choice([b"", code[:-1], code[:_ELEMENT]])


class RandomShares(ShareLie):
    """Bytes that have to do with nothing; not the same twice."""

    def key(self, to: HubConnection, group: ShareGroup, key: Row) -> Row:
        other = replaced(key, share=self.random.randbytes(len(key.share)))
        if not key.code:
            return other
        elements = [self.random.randrange(gfp.P).to_bytes(_ELEMENT, "little") for _ in range(2)]
        return replaced(other, code=b"".join(elements) + key.code[PAIR_BYTES:])


class SwapsShares(ShareLie):
    """The share of another key."""

    previous: Row | None = None

    def key(self, to: HubConnection, group: ShareGroup, key: Row) -> Row:
        other, self.previous = self.previous or key, key
        return replaced(key, share=other.share, code=other.code if key.code else b"")


class ReplaysStaleShares(ShareLie):
    """The share of the oldest key of the same initiator, from before a restart if it can be."""

    def key(self, to: HubConnection, group: ShareGroup, key: Row) -> Row:
        for (initiator, _), by_hub in self.cabal.shares.items():
            stored = by_hub.get(self.hub.name)
            if initiator == group.initiator.client and stored is not None and to.client in stored.codes:
                old = stored.share[key.offset : key.offset + len(key.share)]
                return replaced(key, share=old, code=stored.codes[to.client] if key.code else b"")
        return key


# --- terms ---


class OtherTerms(ShareLie):
    """Each subclass names what differs."""

    changed: Callable[[ShareGroup], ShareGroup]

    def group(self, to: HubConnection, group: ShareGroup) -> list[ShareGroup]:
        return [type(self).changed(group)]


class OtherInitiator(OtherTerms):
    changed = staticmethod(lambda group: replaced(group, initiator=PartyBody(group.initiator.client, "evil")))


class OtherInitiatorClient(OtherTerms):
    changed = staticmethod(lambda group: replaced(group, initiator=PartyBody("evil", "evil")))


class OtherResponders(OtherTerms):
    """Others beside those that are named."""

    changed = staticmethod(
        lambda group: replaced(group, responders=[*group.responders, PartyBody("zacharias", "zoe")])
    )


class WithoutResponders(OtherTerms):
    changed = staticmethod(lambda group: replaced(group, responders=[PartyBody("evil", "evil")]))


class OtherN(OtherTerms):
    changed = staticmethod(lambda group: replaced(group, n=group.n - 1 if group.n > group.k else group.n + 1))


class LargerK(OtherTerms):
    changed = staticmethod(lambda group: replaced(group, k=group.k + 1, n=group.n + 1))


class SmallerK(OtherTerms):
    """The responder's own k stands, whatever a hub says."""

    changed = staticmethod(lambda group: replaced(group, k=group.k - 1))


class TermsThatBreakRules(OtherTerms):
    changed = staticmethod(lambda group: replaced(group, k=255, n=1))


# --- lengths and pieces ---


class ShorterKey(ShareLie):
    def group(self, to: HubConnection, group: ShareGroup) -> list[ShareGroup]:
        shorter = replaced(group, key_bytes=max(group.key_bytes - 1, 1))
        return groups_of(shorter, [replaced(key, share=key.share[:-1]) for key in rows_of(group)])


class LongerKey(ShareLie):
    """More is said to come, and never comes."""

    def group(self, to: HubConnection, group: ShareGroup) -> list[ShareGroup]:
        return groups_of(replaced(group, key_bytes=group.key_bytes + 1), rows_of(group))


class EmptyShares(ShareLie):
    def key(self, to: HubConnection, group: ShareGroup, key: Row) -> Row:
        return replaced(key, share=b"", code=b"")


class OverlongShares(ShareLie):
    def key(self, to: HubConnection, group: ShareGroup, key: Row) -> Row:
        return replaced(key, share=key.share + bytes(self.random.randint(1, 64)))


class Pieces(Lie):
    """Subclasses cut each key's share into pieces of their own, in frames of their own."""

    def says(self, to: HubConnection, request_id: int, message: Message) -> Iterator[Said]:
        if not isinstance(message, Shares):
            yield Said(message, request_id)
            return
        for group in message.groups:
            for key in rows_of(group):
                for piece in self.pieces(key):
                    yield Said(Shares(groups_of(group, [piece]), []), request_id)
        if message.missing:
            yield Said(Shares([], message.missing), request_id)

    def pieces(self, key: Row) -> Iterable[Row]:
        """What is said in place of `key`, in order."""
        raise NotImplementedError

    def cut(self, key: Row) -> tuple[Row, Row]:
        """The key's share in two pieces, of which the first may be empty."""
        at = self.random.randrange(len(key.share))
        rest = replaced(key, offset=key.offset + at, share=key.share[at:], code=b"")
        return replaced(key, share=key.share[:at]), rest


class OverlappingPieces(Pieces):
    """The second contradicts the first where they overlap."""

    def pieces(self, key: Row) -> Iterable[Row]:
        first, _ = self.cut(key)
        yield first
        yield replaced(key, offset=key.offset, share=add(key.share, bytes([self.x])), code=b"")


class GapsBetweenPieces(Pieces):
    def pieces(self, key: Row) -> Iterable[Row]:
        first, rest = self.cut(key)
        yield first
        yield replaced(rest, offset=rest.offset + 1)


class PiecesOutOfOrder(Pieces):
    def pieces(self, key: Row) -> Iterable[Row]:
        return reversed(self.cut(key))


class LastPieceNeverComes(Pieces):
    def pieces(self, key: Row) -> Iterable[Row]:
        return self.cut(key)[:1]


class TinyPieces(Pieces):
    """Eight bytes a frame, of the first kilobyte; all true, and the rest never comes."""

    def pieces(self, key: Row) -> Iterator[Row]:
        for start in range(0, min(len(key.share), 1024), 8):
            code = key.code if not start else b""
            yield replaced(key, offset=key.offset + start, share=key.share[start : start + 8], code=code)


# --- more answers than one ---


class LiesThenTruth(AltersShare):
    def says(self, to: HubConnection, request_id: int, message: Message) -> Iterator[Said]:
        if isinstance(message, Shares):
            yield Said(self.altered(to, message), request_id)
        yield Said(message, request_id)


class TruthThenLies(AltersShare):
    def says(self, to: HubConnection, request_id: int, message: Message) -> Iterator[Said]:
        lie = self.altered(to, message) if isinstance(message, Shares) else None
        yield Said(message, request_id)
        if lie is not None:
            yield Said(lie, request_id)


class DiffersByReader(ShareLie):
    """The truth to one client and something else to every other one."""

    def key(self, to: HubConnection, group: ShareGroup, key: Row) -> Row:
        truth = to.client == min(self.hub.pairs)
        return key if truth else replaced(key, share=add(key.share, to.client.encode()))


ABOUT_SHARES: tuple[type[Lie], ...] = (
    AltersShare, AltersOneByte, AltersX, AltersF, AltersXAndF, AltersHashKey, BeyondTheField,
    WrongCodeLength, RandomShares, SwapsShares, ReplaysStaleShares, OtherInitiator, OtherInitiatorClient,
    OtherResponders, WithoutResponders, OtherN, LargerK, SmallerK, TermsThatBreakRules, ShorterKey,
    LongerKey, EmptyShares, OverlongShares, OverlappingPieces, GapsBetweenPieces, PiecesOutOfOrder,
    LastPieceNeverComes, TinyPieces, LiesThenTruth, TruthThenLies, DiffersByReader,
)  # fmt: skip

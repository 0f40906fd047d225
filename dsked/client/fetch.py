"""Keys on their way from the hubs to the responder: the shares in hand, and what they amount to.

Keys that were asked for together and answered alike are one batch: what is known of its shares is kept once
for all of them, in columns. A hub that answers for some of them only, or in other groups, splits it; what
goes wrong with one key splits that one off. So a batch of one is the general case, and whole batches are as
quick as one.

Shares are grouped by identical terms. The first share that a hub gives stands; a different one later
is a mismatch and is not tried, so that liars do not get more tries.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any

from dsked.client.columns import Column, Piece
from dsked.client.slices import Task
from dsked.errors import ErrorCode
from dsked.limits import KEY_ID_BYTES
from dsked.secrecy import no_pickle, no_secrets
from dsked.sharing.search import Search
from dsked.sharing.shares import KeyShare
from dsked.sharing.terms import Terms

#: Codes of `missing` with which a hub says that it will never give a share to this process.
FINAL = frozenset({ErrorCode.NOT_NAMED, ErrorCode.DONE, ErrorCode.DELIVERED})
FetchId = tuple[str, bytes]  # (initiator client, key ID)
#: What most batches never need.
_NOTHING: Mapping[Any, Any] = MappingProxyType({})
_NOBODY: frozenset[Any] = frozenset()


class Fetch:
    """One key at the responder: who asked for it, who waits for it, who has it."""

    __slots__ = ("batch", "first_caller", "handed_to", "id", "keep_until", "key", "waiting")

    def __init__(self, fetch_id: FetchId, batch: Batch, first_caller: str, keep_until: float) -> None:
        self.id = fetch_id
        self.batch = batch
        self.first_caller = first_caller  # the encryptor that asked first
        self.keep_until = keep_until
        self.key: bytes | None = None
        self.waiting: tuple[Any, ...] = ()  # requests, in order
        self.handed_to: frozenset[str] = _NOBODY  # encryptors

    __repr__ = no_secrets
    __reduce__ = no_pickle


class Inquiry:
    """A GET_SHARES that is under way, and the batches for which its hub has not answered yet."""

    __slots__ = ("batches",)

    def __init__(self, batches: Collection[Batch]) -> None:
        self.batches = dict.fromkeys(batches)


class Batch:
    """Keys of one initiator with one history. Hubs are named by their x-coordinate.

    A batch of which a share came in pieces, or contradicts itself, or that was searched, has one key.
    """

    __slots__ = (
        "_key_ids", "asked", "columns", "contradicted", "failed_check", "fetches", "initiator", "judged",
        "missing", "passed", "pieces", "search_failed", "search_put_off", "searches", "searching", "terms",
        "unusable",
    )  # fmt: skip

    def __init__(self, initiator: str) -> None:
        self.initiator = initiator
        self.fetches: dict[bytes, Fetch] = {}  # by key ID
        self.asked: dict[int, Inquiry] = {}  # hubs with an answer outstanding
        self.missing: Mapping[int, int] = _NOTHING  # hub -> ErrorCode
        self.columns: dict[int, Column] = {}  # whole shares, in the order in which they came
        self.pieces: Mapping[int, Piece] = _NOTHING
        self.unusable: frozenset[int] = _NOBODY  # hubs whose shares may not even be tried
        self.contradicted: frozenset[int] = _NOBODY  # hubs that said something else later
        self.terms: Terms | None = None  # of the keys, once they have passed their secret tags
        self.passed: tuple[int, ...] = ()  # the hubs whose shares gave the keys
        self.failed_check = False
        self.judged = False  # its shares have been compared with the keys that passed
        self.searches: dict[Terms, Search] | Mapping[Terms, Search] = _NOTHING
        self.searching: Mapping[Terms, Task] = _NOTHING  # those that are under way
        self.search_failed = False  # with the shares that were in hand
        self.search_put_off = False  # too many others are under way
        self._key_ids = b""

    __repr__ = no_secrets
    __reduce__ = no_pickle

    @property
    def key_ids(self) -> bytes:
        """The IDs of all its keys, one behind the other."""
        if not self._key_ids:
            self._key_ids = b"".join(self.fetches)
        return self._key_ids

    def is_of(self, key_ids: bytes) -> bool:
        """True when these are its keys, in this order."""
        return len(self.fetches) * KEY_ID_BYTES == len(key_ids) and self.key_ids == key_ids

    # --- what batches are made of ---

    def split(self, fetches: Collection[Fetch]) -> Batch:
        """A batch of these alone, with the same history; itself if they are all. It keeps the others."""
        if len(fetches) == len(self.fetches):
            return self
        other = Batch(self.initiator)
        for fetch in fetches:
            other.fetches[fetch.id[1]] = fetch
            fetch.batch = other
        for name in ("missing", "unusable", "terms", "passed", "judged"):
            setattr(other, name, getattr(self, name))
        other.columns = {x: column.of(other.key_ids) for x, column in self.columns.items()}
        for x, inquiry in self.asked.items():
            other.asked[x] = inquiry
            inquiry.batches[other] = None
        self._remove(fetches)
        return other

    def drop(self, fetches: Collection[Fetch]) -> None:
        """Forget these; with the last one all that was given, and what is under way."""
        if len(fetches) < len(self.fetches):
            self._remove(fetches)
            return
        self.fetches, self._key_ids = {}, b""
        self.forget_shares()
        for x in tuple(self.asked):
            self.answered(x)

    def _remove(self, fetches: Collection[Fetch]) -> None:
        for fetch in fetches:
            del self.fetches[fetch.id[1]]
        self._key_ids = b""
        for x, column in self.columns.items():
            if 2 * len(self.fetches) <= column.number:  # few of its keys are left: keep no more than theirs
                self.columns[x] = column.of(self.key_ids)

    def forget_shares(self) -> None:
        """Keep the keys alone."""
        self.columns = {}
        self.pieces = self.searches = _NOTHING
        self.unusable = self.contradicted = _NOBODY

    # --- what hubs have said ---

    def held_bytes(self, x: int) -> int:
        """Bytes that are kept of what a hub has given."""
        if x in self.columns:
            return len(self.fetches) * self.columns[x].key_size
        return len(self.pieces[x].share) + len(self.pieces[x].code) if x in self.pieces else 0

    def xs(self) -> tuple[int, ...]:
        """The hubs of which something is kept."""
        return (*self.columns, *self.pieces, *self.unusable)

    def offset(self, x: int) -> int:
        """The byte from which a hub should give its share; 0 at first."""
        return len(self.pieces[x].share) if x in self.pieces else 0

    def has_answered(self, x: int) -> bool:
        """True when a hub's whole shares are here, or it has refused for good."""
        return x in self.columns or x in self.unusable or self.missing.get(x) in FINAL

    @property
    def untouched(self) -> bool:
        """True while no hub has been asked."""
        return not (self.asked or self.columns or self.missing or self.pieces or self.unusable)

    def may_be_asked(self, x: int) -> bool:
        """True when a hub has not answered yet, and no answer of it is outstanding."""
        return x not in self.asked and not self.has_answered(x)

    def take(self, column: Column) -> None:
        """Whole shares of all keys, in their order, of a hub that has given none before."""
        assert column.x not in self.columns, "the first share of a hub stands"
        self.columns[column.x] = column

    def take_piece(self, x: int, terms: Terms, offset: int, share: bytes, code: bytes) -> bool:
        """A piece of the share of the one key. True when the share is whole by it."""
        piece = self.pieces.get(x)
        if piece is None:
            if offset:
                return False
            piece = Piece(terms, code)
            self.pieces = {**self.pieces, x: piece}
        if not piece.take(terms, offset, share, code):
            self.contradicted |= {x}
        if not piece.whole:
            return False
        self.pieces = {other: its for other, its in self.pieces.items() if other != x}
        self.take(Column(x, piece.terms, self.key_ids, bytes(piece.share), piece.code))
        return True

    def take_unusable(self, x: int) -> None:
        """Shares that may not be tried; they count against their hub once the keys are known."""
        if x in self.pieces:
            self.contradicted |= {x}
        else:
            self.unusable |= {x}

    def take_missing(self, x: int, code: int) -> None:
        """A hub has no shares to give, and why."""
        self.missing = {**self.missing, x: code}

    def ask(self, x: int, inquiry: Inquiry) -> None:
        """A hub is asked, for the first time or again: it may have something else to say now.

        That it could not send so much stands until it answers: it may be why there is no key.
        """
        self.asked[x] = inquiry
        if self.missing.get(x, ErrorCode.LIMIT) != ErrorCode.LIMIT:
            self.missing = {other: code for other, code in self.missing.items() if other != x}

    def answered(self, x: int) -> None:
        """A hub has answered, or will not any more."""
        del self.asked.pop(x).batches[self]

    @property
    def settled(self) -> bool:
        """True when every hub that was asked has answered."""
        return not self.asked

    # --- what the shares amount to ---

    def group(self, terms: Terms) -> list[Column]:
        """The whole shares in hand under `terms`, in the order in which they came."""
        return [column for column in self.columns.values() if column.terms == terms]

    def column(self, x: int) -> Column:
        """What a hub has given, of these keys alone and in their order."""
        column = self.columns[x] = self.columns[x].of(self.key_ids)
        return column

    def rows(self, key_id: bytes, xs: Collection[int]) -> list[KeyShare]:
        """The shares of one of its keys that these hubs gave."""
        return [self.columns[x].row(key_id) for x in xs]

    @property
    def largest_group(self) -> int:
        """Shares in hand that could belong to one dealing."""
        return max(Counter(column.terms for column in self.columns.values()).values(), default=0)

    def succeed(self, terms: Terms, passed: tuple[int, ...]) -> None:
        """The keys are there, from the shares under `terms` of these k hubs, and their secret tags hold."""
        self.terms, self.passed, self.searches = terms, passed, _NOTHING

    def others(self) -> tuple[list[int], list[int]]:
        """The hubs beside those that passed whose shares can be compared with the keys, and those of which
        they cannot (other terms, contradicted, unusable); both ascending.

        A share that has come in part only, of the right terms, says nothing: its hub may be slow, or cut off
        by the network.
        """
        given_by: list[tuple[int, Column | Piece]] = [*self.columns.items(), *self.pieces.items()]
        comparable, malformed = [], [*self.unusable]
        for x, given in given_by:
            if given.terms != self.terms or x in self.contradicted:
                malformed.append(x)
            elif x in self.columns:
                comparable.append(x)
        return sorted({*comparable} - {*self.passed}), sorted({*malformed} - {*self.passed})


def usable_terms(terms: Terms | None, client: str, k: int) -> bool:
    """True when a share under `terms` may be tried: our client is named, and k is not below our own.

    The responder never takes k from a hub: two liars could otherwise invent a 2-of-n dealing.
    """
    return terms is not None and terms.k >= k and any(party.client == client for party in terms.responders)

"""What a hub has given: the whole shares of several keys in one string, or the beginning of a long one."""

from __future__ import annotations

from dataclasses import dataclass, field

from dsked.limits import KEY_ID_BYTES
from dsked.secrecy import no_pickle, no_secrets
from dsked.sharing.shares import KeyShare, code_bytes
from dsked.sharing.terms import Terms
from dsked.wire.messages import cut_key_ids


class Column:
    """Whole shares of one hub under the same terms, and their codes, in the order of `key_ids`.

    A key ID may stand there twice: the first share stands. Columns never change, so that batches share them.
    """

    __slots__ = ("_places", "codes", "key_ids", "key_size", "shares", "terms", "x")

    def __init__(self, x: int, terms: Terms, key_ids: bytes, shares: bytes, codes: bytes) -> None:
        self.x = x
        self.terms = terms
        self.key_ids = key_ids
        self.shares = shares
        self.codes = codes
        self.key_size = (len(shares) + len(codes)) * KEY_ID_BYTES // len(key_ids)  # bytes of share and code
        self._places: dict[bytes, int] = {}  # of the key IDs, once they are asked for

    __repr__ = no_secrets
    __reduce__ = no_pickle

    @property
    def number(self) -> int:
        """How many keys."""
        return len(self.key_ids) // KEY_ID_BYTES

    def of(self, key_ids: bytes) -> Column:
        """The column of these keys alone, in this order; all must be there."""
        if key_ids == self.key_ids:
            return self
        share, code = self.terms.key_bytes, code_bytes(self.terms)
        places = [self._place(key_id) for key_id in cut_key_ids(key_ids)]
        shares = b"".join([self.shares[place * share : (place + 1) * share] for place in places])
        codes = b"".join([self.codes[place * code : (place + 1) * code] for place in places])
        return Column(self.x, self.terms, key_ids, shares, codes)

    def row(self, key_id: bytes) -> KeyShare:
        """The share of one key."""
        alone = self.of(key_id)
        return KeyShare(alone.x, alone.shares, alone.codes)

    def _place(self, key_id: bytes) -> int:
        if not self._places:
            backwards = range(self.number - 1, -1, -1)
            self._places = dict(zip(cut_key_ids(self.key_ids)[::-1], backwards, strict=True))
        return self._places[key_id]


@dataclass(slots=True, eq=False)
class Piece:
    """The beginning of a long share, growing until it is whole."""

    terms: Terms
    code: bytes = field(repr=False)
    share: bytearray = field(default_factory=bytearray, repr=False)

    __reduce__ = no_pickle

    def take(self, terms: Terms, offset: int, share: bytes, code: bytes) -> bool:
        """Go on with `share` from `offset` bytes on. False where that contradicts what is there."""
        have = len(self.share)
        if (
            self.terms != terms
            or (offset == 0 and self.code != code)
            or offset > have
            or self.share[offset : offset + len(share)] != share[: have - offset]
        ):
            return False
        self.share += share[have - offset :]
        return True

    @property
    def whole(self) -> bool:
        """True when nothing is missing."""
        return len(self.share) == self.terms.key_bytes

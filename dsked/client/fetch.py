"""One key on its way from the hubs to the responder: the shares in hand, and what they amount to.

Shares are grouped by identical terms. The first share that a hub gives stands; a different one later
is a mismatch and is not tried, so that liars do not get more tries.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from dsked.client.slices import Task
from dsked.errors import (
    AlreadyDeliveredError,
    DskedError,
    ErrorCode,
    LimitError,
    NotNamedError,
    ReconstructionError,
    UnknownKeyError,
)
from dsked.secrecy import no_pickle
from dsked.sharing.search import Search
from dsked.sharing.shares import KeyShare, code_bytes
from dsked.sharing.terms import Terms

#: Codes of `missing` with which a hub says that it will never give a share to this process.
_FINAL = frozenset({ErrorCode.NOT_NAMED, ErrorCode.DONE, ErrorCode.DELIVERED})
FetchId = tuple[str, bytes]  # (initiator client, key ID)


@dataclass(slots=True, eq=False)
class _Held:
    """What one hub has given: its terms, its code, and its share as far as it has come."""

    terms: Terms | None  # None: terms that may not even be tried
    code: bytes = field(repr=False)
    share: bytes | bytearray = field(default=b"", repr=False)  # growing until it is complete
    complete: bool = False
    contradicted: bool = False  # the hub said something else later

    __reduce__ = no_pickle


@dataclass(slots=True, eq=False)
class Fetch:
    """The state of one key at the responder. Hubs are named by their x-coordinate."""

    id: FetchId
    keep_until: float
    first_caller: str = ""  # the encryptor that asked first
    waiting: dict[Any, None] = field(default_factory=dict, repr=False)  # requests, in order
    key: bytes | None = field(default=None, repr=False)
    terms: Terms | None = None  # of the key that passed its secret tag
    passed: list[KeyShare] = field(default_factory=list, repr=False)
    asked: set[int] = field(default_factory=set)  # hubs with an answer outstanding
    missing: dict[int, int] = field(default_factory=dict)  # hub -> ErrorCode
    handed_to: set[str] = field(default_factory=set)  # encryptors
    failed_check: bool = False
    judged: bool = False  # its shares have been compared with the key that passed
    searches: dict[Terms, Search] = field(default_factory=dict, repr=False)  # where the first k do not pass
    searching: dict[Terms, Task] = field(default_factory=dict, repr=False)  # those that are under way
    search_failed: bool = False  # with the shares that were in hand
    search_put_off: bool = False  # too many others are under way
    _held: dict[int, _Held] = field(default_factory=dict)
    _by_terms: dict[Terms, list[KeyShare]] = field(default_factory=dict)

    __reduce__ = no_pickle

    def held_bytes(self, x: int) -> int:
        """Bytes that are kept of what a hub has given."""
        held = self._held.get(x)
        return len(held.share) + len(held.code) if held is not None else 0

    def xs(self) -> tuple[int, ...]:
        """The hubs of which something is kept."""
        return tuple(self._held)

    def forget_shares(self) -> None:
        """Keep the key alone."""
        self._held.clear()
        self._by_terms.clear()
        self.searches.clear()
        self.passed = []

    def offset(self, x: int) -> int:
        """The byte from which a hub should give its share; 0 at first."""
        held = self._held.get(x)
        return len(held.share) if held is not None else 0

    def has_answered(self, x: int) -> bool:
        """True when a hub's whole share is here, or it has refused for good."""
        held = self._held.get(x)
        return (held is not None and held.complete) or self.missing.get(x) in _FINAL

    def take(self, x: int, terms: Terms, offset: int, share: bytes, code: bytes) -> Terms | None:
        """A share or a piece of it. Gives the terms whose group has just grown by a whole share."""
        held = self._held.get(x)
        if held is None:
            if offset:
                return None
            held = self._held[x] = _Held(terms, code, bytearray())
        elif held.terms != terms or (offset == 0 and held.code != code):
            held.contradicted = True
            return None
        have = len(held.share)
        if offset > have or held.share[offset : offset + len(share)] != share[: have - offset]:
            held.contradicted = True
            return None
        held.share += share[have - offset :]
        if held.complete or len(held.share) < terms.key_bytes:
            return None
        held.complete, held.share = True, bytes(held.share)
        self._by_terms.setdefault(terms, []).append(KeyShare(x, held.share, held.code))
        return terms

    def take_unusable(self, x: int) -> None:
        """A share under terms that may not be tried; it counts against its hub once the key is known."""
        held = self._held.setdefault(x, _Held(None, b"", complete=True))
        held.contradicted = held.contradicted or held.terms is not None

    def group(self, terms: Terms) -> list[KeyShare]:
        """The whole shares in hand under `terms`, in the order in which they came."""
        return self._by_terms.get(terms, [])

    @property
    def largest_group(self) -> int:
        """Shares in hand that could belong to one dealing."""
        return max(map(len, self._by_terms.values()), default=0)

    def succeed(self, terms: Terms, key: bytes, passed: list[KeyShare]) -> None:
        """`passed`, k shares under `terms`, give `key`, and its secret tag holds."""
        self.key, self.terms, self.passed = key, terms, passed
        self.searches.clear()

    @property
    def settled(self) -> bool:
        """True when every hub that was asked has answered."""
        return not self.asked

    def others(self) -> list[KeyShare]:
        """The shares in hand beside those that passed, whatever their terms; for the evidence.

        What cannot be compared (other terms, contradicted) is given as a malformed share, which counts
        as wrong. One that has come in part only, of the right terms, says nothing: its hub may be slow,
        or cut off by the network.
        """
        assert self.terms is not None
        of_passed = {share.x for share in self.passed}
        return [
            self._as_evidence(x, held)
            for x, held in sorted(self._held.items())
            if x not in of_passed and not self._is_part(held)
        ]

    def _is_part(self, held: _Held) -> bool:
        return held.terms == self.terms and not held.complete and not held.contradicted

    def _as_evidence(self, x: int, held: _Held) -> KeyShare:
        comparable = held.terms == self.terms and not held.contradicted
        return KeyShare(x, bytes(held.share), held.code) if comparable else KeyShare(x, b"", b"")

    def impossible(self, n: int, k: int) -> bool:
        """True when so many hubs have refused for good that k shares cannot come together."""
        refused = sum(code in _FINAL for code in self.missing.values())
        return self.key is None and n - refused < k

    def exhausted(self, n: int) -> bool:
        """True when all n hubs have given what they ever will, and all that can be tried has been tried."""
        if self.key is not None or not self.failed_check or self.searching or self.search_put_off:
            return False
        return sum(map(self.has_answered, self._held.keys() | self.missing.keys())) >= n

    def failure(self) -> DskedError:
        """Why there is no key, once the deadline has come or it has become impossible."""
        if self.searching:
            return ReconstructionError(
                f"some of the {self.largest_group} shares in hand are wrong, and it takes longer to find the "
                "right ones: ask again in a moment"
            )
        if self.search_put_off:
            return LimitError(
                "some shares are wrong, and too many other keys are being searched for right ones: ask again "
                "in a moment"
            )
        if self.failed_check:
            return ReconstructionError(
                f"the key cannot be rebuilt: no k of the {self.largest_group} shares in hand "
                "pass the secret tag"
            )
        code, _ = (Counter(self.missing.values()).most_common(1) or [(ErrorCode.UNKNOWN_KEY, 0)])[0]
        if code == ErrorCode.NOT_NAMED:
            return NotNamedError("the initiator did not name this client's encryptor for the key")
        if code in (ErrorCode.DONE, ErrorCode.DELIVERED):
            return AlreadyDeliveredError("the key has been delivered before, or has expired")
        return UnknownKeyError("one or more keys specified are not found on KME")


def usable_terms(terms: Terms | None, code: bytes, client: str, k: int) -> bool:
    """True when a share under `terms` may be tried: our client is named, and k is not below our own.

    The responder never takes k from a hub: two liars could otherwise invent a 2-of-n dealing.
    """
    return (
        terms is not None
        and terms.k >= k
        and any(party.client == client for party in terms.responders)
        and len(code) in (0, code_bytes(terms))
    )

"""Who gets which keys, and who has had them: each encryptor each key once, and no key that is not for it."""

from __future__ import annotations

from collections.abc import Sequence

from dsked.client.delivered import Delivered, Recipient
from dsked.client.fetch import Batch
from dsked.client.hubs import Hubs
from dsked.client.rounds import Request
from dsked.errors import AlreadyDeliveredError, DskedError, LimitError, NotNamedError, UnknownKeyError
from dsked.limits import FETCH_DEADLINE_S
from dsked.sharing.terms import Party


class HandingOut:
    """Of the keys that one client rebuilds for its encryptors."""

    def __init__(self, client: str, hubs: Hubs, share_timeout_s: float) -> None:
        self._client = client
        self._hubs = hubs
        self._share_timeout_s = share_timeout_s
        self._delivered = Delivered()
        self._kept_s = 0.0  # keep_s as it is in this turn, once it has been asked for

    @property
    def keep_s(self) -> float:
        """How long hubs may still hold shares of a key: as configured, or longer if k of them say so.

        Fewer than k could lie, and have the client refuse new keys rather than forget old ones.
        """
        if not self._kept_s:
            told = sorted([hub.share_timeout_ms for hub in self._hubs], reverse=True)
            self._kept_s = max(told[self._hubs.k - 1] / 1000, self._share_timeout_s) + FETCH_DEADLINE_S
        return self._kept_s

    def turn_ends(self) -> None:
        """Hubs may tell other times by the next turn."""
        self._kept_s = 0.0

    def forget_expired(self, now: float) -> None:
        """Deliveries of keys that no hub has shares of any more."""
        self._delivered.forget_expired(now)

    def refusal(self, recipient: Recipient, key_ids: Sequence[bytes], now: float) -> DskedError | None:
        """Why keys are not even asked for: one was delivered, or no more deliveries can be remembered."""
        if self._delivered.among(recipient, key_ids):
            return AlreadyDeliveredError("a key has been delivered to this encryptor before")
        if self._delivered.full(len(key_ids), now):
            return LimitError("too many keys were fetched lately to remember more: ask again later")
        return None

    def grant(
        self, recipient: Recipient, requests: Sequence[Request], now: float
    ) -> tuple[list[Request], list[tuple[Request, DskedError]]]:
        """(those to be answered with their keys, those refused and why), of one encryptor and initiator.

        All of their keys have been rebuilt. What is granted is remembered before it leaves.
        """
        asked = [fetch.id[1] for request in requests for fetch in request.fetches]
        delivered = self._delivered.among(recipient, asked)
        has_it = frozenset(recipient[1:])
        checked: set[Batch] = set()
        granted: list[Request] = []
        refused: list[tuple[Request, DskedError]] = []
        for request in requests:
            refusal = self._refusal_of(request, delivered, checked)
            if refusal is not None:  # perhaps since another of these requests has got the key
                refused.append((request, refusal))
                continue
            granted.append(request)
            for fetch in request.fetches:
                fetch.handed_to = fetch.handed_to | has_it if fetch.handed_to else has_it
        key_ids = [fetch.id[1] for request in granted for fetch in request.fetches]
        self._delivered.add(recipient, key_ids, now, self.keep_s)
        return granted, refused

    def _refusal_of(self, request: Request, delivered: set[bytes], checked: set[Batch]) -> DskedError | None:
        """The last check before keys leave, on what their secret tags have covered.

        `delivered`: those of the key IDs that the caller has got. `checked`: batches that it may have.
        """
        for fetch in request.fetches:
            if fetch.batch not in checked:
                terms = fetch.batch.terms
                assert terms is not None
                if terms.initiator != request.initiator:
                    return UnknownKeyError("one or more keys specified are not found on KME")
                if Party(self._client, request.caller) not in terms.responders:
                    return NotNamedError("the initiator did not name the calling encryptor for the key")
                checked.add(fetch.batch)
            if request.caller in fetch.handed_to or fetch.id[1] in delivered:
                return AlreadyDeliveredError("a key has been delivered to this encryptor before")
        return None

"""What is to be expected of keys that are not there yet, and why there are none in the end."""

from __future__ import annotations

from collections import Counter

from dsked.client.fetch import FINAL, Batch
from dsked.errors import (
    AlreadyDeliveredError,
    DskedError,
    ErrorCode,
    LimitError,
    NotNamedError,
    ReconstructionError,
    UnknownKeyError,
)


def hopeless(batch: Batch, n: int, k: int) -> bool:
    """True when no key will come of it, whatever is waited for."""
    if batch.terms is not None:
        return False
    return bool(batch.missing and _impossible(batch, n, k)) or (batch.failed_check and _exhausted(batch, n))


def _impossible(batch: Batch, n: int, k: int) -> bool:
    """True when so many hubs have refused for good that k shares cannot come together."""
    return n - sum(code in FINAL for code in batch.missing.values()) < k


def _exhausted(batch: Batch, n: int) -> bool:
    """True when all n hubs have given what they ever will, and all that can be tried has been tried."""
    if batch.searching or batch.search_put_off:
        return False
    return sum(map(batch.has_answered, {*batch.xs(), *batch.missing})) >= n


def failure(batch: Batch, k: int) -> DskedError:
    """Why there is no key, once the deadline has come or it has become hopeless.

    What k hubs say for good is so, however many others, perhaps strangers to the initiator, know no such key.
    """
    if batch.searching:
        return ReconstructionError(
            f"some of the {batch.largest_group} shares in hand are wrong, and it takes longer to find the "
            "right ones: ask again in a moment"
        )
    if batch.search_put_off:
        return LimitError(
            "some shares are wrong, and too many other keys are being searched for right ones: ask again "
            "in a moment"
        )
    if batch.failed_check:
        return ReconstructionError(
            f"the key cannot be rebuilt: no k of the {batch.largest_group} shares in hand pass the secret tag"
        )
    codes = Counter(batch.missing.values()).most_common()
    for_good = [code for code, number in codes if code in FINAL and number >= k]
    code = next(iter(for_good or [code for code, _ in codes]), ErrorCode.UNKNOWN_KEY)
    if code == ErrorCode.NOT_NAMED:
        return NotNamedError("the initiator did not name this client's encryptor for the key")
    if code in (ErrorCode.DONE, ErrorCode.DELIVERED):
        return AlreadyDeliveredError("the key has been delivered before, or has expired")
    if code == ErrorCode.LIMIT:
        return LimitError(
            "the hubs cannot send so many shares in time, mostly as their PSRD pools for this client are too "
            "small: ask for fewer keys at once, or again in a moment; if that goes on, more PSRD is needed"
        )
    return UnknownKeyError("one or more keys specified are not found on KME")

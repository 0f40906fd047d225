"""Shares that go into a store and come out of it, one at a time or in columns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dsked.errors import ErrorCode
from dsked.hub.lots import Given
from dsked.hub.share_store import ShareStore
from dsked.sharing.terms import Party, Terms, responder_clients, sort_parties

NOW = 1000.0
TIMEOUT_S = 60.0
KEY_ID = b"k" * 16
BOOT, OTHER_BOOT = b"b" * 16, b"o" * 16
SHARE = bytes(range(32))
LimitTombstones = Callable[[int], None]


def terms(*responders: tuple[str, str], initiator: str = "carol", k: int = 3, key_bytes: int = 32) -> Terms:
    named = sort_parties({Party(*party) for party in responders or (("curtis", "sunny"),)})
    return Terms(1, 5, k, Party(initiator, "sam"), named, key_bytes)


#: Of a key for two.
FOR_TWO = terms(("celia", "serena"), ("curtis", "sunny"))


def codes(what: Terms, value: bytes = b"c") -> bytes:
    return b"".join(value * 32 for _ in responder_clients(what))


def put(
    store: ShareStore, what: Terms | None = None, *, now: float = NOW, key_id: bytes = KEY_ID,
    offset: int = 0, piece: bytes = SHARE, code: bytes = b"c", ttl_s: float = 30.0,
) -> ErrorCode:  # fmt: skip
    what = what or terms()
    of_key = b"" if offset else codes(what, code)
    [answer] = store.put(now, what, key_id, offset, piece, of_key, ttl_s)
    return ErrorCode(answer)


def put_many(
    store: ShareStore, key_ids: list[bytes], what: Terms | None = None, **more: Any
) -> list[ErrorCode]:
    """A column of shares, each begins with the first byte of its key ID."""
    what = what or terms()
    shares = b"".join(share_of_id(key_id) for key_id in key_ids)
    settings = {"now": NOW, "ttl_s": 30.0, "code": b"c"} | more
    now, ttl_s, code = settings["now"], settings["ttl_s"], settings["code"]
    answer = store.put(now, what, b"".join(key_ids), 0, shares, codes(what, code) * len(key_ids), ttl_s)
    return list(map(ErrorCode, answer))


def share_of_id(key_id: bytes) -> bytes:
    return key_id[:1] + SHARE[1:]


def get(
    store: ShareStore, client: str = "curtis", boot_id: bytes = BOOT, key_id: bytes = KEY_ID,
    initiator: str = "carol",
) -> Given | ErrorCode:  # fmt: skip
    """What comes of one key."""
    given, refused = store.get(client, boot_id, initiator, key_id)
    [answer] = [*given, *(code for code, column in refused if column == key_id)]
    return answer


def share_of(found: Given | ErrorCode) -> bytes:
    assert isinstance(found, Given), found
    return found.shares


def numbered(number: int) -> list[bytes]:
    return [index.to_bytes(2, "little") * 8 for index in range(number)]

"""From groups of shares to terms: what no honest peer sends has none."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from dsked.sharing.terms import Party, Terms
from dsked.wire.messages import PartyBody, PutGroup, PutKey, ShareGroup
from dsked.wire.terms import put_codes_fit, put_terms, share_terms

RESPONDERS = [PartyBody("celia", "serena"), PartyBody("curtis", "sunny"), PartyBody("curtis", "susan")]
PUT = PutGroup("sam", RESPONDERS, 5, 3, 60_000, 32, [])
SHARES = ShareGroup(PartyBody("carol", "sam"), RESPONDERS, 5, 3, 32, [])
TERMS = Terms(1, 5, 3, Party("carol", "sam"), tuple(Party(b.client, b.encryptor) for b in RESPONDERS), 32)


def test_hub_and_responder_read_the_same_terms() -> None:
    assert put_terms("carol", PUT) == share_terms(SHARES) == TERMS


@pytest.mark.parametrize(
    "changes",
    [
        {"k": 1},
        {"k": 6},
        {"responders": RESPONDERS[::-1]},
        {"responders": [RESPONDERS[0], RESPONDERS[0]]},
        {"responders": [PartyBody("\u00e9" * 33, "e")]},  # 66 bytes of UTF-8
        {"responders": [PartyBody("c", "\u00e9" * 65)]},
    ],
)
def test_what_breaks_a_rule_has_no_terms(changes: dict[str, Any]) -> None:
    assert put_terms("carol", msgspec.structs.replace(PUT, **changes)) is None
    assert share_terms(msgspec.structs.replace(SHARES, **changes)) is None


def test_the_initiators_names_have_the_same_limits() -> None:
    assert put_terms("carol", msgspec.structs.replace(PUT, initiator="\u00e9" * 65)) is None
    assert share_terms(msgspec.structs.replace(SHARES, initiator=PartyBody("\u00e9" * 33, "sam"))) is None


CODES = [bytes(32), bytes(32)]  # celia's and curtis's


@pytest.mark.parametrize(
    ("offset", "share", "codes", "fits"),
    [
        (0, bytes(32), CODES, True),
        (0, bytes(1), CODES, True),
        (16, bytes(16), [], True),
        (0, b"", CODES, False),
        (0, bytes(33), CODES, False),
        (1, bytes(32), [], False),
        (2**32 - 1, bytes(1), [], False),
        (0, bytes(32), [], False),
        (0, bytes(32), CODES[:1], False),
        (0, bytes(32), [*CODES, bytes(32)], False),
        (0, bytes(32), [bytes(32), bytes(31)], False),
        (0, bytes(32), [bytes(48), bytes(48)], False),  # r is for keys of more than 1024 bytes
        (16, bytes(16), CODES, False),
    ],
)
def test_codes_come_with_the_first_piece_one_for_each_client(
    offset: int, share: bytes, codes: list[bytes], fits: bool
) -> None:
    assert put_codes_fit(TERMS, PutKey(bytes(16), offset, share, codes)) is fits


def test_long_keys_bring_a_longer_code() -> None:
    long = TERMS._replace(key_bytes=1025)
    assert put_codes_fit(long, PutKey(bytes(16), 0, bytes(1025), [bytes(48)] * 2))
    assert not put_codes_fit(long, PutKey(bytes(16), 0, bytes(1025), CODES))

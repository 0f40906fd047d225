"""From groups of shares to terms: what no honest peer sends has none."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from dsked.sharing.terms import Party, Terms
from dsked.wire.messages import PartyBody, PutGroup, ShareGroup
from dsked.wire.terms import columns_fit, put_terms, share_terms

RESPONDERS = [PartyBody("celia", "serena"), PartyBody("curtis", "sunny"), PartyBody("curtis", "susan")]
PUT = PutGroup("sam", RESPONDERS, 5, 3, 60_000, 32, bytes(16), 0, bytes(32), bytes(64))
SHARES = ShareGroup(PartyBody("carol", "sam"), RESPONDERS, 5, 3, 32, bytes(16), 0, bytes(32), bytes(32))
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
    ],
)
def test_what_breaks_a_rule_has_no_terms(changes: dict[str, Any]) -> None:
    assert put_terms("carol", msgspec.structs.replace(PUT, **changes)) is None
    assert share_terms(msgspec.structs.replace(SHARES, **changes)) is None


@pytest.mark.parametrize(
    ("keys", "offset", "shares", "codes", "fits"),
    [
        (1, 0, 32, 64, True),  # a code each for celia and curtis
        (1, 0, 1, 64, True),  # the first piece
        (1, 16, 16, 0, True),
        (3, 0, 96, 192, True),
        (1, 0, 0, 64, False),
        (1, 0, 33, 64, False),
        (1, 1, 32, 0, False),
        (1, 2**32 - 1, 1, 0, False),
        (1, 0, 32, 0, False),
        (1, 0, 32, 32, False),
        (1, 0, 32, 96, False),
        (1, 0, 32, 63, False),
        (1, 16, 16, 64, False),
        (3, 0, 95, 192, False),
        (3, 0, 32, 192, False),
        (3, 0, 96, 64, False),
        (3, 0, 128, 192, False),
        (3, 64, 32, 0, False),  # pieces are of one key alone
        (3, 0, 0, 192, False),
    ],
)
def test_columns_have_the_length_of_their_keys(
    keys: int, offset: int, shares: int, codes: int, fits: bool
) -> None:
    columns = {"key_ids": bytes(16 * keys), "offset": offset, "shares": bytes(shares), "codes": bytes(codes)}
    assert columns_fit(TERMS, msgspec.structs.replace(PUT, **columns), 2) is fits


def test_long_keys_bring_a_longer_code() -> None:
    long = TERMS._replace(key_bytes=1025)
    group = msgspec.structs.replace(PUT, key_bytes=1025, shares=bytes(1025), codes=bytes(96))
    assert columns_fit(long, group, 2)
    assert not columns_fit(long, msgspec.structs.replace(group, codes=bytes(64)), 2)


def test_a_responder_gets_one_code_for_each_key() -> None:
    assert columns_fit(TERMS, SHARES, 1)
    assert not columns_fit(TERMS, msgspec.structs.replace(SHARES, codes=bytes(64)), 1)

"""Groups of columns as rows, one for each key, and back: most lies are about the share of one key."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import TypeVar

import msgspec

from dsked.limits import AMD_DIRECT_KEY_BYTES
from dsked.sharing.amd import HASH_KEY_BYTES
from dsked.sharing.shares import PAIR_BYTES
from dsked.sharing.terms import Terms
from dsked.wire.messages import PartyBody, PutGroup, ShareGroup, cut_key_ids

replaced = msgspec.structs.replace
Group = TypeVar("Group", PutGroup, ShareGroup)


class Row(msgspec.Struct):
    """One key of a group: its share, or a piece of it, and its codes, one behind the other."""

    key_id: bytes
    offset: int
    share: bytes
    code: bytes


def rows_of(group: PutGroup | ShareGroup) -> list[Row]:
    """The keys of a group whose columns are as long as they should be."""
    share_bytes, code_bytes = len(group.shares) // group.number, len(group.codes) // group.number
    return [
        Row(
            key_id,
            group.offset,
            group.shares[i * share_bytes : (i + 1) * share_bytes],
            group.codes[i * code_bytes : (i + 1) * code_bytes],
        )
        for i, key_id in enumerate(cut_key_ids(group.key_ids))
    ]


def groups_of(group: Group, rows: Iterable[Row]) -> list[Group]:
    """Groups like `group` that hold these keys in their order.

    Whole shares with codes of the right length stand in one column. Every other key has a group of its own,
    so that what is wrong with it, or unusual, is told of no other.
    """
    made, whole = [], (0, group.key_bytes, _codes_bytes(group))
    for together, some in groupby(rows, lambda row: (row.offset, len(row.share), len(row.code)) == whole):
        keys = list(some)
        made += [_column(group, keys)] if together else one_by_one(group, keys)
    return made


def told_under(terms: Terms, rows: Iterable[Row]) -> list[ShareGroup]:
    """Groups under `terms`, as a hub tells them."""
    parties, initiator = [PartyBody(*party) for party in terms.responders], PartyBody(*terms.initiator)
    empty = ShareGroup(initiator, parties, terms.n, terms.k, terms.key_bytes, b"", 0, b"", b"")
    return groups_of(empty, rows)


def put_under(terms: Terms, rows: Iterable[Row], ttl_ms: int = 60_000) -> list[PutGroup]:
    """Groups under `terms`, as their initiator tells them."""
    parties, encryptor = [PartyBody(*party) for party in terms.responders], terms.initiator.encryptor
    empty = PutGroup(encryptor, parties, terms.n, terms.k, ttl_ms, terms.key_bytes, b"", 0, b"", b"")
    return groups_of(empty, rows)


def one_by_one(group: Group, rows: Iterable[Row]) -> list[Group]:
    """As `groups_of`, each key in a group of its own."""
    return [_column(group, [row]) for row in rows]


def _column(group: Group, rows: list[Row]) -> Group:
    return replaced(
        group,
        key_ids=b"".join([row.key_id for row in rows]),
        offset=rows[0].offset,
        shares=b"".join([row.share for row in rows]),
        codes=b"".join([row.code for row in rows]),
    )


def _codes_bytes(group: PutGroup | ShareGroup) -> int:
    """Bytes of the codes of one key."""
    clients = len({party.client for party in group.responders}) if isinstance(group, PutGroup) else 1
    return clients * (PAIR_BYTES + (HASH_KEY_BYTES if group.key_bytes > AMD_DIRECT_KEY_BYTES else 0))

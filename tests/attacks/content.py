"""Random bodies of every message type, valid by type: drawn from the declarations themselves.

Names, key IDs and numbers come from small sets that the honest parties use too, so that what is drawn
meets state that exists.
"""

from __future__ import annotations

from typing import Any

import msgspec.inspect
from hypothesis import strategies as st

from dsked.limits import KEY_ID_BYTES, MAX_KEYS_PER_FRAME
from dsked.wire.messages import MESSAGES, Message, PutGroup, ShareGroup

NAMES = ["carol", "celia", "curtis", "sam", "serena", "sunny", "susan", "x" * 64, "\U0001f511" * 16]
KEY_IDS = [bytes([number]) * 16 for number in range(4)]
_NUMBERS = [0, 1, 2, 3, 5, 16, 32, 48, 255, 1000, 2**16, 2**31, 2**32 - 1, 2**63]


def _integers(low: int | None, high: int | None) -> st.SearchStrategy[int]:
    fits = [n for n in _NUMBERS if (low is None or n >= low) and (high is None or n <= high)]
    return st.sampled_from(fits)


def _bins(low: int, high: int | None) -> st.SearchStrategy[bytes]:
    if low == high == KEY_ID_BYTES:
        return st.sampled_from(KEY_IDS)
    if (low, high) == (KEY_ID_BYTES, KEY_ID_BYTES * MAX_KEYS_PER_FRAME):
        return st.lists(st.sampled_from(KEY_IDS), min_size=1, max_size=3).map(b"".join)
    sizes = [size for size in (0, 1, 16, 31, 32, 33, 48) if size >= low and (high is None or size <= high)]
    return st.sampled_from(sizes).flatmap(lambda size: st.sampled_from([bytes(size), b"\x07" * size]))


def _plain(kind: msgspec.inspect.Type) -> msgspec.inspect.Type:
    return kind.type if isinstance(kind, msgspec.inspect.Metadata) else kind


def _is_text(kind: msgspec.inspect.Type) -> bool:
    return isinstance(_plain(kind), msgspec.inspect.StrType)


def of_type(kind: msgspec.inspect.Type) -> st.SearchStrategy[Any]:
    """Values of a declared type."""
    match kind:
        case msgspec.inspect.Metadata(type=inner):
            return of_type(inner)
        case msgspec.inspect.BoolType():
            return st.booleans()
        case msgspec.inspect.IntType(ge=low, le=high):
            return _integers(low, high)
        case msgspec.inspect.BytesType(min_length=low, max_length=high):
            return _bins(low or 0, high)
        case msgspec.inspect.StrType():
            return st.sampled_from(NAMES)
        case msgspec.inspect.NoneType():
            return st.none()
        case msgspec.inspect.UnionType(types=types):
            texts = any(_is_text(one) for one in types)  # identifiers come in when a frame is sealed
            return st.one_of(
                [
                    of_type(one)
                    for one in types
                    if not (texts and isinstance(_plain(one), msgspec.inspect.IntType))
                ]
            )
        case msgspec.inspect.TupleType(item_types=types):
            return st.tuples(*map(of_type, types))
        case msgspec.inspect.ListType(item_type=item, min_length=low):
            return st.lists(of_type(item), min_size=low or 0, max_size=3)
        case msgspec.inspect.StructType(cls=cls, fields=fields):
            made = st.builds(cls, *[of_type(field.type) for field in fields])
            return made.map(_with_columns) if cls in (PutGroup, ShareGroup) else made
    raise AssertionError(f"no strategy for {kind}")


def _with_columns(group: PutGroup | ShareGroup) -> PutGroup | ShareGroup:
    """Most of the groups with short shares get columns of the length that they should have."""
    if group.offset % 2 or group.key_bytes > 48:
        return group
    clients = len({party.client for party in group.responders}) if isinstance(group, PutGroup) else 1
    fill = group.key_ids[:1]
    shares, codes = fill * group.number * group.key_bytes, fill * group.number * 32 * clients
    return msgspec.structs.replace(group, offset=0, shares=shares, codes=codes)


def messages() -> st.SearchStrategy[Message]:
    """Any message of any type."""
    return st.one_of([of_type(msgspec.inspect.type_info(message)) for message in MESSAGES])

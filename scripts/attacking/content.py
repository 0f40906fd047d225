"""Bodies of every message type, drawn at random from the declarations: valid by type, and changed ones.

Names, key IDs and numbers come from small sets that the honest parties use too, so that what is drawn meets
state that exists, and so that what a peer keeps of it is bounded.
"""

from __future__ import annotations

import random
from functools import cache
from typing import Any

import msgspec.inspect
from fuzzing.mutation import mutate
from fuzzing.target import Target

from dsked.limits import KEY_ID_BYTES, MAX_KEYS_PER_FRAME
from dsked.wire.handshake import Part
from dsked.wire.messages import MESSAGES, SEALED_TYPES, Message, PutGroup, ShareGroup, encode_body

NAMES = ["carol", "curtis", "mallory", "sam", "sunny", "mark", "x" * 64, "\U0001f511" * 16]
KEY_IDS = [bytes([number]) * 16 for number in range(8)]
_NUMBERS = [0, 1, 2, 3, 5, 16, 32, 48, 255, 1000, 2**16, 2**31, 2**32 - 1, 2**63]
_SIZES = [0, 1, 16, 31, 32, 33, 48]
_MOST_IN_A_LIST = 3
_ODD_COLUMNS = 0.3  # the part of groups whose columns have any length
#: What the mutations of scripts/fuzzing are told of a body.
_BODY = Target(name="body", what="a body", declared=(), seeds=list, msgpack_at=0)
_PADDED = [message for message in MESSAGES if message.type not in SEALED_TYPES]

_inspected = cache(msgspec.inspect.type_info)


def message(rng: random.Random) -> Message:
    """One of any type that is sent under a tag; some of these types only the other side should send."""
    drawn: Message = value(_inspected(rng.choice(_PADDED)), rng)
    return drawn


def value(kind: msgspec.inspect.Type, rng: random.Random) -> Any:
    """A value of a declared type."""
    match kind:
        case msgspec.inspect.Metadata(type=inner):
            return value(inner, rng)
        case msgspec.inspect.BoolType():
            return rng.random() < 0.5
        case msgspec.inspect.IntType(ge=low, le=high):
            return rng.choice([n for n in _NUMBERS if n >= (low or 0) and (high is None or n <= high)])
        case msgspec.inspect.BytesType(min_length=low, max_length=high):
            return _bin(low or 0, high, rng)
        case msgspec.inspect.StrType():
            return rng.choice(NAMES)
        case msgspec.inspect.NoneType():
            return None
        case msgspec.inspect.UnionType(types=types):
            return value(rng.choice(types), rng)
        case msgspec.inspect.ListType(item_type=item, min_length=low):
            return [value(item, rng) for _ in range(rng.randint(low or 0, _MOST_IN_A_LIST))]
        case msgspec.inspect.TupleType(item_types=items):
            return tuple(value(item, rng) for item in items)
        case msgspec.inspect.DictType(key_type=key, value_type=inner):
            return {value(key, rng): value(inner, rng) for _ in range(rng.randrange(3))}
        case msgspec.inspect.StructType(cls=cls, fields=fields):
            drawn = cls(*[value(field.type, rng) for field in fields])
            return with_columns(drawn, rng) if isinstance(drawn, PutGroup | ShareGroup) else drawn
    raise AssertionError(f"no values for {kind}")


def _bin(low: int, high: int | None, rng: random.Random) -> bytes:
    if low == high == KEY_ID_BYTES:
        return rng.choice(KEY_IDS)
    if (low, high) == (KEY_ID_BYTES, KEY_ID_BYTES * MAX_KEYS_PER_FRAME):
        return b"".join(rng.choices(KEY_IDS, k=rng.randint(1, _MOST_IN_A_LIST)))
    return rng.randbytes(rng.choice([size for size in _SIZES if size >= low and size <= (high or size)]))


def with_columns(group: PutGroup | ShareGroup, rng: random.Random) -> PutGroup | ShareGroup:
    """A group of which the columns mostly fit, as long as the shares are short."""
    if rng.random() < _ODD_COLUMNS or group.key_bytes > max(_SIZES):
        return group
    clients = len({party.client for party in group.responders}) if isinstance(group, PutGroup) else 1
    shares, codes = rng.randbytes(group.number * group.key_bytes), rng.randbytes(32 * clients * group.number)
    return msgspec.structs.replace(group, offset=0, shares=shares, codes=codes)


def changed(body: bytes, rng: random.Random, others: list[bytes]) -> bytes:
    """A body with values, types, counts, lengths or bytes of it changed."""
    return mutate(_BODY, body, rng, others)


class Corpus:
    """Bodies drawn once and sent many times, each time under pads of its own: drawing takes long.

    `valid`: (type, body, secret bytes) of those valid by type. `broken`: (type, body) of changed ones.
    """

    def __init__(self, size: int, rng: random.Random) -> None:
        drawn = [message(rng) for _ in range(size)]
        self.valid = [(int(one.type), encode_body(one), sum(map(len, one.secrets()))) for one in drawn]
        bodies = [body for _, body, _ in self.valid]
        self.broken = [(kind, changed(body, rng, bodies)) for kind, body, _ in self.valid]


def changed_part(part: Part, rng: random.Random) -> Part:
    """A message of the handshake with one field or several of them drawn anew, valid by type."""
    declared = _inspected(type(part))
    assert isinstance(declared, msgspec.inspect.StructType)
    fields = {field.name: field.type for field in declared.fields}
    names = rng.sample(list(fields), rng.randint(1, 3))
    drawn = {name: value(fields[name], rng) for name in names}
    try:
        return msgspec.structs.replace(part, **drawn)
    except ValueError:
        return msgspec.structs.replace(part, **{name: _fitting(one) for name, one in drawn.items()})


def _fitting(drawn: Any) -> Any:
    """By the rules that types do not tell: numbers in order, texts of no more bytes than characters."""
    if isinstance(drawn, dict):
        return dict(sorted(drawn.items()))
    return drawn.encode("ascii", "replace").decode() if isinstance(drawn, str) else drawn

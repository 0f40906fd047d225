"""What every structure of the protocol looks like: names, types and ranges of its fields (proto/)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from decoding.packed import MalformedError

#: Takes a value and gives it as something that can be read: records as dicts. Raises MalformedError.
Shape = Callable[[Any], Any]


def _need(condition: bool, what: str) -> None:
    if not condition:
        raise MalformedError(what)


def uint(most: int, least: int = 0) -> Shape:
    """A number from `least` to `most`."""

    def read(value: Any) -> int:
        right = isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
        _need(right, f"a number from {least} to {most} is expected")
        return int(value)

    return read


def text(most: int, least: int = 1) -> Shape:
    """A string of so many bytes."""

    def read(value: Any) -> str:
        right = isinstance(value, str) and least <= len(value.encode()) <= most
        _need(right, f"a string of {least} to {most} bytes is expected")
        return str(value)

    return read


def binary(most: int, least: int = 0, unit: int = 1) -> Shape:
    """A bin of so many bytes, a multiple of `unit`."""

    def read(value: Any) -> bytes:
        right = isinstance(value, bytes) and least <= len(value) <= most and len(value) % unit == 0
        _need(right, f"a bin of {least} to {most} bytes is expected" + (f", {unit} each" if unit > 1 else ""))
        return bytes(value)

    return read


def listing(item: Shape, most: int, least: int = 0) -> Shape:
    """An array of so many of them."""

    def read(value: Any) -> list[Any]:
        right = isinstance(value, list) and least <= len(value) <= most
        _need(right, f"an array of {least} to {most} is expected")
        return [_at(str(index), item, one) for index, one in enumerate(value)]

    return read


def record(**fields: Shape) -> Shape:
    """An array of exactly these fields."""

    def read(value: Any) -> dict[str, Any]:
        right = isinstance(value, list) and len(value) == len(fields)
        _need(right, f"an array of {len(fields)} fields is expected")
        return {name: _at(name, shape, one) for (name, shape), one in zip(fields.items(), value, strict=True)}

    return read


def _at(name: str, shape: Shape, value: Any) -> Any:
    try:
        return shape(value)
    except MalformedError as error:
        raise MalformedError(f"{name}: {error}") from None


def either(first: type, one: Shape, other: Shape) -> Shape:
    """`one` for values of the type `first`, else `other`."""
    return lambda value: one(value) if isinstance(value, first) else other(value)


def _boolean(value: Any) -> bool:
    _need(isinstance(value, bool), "true or false is expected")
    return bool(value)


def _nothing(value: Any) -> None:
    _need(value is None, "nil is expected")


def _additions(value: Any) -> dict[int, bytes]:
    _need(isinstance(value, dict) and len(value) <= 8, "a map of at most 8 is expected")
    for number, one in value.items():
        uint(2**32 - 1)(number)
        _need(isinstance(one, bytes), f"a bin is expected as addition {number}")
    return dict(value)


def exactly(expected: Any) -> Shape:
    """This value alone."""

    def read(value: Any) -> Any:
        _need(type(value) is type(expected) and value == expected, f"{expected!r} is expected")
        return value

    return read


U8, U32, U64 = uint(2**8 - 1), uint(2**32 - 1), uint(2**64 - 1)
BIN16 = binary(16, 16)
NODE, ENCRYPTOR = text(64), text(128)
CLIENT = either(int, U32, NODE)  # a client ref: identifier or name
KEY_IDS, SECRET = binary(16 * 1024, 16, 16), binary(262144)
PARTY = record(client=CLIENT, encryptor=ENCRYPTOR)
PARTIES = listing(PARTY, 32, 1)
CONFIRMED = record(initiator=CLIENT, key_ids=KEY_IDS)
HOLDINGS = record(
    client_stream=BIN16, hub_stream=BIN16, client_end=U64, hub_end=U64, exact_mark=U64, durable_mark=U64
)
M0 = record(magic=text(4, 4), versions=listing(U8, 16, 1), nonce=BIN16)
M1 = record(
    version=U8, client=NODE, hub=NODE, nonce=BIN16, boot_id=BIN16, proved_boot=BIN16, flags=U8,
    holdings=HOLDINGS, max_pads=U32, optional=_additions, mac=binary(32, 32),
)  # fmt: skip
M2 = record(
    version=U8, code=U8, reason=text(128, 0), boot_id=BIN16, proved_boot=BIN16, flags=U8, holdings=HOLDINGS,
    max_pads=U32, optional=_additions, mac=binary(32, 32),
)  # fmt: skip
M3 = record(position=U64, client_stream=BIN16, hub_stream=BIN16, client_end=U64, hub_end=U64, tag=BIN16)
M4 = record(position=U64, ack=U64, tag=BIN16)
HANDSHAKE: dict[str, Shape] = {"M0": M0, "M1": M1, "M2": M2, "M3": M3, "M4": M4}

_N, _K, _LENGTH = uint(255, 1), uint(255, 1), uint(2097152, 1)
PUT_GROUP = record(
    initiator=ENCRYPTOR, responders=PARTIES, n=_N, k=_K, ttl_ms=U32, key_bytes=_LENGTH, key_ids=KEY_IDS,
    offset=U32, shares=SECRET, codes=SECRET,
)  # fmt: skip
SHARE_GROUP = record(
    initiator=PARTY, responders=PARTIES, n=_N, k=_K, key_bytes=_LENGTH, key_ids=KEY_IDS, offset=U32,
    shares=SECRET, codes=SECRET,
)  # fmt: skip
MISSING = record(initiator=CLIENT, code=U8, key_ids=KEY_IDS)
#: type -> (name, who may send it, its body)
MESSAGES: dict[int, tuple[str, str, Shape]] = {
    0x01: ("REGISTER", "C", record(encryptors=listing(ENCRYPTOR, 8192))),
    0x02: ("REGISTERED", "H", record(code=U8, refused=listing(ENCRYPTOR, 8192), share_timeout_ms=U32)),
    0x03: ("UNREGISTER", "C", record()),
    0x04: ("PING", "CH", record(reply=_boolean, client_end=U64, hub_end=U64, done=listing(CONFIRMED, 1024))),
    0x05: ("ERROR", "CH", record(code=U8, reason=text(256, 0))),
    0x06: ("WRAP", "CH", record()),
    0x07: ("NAMES", "H", record(names=listing(record(identifier=U32, name=NODE), 1024, 1))),
    0x08: ("PSRD_REQUEST", "C", record(owner=uint(1), stream=BIN16, sequence=U32, size=U32)),
    0x09: ("PSRD_BLOCK", "H",
           record(owner=uint(1), stream=BIN16, sequence=U32, uuid=BIN16, data=binary(262144, 1))),
    0x10: ("PUT_SHARES", "C", record(groups=listing(PUT_GROUP, 1024, 1))),
    0x11: ("PUT_SHARES_ACK", "H", record(codes=binary(1024))),
    0x12: ("GET_SHARES", "C",
           record(groups=listing(record(initiator=CLIENT, key_ids=KEY_IDS, offset=U32), 1024), wait_ms=U32,
                  done=listing(CONFIRMED, 1024))),
    0x13: ("SHARES", "H", record(groups=listing(SHARE_GROUP, 1024), missing=listing(MISSING, 1024))),
    0x18: ("LOCATE", "C", record(encryptors=listing(ENCRYPTOR, 1024, 1))),
    0x19: ("LOCATED", "H", record(clients=listing(either(type(None), _nothing, CLIENT), 1024))),
}  # fmt: skip
SEALED = {0x08, 0x09}
#: Types with secret bins, two in each group: shares, then codes.
SECRET_TYPES = {0x10, 0x13}
CODES = {
    0: "OK", 1: "PARTIAL", 2: "DONE", 3: "CONFLICT", 4: "NOT_OWNER", 5: "LIMIT", 6: "UNKNOWN_KEY",
    7: "NOT_NAMED", 8: "DELIVERED", 9: "BAD_REQUEST", 16: "VERSION", 17: "WRONG_HUB", 18: "STREAM_UNKNOWN",
    19: "REWIND", 20: "PSRD_MODE", 21: "POOL_EXHAUSTED", 22: "WRAPPING", 39: "SHUTTING_DOWN",
}  # fmt: skip

# --- bundles.md --------------------------------------------------------------------------------------------

_U63 = uint(2**63 - 1)
SEAL = record(
    cipher=exactly("ChaCha20-Poly1305"), key_derivation=exactly("scrypt"), salt=BIN16, log2_n=uint(16, 15),
    r=uint(8, 8), p=uint(16, 3), chunk_bytes=uint(1048576, 4096),
)  # fmt: skip
BUNDLE = record(bundle=BIN16, hub=NODE, client=NODE, seal=either(type(None), _nothing, SEAL))
_BLOCK = record(owner=text(1), sequence=_U63, uuid=BIN16, start=_U63, size=uint(1 << 32, 1))
MANIFEST = record(
    gate_key=binary(32, 32), x=uint(255, 1), window=uint(1048576, 16384), client_stream=BIN16,
    hub_stream=BIN16, replace=_boolean, blocks=listing(_BLOCK, 8192, 2),
)  # fmt: skip

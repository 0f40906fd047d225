"""One key: its shares, the message under its secret tag, the tag and its shares."""

from __future__ import annotations

from collections.abc import Iterator

from worked.common import hexadecimal, lines

P = 2**127 - 1

KEY = bytes(range(16))
KEY_ID = bytes.fromhex("00112233445546778899aabbccddeeff")
COEFFICIENTS = bytes(range(0x35, 0xA5, 7))
XS, K = (1, 2, 3), 2
TAG_X, TAG_X_COEFFICIENT, F_COEFFICIENT = 2, 3, 1
INITIATOR, RESPONDER = ("carol", "sam"), ("connie", "sofia")


def times(a: int, b: int) -> int:
    """A product in GF(2^8) modulo t^8 + t^4 + t^3 + t + 1."""
    product = 0
    while b:
        product ^= a if b & 1 else 0
        a = (a << 1) ^ (0x11B if a & 0x80 else 0)
        b >>= 1
    return product


def key_share(x: int) -> bytes:
    """The hub's share of the key: p(x) = byte + coefficient * x, for every byte."""
    return bytes([byte ^ times(own, x) for byte, own in zip(KEY, COEFFICIENTS, strict=True)])


def element(value: int) -> bytes:
    """An element of GF(p) as it travels."""
    return value.to_bytes(16, "little")


def tagged_message() -> list[tuple[bytes, str]]:
    """M of sharing.md, section 5, by its fields."""
    party = [(bytes([len(name)]) + name.encode(), name) for name in (*INITIATOR, *RESPONDER)]
    return [
        (b"DSKE", '"DSKE"'), (bytes([1, len(XS), K]), f"version 1, n = {len(XS)}, k = {K}"),
        (KEY_ID, "key ID"),
        (party[0][0], "initiator: client carol"), (party[1][0], "           encryptor sam"),
        (b"\x00\x01", "1 responder"),
        (party[2][0], "responder: client connie"), (party[3][0], "           encryptor sofia"),
        (len(KEY).to_bytes(8, "big"), "length of the key"), (KEY, "the key"),
    ]  # fmt: skip


def blocks() -> list[int]:
    """m_1 to m_d."""
    message = b"".join(data for data, _ in tagged_message())
    return [int.from_bytes(message[at : at + 15], "little") for at in range(0, len(message), 15)]


def secret_tag() -> int:
    """f for x = TAG_X."""
    total = TAG_X
    for block in blocks():
        total = (total * TAG_X + block) % P
    return total * TAG_X % P


def code_share(x: int) -> bytes:
    """The hub's shares of x and f."""
    of_x = (TAG_X + TAG_X_COEFFICIENT * x) % P
    return element(of_x) + element((secret_tag() + F_COEFFICIENT * x) % P)


def sharing() -> Iterator[str]:
    """The key, its polynomial, the shares of three hubs, and one byte rebuilt."""
    yield f"key            {hexadecimal(KEY)}"
    yield f"coefficients   {hexadecimal(COEFFICIENTS)}"
    for x in XS:
        yield f"share, x = {x}   {hexadecimal(key_share(x))}"
    two, three = key_share(2)[5], key_share(3)[5]
    yield ""
    yield "byte 5 from the hubs at x = 2 and x = 3:"
    yield "  Lagrange at 0:  3 / (3 - 2) = 3 / 1 = 03,   2 / (2 - 3) = 2 / 1 = 02        (a - b is a XOR b)"
    first, second = times(3, two), times(2, three)
    yield f"  {{03}} * {{{two:02x}}} = {{{first:02x}}},   {{02}} * {{{three:02x}}} = {{{second:02x}}}"
    yield f"  {{{first:02x}}} + {{{second:02x}}} = {{{first ^ second:02x}}}"


def message() -> Iterator[str]:
    """M by its fields, and its blocks."""
    yield from lines(tagged_message())
    yield ""
    data = b"".join(data for data, _ in tagged_message())
    for number, at in enumerate(range(0, len(data), 15), start=1):
        block = data[at : at + 15]
        padded = "" if len(block) == 15 else f"   ({15 - len(block)} zero bytes behind it)"
        where = f"bytes {at} to {at + len(block) - 1}"
        yield f"m_{number} = {where}, little-endian = {blocks()[number - 1]}{padded}"


def tag() -> Iterator[str]:
    """f step by step, and the code shares."""
    total = TAG_X
    yield f"start          {total}"
    for number, block in enumerate(blocks(), start=1):
        total = (total * TAG_X + block) % P
        yield f"* x + m_{number}      {total}"
    yield f"* x        f = {secret_tag()}"
    yield ""
    yield f"x, as 16 bytes     {hexadecimal(element(TAG_X))}"
    yield f"f, as 16 bytes     {hexadecimal(element(secret_tag()))}"
    yield ""
    for x in XS:
        code = code_share(x)
        of_x = TAG_X + TAG_X_COEFFICIENT * x
        yield f"code, hub x = {x}    {hexadecimal(code[:16])}   2 + 3 * {x} = {of_x}"
        yield f"                   {hexadecimal(code[16:])}   f + {x}"

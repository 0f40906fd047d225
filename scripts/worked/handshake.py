"""The handshake before it: every field, every MAC and tag."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Sequence
from typing import Any

from cryptography.hazmat.primitives.poly1305 import Poly1305
from msgspec.msgpack import encode

from worked.common import first_handshake, hexadecimal, lines


def _raw(number: int) -> bytes:
    return bytes.fromhex(first_handshake()["messages"][number]["message"])


def _value(field: Any) -> Any:
    if isinstance(field, dict):
        return bytes.fromhex(field["hex"]) if "hex" in field else dict(map(_pair, field["map"]))
    return [_value(one) for one in field] if isinstance(field, list) else field


def _pair(pair: Sequence[Any]) -> tuple[Any, Any]:
    return _value(pair[0]), _value(pair[1])


_HOLDINGS = ("client_stream", "hub_stream", "client_end", "hub_end", "exact_mark", "durable_mark")
_FIELDS = (
    ("magic", "versions", "nonce: Nh"),
    ("version", "client", "hub", "nonce: Nc", "boot_id", "proved_boot", "flags", "holdings", "max_pads",
     "optional", "mac"),
    ("version", "code", "reason", "boot_id", "proved_boot", "flags", "holdings", "max_pads", "optional",
     "mac"),
    ("position: S_c", "client_stream", "hub_stream", "client_end", "hub_end", "tag"),
    ("position: S_h", "ack", "tag"),
)  # fmt: skip


def message(number: int) -> Iterator[str]:
    """M0 to M4 by its fields."""
    raw, fields = _raw(number), first_handshake()["messages"][number]["fields"]
    parts = [(raw[:4], f"length: {len(raw) - 4}"), (raw[4:5], f"array of {len(fields)}")]
    for name, field in zip(_FIELDS[number], fields, strict=True):
        if name == "holdings":
            parts.append((b"\x96", "holdings: array of 6"))
            parts += [
                (encode(_value(one)), f"  {of}{_said(one)}") for of, one in zip(_HOLDINGS, field, strict=True)
            ]
        else:
            parts.append((encode(_value(field)), f"{name}{_said(field)}"))
    assert b"".join(data for data, _ in parts) == raw
    return lines(parts, 18)


def _said(field: Any) -> str:
    return f" {field}" if isinstance(field, int) else f' "{field}"' if isinstance(field, str) else ""


def macs() -> Iterator[str]:
    """The MACs and tags, computed anew."""
    said, gate_key = first_handshake(), bytes.fromhex(first_handshake()["gate_key"])
    raws = [_raw(number) for number in range(5)]
    yield f"G           {hexadecimal(gate_key[:16])}"
    yield f"            {hexadecimal(gate_key[16:])}"
    for number, label in ((1, b"M1"), (2, b"M2")):
        covered = label + b"".join(raws[:number]) + raws[number][:-32]
        mac = hmac.digest(gate_key, covered, hashlib.sha256)
        assert mac == raws[number][-32:]
        parts = " | ".join([f'"M{number}"', *[f"M{one} ({len(raws[one])})" for one in range(number)]])
        own = f"M{number} less MAC ({len(raws[number]) - 32})"
        yield f"MAC of M{number}   {parts} | {own}: {len(covered)} bytes"
        yield f"            {hexadecimal(mac[:16])}"
        yield f"            {hexadecimal(mac[16:])}"
    for number, side in ((3, "client"), (4, "hub")):
        pads = bytes.fromhex(said[f"{side}_state"]["pool_bytes"])
        covered = side[0].upper().encode() + b"".join(raws[:number]) + raws[number][:-16]
        proof = Poly1305.generate_tag(pads[:32], covered)
        assert proof == raws[number][-16:]
        at = said[f"{side}_state"]["pool_position"]
        holdings = said["messages"][5 - number]["fields"][number + 3]  # the other side's, in M2 or M1
        assert at == holdings[-1] + said["window_bytes"]
        yield f"{side} pool at {at} = D + WIN, 48 bytes: r and s of the proof, r of the {side}'s frames"
        for start in range(0, 48, 16):
            yield f"            {hexadecimal(pads[start : start + 16])}"
        parts = f'"{side[0].upper()}" | M0 to M{number - 1} | M{number} less tag'
        yield f"tag of M{number}   {parts}: {len(covered)} bytes"
        yield f"            {hexadecimal(proof)}"

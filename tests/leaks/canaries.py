"""Secrets whose every trace is looked for: in any text, in any usual form, in pieces of 8 bytes and more."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

PIECE_BYTES = 8
_HEX = re.compile(rb"(?:[0-9a-fA-F]{2}[-: ,]?){8,}")
_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{11,}")
_NUMBERS = re.compile(rb"(?:\d{1,3}(?:, ?| )){7,}\d{1,3}")
_ESCAPES = re.compile(rb"\\x([0-9a-fA-F]{2})|\\u00([0-9a-fA-F]{2})|\\(.)", re.S)
_NAMED = {b"n": b"\n", b"r": b"\r", b"t": b"\t"}

#: The forms in which a leak may be written; `Canaries.found` must find each.
FORMS: dict[str, Callable[[bytes], bytes]] = {
    "raw": lambda secret: secret,
    "reversed": lambda secret: secret[::-1],
    "hex": lambda secret: secret.hex().encode(),
    "HEX with colons": lambda secret: secret.hex(":").upper().encode(),
    "base64": base64.b64encode,
    "base64 within more": lambda secret: base64.b64encode(b"?" + secret + b"??"),
    "base64 for URLs": base64.urlsafe_b64encode,
    "repr": lambda secret: repr(secret).encode(),
    "JSON": lambda secret: "".join(f"\\u{byte:04x}" for byte in secret).encode(),
    "numbers": lambda secret: repr(list(secret)).encode(),
}


class Hit(NamedTuple):
    """A trace: whose it is, and where."""

    secret: str
    place: str


class Canaries:
    """The secrets of a test by their pieces. `stride`: for long ones, only pieces at multiples of it."""

    def __init__(self) -> None:
        self._pieces: dict[bytes, str] = {}
        self.names: dict[str, bytes] = {}

    def add(self, name: str, secret: bytes, stride: int = 1) -> None:
        """Look for this; what is shorter than a piece cannot be told from chance."""
        if len(secret) < PIECE_BYTES or not any(secret):
            return
        self.names[name] = secret
        for text in (secret, secret[::-1]):
            for start in range(0, len(text) - PIECE_BYTES + 1, stride):
                piece = text[start : start + PIECE_BYTES]
                if any(piece):  # wiped bytes are no secret
                    self._pieces.setdefault(piece, name)

    def found(self, place: str, text: bytes | str) -> list[Hit]:
        """Every secret of which a piece stands in `text`, in whatever form."""
        raw = text.encode(errors="surrogateescape") if isinstance(text, str) else text
        names = {
            self._pieces[view[start : start + PIECE_BYTES]]
            for view in _views(raw)
            for start in range(len(view) - PIECE_BYTES + 1)
            if view[start : start + PIECE_BYTES] in self._pieces
        }
        return [Hit(name, place) for name in sorted(names)]

    def clean(self, place: str, text: bytes | str) -> None:
        """Nothing may be found; and what is planted into the same text must be, in every form."""
        assert not self.found(place, text), self.found(place, text)
        raw = text.encode(errors="surrogateescape") if isinstance(text, str) else text
        name, secret = next(iter(self.names.items()))
        for form, write in FORMS.items():
            planted = raw[-200:] + write(secret[:16]) + raw[:200]
            assert Hit(name, place) in self.found(place, planted), f"a planted leak as {form} is not found"


def _views(raw: bytes) -> Iterator[bytes]:
    """The bytes that a text tells, form by form."""
    yield raw
    yield _ESCAPES.sub(_unescaped, raw)
    for run in _HEX.findall(raw):
        digits = re.sub(rb"[^0-9a-fA-F]", b"", run)
        for start in (0, 1):
            even = digits[start : start + (len(digits) - start) // 2 * 2]
            yield bytes.fromhex(even.decode())
    for run in _BASE64.findall(raw):
        for start in range(4):
            part = run[start:] + b"AAA"
            part = part[: len(part) // 4 * 4]
            yield base64.b64decode(part.replace(b"-", b"+").replace(b"_", b"/"))
    for run in _NUMBERS.findall(raw):
        yield bytes(int(number) % 256 for number in re.findall(rb"\d+", run))


def _unescaped(match: re.Match[bytes]) -> bytes:
    digits = match[1] or match[2]
    return bytes.fromhex(digits.decode()) if digits else _NAMED.get(match[3], match[3])

"""A daemon that meets a wrong tag, or a body that cannot be decoded, with an error that nobody expects."""

from __future__ import annotations

from dsked.auth.tags import verify_one_time_tag
from dsked.errors import PeerError
from dsked.wire import session
from dsked.wire.messages import Message, decode_body


def _verify(key: bytes, data: bytes, tag: bytes) -> None:
    try:
        verify_one_time_tag(key, data, tag)
    except PeerError:
        raise KeyError("tag") from None


def _decode(kind: int, body: bytes) -> Message:
    try:
        return decode_body(kind, body)
    except PeerError:
        raise KeyError("body") from None


session.verify_one_time_tag = _verify  # type: ignore[attr-defined]
session.decode_body = _decode  # type: ignore[attr-defined]

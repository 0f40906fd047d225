"""dsked refuses every body with a fault, and takes the right ones."""

from __future__ import annotations

from typing import Any

import pytest

from dsked.errors import FrameError
from dsked.wire.messages import MessageType, decode_body, encode_body
from tests.proto.files import cases, load


@pytest.mark.parametrize("message", **cases("refused_bodies", "messages"))
def test_right_body(message: dict[str, Any]) -> None:
    body = bytes.fromhex(message["right_body"])
    assert encode_body(decode_body(message["type"], body)) == body


@pytest.mark.parametrize("message", **cases("refused_bodies", "messages"))
def test_refused(message: dict[str, Any]) -> None:
    taken = []
    for case in message["refused"]:
        try:
            decode_body(message["type"], bytes.fromhex(case["body"]))
        except FrameError:
            continue
        taken.append(case["name"])
    assert taken == []


def test_every_message_is_there() -> None:
    types = {message["type"] for message in load("refused_bodies")["messages"]}
    assert types == set(MessageType) - {MessageType.WRAP}  # its body is empty: wrapped.json

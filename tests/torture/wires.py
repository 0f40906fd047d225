"""Traces of connections from the published vectors: what an onlooker sees, and what he should find."""

from __future__ import annotations

from typing import Any, NamedTuple

from scripts.torturing.tap import Way
from tests.proto.files import load

WAYS = {"C": Way.TO_HUB, "H": Way.TO_CLIENT}
Sent = tuple[Way, bytes]


class Handshake(NamedTuple):
    """A whole handshake of the vectors; positions of M3 and M4."""

    sent: list[Sent]
    client_stream: bytes
    hub_stream: bytes
    m3: int
    m4: int


def handshakes() -> dict[str, Handshake]:
    """Those of the vectors that go on to M4, by name."""
    found = {}
    for case in load("handshakes")["handshakes"]:
        fields: dict[str, Any] = {part["name"]: part["fields"] for part in case["messages"]}
        if "M4" in fields:
            sent = [(WAYS[part["direction"]], bytes.fromhex(part["message"])) for part in case["messages"]]
            streams = [bytes.fromhex(fields["M3"][place]["hex"]) for place in (1, 2)]
            found[case["name"]] = Handshake(sent, *streams, fields["M3"][0], fields["M4"][0])
    return found


class Frame(NamedTuple):
    """A frame of the vectors."""

    way: Way
    raw: bytes
    start: int
    end: int


def frames() -> dict[str, Frame]:
    """Those of the vectors, by name."""
    return {
        case["name"]: Frame(
            WAYS[case["direction"]],
            bytes.fromhex(case["frame"]),
            case["position"],
            case["position"] + 16 + case["pads"],
        )
        for case in load("frames")["frames"]
    }


def media() -> Handshake:
    """Any handshake over media pools."""
    return next(handshake for name, handshake in handshakes().items() if name.startswith("media"))

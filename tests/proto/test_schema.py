"""proto/dske.cddl against every vector: right structures pass, faults of form do not.

By cddl-verifier. (pycddl 0.6, on the cddl crate 0.9, takes a field for the rule of the same name, and fails
where a range stands as key of a map.)
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import cddl_verifier as cddl
import msgpack
import pytest

from tests.proto.cbor import encoded
from tests.proto.files import PROTO, load, octets

RULES = {
    0x01: "register", 0x02: "registered", 0x03: "unregister", 0x04: "ping", 0x05: "error", 0x06: "wrap",
    0x07: "names", 0x08: "psrd-request", 0x09: "psrd-block", 0x10: "put-shares", 0x11: "put-shares-ack",
    0x12: "get-shares", 0x13: "shares", 0x18: "locate", 0x19: "located",
}  # fmt: skip


class Case(NamedTuple):
    """A structure, and the rule that it is judged by."""

    name: str
    rule: str
    value: Any
    passes: bool = True


@cache
def schema() -> Any:
    return cddl.Validator(PROTO / "dske.cddl")


def passes(rule: str, value: Any) -> bool:
    return bool(schema().validate(encoded(value), rule))


def unpacked(data: bytes) -> Any:
    """Any msgpack, canonical or not."""
    return msgpack.unpackb(data, strict_map_key=False)


def of_frames() -> Iterator[Case]:
    for case in load("frames")["frames"]:
        frame = unpacked(bytes.fromhex(case["frame"])[4:])
        yield Case(case["name"], "frame", frame)
        if case["type"] in RULES:
            yield Case(case["name"], RULES[case["type"]], unpacked(frame[5]))
            yield Case(f"{case['name']}, without its pads", RULES[case["type"]], octets(case["fields"]))
    for case in load("sealed")["frames"]:
        yield Case(case["name"], "frame", unpacked(bytes.fromhex(case["frame"])[4:]))
        yield Case(case["name"], RULES[case["type"]], octets(case["fields"]))


def of_handshakes() -> Iterator[Case]:
    for case in load("handshakes")["handshakes"]:
        for message in case["messages"]:
            name = f"{case['name']}: {message['name']}"
            yield Case(name, message["name"].lower(), unpacked(bytes.fromhex(message["message"])[4:]))
    for case in load("refused_handshakes")["cases"]:
        if case["schema"] is not None:
            value = unpacked(bytes.fromhex(case["message"])[4:])
            yield Case(case["name"], case["stage"].lower(), value, case["schema"] == "takes")


def of_bodies() -> Iterator[Case]:
    for message in load("refused_bodies")["messages"]:
        rule = RULES[message["type"]]
        yield Case(message["name"], rule, unpacked(bytes.fromhex(message["right_body"])))
        for case in message["refused"]:
            if case["schema"] is not None:
                name = f"{message['name']}: {case['name']}"
                yield Case(name, rule, unpacked(bytes.fromhex(case["body"])), case["schema"] == "takes")


def of_sessions() -> Iterator[Case]:
    for session in load("sessions")["sessions"]:
        for piece in session["pieces"]:
            name, data = f"{session['name']}: {piece['name']}", bytes.fromhex(piece["bytes"])
            if "type" not in piece:
                yield Case(name, piece["name"].lower(), unpacked(data[4:]))
                continue
            yield Case(name, "wrapped" if "wrapped" in piece else "frame", unpacked(data[4:]))
            if piece["type"] in RULES:
                yield Case(name, RULES[piece["type"]], octets(piece["fields"]))


def of_hub() -> Iterator[Case]:
    for scenario in load("hub")["scenarios"]:
        for step in scenario["steps"]:
            for message in [step] * ("type" in step) + step["answers"]:
                name = f"{scenario['name']}: {step['why']}: {message['name']}"
                yield Case(name, RULES[message["type"]], octets(message["fields"]))


def of_bundles() -> Iterator[Case]:
    for case in load("bundles")["bundles"]:
        fields = [bytes.fromhex(case["bundle"]), case["hub"], case["client"], octets(case["seal"])]
        yield Case(case["name"], "bundle-fields", fields)
        yield Case(case["name"], "bundle-manifest", octets(case["manifest"]))


@pytest.mark.parametrize("cases", [of_frames, of_handshakes, of_bodies, of_sessions, of_hub, of_bundles])
def test_every_vector(cases: Any) -> None:
    all_cases = list(cases())
    assert len(all_cases) >= 6
    wrong = [case[:2] for case in all_cases if passes(case.rule, case.value) != case.passes]
    assert wrong == []


@pytest.mark.parametrize(
    ("rule", "value"),
    [
        ("bundle-manifest", [bytes(31), 1, 16384, bytes(16), bytes(16), False, []]),
        (
            "bundle-fields",
            [bytes(16), "hank", "carol", ["ChaCha20-Poly1305", "scrypt", bytes(16), 15, 8, 2, 4096]],
        ),
        ("frame", [0x80, 1, 0, 0, 0, b"", bytes(16)]),
        ("frame", [1, 1, 0, 0, 0, b"", bytes(15)]),
        ("additions", {1: "text"}),
        ("additions", {"one": bytes(8)}),
    ],
)
def test_what_has_no_vector(rule: str, value: Any) -> None:
    assert not passes(rule, value)


def test_every_message_has_a_rule() -> None:
    text = (PROTO / "dske.cddl").read_text(encoding="utf-8")
    assert all(f"\n{rule} = " in text for rule in RULES.values())

"""hub.json has every answer of a hub, and whoever checks it notices one that is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import cddl_verifier as cddl
import pytest
from decoding.checking_hub import hubs

from dsked.wire.messages import MessageType
from tests.proto.cbor import encoded
from tests.proto.files import VECTORS, load, octets

TWO_CLIENTS, BATCH, PARKING, TIME, DRAINING = range(5)


def document() -> dict[str, Any]:
    return deepcopy(load("hub"))


def steps() -> Iterator[dict[str, Any]]:
    for scenario in load("hub")["scenarios"]:
        yield from scenario["steps"]


def answers(kind: MessageType) -> Iterator[Any]:
    for step in steps():
        yield from (octets(one["fields"]) for one in step["answers"] if one["type"] == kind)


def test_every_code_is_there() -> None:
    acks = {code for [codes] in answers(MessageType.PUT_SHARES_ACK) for code in codes}
    assert acks == {0, 1, 2, 3, 4, 5, 9, 39}
    missing = {code for _, missing in answers(MessageType.SHARES) for _, code, _ in missing}
    assert missing == {2, 6, 7, 8, 9}
    assert {code for code, *_ in answers(MessageType.REGISTERED)} == {0, 4}
    assert {code for code, _ in answers(MessageType.ERROR)} == {9, 39}


def test_every_event_is_there() -> None:
    assert {step["event"] for step in steps()} == {"opens", "asks", "ends", "waits", "drains"}
    parked = [step for step in steps() if len({answer["session"] for answer in step["answers"]}) > 2]
    assert parked, "a share that several clients have waited for"
    assert any(step.get("closes") for step in steps())


def test_the_form() -> None:
    schema = cddl.Validator(VECTORS / "hub.cddl")
    assert schema.validate(encoded(load("hub")), "hub-file")
    for change in ({"event": "sleeps"}, {"at_ms": -1}, {"answers": None}, {"plain_body": "0"}, {"more": 1}):
        step = load("hub")["scenarios"][0]["steps"][1]
        assert schema.validate(encoded(step), "step")
        assert not schema.validate(encoded(step | change), "step"), change


def found(scenario: int, text: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """The step of a scenario that is there for this reason."""

    def of(changed: dict[str, Any]) -> dict[str, Any]:
        step: dict[str, Any]
        [step] = [one for one in changed["scenarios"][scenario]["steps"] if one["why"] == text]
        return step

    return of


def removed(scenario: int, text: str) -> Callable[[dict[str, Any]], None]:
    def change(changed: dict[str, Any]) -> None:
        found(scenario, text)(changed)["answers"] = []

    return change


def put(scenario: int, text: str, **values: Any) -> Callable[[dict[str, Any]], None]:
    def change(changed: dict[str, Any]) -> None:
        found(scenario, text)(changed).update(values)

    return change


def code(changed: dict[str, Any]) -> None:
    """OK in place of CONFLICT."""
    [answer] = found(TWO_CLIENTS, "other content")(changed)["answers"]
    answer["fields"], answer["plain_body"] = [{"hex": "00"}], "91c40100"


def body(changed: dict[str, Any]) -> None:
    [answer] = found(TWO_CLIENTS, "other content")(changed)["answers"]
    answer["plain_body"] = "91c40100"


def to_another(changed: dict[str, Any]) -> None:
    [answer] = found(TWO_CLIENTS, "other content")(changed)["answers"]
    answer["session"] = "celia 1"


WRONG: dict[str, Callable[[dict[str, Any]], None]] = {
    "an answer that is missing": removed(TWO_CLIENTS, "so the share is there"),
    "a share that comes too late": removed(PARKING, "celia's request is answered as well"),
    "a key that is confirmed with others": removed(BATCH, "the others it still gets"),
    "another code": code,
    "a body with other fields": body,
    "an answer to somebody else": to_another,
    "another process": put(TWO_CLIENTS, "the same process connects again", boot_id="00" * 16),
    "a session that stays": put(TWO_CLIENTS, "the same process connects again", closes=[]),
    "parking that ends early": put(PARKING, "1 s is over", at_ms=1374),
    "a share that expires early": put(TIME, "4 s are over", at_ms=3999),
    "a hub that does not say that it drains": removed(
        DRAINING, "later sessions are told before anything else"
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_noticed(name: str) -> None:
    changed = document()
    WRONG[name](changed)
    assert any(problem for _, problem in hubs(changed))
    assert not any(problem for _, problem in hubs(load("hub")))

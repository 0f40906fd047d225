"""Agreement with hub.json: every message is read and written, and a hub made of the rules says the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from decoding.hub_answers import Hub, Process, Said
from decoding.hub_shares import ID_BYTES, cut
from decoding.packed import unpacked
from decoding.shapes import MESSAGES
from decoding.values import Verdict, fields_of, raw, verdict
from decoding.writing import packed


def hubs(document: dict[str, Any]) -> Iterator[Verdict]:
    """hub.json: the steps of all scenarios."""
    for scenario in document["scenarios"]:
        yield verdict(scenario["name"], _scenario, scenario)


def _scenario(scenario: dict[str, Any]) -> str:
    hub = Hub(scenario)
    for number, step in enumerate(scenario["steps"]):
        messages = [step] * (step["event"] == "asks") + step["answers"]
        if any(not _is_right(message) for message in messages):
            return f"step {number}: another message"
        said, replaced = _played(hub, step)
        if sorted(said, key=str) != sorted(_told(step["answers"]), key=str):
            return f"step {number} ({step['why']}): found {said}"
        if replaced != step.get("closes", []):
            return f"step {number}: {replaced} are closed"
    return ""


def _is_right(message: dict[str, Any]) -> bool:
    """Fields, body, name, type and shape agree."""
    name, _, shape = MESSAGES[message["type"]]
    body, fields = raw(message["plain_body"]), fields_of(message["fields"])
    shape(fields)
    return name == message["name"] and unpacked(body) == fields and packed(fields) == body


def _fields(message: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = MESSAGES[message["type"]][2](fields_of(message["fields"]))
    return found


def _played(hub: Hub, step: dict[str, Any]) -> tuple[list[Said], list[str]]:
    """What the hub says, and the sessions that it ends."""
    said, event = hub.goes_by(step["at_ms"]), step["event"]
    if event == "opens":
        told, replaced = hub.opens(step["session"], Process(step["client"], step["boot_id"]))
        return said + told, replaced
    if event == "ends":
        hub.ends(step["session"])
    elif event == "drains":
        said += hub.drains()
    elif event == "asks":
        said += hub.asked(step["session"], step["name"], step["request_id"], _fields(step))
    return said, []


def _told(answers: list[dict[str, Any]]) -> list[Said]:
    """The answers of a step as the hub tells them; SHARES of one request are one."""
    told: dict[tuple[str, str, int], Any] = {}
    for answer in answers:
        which = answer["session"], answer["name"], answer["request_id"]
        what = _what(answer["name"], _fields(answer))
        told[which] = {**told.get(which, {}), **what} if answer["name"] == "SHARES" else what
    return [Said(*which, what) for which, what in told.items()]


def _what(name: str, fields: dict[str, Any]) -> Any:
    if name == "SHARES":
        return _each_key(fields)
    if name == "PING":
        return fields["reply"]
    if name == "ERROR":
        return fields["code"]  # its words are free
    return next(iter(fields.values())) if len(fields) == 1 else list(fields.values())


def _each_key(fields: dict[str, Any]) -> dict[tuple[str, bytes], Any]:
    """What SHARES says of each key."""
    found: dict[tuple[str, bytes], Any] = {
        (missing["initiator"], key_id): missing["code"]
        for missing in fields["missing"]
        for key_id in cut(missing["key_ids"], ID_BYTES)
    }
    for group in fields["groups"]:
        ids = cut(group["key_ids"], ID_BYTES)
        shares = cut(group["shares"], len(group["shares"]) // len(ids))
        codes = cut(group["codes"], len(group["codes"]) // len(ids)) if group["codes"] else [b""] * len(ids)
        terms = {name: group[name] for name in ("initiator", "responders", "n", "k", "key_bytes", "offset")}
        for key_id, share, code in zip(ids, shares, codes, strict=True):
            found[group["initiator"]["client"], key_id] = {**terms, "share": share, "code": code}
    return found

"""Agreement with vectors of handshakes and of whole sessions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from decoding import sharing
from decoding.ciphers import NotAuthenticError
from decoding.following import Conversation, Pool, Secrets
from decoding.frames import body_of, header, unwrapped
from decoding.judging import judge
from decoding.packed import MalformedError
from decoding.values import Verdict, fields_of, raw, verdict
from decoding.writing import packed

#: What the MAC or tag of a message begins with, and how long it is.
_LABELS = {"M1": b"M1", "M2": b"M2", "M3": b"C", "M4": b"H"}
_ENDS = {"M1": 32, "M2": 32, "M3": 16, "M4": 16}


def secrets_of(case: dict[str, Any]) -> Secrets:
    """What both ends of a transcript or a session know."""
    pools, proved = {}, {}
    for owner, side in (("client", "C"), ("hub", "H")):
        given = case.get(f"{owner}_pool") or case[f"{owner}_state"]
        start, data = (
            given.get("position", given.get("pool_position")),
            given.get("bytes", given.get("pool_bytes")),
        )
        pools[side] = Pool(start, raw(data))
        known = case[f"{owner}_state"]["previous_hash_key"]
        if known is not None:
            proved[side] = raw(known)
    return Secrets(raw(case["gate_key"]), pools, case.get("window_bytes"), proved)


def handshakes(document: dict[str, Any]) -> Iterator[Verdict]:
    """handshakes.json: every message is authentic, and says what is told of it."""
    for case in document["handshakes"]:
        yield verdict(case["name"], _handshake, case)


def _handshake(case: dict[str, Any]) -> str:
    conversation, before = Conversation(secrets_of(case)), b""
    for message in case["messages"]:
        data = raw(message["message"])
        piece = conversation.take(message["direction"], data)
        if piece.problem or (piece.name != "M0" and not piece.authentic):
            return f"{message['name']}: {piece.problem}"
        if piece.name != message["name"] or packed(fields_of(message["fields"])) != data[4:]:
            return f"{message['name']}: other fields"
        if _covered(message, before) != data[: -_ENDS.get(message["name"], len(data))]:
            return f"{message['name']}: other bytes under its MAC or tag"
        before += data
    said = {message["name"]: fields_of(message["fields"]) for message in case["messages"]}
    return _hash_keys_differ(case, said) or _marks_differ(case, said) or _begins_elsewhere(case, said)


def _covered(message: dict[str, Any], before: bytes) -> bytes | None:
    """A message's own bytes under its MAC or tag, as the vector has them; None if others stand before."""
    told = raw(message.get("mac_input", message.get("tag_input", "")))
    start = _LABELS.get(message["name"], b"") + (before if told else b"")
    return told[len(start) :] if told.startswith(start) else None


def _hash_keys_differ(case: dict[str, Any], said: dict[str, Any]) -> str:
    """The last 16 of the bytes at each proof."""
    expected = {side: case[f"{side}_state"]["pool_bytes"][64:] for side in ("client", "hub")}
    return "" if case["hash_keys"] == (expected if "M4" in said else None) else "other hash keys"


def _marks_differ(case: dict[str, Any], said: dict[str, Any]) -> str:
    """Durable marks are told as low as they may be: 48 above what was told before (pools.md, section 4)."""
    window, m1, m2 = case["window_bytes"], said["M1"], said["M2"]
    if window is None or m2[1]:
        return ""
    if m1[7][5] != max(m1[7][4], case["client_state"]["told_before"] + 48):
        return "M1 tells another mark"
    told, theirs = case["hub_state"]["told_before"], int.from_bytes(m1[9][1], "big")
    if theirs > max(told + 48, m2[6][4]) + window:  # left behind
        told = min(theirs - window, m2[6][2])
    return "" if m2[6][5] == max(m2[6][4], told + 48) else "M2 tells another mark"


def _begins_elsewhere(case: dict[str, Any], said: dict[str, Any]) -> str:
    """The rule of positions (pools.md, section 4), worked out from what the two sides have told."""
    if case["window_bytes"] is None or "M4" not in said:
        return ""
    for name, own, boot, proved, told in (
        ("M3", "client", said["M1"][4], said["M2"][4], said["M2"][6]),
        ("M4", "hub", said["M2"][3], said["M1"][5], said["M1"][7]),
    ):
        state, beyond = case[f"{own}_state"], told[5] + case["window_bytes"]
        own_next, known = state["own_next"], state["previous_hash_key"] is not None
        goes_on = proved == boot and known and told[4] <= own_next and own_next + 48 <= beyond
        if said[name][0] != (own_next if goes_on else beyond):
            return f"{name} begins elsewhere"
    return ""


def refused_handshakes(document: dict[str, Any]) -> Iterator[Verdict]:
    """refused_handshakes.json, against the transcripts of handshakes.json that stand in it."""
    for case in document["cases"]:
        transcript = document["transcripts"][case["of"]]
        yield verdict(case["name"], _refused_handshake, case, transcript)


def _refused_handshake(case: dict[str, Any], transcript: dict[str, Any]) -> str:
    result, error, code = judge(transcript, case["stage"], raw(case["message"]), case["pool"])
    found = (result, error, code)
    return "" if found == (case["result"], case["error"], case["code"]) else f"found {found}"


def sessions(document: dict[str, Any]) -> Iterator[Verdict]:
    """sessions.json: every piece is authentic; the keys that they agree on."""
    shares: dict[str, list[Any]] = {}
    for case in document["sessions"]:
        yield verdict(case["name"], _session, case, shares)
    for agreement in document["agreements"]:
        for told in agreement["keys"]:
            name = f"the key {told['key_id']}"
            yield verdict(name, _agreed, told, agreement, shares)


def _session(case: dict[str, Any], shares: dict[str, list[Any]]) -> str:
    conversation = Conversation(secrets_of(case))
    given: list[Any] = []
    for piece in case["pieces"]:
        found = conversation.take(piece["direction"], raw(piece["bytes"]))
        if found.problem or (found.name != "M0" and not found.authentic):
            return f"{piece['name']}: {found.problem or 'not authentic'}"
        known = not piece["name"].startswith("of a later")
        if known and found.name != piece["name"]:
            return f"{piece['name']}: found {found.name}"
        if "plain_body" in piece and packed(fields_of(piece["fields"])) != raw(piece["plain_body"]):
            return f"{piece['name']}: the fields are not those of the body"
        if known and "type" in piece and conversation.plain != fields_of(piece["fields"]):
            return f"{piece['name']}: other fields"
        if found.name == "SHARES":
            given.append(found.told)
    shares[case["name"]] = given
    return ""


def _agreed(told: dict[str, Any], of: dict[str, Any], given: dict[str, list[Any]]) -> str:
    """The responder's view: shares by the hubs' configured xs, found out of its sessions."""
    shares = []
    terms = {name: of[name] for name in ("n", "k", "initiator", "responders")} | {
        "version": 1,
        "key_bytes": 32,
    }
    key_id = raw(told["key_id"])
    for name, x in zip(of["fetched_in"], of["xs"].values(), strict=True):
        for answer in given[name]:
            for group in answer["groups"]:
                at = group["key_ids"].find(key_id) // 16
                code = group["codes"][at * 32 :][:32]
                shares.append(sharing.Share(x, group["shares"][at * 32 :][:32], code))
    key = sharing.recover(terms, key_id, shares)
    return "" if key == raw(told["key"]) else "another key"


def wrapped(document: dict[str, Any]) -> Iterator[Verdict]:
    """wrapped.json: WRAP and its key, pieces, and those that do not open."""
    for case in document["wraps"]:
        yield verdict(case["name"], _wrap, case)
    for case in document["pieces"]:
        yield verdict(case["name"], _wrapped, case)
    for case in document["refused"]:
        yield verdict(case["name"], _refused_piece, case)


def _wrap(case: dict[str, Any]) -> str:
    told, pool = header(raw(case["frame"])), raw(case["pool_bytes"])
    right = told[:4] == (0x06, 0, case["position"], 32) and body_of(raw(case["frame"])) == b"\x90"
    return "" if right and pool[16:48] == raw(case["key"]) else "no WRAP"


def _wrapped(case: dict[str, Any]) -> str:
    frame = unwrapped(raw(case["piece"]), raw(case["key"]), case["counter"])
    return "" if frame == raw(case["frame"]) else "another frame"


def _refused_piece(case: dict[str, Any]) -> str:
    data = raw(case["piece"])
    piece = data[: 4 + int.from_bytes(data[:4], "big")]  # as it is cut out of the stream
    try:
        unwrapped(piece, raw(case["key"]), case["counter"])
    except MalformedError:
        found = "FRAME"
    except NotAuthenticError:
        found = "TAG"
    else:
        found = "OK"
    return "" if found == case["result"] else f"found {found}"

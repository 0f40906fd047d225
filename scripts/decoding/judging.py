"""What the receiver of one handshake message does with it (handshake.md, section 3; pools.md)."""

from __future__ import annotations

import hmac
from typing import Any

from decoding.ciphers import gate_mac, poly1305
from decoding.following import proof_hash_key
from decoding.packed import MalformedError, unpacked
from decoding.shapes import HANDSHAKE
from decoding.values import raw

#: (OK, REFUSE or CLOSE; why; the code of a refusal)
Judgement = tuple[str, str | None, int | None]
_OK: Judgement = ("OK", None, None)
_RULE: Judgement = ("CLOSE", "RULE", None)
_SIMULATED, _BEGIN_ANEW = 2, 4


def judge(transcript: dict[str, Any], stage: str, message: bytes, pool: dict[str, Any] | None) -> Judgement:
    """A message in the place of the one that stands at `stage` of a transcript (handshakes.json).

    `pool`: bytes of the pool where a proof stands elsewhere than in the transcript.
    """
    try:
        told = _decoded(stage, message)
    except MalformedError:
        return "CLOSE", "FORM", None
    said = {one["name"]: raw(one["message"]) for one in transcript["messages"]}
    before = b"".join(data for name, data in said.items() if name < stage)
    if stage == "M0":
        return _judge_m0(told)
    known = {name: HANDSHAKE[name](unpacked(data[4:])) for name, data in said.items() if name < stage}
    if stage in ("M1", "M2"):
        mac = gate_mac(raw(transcript["gate_key"]), stage.encode() + before + message[:-32])
        if (
            not hmac.compare_digest(mac, message[-32:])
            or told.get("client", transcript["client"]) != transcript["client"]
        ):
            return "CLOSE", "MAC", None
        return _judge_m1(told, transcript) if stage == "M1" else _judge_m2(told, known["M1"], transcript)
    return _judge_proof(stage, told, known, transcript, before, message, pool)


def _decoded(stage: str, message: bytes) -> dict[str, Any]:
    length = int.from_bytes(message[:4], "big")
    if not 1 <= length <= 512 or length + 4 != len(message):
        raise MalformedError("its length")
    told: dict[str, Any] = HANDSHAKE[stage](unpacked(message[4:]))
    return told


def _judge_m0(told: dict[str, Any]) -> Judgement:
    if told["magic"] != "DSKE":
        return "CLOSE", "FORM", None
    return _OK if 1 in told["versions"] else ("CLOSE", "VERSION", None)


def _additions_right(optional: dict[int, bytes], *, of_hub: bool, offered: dict[int, bytes]) -> bool:
    """Numbers 1 to 3, where they are told."""
    if len(optional.get(1, bytes(8))) != 8 or optional.get(3, b""):
        return False
    if not of_hub:
        return 1 <= len(optional.get(2, b"\1")) <= 16
    chosen = optional.get(2)
    named = all(number in offered for number in (2, 3) if number in optional)
    return named and (chosen is None or (len(chosen) == 1 and chosen in offered[2]))


def _judge_m1(told: dict[str, Any], transcript: dict[str, Any]) -> Judgement:
    m2 = HANDSHAKE["M2"](unpacked(raw(transcript["messages"][2]["message"])[4:]))
    if told["max_pads"] < 4096 or not _additions_right(told["optional"], of_hub=False, offered={}):
        return _RULE
    own, theirs = m2["holdings"], told["holdings"]
    simulated = bool(m2["flags"] & _SIMULATED)
    streams = ("client_stream", "hub_stream")
    if told["version"] != 1:
        return "REFUSE", "RULE", 16
    if told["hub"] != transcript["hub"]:
        return "REFUSE", "RULE", 17
    if bool(told["flags"] & _SIMULATED) != simulated:
        return "REFUSE", "RULE", 20
    if not simulated and any(theirs[name] != own[name] for name in streams):
        return "REFUSE", "RULE", 18
    if not simulated and transcript["hub_state"]["own_next"] + 48 > theirs["hub_end"]:
        return "REFUSE", "RULE", 21
    return _OK


def _judge_m2(told: dict[str, Any], m1: dict[str, Any], transcript: dict[str, Any]) -> Judgement:
    if told["code"]:
        return "CLOSE", "REFUSED", told["code"]
    simulated = transcript["window_bytes"] is None
    anew = bool(told["flags"] & _BEGIN_ANEW)
    if told["version"] != 1 or bool(told["flags"] & _SIMULATED) != simulated or (anew and not simulated):
        return _RULE
    if told["max_pads"] < 4096 or not _additions_right(told["optional"], of_hub=True, offered=m1["optional"]):
        return _RULE
    own, theirs = m1["holdings"], told["holdings"]
    if not anew and any(theirs[name] != own[name] for name in ("client_stream", "hub_stream")):
        return _RULE
    own_next = transcript["client_state"]["own_next"]
    if not simulated and own_next > theirs["durable_mark"] + transcript["window_bytes"]:
        return _RULE
    return _OK


def _judge_proof(
    stage: str, told: dict[str, Any], known: dict[str, Any], transcript: dict[str, Any], before: bytes,
    message: bytes, pool: dict[str, Any] | None,
) -> Judgement:  # fmt: skip
    """M3 at the hub, M4 at the client."""
    hub, client = known["M2"]["holdings"], known["M1"]["holdings"]
    own, side, state = (hub, b"C", "client_state") if stage == "M3" else (client, b"H", "hub_state")
    if stage == "M3":
        if any(told[name] != hub[name] for name in ("client_stream", "hub_stream")):
            return _RULE
        if told["client_end"] > hub["client_end"] or told["hub_end"] > hub["hub_end"]:
            return "CLOSE", "WINDOW", None
    if told["position"] < own["exact_mark"]:
        return "CLOSE", "REPLAY", None
    end = own["client_end" if stage == "M3" else "hub_end"]
    position, window = told["position"], transcript["window_bytes"]
    if position + 48 > end or (window is not None and position > own["durable_mark"] + window):
        return "CLOSE", "WINDOW", None
    given = transcript[state]
    start, data = (given["pool_position"], given["pool_bytes"]) if pool is None else pool.values()
    pads = raw(data)[position - start :][:48]
    proved = None if given["previous_hash_key"] is None else raw(given["previous_hash_key"])
    r = proof_hash_key(position, pads, own["durable_mark"], window, proved)
    if r is None:
        return "CLOSE", "TAG", None
    tag = poly1305(r + pads[16:32], side + before + message[:-16])
    return _OK if hmac.compare_digest(tag, message[-16:]) else ("CLOSE", "TAG", None)

"""What comes of the shares that hubs give a responder (keys.md, sections 4 and 5)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple

from decoding import sharing
from decoding.shapes import MESSAGES
from decoding.sharing import Share
from decoding.values import Verdict, fields_of, raw, verdict

_SHARES = 0x13


class Given(NamedTuple):
    """What one hub gave of the key. `terms`: None where the client does not take them."""

    hub: str
    terms: dict[str, Any] | None
    share: Share


def responders(document: dict[str, Any]) -> Iterator[Verdict]:
    """responders.json: the key or the error of each case, and the hubs that are proven wrong."""
    for case in document["cases"]:
        yield verdict(case["name"], _case, case, document)


def _case(case: dict[str, Any], document: dict[str, Any]) -> str:
    key_id = raw(document["key_id"])
    given: dict[str, Given] = {}
    for answer in case["answers"]:
        told = MESSAGES[_SHARES][2](fields_of(answer["fields"]))
        for group in told["groups"]:
            found = _given(answer["hub"], group, document, key_id)
            if found is not None:
                given.setdefault(found.hub, found)  # the first stands
    key, error, wrong = _outcome(case, document, list(given.values()), key_id)
    outcome = (key.hex() if key else None, error, wrong)
    return "" if outcome == (case["key"], case["error"], case["wrong"]) else f"found {outcome}"


def _given(hub: str, group: dict[str, Any], document: dict[str, Any], key_id: bytes) -> Given | None:
    """What a group says of the key; None where that is nothing, or not all of it yet."""
    ids = [group["key_ids"][at : at + 16] for at in range(0, len(group["key_ids"]), 16)]
    if key_id not in ids:
        return None
    at, length = ids.index(key_id), group["key_bytes"]
    if len(ids) == 1 and len(group["shares"]) < length:
        return None  # a piece
    code_bytes = 48 if length > 1024 else 32
    fits = len(group["shares"]) == len(ids) * length and len(group["codes"]) == len(ids) * code_bytes
    share, code = group["shares"][at * length :][:length], group["codes"][at * code_bytes :][:code_bytes]
    share = Share(document["xs"][hub], share, code if fits else b"")
    return Given(hub, _terms(group, document), share)


def _terms(group: dict[str, Any], document: dict[str, Any]) -> dict[str, Any] | None:
    """The terms of a group, if they keep the rules and this client may take them."""
    parties = [[party["client"], party["encryptor"]] for party in group["responders"]]
    ordered = sorted(parties, key=lambda pair: [name.encode() for name in pair])
    once = all(one != other for one, other in pairwise(ordered))
    named = document["client"] in [client for client, _ in parties]
    if not 2 <= group["k"] <= group["n"] or group["k"] < document["k"] or not named:
        return None
    if parties != ordered or not once:
        return None
    initiator = [group["initiator"]["client"], group["initiator"]["encryptor"]]
    return {
        "version": 1, "n": group["n"], "k": group["k"], "initiator": initiator, "responders": parties,
        "key_bytes": group["key_bytes"],
    }  # fmt: skip


def _outcome(
    case: dict[str, Any], document: dict[str, Any], given: list[Given], key_id: bytes
) -> tuple[bytes | None, str | None, list[str]]:
    """The key or why there is none, and who is proven wrong."""
    enough = False
    for terms in [one.terms for one in given if one.terms is not None]:
        group = [one for one in given if one.terms == terms]
        enough = enough or len(group) >= terms["k"]
        key = sharing.recover(terms, key_id, [one.share for one in group])
        if key is not None:
            wrong = _wrong(terms, given, group, key_id)
            if terms["initiator"] != document["initiator"]:
                return None, "UNKNOWN_KEY", wrong
            if [document["client"], case["caller"]] not in terms["responders"]:
                return None, "NOT_NAMED", wrong
            return key, None, wrong
    return None, "RECONSTRUCTION" if enough else "UNKNOWN_KEY", []


def _wrong(terms: dict[str, Any], given: list[Given], group: list[Given], key_id: bytes) -> list[str]:
    """Hubs whose share is not of the dealing; nobody while fewer than 2 k - 1 shares are in hand."""
    if len(given) < 2 * terms["k"] - 1:
        return []
    bad = sharing.wrong(terms, [one.share for one in group], key_id)
    return [one.hub for one in given if one not in group or one.share.x in bad]

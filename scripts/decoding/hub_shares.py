"""Shares at a hub, written from keys.md, section 2: one dictionary, and every rule key by key."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

OK, PARTIAL, DONE, CONFLICT, NOT_OWNER, LIMIT = range(6)
UNKNOWN_KEY, NOT_NAMED, DELIVERED, BAD_REQUEST = 6, 7, 8, 9
SHUTTING_DOWN = 39
ID_BYTES = 16
#: (initiator's client, key ID).
Name = tuple[str, bytes]


class Share:
    """One share. `codes`: by responder client."""

    def __init__(self, terms: dict[str, Any], data: bytes, codes: dict[str, bytes], deadline_ms: int) -> None:
        self.terms, self.data, self.codes, self.deadline_ms = terms, data, codes, deadline_ms
        self.bound: dict[str, str] = {}  # by client the boot ID of the process that has got it
        self.confirmed: set[str] = set()

    @property
    def whole(self) -> bool:
        """No piece is missing."""
        return len(self.data) == int(self.terms["key_bytes"])


class Shares:
    """All shares and tombstones. Times in ms."""

    def __init__(self, timeout_ms: int, most: int | None) -> None:
        self._timeout_ms, self._most = timeout_ms, most
        self._shares: dict[Name, Share] = {}
        self._tombstones: dict[tuple[Name, str], int] = {}  # with a responder client: until when
        self.drains = False

    def goes_by(self, now: int) -> None:
        """Rules 5 and 8: what is out of time."""
        self._tombstones = {which: until for which, until in self._tombstones.items() if until > now}
        for name, share in list(self._shares.items()):
            if share.deadline_ms <= now:
                self._remove(name, share.codes, share.deadline_ms)

    def _remove(self, name: Name, clients: Any, now: int) -> None:
        self._shares.pop(name)
        for client in clients:
            self._tombstones[name, client] = now + self._timeout_ms

    # --- PUT_SHARES ---

    def put(
        self, client: str, registered: list[str], group: dict[str, Any], now: int
    ) -> tuple[bytes, list[Name]]:
        """A code for each key of a group, and the keys that are whole now."""
        ids = cut(group["key_ids"], ID_BYTES)
        if not _keeps_rules(group):
            return bytes([BAD_REQUEST]) * len(ids), []
        if group["initiator"] not in registered:
            return bytes([NOT_OWNER]) * len(ids), []
        columns = _columns(group, len(ids))
        if columns is None:
            return bytes([BAD_REQUEST]) * len(ids), []
        codes = bytes(
            self._put_one((client, key_id), group, piece, code, now)
            for key_id, piece, code in zip(ids, *columns, strict=True)
        )
        return codes, [(client, key_id) for key_id, code in zip(ids, codes, strict=True) if code == OK]

    def _put_one(
        self, name: Name, group: dict[str, Any], piece: bytes, codes: dict[str, bytes], now: int
    ) -> int:
        offset, there = group["offset"], self._shares.get(name)
        if self.drains and not offset:
            return SHUTTING_DOWN
        if there is not None:
            return self._put_again(there, _terms(name[0], group), offset, piece, codes)
        clients = _clients(group)
        gone = [client for client in clients if (name, client) in self._tombstones]
        if len(gone) == len(clients):
            return DONE
        if offset:
            return BAD_REQUEST
        if self._most is not None and sum(client == name[0] for client, _ in self._shares) >= self._most:
            return LIMIT
        share = Share(_terms(name[0], group), piece, codes, now + min(group["ttl_ms"], self._timeout_ms))
        share.confirmed = set(gone)
        self._shares[name] = share
        return OK if share.whole else PARTIAL

    @staticmethod
    def _put_again(
        share: Share, terms: dict[str, Any], offset: int, piece: bytes, codes: dict[str, bytes]
    ) -> int:
        """Rules 3 and 4: a retry, a further piece, or a conflict."""
        if share.terms != terms or (offset == 0 and share.codes != codes):
            return CONFLICT
        if offset > len(share.data):
            return BAD_REQUEST
        old = share.data[offset:]
        if old[: len(piece)] != piece[: len(old)]:
            return CONFLICT
        share.data += piece[len(old) :]
        return OK if share.whole else PARTIAL

    # --- GET_SHARES, confirmations ---

    def get(self, client: str, boot_id: str, name: Name, offset: int, alone: bool) -> int | dict[str, Any]:
        """Rule 6: what a client's process gets of a key, or the code why not."""
        if offset and not alone:
            return BAD_REQUEST
        share = self._shares.get(name)
        if share is None:
            return DONE if (name, client) in self._tombstones else UNKNOWN_KEY
        if client not in share.codes:
            return NOT_NAMED
        if client in share.confirmed:
            return DONE
        if not share.whole:
            return UNKNOWN_KEY
        if share.bound.get(client, boot_id) != boot_id:
            return DELIVERED
        if offset >= share.terms["key_bytes"]:
            return BAD_REQUEST
        share.bound[client] = boot_id
        code = b"" if offset else share.codes[client]
        return {**share.terms, "offset": offset, "share": share.data[offset:], "code": code}

    def confirm(self, client: str, name: Name, now: int) -> None:
        """Rules 7 and 8."""
        share = self._shares.get(name)
        if share is not None and client not in share.codes:
            return
        self._tombstones[name, client] = now + self._timeout_ms
        if share is not None:
            share.confirmed.add(client)
            if share.confirmed == set(share.codes):
                del self._shares[name]


def cut(column: bytes, size: int) -> list[bytes]:
    """The parts of a column."""
    return [column[at : at + size] for at in range(0, len(column), size)]


def _keeps_rules(group: dict[str, Any]) -> bool:
    """What ties the fields of a put group together (messages.md)."""
    parties = [[party["client"].encode(), party["encryptor"].encode()] for party in group["responders"]]
    return 2 <= group["k"] <= group["n"] and all(one < other for one, other in pairwise(parties))


def _clients(group: dict[str, Any]) -> list[str]:
    return sorted({party["client"] for party in group["responders"]}, key=str.encode)


def _terms(client: str, group: dict[str, Any]) -> dict[str, Any]:
    terms = {name: group[name] for name in ("responders", "n", "k", "key_bytes")}
    return {"initiator": {"client": client, "encryptor": group["initiator"]}, **terms}


def _columns(group: dict[str, Any], number: int) -> tuple[list[bytes], list[dict[str, bytes]]] | None:
    """The piece of each key and its code shares by client; None where the lengths do not fit."""
    offset, length, clients = group["offset"], group["key_bytes"], _clients(group)
    code_bytes = 48 if length > 1024 else 32
    if number > 1 and (offset or len(group["shares"]) != number * length):
        return None
    if not group["shares"] or offset + len(group["shares"]) // number > length:
        return None
    if len(group["codes"]) != (0 if offset else number * len(clients) * code_bytes):
        return None
    pieces = cut(group["shares"], len(group["shares"]) // number)
    codes = cut(group["codes"], code_bytes) or [b""] * len(clients) * number
    at = range(0, len(codes), len(clients))
    return pieces, [dict(zip(clients, codes[i : i + len(clients)], strict=True)) for i in at]

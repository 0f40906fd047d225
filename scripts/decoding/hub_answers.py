"""What a hub answers its clients (keys.md, sections 1 and 2; messages.md), for a scenario of hub.json."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from decoding.hub_shares import (
    BAD_REQUEST,
    ID_BYTES,
    NOT_OWNER,
    OK,
    SHUTTING_DOWN,
    UNKNOWN_KEY,
    Name,
    Shares,
    cut,
)

_MOST_PARKED_MS = 1000


class Said(NamedTuple):
    """A message to a session. Of SHARES `what` tells each key by itself: how they are packed is free."""

    session: str
    name: str
    request_id: int
    what: Any


class Process(NamedTuple):
    """Who is at the other end of a session."""

    client: str
    boot_id: str


class Parked:
    """What a GET_SHARES still waits for: offsets by (initiator's client, key ID)."""

    def __init__(self, session: str, request_id: int, until_ms: int) -> None:
        self.session, self.request_id, self.until_ms = session, request_id, until_ms
        self.keys: dict[Name, int] = {}


class Hub:
    """A hub of a scenario's configuration; each step gives what it says."""

    def __init__(self, configuration: dict[str, Any]) -> None:
        owners = configuration["owners"]
        self._first_come = owners is None
        self._owner = {name: client for client, names in (owners or {}).items() for name in names}
        self._registered: dict[str, list[str]] = {}
        self._timeout_ms = configuration["share_timeout_ms"]
        self._shares = Shares(self._timeout_ms, configuration["max_pending_shares"])
        self._sessions: dict[str, Process] = {}
        self._parked: list[Parked] = []
        self._now = 0

    def goes_by(self, now: int) -> list[Said]:
        """Until this time: shares and tombstones end, and parking."""
        self._now = now
        self._shares.goes_by(now)
        over = [parked for parked in self._parked if parked.until_ms <= now]
        self._parked = [parked for parked in self._parked if parked not in over]
        return [
            Said(one.session, "SHARES", one.request_id, dict.fromkeys(one.keys, UNKNOWN_KEY)) for one in over
        ]

    def opens(self, session: str, process: Process) -> tuple[list[Said], list[str]]:
        """What the client is told at once, and the sessions that it replaces."""
        replaced = [name for name, other in self._sessions.items() if other.client == process.client]
        for name in replaced:
            self.ends(name)
        self._sessions[session] = process
        return [Said(session, "ERROR", 0, SHUTTING_DOWN)] * self._shares.drains, replaced

    def ends(self, session: str) -> None:
        """Its parking ends with it."""
        del self._sessions[session]
        self._parked = [parked for parked in self._parked if parked.session != session]

    def drains(self) -> list[Said]:
        """All that have a session are told."""
        self._shares.drains = True
        return [Said(session, "ERROR", 0, SHUTTING_DOWN) for session in self._sessions]

    def asked(self, session: str, name: str, request_id: int, fields: dict[str, Any]) -> list[Said]:
        """A client's message."""
        client = self._sessions[session].client
        if name == "UNREGISTER":
            self._free(client)
            return []
        if name == "PUT_SHARES":
            return self._put(session, request_id, fields)
        if name == "GET_SHARES":
            return self._get(session, request_id, fields)
        answers: dict[str, Any] = {"REGISTER": self._register, "LOCATE": self._locate, "PING": self._ping}
        if name not in answers:
            return [Said(session, "ERROR", request_id, BAD_REQUEST)]
        answer, what = answers[name](client, fields)
        return [Said(session, answer, request_id, what)]

    # --- who is there ---

    def _register(self, client: str, fields: dict[str, Any]) -> tuple[str, Any]:
        names = fields["encryptors"]
        free = (None, client) if self._first_come else (client,)
        refused = [name for name in names if self._owner.get(name) not in free]
        if not refused:
            self._free(client)
            self._registered[client] = names
            self._owner.update(dict.fromkeys(names, client) if self._first_come else {})
        return "REGISTERED", [NOT_OWNER if refused else OK, sorted(refused), self._timeout_ms]

    def _free(self, client: str) -> None:
        for name in self._registered.pop(client, []) if self._first_come else []:
            del self._owner[name]
        self._registered.pop(client, None)

    def _locate(self, _: str, fields: dict[str, Any]) -> tuple[str, Any]:
        return "LOCATED", [self._owner.get(name) for name in fields["encryptors"]]

    def _ping(self, client: str, fields: dict[str, Any]) -> tuple[str, Any]:
        self._confirm(client, fields["done"])
        return "PING", True

    # --- shares ---

    def _confirm(self, client: str, done: list[dict[str, Any]]) -> None:
        for one in done:
            for key_id in cut(one["key_ids"], ID_BYTES):
                self._shares.confirm(client, (one["initiator"], key_id), self._now)

    def _put(self, session: str, request_id: int, fields: dict[str, Any]) -> list[Said]:
        client = self._sessions[session].client
        codes, arrived = b"", list[Name]()
        for group in fields["groups"]:
            of_group, whole = self._shares.put(client, self._registered.get(client, []), group, self._now)
            codes, arrived = codes + of_group, arrived + whole
        return [Said(session, "PUT_SHARES_ACK", request_id, codes), *self._answer_parked(arrived)]

    def _answer_parked(self, arrived: list[Name]) -> list[Said]:
        said = []
        for parked in self._parked:
            found = {name: parked.keys.pop(name) for name in arrived if name in parked.keys}
            if found:
                told = {
                    name: self._told(parked.session, name, offset, True) for name, offset in found.items()
                }
                said.append(Said(parked.session, "SHARES", parked.request_id, told))
        self._parked = [parked for parked in self._parked if parked.keys]
        return said

    def _get(self, session: str, request_id: int, fields: dict[str, Any]) -> list[Said]:
        self._confirm(self._sessions[session].client, fields["done"])
        wait_ms = min(fields["wait_ms"], _MOST_PARKED_MS)
        told: dict[Name, Any] = {}
        parked = Parked(session, request_id, self._now + wait_ms)
        for name, offset, alone in _wanted(fields["groups"]):
            answer = self._told(session, name, offset, alone)
            if answer == UNKNOWN_KEY and wait_ms:
                parked.keys[name] = offset
            else:
                told[name] = answer
        self._parked += [parked] * bool(parked.keys)
        return [Said(session, "SHARES", request_id, told)] if told or not fields["groups"] else []

    def _told(self, session: str, name: Name, offset: int, alone: bool) -> Any:
        return self._shares.get(*self._sessions[session], name, offset, alone)


def _wanted(groups: list[dict[str, Any]]) -> Iterable[tuple[Name, int, bool]]:
    """Each key once: its name, the offset, and whether it stands alone in its group."""
    for group in groups:
        ids = cut(group["key_ids"], ID_BYTES)
        for key_id in dict.fromkeys(ids):
            yield (group["initiator"], key_id), group["offset"], len(ids) == 1

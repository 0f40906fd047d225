"""Numbers in place of clients' names, within one session: proto/messages.md, "Local identifiers".

    hub       `Definitions` says which names of a message are to be defined before it leaves
    both      `LocalIdentifiers.define` takes a NAMES: the hub's when it has been sealed, the client's when
              it has come
    both      `shorten` gives a message with numbers, when it is sealed; `resolve` puts names back, as soon as
              it is decoded

All else knows names only. A number stands for what its hub says, and a hub that says two things is found out
as one that lies with names: its shares are of other terms.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from dsked.errors import FrameError
from dsked.limits import MAX_KEYS_PER_FRAME, MAX_LOCAL_IDENTIFIERS
from dsked.wire.messages import (
    Confirmed,
    GetGroup,
    GetShares,
    Located,
    Message,
    Missing,
    Names,
    PartyBody,
    Ping,
    PutGroup,
    PutShares,
    ShareGroup,
    Shares,
)


class LocalIdentifiers:
    """Which numbers stand for which names, as far as the hub has said in this session."""

    __slots__ = ("_identifiers", "_names")

    def __init__(self) -> None:
        self._names: dict[int, str] = {}
        self._identifiers: dict[str, Any] = {}  # uint32 for the encoder; for all that reads fields, a name

    def define(self, names: Names) -> None:
        """The hub has said it. Raises FrameError at what would not be one name for one number."""
        for identifier, name in names.names:
            known = self._names.setdefault(identifier, name)
            if known != name or self._identifiers.setdefault(name, identifier) != identifier:
                raise FrameError(f"identifier {identifier} and its name do not belong to each other alone")
        if len(self._names) > MAX_LOCAL_IDENTIFIERS:
            raise FrameError(f"more than {MAX_LOCAL_IDENTIFIERS} identifiers are defined")

    def shorten(self, message: Message) -> Message:
        """The message with numbers for names, where there are any: another one, this stays as it is."""
        shorten = _SHORTEN.get(type(message)) if self._names else None
        return message if shorten is None else shorten(message, self._identifiers.get)

    def resolve(self, message: Message) -> None:
        """Put names in place of numbers, in a message that has just come. Raises FrameError."""
        resolve = _RESOLVE.get(type(message))
        if resolve is not None:
            resolve(message, self._name)

    def _name(self, identifier: Any) -> str:
        name = self._names.get(identifier)
        if name is None:
            raise FrameError(f"identifier {identifier} has not been defined in this session")
        return name


#: Of every session in which nobody has got an identifier: a set of its own would take room for nothing.
_NOBODY: set[str] = set()


class Definitions:
    """What a hub has yet to say in one session. `give`: the identifier of one of its clients, else None."""

    __slots__ = ("_give", "_given")

    def __init__(self, give: Callable[[str], int | None]) -> None:
        self._give = give
        self._given = _NOBODY

    def wanted(self, message: Message) -> set[str]:
        """Names in a message of the hub that have not got identifiers in this session."""
        found = _SAID_BY_HUBS.get(type(message))
        if found is None:
            return _NOBODY
        given = self._given
        return {name for name in found(message) if name not in given}

    def give(self, names: set[str]) -> Iterator[Names]:
        """What is to be told before a message with these names: those of clients of the hub, once each."""
        if self._given is _NOBODY:
            self._given = set()
        fresh = []
        for name in sorted(names)[: MAX_LOCAL_IDENTIFIERS - len(self._given)]:
            identifier = self._give(name)
            if identifier is not None:
                self._given.add(name)
                fresh.append((identifier, name))
        for start in range(0, len(fresh), MAX_KEYS_PER_FRAME):
            yield Names(fresh[start : start + MAX_KEYS_PER_FRAME])


# --- shorter messages ---------------------------------------------------------------------------------------

#: The identifier of a name, or what else is given: `dict.get`. In the key path, so without detours.
_Get = Callable[[str, str], Any]


def _short_parties(parties: Iterable[PartyBody], get: _Get) -> list[PartyBody]:
    return [PartyBody(get(party.client, party.client), party.encryptor) for party in parties]


def _short_confirmations(done: Iterable[Confirmed], get: _Get) -> list[Confirmed]:
    return [Confirmed(get(one.initiator, one.initiator), one.key_ids) for one in done]


def _short_ping(ping: Ping, get: _Get) -> Message:
    if not ping.done:
        return ping
    return Ping(ping.reply, ping.client_end, ping.hub_end, _short_confirmations(ping.done, get))


def _short_put(put: PutShares, get: _Get) -> Message:
    return PutShares([
        PutGroup(
            group.initiator, _short_parties(group.responders, get), group.n, group.k, group.ttl_ms,
            group.key_bytes, group.key_ids, group.offset, group.shares, group.codes,
        )
        for group in put.groups
    ])  # fmt: skip


def _short_get(message: GetShares, get: _Get) -> Message:
    groups = [
        GetGroup(get(group.initiator, group.initiator), group.key_ids, group.offset)
        for group in message.groups
    ]
    return GetShares(groups, message.wait_ms, _short_confirmations(message.done, get))


def _short_shares(shares: Shares, get: _Get) -> Message:
    groups = [
        ShareGroup(
            PartyBody(get(group.initiator.client, group.initiator.client), group.initiator.encryptor),
            _short_parties(group.responders, get), group.n, group.k, group.key_bytes, group.key_ids,
            group.offset, group.shares, group.codes,
        )
        for group in shares.groups
    ]  # fmt: skip
    missing = [
        Missing(get(group.initiator, group.initiator), group.code, group.key_ids) for group in shares.missing
    ]
    return Shares(groups, missing)


def _short_located(located: Located, get: _Get) -> Message:
    return Located([None if name is None else get(name, name) for name in located.clients])


_SHORTEN: dict[type[Message], Callable[[Any, _Get], Message]] = {
    Ping: _short_ping,
    PutShares: _short_put,
    GetShares: _short_get,
    Shares: _short_shares,
    Located: _short_located,
}


# --- names again --------------------------------------------------------------------------------------------

_NameOf = Callable[[Any], str]


def _name_parties(parties: Iterable[PartyBody], name_of: _NameOf) -> None:
    for party in parties:
        if not isinstance(party.client, str):
            party.client = name_of(party.client)


def _name_initiators(groups: Iterable[Confirmed | GetGroup | Missing], name_of: _NameOf) -> None:
    for group in groups:
        if not isinstance(group.initiator, str):
            group.initiator = name_of(group.initiator)


def _name_ping(ping: Ping, name_of: _NameOf) -> None:
    _name_initiators(ping.done, name_of)


def _name_put(put: PutShares, name_of: _NameOf) -> None:
    for group in put.groups:
        _name_parties(group.responders, name_of)


def _name_get(get: GetShares, name_of: _NameOf) -> None:
    _name_initiators(get.groups, name_of)
    _name_initiators(get.done, name_of)


def _name_shares(shares: Shares, name_of: _NameOf) -> None:
    for group in shares.groups:
        _name_parties((group.initiator,), name_of)
        _name_parties(group.responders, name_of)
    _name_initiators(shares.missing, name_of)


def _name_located(located: Located, name_of: _NameOf) -> None:
    located.clients = [
        name if name is None or isinstance(name, str) else name_of(name) for name in located.clients
    ]


_RESOLVE: dict[type[Message], Callable[[Any, _NameOf], None]] = {
    Ping: _name_ping,
    PutShares: _name_put,
    GetShares: _name_get,
    Shares: _name_shares,
    Located: _name_located,
}


# --- what hubs say ------------------------------------------------------------------------------------------


def _names_of_shares(shares: Shares) -> list[str]:
    found = [group.initiator for group in shares.missing]
    for group in shares.groups:
        found.append(group.initiator.client)
        found.extend([party.client for party in group.responders])
    return found


def _names_of_located(located: Located) -> list[str]:
    return [name for name in located.clients if name is not None]


_SAID_BY_HUBS: dict[type[Message], Callable[[Any], list[str]]] = {
    Shares: _names_of_shares,
    Located: _names_of_located,
}

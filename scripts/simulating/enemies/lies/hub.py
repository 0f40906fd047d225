"""A hub that lies: the real engine, with a lie between it and its clients.

Everything that a client says passes `Lie.hears` before the engine sees it, and everything that the engine
says passes `Lie.says` before it is sealed. So what is told is always authentic: what a hub may do that has
been bought, and no more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any, ClassVar, NamedTuple

from dsked.errors import LimitError
from dsked.hub.engine import Handler, HubEngine
from dsked.limits import MAX_FRAME_BYTES
from dsked.sharing.terms import Party, responder_clients
from dsked.wire.connection import HubConnection, Stage
from dsked.wire.frame import OVERHEAD_BYTES
from dsked.wire.local_identifiers import Definitions
from dsked.wire.messages import (
    MESSAGES,
    Message,
    Names,
    PutShares,
    ShareGroup,
    Shares,
    cut_key_ids,
    decode_body,
    encode_body,
)
from dsked.wire.session import Session
from dsked.wire.terms import columns_fit, put_terms
from simulating.enemies.cabal import Cabal, Leak
from simulating.enemies.kinds import Kind
from simulating.enemies.rows import Row, groups_of, rows_of


class Said(NamedTuple):
    """A message to a client, at once or in so many seconds."""

    message: Message
    request_id: int
    delay_s: float = 0.0


def copied(message: Message) -> Message:
    """The same again: a message that has been sealed holds no plain secrets any more."""
    return decode_body(int(message.type), encode_body(message))


class Lie(Kind):
    """What a lying hub does; this one does nothing, and tells the truth."""

    def __init__(self, hub: LyingHub) -> None:
        self.hub = hub
        self.cabal = hub.cabal
        self.random = hub.cabal.random
        self.x = hub.cabal.xs[hub.name]

    def hears(self, to: HubConnection, request_id: int, message: Message) -> Message | None:
        """What the engine gets in place of `message`; None: nothing, it may have been answered here."""
        return message

    def says(self, to: HubConnection, request_id: int, message: Message) -> Iterable[Said]:
        """What the client gets in place of `message`."""
        return [Said(message, request_id)]

    def tells(self, to: HubConnection, names: Names) -> Iterable[Names]:
        """What the client gets in place of what is so of identifiers, which is what the engine goes by."""
        return [names]


class ShareLie(Lie):
    """Gives other shares than those that are stored."""

    def says(self, to: HubConnection, request_id: int, message: Message) -> Iterator[Said]:
        if isinstance(message, Shares):
            message = self.altered(to, message)
        yield Said(message, request_id)

    def altered(self, to: HubConnection, message: Shares) -> Shares:
        """What is said in place of an answer."""
        groups = [told for group in message.groups for told in self.group(to, group)]
        return Shares(groups, message.missing)

    def group(self, to: HubConnection, group: ShareGroup) -> list[ShareGroup]:
        """What is given in place of a group."""
        return groups_of(group, [self.key(to, group, key) for key in rows_of(group)])

    def key(self, to: HubConnection, group: ShareGroup, key: Row) -> Row:
        """What is given in place of one key's share, or a piece of it."""
        return key


class LyingHub(HubEngine):
    """A hub that does what `kind` says, with the help of its cabal."""

    kind: ClassVar[type[Lie]] = Lie

    def __init__(self, *arguments: Any, cabal: Cabal, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.cabal = cabal
        self.now = 0.0
        cabal.join(self.name, self.kind.named())
        self.lie = self.kind(self)
        for message in MESSAGES:
            handler = self._handlers.get(message, self._not_for_hubs)
            self._handlers[message] = partial(self._hear, handler)

    @property
    def lies(self) -> int:
        """How often it has lied, in all its lives."""
        return self.cabal.lies[self.name]

    def lied(self) -> None:
        """Counts a lie."""
        self.cabal.lies[self.name] += 1

    def repent(self) -> None:
        """From now on it tells the truth."""
        self.lie = Lie(self)

    def tick(self, now: float) -> None:
        self.now = now
        super().tick(now)

    def _hear(
        self, handler: Handler, connection: HubConnection, request_id: int, message: Message, now: float
    ) -> None:
        self.now = now
        if isinstance(message, PutShares):
            self._learn(connection.client, message)
        heard = self.lie.hears(connection, request_id, message)
        if heard is not message:
            self.lied()
        if heard is not None:
            handler(connection, request_id, heard, now)

    def _learn(self, client: str, message: PutShares) -> None:
        for group in message.groups:
            responders = tuple(Party(party.client, party.encryptor) for party in group.responders)
            for key_id in cut_key_ids(group.key_ids):
                self.cabal.leak(Leak(Party(client, group.initiator), key_id, responders))
            terms = put_terms(client, group)
            if terms is not None and columns_fit(terms, group, len(responder_clients(terms))):
                for row in rows_of(group):
                    self.cabal.given(self.name, terms, row)

    # --- saying ---

    def _opened(self, connection: HubConnection) -> None:
        super()._opened(connection)
        assert connection.session is not None
        connection.session.send = partial(self._speak, connection)  # type: ignore[method-assign]
        TrueNames(self, connection)

    def _speak(self, connection: HubConnection, request_id: int, message: Message) -> int:
        """What the engine wants to say passes the lie; it is never taken back."""
        told = list(self.lie.says(connection, request_id, message))
        if told != [Said(message, request_id)]:
            self.lied()
        for said in told:
            self.say(connection, said)
        return 0

    def say(self, to: HubConnection, said: Said) -> None:
        """Say this as it stands; a lie that does not fit a frame is not told. Raises LimitError."""
        if said.delay_s:
            self.timers.at(self.now + said.delay_s, lambda now: self._say_late(to, said))
            return
        session = to.session
        if session is None or to.stage is not Stage.OPEN:
            return
        size = OVERHEAD_BYTES + len(encode_body(said.message))
        if sum(map(len, said.message.secrets())) <= session.max_pads and size <= MAX_FRAME_BYTES:
            Session.send(session, said.request_id, said.message)
            self._answered(to)

    def _say_late(self, to: HubConnection, said: Said) -> None:
        with suppress(LimitError):
            self.say(to, said._replace(delay_s=0.0))


class TrueNames:
    """What a lying hub's session knows of identifiers is true, and what it tells passes the lie."""

    def __init__(self, hub: LyingHub, to: HubConnection) -> None:
        assert to.session is not None
        self.hub, self.to, self.session = hub, to, to.session
        self.true: dict[int, tuple[Names, Names]] = {}  # of those in the outbox: what is told, and what is so
        self.session._to_define = self._to_define  # type: ignore[method-assign]
        self.session.define = self._told  # type: ignore[method-assign]

    def _to_define(self, definitions: Definitions, message: Message) -> Iterator[Names]:
        for names in Session._to_define(self.session, definitions, message):
            told = list(self.hub.lie.tells(self.to, names))
            if told != [names]:
                self.hub.lied()
            if not told:
                Session.define(self.session, names)
            self.true.update({id(one): (one, names) for one in told})
            yield from told

    def _told(self, names: Names) -> None:
        Session.define(self.session, self.true.pop(id(names))[1])


def hub_that(lie: type[Lie]) -> type[LyingHub]:
    """The class of the hubs that tell this lie."""

    class Liar(LyingHub):
        kind = lie

    Liar.__name__ = Liar.__qualname__ = lie.__name__
    return Liar

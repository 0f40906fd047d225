"""A hostile client: the real engine, which now and then does what no honest client does.

It shares PSRD with every hub, so all that it says is authentic. What it gets hold of, from hubs that answer
it and from its cabal, it tries to turn into keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, ClassVar

from dsked.client.engine import ClientEngine
from dsked.client.hub_peer import HubPeer
from dsked.errors import DskedError, LimitError
from dsked.keys import Key
from dsked.sharing import shamir
from dsked.wire.connection import ClientConnection, Stage
from dsked.wire.local_identifiers import LocalIdentifiers
from dsked.wire.messages import GetGroup, GetShares, Message, Shares
from simulating.enemies.cabal import Cabal, Leak, ShareId
from simulating.enemies.kinds import Kind
from simulating.enemies.rows import rows_of

Stolen = tuple[str, bytes, bytes]  # (initiator client, key ID, key)


class AsItStands(LocalIdentifiers):
    """A body of no form is not made anew with identifiers: it leaves as it is."""

    def shorten(self, message: Message) -> Message:
        try:
            return super().shorten(message)
        except ValueError:
            return message


class Deed(Kind):
    """What a hostile client does."""

    def __init__(self, me: HostileClient) -> None:
        self.me = me
        self.cabal = me.cabal
        self.dice = me.cabal.random

    def misbehave(self, now: float) -> None:
        """Do one hostile thing."""
        raise NotImplementedError

    def proves(self) -> bool:
        """Whether it goes on with a handshake."""
        return True


class HostileClient(ClientEngine):
    """Behaves until it is told to `misbehave`; then it does one hostile thing of its kind."""

    kind: ClassVar[type[Deed]]

    def __init__(self, *arguments: Any, cabal: Cabal, **settings: Any) -> None:
        self.cabal = cabal
        super().__init__(*arguments, **settings)
        self.dice = cabal.random
        cabal.clients.add(self.name)
        self.stolen: list[Stolen] = []
        self._loot: dict[ShareId, dict[int, bytes]] = {}  # shares that honest hubs gave, by x
        self.deed = self.kind(self)

    @property
    def misdeeds(self) -> int:
        """How often it has done something hostile, in all its lives."""
        return self.cabal.misdeeds[self.name]

    def misbehave(self, now: float) -> None:
        """Do one hostile thing."""
        self.deed.misbehave(now)

    def _hello_done(self, connection: ClientConnection) -> None:
        if self.deed.proves():
            super()._hello_done(connection)

    def _opened(self, connection: ClientConnection) -> None:
        super()._opened(connection)
        assert connection.session is not None
        connection.session._identifiers = AsItStands()

    # --- what it says ---

    def sessions(self) -> list[HubPeer]:
        """The hubs that it has a session with."""
        return [
            hub
            for hub in self.hubs
            if hub.connection is not None and hub.connection.stage is Stage.OPEN and hub.connection.session
        ]

    def some_hub(self) -> HubPeer | None:
        """One of them."""
        sessions = self.sessions()
        return self.dice.choice(sessions) if sessions else None

    @staticmethod
    def room(hub: HubPeer) -> int:
        """Secret bytes that one frame to a hub may hold."""
        assert hub.connection is not None and hub.connection.session is not None
        return hub.connection.session.max_pads

    def did(self) -> None:
        """Counts a misdeed."""
        self.cabal.misdeeds[self.name] += 1

    def say(self, hub: HubPeer, message: Message, request_id: int | None = None) -> None:
        """Say anything to a hub, under an id of its own or any; its answer is looked through for shares."""
        self.did()
        hub.changed = True
        if request_id is None:
            hub.request(message, lambda answer, now: self._look(hub, answer))
            return
        assert hub.connection is not None
        with suppress(LimitError):
            hub.connection.send(request_id, message)

    # --- what it gets hold of ---

    def ask_for(self, hub: HubPeer, leaks: Sequence[Leak], wait_ms: int = 0) -> None:
        """Ask for keys of others, by the true initiator's name."""
        groups = [GetGroup(leak.initiator.client, leak.key_id, 0) for leak in leaks]
        if groups:
            self.say(hub, GetShares(groups, wait_ms, []))

    def some_leaks(self, number: int) -> list[Leak]:
        """Keys of honest initiators that members of the cabal have heard of."""
        known = [leak for leak in self.cabal.leaked if leak.initiator.client not in self.cabal.clients]
        return self.dice.sample(known, min(number, len(known)))

    def someone(self) -> str:
        """The client of an initiator, or this one."""
        return self.dice.choice([self.name, *(leak.initiator.client for leak in self.some_leaks(3))])

    def take(self, initiator: str, keys: list[Key]) -> None:
        """Keys that an encryptor here was given."""
        self.stolen += [(initiator, key.key_id, key.key) for key in keys]

    def _look(self, hub: HubPeer, answer: Message | None) -> bool:
        """Keep what an honest hub gives; a liar's shares are in the cabal's hands as they truly are."""
        if not isinstance(answer, Shares):
            return True
        for group in answer.groups:
            for key in rows_of(group):
                loot = self._loot.setdefault((group.initiator.client, key.key_id), {})
                if hub.name not in self.cabal.hubs and len(key.share) == group.key_bytes:
                    loot[hub.x] = key.share
                self._rebuild((group.initiator.client, key.key_id))
        return False

    def _rebuild(self, share_id: ShareId) -> None:
        """k shares are the key: no tag keeps them from being joined."""
        shares = dict(self._loot[share_id])
        for name, stored in self.cabal.shares.get(share_id, {}).items():
            shares.setdefault(self.cabal.xs[name], stored.share)
        if share_id[0] in self.cabal.clients or len(shares) < self.cabal.k:
            return
        key = shamir.join(sorted(shares.items())[: self.cabal.k])
        if (*share_id, key) not in self.stolen:
            self.stolen.append((*share_id, key))

    def ask_in_due_form(self, leak: Leak, now: float) -> None:
        """As an encryptor here would ask."""

        def done(outcome: list[Key] | DskedError) -> None:
            if isinstance(outcome, list):
                self.take(leak.initiator.client, outcome)

        self.did()
        caller = self.dice.choice(self.encryptors)
        self.get_keys_by_id(caller, leak.initiator.encryptor, [leak.key_id], done, now)


def client_that(deed: type[Deed]) -> type[HostileClient]:
    """The class of the clients that do this."""

    class Hostile(HostileClient):
        kind = deed

    Hostile.__name__ = Hostile.__qualname__ = deed.__name__
    return Hostile

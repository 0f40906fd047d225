"""Registration with hubs: with each, as soon as there is a session, and again while it is refused."""

from __future__ import annotations

import logging
from collections.abc import Callable

from dsked.client.hub_peer import HubPeer
from dsked.client.notices import HubNotices
from dsked.errors import ErrorCode
from dsked.limits import REGISTER_RETRY_S
from dsked.timers import Timers
from dsked.wire.connection import ClientConnection
from dsked.wire.messages import Error, Message, Register, Registered


class Registration:
    """Registers the client's encryptors. `registered` is called when a hub has taken them."""

    def __init__(
        self, encryptors: tuple[str, ...], timers: Timers, notices: HubNotices,
        registered: Callable[[HubPeer, float], None],
    ) -> None:  # fmt: skip
        self._encryptors = encryptors
        self._timers = timers
        self._notices = notices
        self._registered = registered
        self._stopped = False

    def stop(self) -> None:
        """Register with no further hub."""
        self._stopped = True

    def register(self, hub: HubPeer, connection: ClientConnection) -> None:
        """Ask the hub of this session to take the encryptors."""
        if self._stopped or hub.connection is not connection:
            return

        def answered(message: Message | None, now: float) -> bool:
            if isinstance(message, Registered) and message.code == ErrorCode.OK:
                self._taken(hub, message, now)
            elif message is not None:
                self._refused(hub, self._why_refused(message), now)
                self._timers.at(now + REGISTER_RETRY_S, lambda now: self.register(hub, connection))
            return True

        hub.request(Register(list(self._encryptors)), answered)

    def _taken(self, hub: HubPeer, message: Registered, now: float) -> None:
        hub.registered, hub.problem = True, ""
        hub.share_timeout_ms = message.share_timeout_ms
        self._notices.tell(logging.INFO, "registered", hub.name, f"registered with hub {hub.name}", now)
        self._registered(hub, now)

    def _refused(self, hub: HubPeer, problem: str, now: float) -> None:
        before, hub.problem = hub.problem, problem
        if hub.problem != before:
            self._notices.tell(logging.ERROR, "refused", hub.name, f"hub {hub.name} {hub.problem}", now)

    def _why_refused(self, message: Message) -> str:
        """What the hub says is not for the log."""
        if isinstance(message, Registered) and (message.code == ErrorCode.NOT_OWNER or message.refused):
            refused = set(message.refused)
            names = ", ".join(name for name in self._encryptors if name in refused)
            return f"refused the registration of {names or 'this client'}, which another client serves there"
        if isinstance(message, Registered | Error):
            return f"refused the registration of this client with code {message.code}"
        return "answered the registration of this client with a message of another kind"

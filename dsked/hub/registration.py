"""Registration of clients with their encryptors, and the directory: which client serves an encryptor."""

from __future__ import annotations

import logging

from dsked.errors import ErrorCode
from dsked.hub.encryptors import EncryptorDirectory
from dsked.hub.notices import ClientNotices
from dsked.wire.connection import HubConnection
from dsked.wire.messages import Locate, Located, Register, Registered, Unregister

_NAMES_IN_LOG = 5


class RegistrationDesk:
    """Serves REGISTER, UNREGISTER and LOCATE. `share_timeout_s` is told to who registers."""

    def __init__(self, directory: EncryptorDirectory, share_timeout_s: float, notices: ClientNotices) -> None:
        self._directory = directory
        self._share_timeout_ms = int(share_timeout_s * 1000)
        self._notices = notices

    def register(self, connection: HubConnection, request_id: int, message: Register, now: float) -> None:
        """Takes the encryptors as the client's, all or none."""
        names = message.encryptors
        refused = self._directory.register(connection.client, names)
        if refused:
            first = ", ".join(map(repr, refused[:_NAMES_IN_LOG]))
            text = f"claims {len(refused)} encryptors of others: {first}"
            self._notices.once(connection, logging.WARNING, "claims", text, now)
        else:
            text = f"registered {len(names)} encryptors"
            self._notices.once(connection, logging.INFO, "registered", text, now)
        code = ErrorCode.NOT_OWNER if refused else ErrorCode.OK
        connection.send(request_id, Registered(int(code), refused, self._share_timeout_ms))

    def unregister(self, connection: HubConnection, request_id: int, message: Unregister, now: float) -> None:
        """The client's encryptors are gone; there is no answer."""
        self._directory.unregister(connection.client)
        self._notices.once(connection, logging.INFO, "unregistered", "unregistered", now)

    def locate(self, connection: HubConnection, request_id: int, message: Locate, now: float) -> None:
        """Which client serves each of the encryptors; an empty name where none does."""
        connection.send(request_id, Located([self._directory.owner(name) for name in message.encryptors]))

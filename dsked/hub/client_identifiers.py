"""The identifiers that a hub gives its clients: numbers of its own, the same in all its sessions."""

from __future__ import annotations

from collections.abc import Container
from itertools import count


class ClientIdentifiers:
    """`clients`: whom the hub serves. Nobody else gets one, whatever a message may say."""

    def __init__(self, clients: Container[str]) -> None:
        self._clients = clients
        self._next = count()
        self._of: dict[str, int] = {}

    def of(self, client: str) -> int | None:
        """The client's identifier, from the first time on that it is named; None for a stranger."""
        if client not in self._clients:
            return None
        identifier = self._of.get(client)
        if identifier is None:
            identifier = self._of[client] = next(self._next)
        return identifier

    def forget(self, client: str) -> None:
        """The client has been removed; its number is never given again, for sessions still know it."""
        self._of.pop(client, None)

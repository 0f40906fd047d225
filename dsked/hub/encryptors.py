"""Which client serves which encryptor, as one hub knows it.

Provisioned owners come from the hub's configuration and stand; registration only tells who is
there. Without provisioning (simulated PSRD only) the first client to register a name keeps it until
it unregisters it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping


class EncryptorDirectory:
    """`owners`: client to its encryptors; None for first come, first served."""

    def __init__(self, owners: Mapping[str, Iterable[str]] | None) -> None:
        self._first_come = owners is None
        self._owner: dict[str, str] = _by_encryptor(owners or {})
        self._registered: dict[str, tuple[str, ...]] = {}

    def use_owners(self, owners: Mapping[str, Iterable[str]]) -> None:
        """These own them from now on: a registration keeps what its client still owns."""
        self._owner = _by_encryptor(owners)
        self._registered = {
            client: tuple(name for name in names if self._owner.get(name) == client)
            for client, names in self._registered.items()
            if client in owners
        }

    def register(self, client: str, encryptors: Iterable[str]) -> list[str]:
        """Register all of `encryptors` for `client`, or none: gives the names that it may not claim."""
        names = frozenset(encryptors)
        refused = sorted(name for name in names if not self._may_claim(client, name))
        if refused:
            return refused
        if self._first_come:
            for name in self.registered(client) - names:
                del self._owner[name]
            self._owner.update(dict.fromkeys(names, client))
        self._registered[client] = tuple(names)
        return []

    def _may_claim(self, client: str, encryptor: str) -> bool:
        owner = self._owner.get(encryptor)
        return owner == client or (owner is None and self._first_come)

    def unregister(self, client: str) -> None:
        """A clean stop of `client`; names that came first by registration are free again."""
        names = self._registered.pop(client, ())
        if self._first_come:
            for name in names:
                del self._owner[name]

    def registered(self, client: str) -> frozenset[str]:
        """The encryptors that `client` has registered."""
        return frozenset(self._registered.get(client, ()))

    def is_registered(self, client: str) -> bool:
        """True once `client` has registered, with however many encryptors."""
        return client in self._registered

    @property
    def nr_registered(self) -> int:
        """How many clients have registered."""
        return len(self._registered)

    def owner(self, encryptor: str) -> str | None:
        """The client that serves `encryptor`, or None."""
        return self._owner.get(encryptor)


def _by_encryptor(owners: Mapping[str, Iterable[str]]) -> dict[str, str]:
    return {encryptor: client for client, names in owners.items() for encryptor in names}

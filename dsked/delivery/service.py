"""What delivery needs from a node: the services that stand behind the control socket and ETSI.

Delivery knows these protocols, not the engines: every interface towards encryptors and operators
is written and tested against them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol

from dsked.errors import DskedError, RequestError
from dsked.keys import Done, KeyLimits


class KeyService(Protocol):
    """The key service of one client.

    Every `done` is called exactly once, with the result or with the error, possibly before the call
    returns. The service checks the caller, the number and the sizes, and of key IDs the number, the length
    and that none stands twice; interfaces check types only.
    """

    @property
    def name(self) -> str:
        """Name of the client, ETSI's KME ID."""

    @property
    def encryptors(self) -> tuple[str, ...]:
        """The encryptors that this client serves."""

    def get_keys(
        self, caller: str, responders: Sequence[str], number: int, size_bits: int | None, done: Done
    ) -> None:
        """Establish `number` keys from `caller` to all of `responders`; `size_bits` None: default size."""

    def get_keys_by_id(self, caller: str, initiator: str, key_ids: Sequence[bytes], done: Done) -> None:
        """Hand out to `caller` the keys of `initiator`: all of `key_ids` (16 bytes each), or none."""

    def locate(self, asker: str, encryptor: str, done: Callable[[str | DskedError], None]) -> None:
        """Find the name of the client that serves `encryptor`, as at least k hubs say alike.

        `asker`: whoever it is done for, so that none of them takes up what others need.
        """

    def limits(self, initiator: str = "", responder: str = "") -> KeyLimits:
        """The present limits; with a pair of encryptors, how many keys are stored for it as well."""


def only_encryptor(service: KeyService) -> str:
    """The encryptor of a caller who names none. Raises RequestError where there is not exactly one."""
    if len(service.encryptors) == 1:
        return service.encryptors[0]
    if not service.encryptors:
        raise RequestError(f"client {service.name} serves no encryptor")
    raise RequestError(f"say for which encryptor: one of {', '.join(service.encryptors)}")


class DeliveryService(Protocol):
    """Takes PSRD that was brought to a node."""

    def adopt(self, bundle: bytes, done: Callable[[str | DskedError], None]) -> None:
        """Take over what is staged under a bundle's UUID (16 bytes); `done` gets the peer's name."""


class Node(Protocol):
    """A hub or a client as its operator sees it."""

    @property
    def role(self) -> Literal["hub", "client"]:
        """Which of the two it is."""

    @property
    def name(self) -> str:
        """The node's own name."""

    def status(self, first: int = 0) -> dict[str, Any]:
        """The state as a JSON object, without any secret; where it has pages, that from peer `first` on."""

    def readiness(self) -> str | None:
        """None when ready, else the reason why not, in words for the operator."""

    def drain(self) -> tuple[int, float]:
        """Take no new shares, and tell the clients. Asked again it tells how far it is.

        Gives how many shares are left, and in how many seconds they have all timed out. Raises RequestError
        on a client.
        """

    def stop(self) -> None:
        """Begin an orderly stop; returns at once."""

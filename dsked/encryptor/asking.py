"""What both clients have in common: arguments as a program gives them, and typed results."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from dsked.delivery import control_asks
from dsked.delivery.control_asks import Ask
from dsked.errors import BadKeyIdError, BadKeySizeError, BadNumberError
from dsked.identifiers import key_id_bytes as _from_text
from dsked.keys import Key
from dsked.limits import KEY_ID_BYTES

if TYPE_CHECKING:
    from uuid import UUID


class NodeStatus(NamedTuple):
    """What a node tells of itself."""

    role: str  # "hub" or "client"
    name: str
    pid: int
    version: str
    ready: bool
    reason: str | None  # why it is not ready
    details: Mapping[str, Any]  # the fields of `dskectl status`

    @property
    def encryptors(self) -> tuple[str, ...]:
        """The encryptors that a client serves."""
        names = self.details.get("encryptor_names")
        return tuple(name for name in names if isinstance(name, str)) if isinstance(names, list) else ()


def get_keys(
    responders: str | Iterable[str], number: int, size_bits: int | None, encryptor: str | None
) -> Ask[list[Key]]:
    """New keys; one responder may stand for itself.

    Raises BadNumberError, BadKeySizeError for what is no number.
    """
    if not isinstance(number, int):
        raise BadNumberError(f"number is {number!r}: a whole number of keys is expected")
    if not isinstance(size_bits, int | None):
        raise BadKeySizeError(f"size_bits is {size_bits!r}: a multiple of 8 is expected, or None")
    named = [responders] if isinstance(responders, str) else list(responders)
    return control_asks.get_keys(named, number, size_bits, encryptor)


def get_keys_by_id(
    initiator: str, key_ids: Iterable[bytes | str | UUID], encryptor: str | None
) -> Ask[list[Key]]:
    """The keys of these IDs. Raises BadKeyIdError for what is no ID."""
    if isinstance(key_ids, bytes | str):
        raise BadKeyIdError("key_ids is one ID: a list of IDs is expected")
    return control_asks.get_keys_by_id(initiator, [key_id_bytes(one) for one in key_ids], encryptor)


def key_id_bytes(key_id: bytes | str | UUID) -> bytes:
    """The 16 bytes of a key ID. Raises BadKeyIdError."""
    if isinstance(key_id, str):
        return _from_text(key_id)
    raw = key_id if isinstance(key_id, bytes) else getattr(key_id, "bytes", None)
    if not isinstance(raw, bytes) or len(raw) != KEY_ID_BYTES:
        raise BadKeyIdError(f"a key ID is {KEY_ID_BYTES} bytes, or the UUID of them")
    return raw


def only(keys: Sequence[Key]) -> Key:
    """The one key of a request for one."""
    (key,) = keys
    return key


def node_status(found: dict[str, Any]) -> NodeStatus:
    """A status by its fields."""
    return NodeStatus(
        role=found["role"],
        name=found["name"],
        pid=found["pid"],
        version=found["version"],
        ready=found["ready"],
        reason=found["reason"],
        details=found["status"],
    )

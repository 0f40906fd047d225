"""Keys for programs on the host of a DSKE client: KeyClient waits for them, AsyncKeyClient is for asyncio.

docs/python-client.md is the guide. All errors are in dsked.errors, but for two that only this side can tell:
NotRunningError and NoAnswerError.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dsked.delivery.control_client import NoAnswerError, NotRunningError
from dsked.encryptor.asking import NodeStatus
from dsked.encryptor.blocking import KeyClient
from dsked.encryptor.finding import find_socket
from dsked.identifiers import key_id_text
from dsked.keys import Key

if TYPE_CHECKING:
    from dsked.encryptor.aio import AsyncKeyClient

__all__ = [
    "AsyncKeyClient",
    "Key",
    "KeyClient",
    "NoAnswerError",
    "NodeStatus",
    "NotRunningError",
    "find_socket",
    "key_id_text",
]


def __getattr__(name: str) -> Any:
    """AsyncKeyClient is loaded when it is asked for: asyncio takes longer than a blocking request."""
    if name != "AsyncKeyClient":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from dsked.encryptor.aio import AsyncKeyClient

    return AsyncKeyClient

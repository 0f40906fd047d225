"""Keys for an asyncio program: many requests in flight over one connection."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Self

from dsked.delivery import control_asks
from dsked.delivery.control_asks import Ask, Result
from dsked.delivery.control_client import NoAnswerError, checked_timeout_s
from dsked.encryptor import asking
from dsked.encryptor.asking import NodeStatus
from dsked.encryptor.finding import find_socket
from dsked.encryptor.link import Link, connect
from dsked.errors import RequestError
from dsked.keys import Key
from dsked.limits import CONTROL_ANSWER_S

if TYPE_CHECKING:
    from uuid import UUID


class AsyncKeyClient:
    """Keys from the DSKE client on this host, for one encryptor, without waiting in the event loop.

    Tasks of one event loop share it; their requests run beside each other over one connection, up to
    MAX_CONTROL_REQUESTS_IN_FLIGHT, and the others wait for room. A task that is cancelled or out of time
    harms no other. A connection that is lost is opened again by the next request: the client may be started
    anew.

    Requests raise the same errors as those of KeyClient. `async with` connects at once, and closes.
    """

    def __init__(
        self,
        encryptor: str | None = None,
        *,
        node: str | None = None,
        socket: str | Path | None = None,
        config: str | Path | None = None,
        runtime_dir: str | Path | None = None,
        timeout_s: float = CONTROL_ANSWER_S,
    ) -> None:
        """Nothing happens yet; the arguments mean what they do for KeyClient."""
        self._encryptor = encryptor
        self._timeout_s = checked_timeout_s(timeout_s)
        self._path = None if socket is None else Path(socket)
        self._find = partial(
            find_socket, encryptor, node=node, config=config, runtime_dir=runtime_dir, timeout_s=timeout_s
        )
        self._closed = False
        self._link: Link | None = None
        self._connecting = asyncio.Lock()

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def connect(self) -> None:
        """Find the DSKE client and connect to it, unless that is done. Raises what KeyClient(...) raises."""
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._usable()
        except TimeoutError:
            raise NoAnswerError(f"{self._where()} does not answer") from None

    async def close(self) -> None:
        """Close the connection for good; requests in flight end in NoAnswerError."""
        self._closed = True
        if self._link is not None:
            await self._link.close()

    @property
    def path(self) -> Path | None:
        """The control socket of the DSKE client; None before it is found."""
        return self._path

    async def get_key(
        self, responders: str | Iterable[str], size_bits: int | None = None, *, timeout_s: float | None = None
    ) -> Key:
        """Establish a new key with one or more responders: encryptors, each of whom may fetch it once.

        `size_bits`: a multiple of 8; None is the client's default size.
        """
        return asking.only(await self.get_keys(responders, 1, size_bits, timeout_s=timeout_s))

    async def get_keys(
        self,
        responders: str | Iterable[str],
        number: int = 1,
        size_bits: int | None = None,
        *,
        timeout_s: float | None = None,
    ) -> list[Key]:
        """Establish `number` new keys at once, all with the same responders."""
        return await self._ask(asking.get_keys(responders, number, size_bits, self._encryptor), timeout_s)

    async def get_key_by_id(
        self, initiator: str, key_id: bytes | str | UUID, *, timeout_s: float | None = None
    ) -> Key:
        """Fetch the key of this ID that the encryptor `initiator` established. It is handed out once."""
        return asking.only(await self.get_keys_by_id(initiator, [key_id], timeout_s=timeout_s))

    async def get_keys_by_id(
        self, initiator: str, key_ids: Iterable[bytes | str | UUID], *, timeout_s: float | None = None
    ) -> list[Key]:
        """Fetch keys that `initiator` established, in the order of their IDs: all of them, or none."""
        return await self._ask(asking.get_keys_by_id(initiator, key_ids, self._encryptor), timeout_s)

    async def locate(self, encryptor: str, *, timeout_s: float | None = None) -> str:
        """Name of the DSKE client that serves `encryptor`, wherever that is, as k hubs say alike."""
        return await self._ask(control_asks.locate(encryptor), timeout_s)

    async def status(self, *, timeout_s: float | None = None) -> NodeStatus:
        """What the DSKE client tells of itself."""
        return asking.node_status(await self._ask(control_asks.status(), timeout_s))

    async def _ask(self, ask: Ask[Result], timeout_s: float | None) -> Result:
        limit_s = self._timeout_s if timeout_s is None else checked_timeout_s(timeout_s)
        try:
            async with asyncio.timeout(limit_s):
                link = await self._usable()
                return await link.ask(ask)
        except TimeoutError:
            raise NoAnswerError(f"{self._where()} did not answer within {limit_s:g} s") from None

    async def _usable(self) -> Link:
        """A connection that stands; one task makes it, the others wait for that."""
        if self._closed:
            raise RequestError("this AsyncKeyClient is closed")
        link = self._link
        if link is not None and link.usable:
            return link
        async with self._connecting:
            if self._link is None or not self._link.usable:
                self._link = await self._connect()
            link = self._link
        if self._closed:  # meanwhile
            await link.close()
            raise RequestError("this AsyncKeyClient is closed")
        return link

    async def _connect(self) -> Link:
        if self._path is None:
            self._path = await asyncio.to_thread(self._find)  # it asks nodes, and may wait for them
        return await connect(self._path)

    def _where(self) -> str:
        return "the node" if self._path is None else f"the node on {self._path}"

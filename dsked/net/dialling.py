"""TCP to a host that may have several addresses, IPv4 and IPv6: the first that answers is taken."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Iterable
from itertools import zip_longest
from typing import Any

from dsked.limits import CONNECT_TIMEOUT_S, NEXT_ADDRESS_S

#: Family and what connect(2) takes of it.
_Address = tuple[int, Any]


class Dialling:
    """Connects to hosts by address or by name. A name is looked up for every connection."""

    def __init__(self) -> None:
        self._lookups: dict[tuple[str, int], asyncio.Task[list[_Address]]] = {}

    async def connect(self, host: str, port: int) -> socket.socket:
        """A connected socket. Raises OSError: the name is not known, or no address answers.

        As in RFC 8305 families take turns, and the next address is tried while one does not answer. Whoever
        waits no longer than CONNECT_TIMEOUT_S has tried them all by half of that.
        """
        addresses = _by_address(host, port)
        if addresses is None:
            addresses = await self._look_up(host, port)
        return await _first(addresses, min(NEXT_ADDRESS_S, CONNECT_TIMEOUT_S / 2 / len(addresses)))

    def close(self) -> None:
        """Wait for no name server any more."""
        for lookup in self._lookups.values():
            lookup.cancel()

    async def _look_up(self, host: str, port: int) -> list[_Address]:
        """One question at a time for each host: where no name server answers, threads wait for it."""
        key = (host, port)
        lookup = self._lookups.get(key)
        if lookup is None:
            lookup = self._lookups[key] = asyncio.create_task(_by_name(host, port))
            lookup.add_done_callback(lambda done: self._answered(key, done))
        return await asyncio.shield(lookup)

    def _answered(self, key: tuple[str, int], lookup: asyncio.Task[list[_Address]]) -> None:
        del self._lookups[key]
        if not lookup.cancelled():
            lookup.exception()  # whoever asked may wait no longer


def _by_address(host: str, port: int) -> list[_Address] | None:
    """What an IP address says by itself; None for a name."""
    try:
        found = socket.getaddrinfo(host.encode(), port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except OSError:
        return None
    return [(family, address) for family, _, _, _, address in found]


async def _by_name(host: str, port: int) -> list[_Address]:
    # As bytes, here and below: the event loop would make them of texts, with tables of international names.
    found = await asyncio.get_running_loop().getaddrinfo(host.encode(), port, type=socket.SOCK_STREAM)
    return _in_turns((family, address) for family, _, _, _, address in found)


def _in_turns(addresses: Iterable[_Address]) -> list[_Address]:
    """The same, families in turns; the system's first one first."""
    of_family: dict[int, list[_Address]] = {}
    for address in dict.fromkeys(addresses):
        of_family.setdefault(address[0], []).append(address)
    return [one for turn in zip_longest(*of_family.values()) for one in turn if one is not None]


async def _first(addresses: list[_Address], next_s: float) -> socket.socket:
    """The first connection of all; a new one is begun when one has failed, or after `next_s`."""
    tasks: set[asyncio.Task[socket.socket]] = set()
    failed: dict[_Address, OSError] = {}
    waiting = list(reversed(addresses))
    try:
        while tasks or waiting:
            if waiting:
                tasks.add(asyncio.create_task(_connect(waiting.pop(), failed)))
            done, tasks = await asyncio.wait(
                tasks, timeout=next_s if waiting else None, return_when=asyncio.FIRST_COMPLETED
            )
            connected = [task for task in done if task.exception() is None]
            tasks.update(connected[1:])  # all but one are closed below
            if connected:
                return connected[0].result()
    finally:
        for task in tasks:
            task.cancel()
            task.add_done_callback(_close)
    raise _why_none(failed)


def _close(task: asyncio.Task[socket.socket]) -> None:
    """It came too late."""
    if not task.cancelled() and task.exception() is None:
        task.result().close()


async def _connect(to: _Address, failed: dict[_Address, OSError]) -> socket.socket:
    family, address = to
    try:
        with contextlib.ExitStack() as undo:
            raw = undo.enter_context(socket.socket(family, socket.SOCK_STREAM))
            raw.setblocking(False)
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await asyncio.get_running_loop().sock_connect(raw, (address[0].encode(), *address[1:]))
            undo.pop_all()
    except OSError as error:
        failed[to] = error
        raise
    return raw


def _why_none(failed: dict[_Address, OSError]) -> OSError:
    """What they failed of; of each address where there are several reasons."""
    errors = list(failed.values())
    if len({error.errno for error in errors}) == 1:
        return errors[0]
    reasons = (
        f"{address[1][0]}: {os.strerror(error.errno) if error.errno else error}"
        for address, error in failed.items()
    )
    return OSError("; ".join(reasons))

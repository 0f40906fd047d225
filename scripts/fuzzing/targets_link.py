"""What a daemon may answer a program whose requests are in flight beside each other."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from typing import Any

from dsked.delivery import control_asks
from dsked.delivery.control_protocol import encode_frame
from dsked.encryptor.link import Link
from dsked.errors import DskedError
from dsked.keys import Key

from .target import Given, Target
from .targets_control import Transport, loop_and_end

_KEY_ID = b"i" * 16


def _asks() -> list[control_asks.Ask[Any]]:
    """Requests 1 to 4."""
    return [
        control_asks.get_keys(["sunny"], 1, 128, None),
        control_asks.get_keys_by_id("sam", [_KEY_ID], None),
        control_asks.status(),
        control_asks.locate("sunny"),
    ]


def _answered(pieces: Sequence[bytes], given: Given) -> None:
    loop, _ = loop_and_end(os.getpid())
    loop.run_until_complete(_in_flight(pieces, given))


async def _in_flight(pieces: Sequence[bytes], given: Given) -> None:
    """Every request ends, in a result or in a declared error; nothing else comes out."""
    transport = Transport(loop_and_end(os.getpid())[1])
    link = Link("/run/dsked/client-carol.sock")
    link.connection_made(transport)
    tasks = [asyncio.create_task(link.ask(ask)) for ask in _asks()]
    await asyncio.sleep(0)
    for piece in pieces:
        if not transport.closed:
            link.data_received(piece)
    given.append(transport.closed)
    link.connection_lost(None)
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(outcome, BaseException) and not isinstance(outcome, DskedError):
            raise outcome
        given.append(_shown(outcome))


def _shown(outcome: object) -> object:
    if isinstance(outcome, list):
        assert all(isinstance(key, Key) for key in outcome)
        return [(key.key_id.hex(), key.key.hex()) for key in outcome]
    return (type(outcome).__name__, str(outcome))


def _replies() -> list[bytes]:
    keys = [[_KEY_ID, b"k" * 16]]
    made = [encode_frame([number, 0, keys]) for number in (1, 2)]
    made += [encode_frame([4, 0, "curtis"]), encode_frame([3, 39, "carol is stopping"])]
    return [*made, b"".join(reversed(made)), encode_frame([0, 5, "too many connections"])]


TARGETS = (
    Target(
        name="control-replies",
        what="what a daemon answers a program that has several requests in flight: each of them ends",
        declared=(),
        seeds=_replies,
        stream=_answered,
        msgpack_at=4,
        regressions=(
            encode_frame([1, 0, [[_KEY_ID, b"k" * 16]]]) * 2,
            encode_frame([7, 0, "curtis"]),
            encode_frame([0, 0, "curtis"]),
            encode_frame([1, 5, b"secret"]),
        ),
    ),
)

"""Whether hubs can be reached from here, and how long it takes: TCP, and the first message of a hub."""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from statistics import median

from dsked.config.node import HubAddress
from dsked.doctor.finding import Finding, fault, good, warning

_CHECK = "reachability"
_LIMIT_S = 3.0
_TRIES = 3
_AT_ONCE = 16
#: M0, which a hub sends to everybody who connects: its length (4 bytes), an array, and this word in it.
_GREETING = b"DSKE"
_GREETING_BYTES = 16


def check(hubs: Sequence[HubAddress]) -> list[Finding]:
    """Of each hub, in their order. Nothing is sent to them."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(_of_hub, hubs))


def _of_hub(hub: HubAddress) -> Finding:
    about = f"hub {hub.name}"
    try:
        found = socket.getaddrinfo(hub.host, hub.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        return fault(_CHECK, about, f"{hub.host}: its address is not known: {error}")
    tried = {str(address[0]): _of_address(family, address) for family, _, _, _, address in found}
    times = {text: one for text, one in tried.items() if isinstance(one, float)}
    trouble = "; ".join(f"{text}: {one}" for text, one in tried.items() if isinstance(one, str))
    if not times:
        return fault(_CHECK, about, f"port {hub.port} cannot be reached: {trouble}")
    values = {"latency_ms": {text: round(one * 1000, 3) for text, one in times.items()}}
    words = ", ".join(f"{text} in {one * 1000:.2f} ms" for text, one in times.items())
    if trouble:
        return warning(_CHECK, about, f"port {hub.port} answers at {words}, but not at {trouble}", **values)
    return good(_CHECK, about, f"port {hub.port} answers at {words}", **values)


def _of_address(family: int, address: tuple[object, ...]) -> float | str:
    """The round trip in seconds, or why there is none."""
    try:
        return median(_round_trip(family, address) for _ in range(_TRIES))
    except TimeoutError:
        return f"no answer within {_LIMIT_S:g} s"
    except OSError as error:
        return error.strerror or str(error)


def _round_trip(family: int, address: tuple[object, ...]) -> float:
    """Of TCP's handshake. Raises OSError, also where somebody else than a hub answers."""
    with socket.socket(family, socket.SOCK_STREAM) as connection:
        connection.settimeout(_LIMIT_S)
        begun = time.perf_counter()
        connection.connect(address)
        taken = time.perf_counter() - begun
        if _GREETING not in connection.recv(_GREETING_BYTES):
            raise OSError("what answers there is no hub")
        return taken

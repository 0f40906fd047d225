"""Telling the service manager how the daemon fares: sd_notify(3), in the few lines that it takes.

The manager names a datagram socket in NOTIFY_SOCKET. systemd does, and so does `dskectl start`.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping


def notify(state: str, environment: Mapping[str, str] = os.environ) -> bool:
    """Send `state`, lines of VARIABLE=value such as "READY=1", to the service manager.

    Returns whether it was sent: False without a manager, or when the manager does not take it, which is
    no reason to stop serving.
    """
    address = environment.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return False
    if address.startswith("@"):  # the abstract namespace of unix(7)
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as manager:
        try:
            manager.sendto(state.encode(), address)
        except OSError:
            return False
    return True

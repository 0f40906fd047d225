"""File descriptors: as many as the system lets us have, and limits that keep below that number."""

from __future__ import annotations

import resource
from dataclasses import replace

from dsked import chosen_limits
from dsked.chosen_limits import Limits
from dsked.errors import ConfigurationError
from dsked.limits import DESCRIPTORS_FRACTION, MAX_OPEN_BLOCK_FILES, MIN_DESCRIPTORS, SPARE_DESCRIPTORS

#: Connections of each role that the node does not dial itself, beside those to the control socket.
_CONNECTIONS = {chosen_limits.HUB: "max_connections", chosen_limits.CLIENT: "max_http_connections"}


def raise_limit() -> int:
    """Have the soft limit raised to the hard one; how many descriptors this process may have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def fitted(
    limits: Limits, role: str, nr_descriptors: int, *, dialled: int, files: bool, servers: int = 1
) -> tuple[Limits, int, str]:
    """(limits that the number of descriptors allows, open block files, what was cut in words or "").

    `dialled`: the hubs that a client connects to; each may have an old and a new connection. `files`: pools
    are on media; then block files are read, and others overwritten. `servers`: each has its connections.
    Raises ConfigurationError below MIN_DESCRIPTORS.
    """
    left = nr_descriptors - SPARE_DESCRIPTORS - 2 * dialled
    if left < MIN_DESCRIPTORS:
        raise ConfigurationError(
            f"{nr_descriptors} file descriptors are too few for this {role}: raise the limit (ulimit -n) to "
            f"{MIN_DESCRIPTORS + SPARE_DESCRIPTORS + 2 * dialled} or more"
        )
    blocks = min(MAX_OPEN_BLOCK_FILES, left // DESCRIPTORS_FRACTION // 2) if files else 0
    left -= 2 * blocks
    control = min(limits.max_control_connections, left // DESCRIPTORS_FRACTION)
    name = _CONNECTIONS[role]
    connections = min(getattr(limits, name), (left - control) // servers)
    cut = [
        f"{what} to {number}"
        for what, number in (("max_control_connections", control), (name, connections))
        if number < getattr(limits, what)
    ]
    text = f"{nr_descriptors} file descriptors allow less than the limits: {', '.join(cut)}" if cut else ""
    return replace(limits, max_control_connections=control, **{name: connections}), max(blocks, 1), text

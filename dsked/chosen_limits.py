"""The limits that an operator may choose; all others stand in `limits.py` alone, as do the defaults.

In a topology file they stand under `limits`, at the top for all nodes or with one hub or client; on
dsked's command line as `--limit NAME=VALUE`. Shells and engines are handed one `Limits`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from dsked import limits

Value = int | float
HUB, CLIENT = "hub", "client"


@dataclass(frozen=True, slots=True)
class Range:
    """What a limit may be, and the roles of the nodes that have it."""

    low: Value
    high: Value
    roles: tuple[str, ...]
    multiple_of: int = 1


def _limit(default: Value, low: Value, high: Value, *roles: str, multiple_of: int = 1) -> Any:
    return field(default=default, metadata={"range": Range(low, high, roles, multiple_of)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """One node's limits. Sizes and times are in the units that the names end with."""

    max_connections: int = _limit(limits.MAX_CONNECTIONS, 1, 1_000_000, HUB)
    max_unauthenticated_connections: int = _limit(limits.MAX_UNAUTHENTICATED_CONNECTIONS, 1, 1_000_000, HUB)
    max_unauthenticated_per_address: int = _limit(limits.MAX_UNAUTHENTICATED_PER_ADDRESS, 1, 1_000_000, HUB)
    handshake_timeout_s: float = _limit(limits.HANDSHAKE_TIMEOUT_S, 0.1, 60.0, HUB, CLIENT)
    max_pending_shares_per_client: int = _limit(
        limits.MAX_PENDING_SHARES_PER_CLIENT, 1, limits.MAX_TOMBSTONES_PER_CLIENT, HUB
    )
    max_pending_share_bytes_per_client: int = _limit(
        limits.MAX_PENDING_SHARE_BYTES_PER_CLIENT, 1024, 2**40, HUB
    )
    max_requests_in_flight: int = _limit(limits.MAX_REQUESTS_IN_FLIGHT, 2, 1_000_000, CLIENT)
    max_keys_per_request: int = _limit(limits.MAX_KEYS_PER_REQUEST, 1, limits.MAX_KEYS_PER_FRAME, CLIENT)
    max_key_size_bits: int = _limit(
        limits.MAX_KEY_SIZE_BITS,
        limits.DEFAULT_KEY_SIZE_BITS,
        limits.MAX_KEY_SIZE_BITS,
        CLIENT,
        multiple_of=8,
    )
    max_http_connections: int = _limit(limits.MAX_HTTP_CONNECTIONS, 1, 1_000_000, CLIENT)
    max_control_connections: int = _limit(limits.MAX_CONTROL_CONNECTIONS, 2, 1_000_000, HUB, CLIENT)
    max_control_clients: int = _limit(limits.MAX_CONTROL_CLIENTS, 1, 1_000_000, HUB, CLIENT)
    shutdown_grace_s: float = _limit(limits.SHUTDOWN_GRACE_S, 0.0, 60.0, HUB, CLIENT)


DEFAULT_LIMITS = Limits()
RANGES: Mapping[str, Range] = {one.name: one.metadata["range"] for one in fields(Limits)}


def names(role: str | None = None) -> list[str]:
    """The names of the limits that a node of this role has; of all, without one."""
    return [name for name, allowed in RANGES.items() if role is None or role in allowed.roles]


def fault(name: str, value: Value, role: str | None = None) -> str | None:
    """What is wrong with a limit for a node of this role (None: of any), and what is expected, or None."""
    allowed = RANGES.get(name)
    if allowed is None:
        return f"unknown limit; expected one of {', '.join(names(role))}"
    if role is not None and role not in allowed.roles:
        return f"is no limit of a {role}; those are {', '.join(names(role))}"
    seconds = name.endswith("_s")
    whole = seconds or isinstance(value, int)
    if whole and allowed.low <= value <= allowed.high and not (value % allowed.multiple_of and not seconds):
        return None
    kind = "" if seconds else "a whole number from "
    if allowed.multiple_of > 1:
        kind = f"a multiple of {allowed.multiple_of} from "
    return f"{value}; expected {kind}{allowed.low} to {allowed.high}"


def with_values(values: Mapping[str, Value]) -> Limits:
    """The defaults, but for these; each has been checked (`fault`)."""
    typed: dict[str, Any] = {name: _typed(name, value) for name, value in values.items()}
    return replace(DEFAULT_LIMITS, **typed)


def _typed(name: str, value: Value) -> Value:
    return float(value) if name.endswith("_s") else value


def report(chosen: Limits, role: str) -> dict[str, Value]:
    """The limits of a node of this role by name, for its status."""
    return {name: getattr(chosen, name) for name in names(role)}

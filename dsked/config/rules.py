"""Rules of single values, in one place for the topology file and the command line.

Every function answers with what is wrong and what is expected, or None.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Sequence

from dsked import limits

SIMULATED = "simulated"
SIMULATED_OVER_NETWORK = "simulated-insecure-over-the-network"
MEDIA = "media"
PSRD_MODES = (MEDIA, SIMULATED, SIMULATED_OVER_NETWORK)
ETSI_PLAIN_HTTP = "plain-http-on-loopback"

MAX_SHARE_TIMEOUT_S = 86_400

_NODE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.:%-]*[A-Za-z0-9])?|[0-9A-Fa-f:.%]+", re.ASCII)

MAX_HOST_BYTES = 253  # RFC 1035, section 2.3.4, as text


def node_name_fault(name: str) -> str | None:
    """What is wrong with the name of a hub or a client, or None. File names carry these names."""
    if not _NODE_NAME.fullmatch(name) or len(name) > limits.MAX_NODE_NAME_BYTES:
        return (
            f"{name!r} is no name for a node; expected 1 to {limits.MAX_NODE_NAME_BYTES} letters, digits, "
            "'.', '_' or '-', the first a letter or a digit"
        )
    return None


def encryptor_name_fault(name: str) -> str | None:
    """What is wrong with the name (SAE ID) of an encryptor, or None."""
    try:
        length = len(name.encode())
    except UnicodeEncodeError:
        return f"{name!r} is not valid Unicode"
    if not 1 <= length <= limits.MAX_ENCRYPTOR_NAME_BYTES:
        return f"a name of 1 to {limits.MAX_ENCRYPTOR_NAME_BYTES} bytes is expected, got {length}"
    if not name.isprintable() or name != name.strip():
        return f"{name!r}: control characters and spaces at either end are not allowed in a name"
    return None


def host_fault(host: str) -> str | None:
    """What is wrong with a host name or an IP address, or None."""
    if len(host) > MAX_HOST_BYTES or not _HOST.fullmatch(host):
        return f"{host[:80]!r} is no host name or IP address"
    if is_wildcard(host):
        return f"{host} is no address that others can connect to; name the interface's own address"
    return None


def port_fault(port: int) -> str | None:
    """What is wrong with a TCP port, or None."""
    return None if 1 <= port <= 65535 else f"{port} is no TCP port; expected 1 to 65535"


def is_loopback(host: str) -> bool:
    """Whether nobody outside this host can reach the address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_wildcard(host: str) -> bool:
    """Whether the address stands for all addresses of a host."""
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def canonical_host(host: str) -> str:
    """One spelling per address, for comparing."""
    if host == "localhost":
        return "127.0.0.1"
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return host.lower()


def min_nr_shares_fault(k: int, n: int) -> str | None:
    """What is wrong with k of n, or None."""
    if k < 2:
        return f"{k} is too few: with 1 every single hub would know the keys; expected 2 to {n}"
    if k > n:
        return f"{k} shares cannot come from {n} hub{'s' * (n != 1)}; expected 2 to the number of hubs"
    return None


def min_nr_shares_warning(k: int, n: int) -> str | None:
    """A warning where more hubs may be bad than the secrecy of the keys allows, or None."""
    if 2 * k > n:
        return None
    return (
        f"{k} of {n} hubs is not a majority: {n - k} hubs may fail, but any {k} of them together know "
        f"the keys; {n // 2 + 1} or more would be safer"
    )


def psrd_faults(
    start: int, stop: int, block: int, share_timeout_s: float, *, simulated: bool
) -> Iterator[tuple[str, str]]:
    """What is wrong with thresholds and block size (bytes) and the time-out: (key, fault) each.

    The thresholds of simulated pools are kept in memory; those of pools on media only warn.
    """
    low = limits.SIMULATED_MIN_POOL_BYTES
    high = limits.MAX_SIMULATED_POOL_BYTES if simulated else limits.MAX_POOL_BYTES
    if not low <= start < high:
        yield "start_request_psrd_threshold", f"{start} bytes; expected {low} to {high - 1}"
    if not start < stop <= high:
        yield (
            "stop_request_psrd_threshold",
            f"{stop} bytes; expected more than start_request_psrd_threshold ({start}), at most {high}",
        )
    if not low <= block <= limits.MAX_SIMULATED_BLOCK_BYTES:
        yield "get_psrd_block_size", f"{block} bytes; expected {low} to {limits.MAX_SIMULATED_BLOCK_BYTES}"
    if not 0 < share_timeout_s <= MAX_SHARE_TIMEOUT_S:  # false for NaN as well
        yield "share_timeout_secs", f"{share_timeout_s}; expected more than 0, at most {MAX_SHARE_TIMEOUT_S}"


def psrd_fault(mode: str | None, hosts: Sequence[str]) -> str | None:
    """What is wrong with the way in which PSRD is delivered, or None."""
    if mode is None:
        return f"missing: say where PSRD comes from: {MEDIA!r}, or {SIMULATED!r} (for a laboratory)"
    if mode not in PSRD_MODES:
        return f"{mode!r} is not known; expected {MEDIA!r}, {SIMULATED!r} or {SIMULATED_OVER_NETWORK!r}"
    outside = [host for host in hosts if not is_loopback(host)]
    if mode == SIMULATED and outside:
        return (
            f"{SIMULATED!r} is for loopback only, and {outside[0]} is not; over a network its keys are only "
            f"as strong as the gate keys: say {SIMULATED_OVER_NETWORK!r} if that is meant"
        )
    return None


def etsi_fault(mode: str, host: str) -> str | None:
    """What is wrong with the way in which a client serves ETSI GS QKD 014, or None."""
    if mode != ETSI_PLAIN_HTTP:
        return f"{mode!r} is not known; expected {ETSI_PLAIN_HTTP!r}"
    if not is_loopback(host):
        return f"plain HTTP is for loopback only, and {host} is not; expected 127.0.0.1 as the client's host"
    return None

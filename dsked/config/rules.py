"""Rules of single values, in one place for the topology file and the command line.

Every function answers with what is wrong and what is expected, or None.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence

from dsked import limits

SIMULATED = "simulated"
SIMULATED_OVER_NETWORK = "simulated-insecure-over-the-network"
MEDIA = "media"
PSRD_MODES = (MEDIA, SIMULATED, SIMULATED_OVER_NETWORK)
ETSI_PLAIN_HTTP = "plain-http-on-loopback"
ETSI_PLAIN_HTTP_INSECURE = "plain-http-insecure-over-the-network"
ETSI_PLAIN_MODES = (ETSI_PLAIN_HTTP, ETSI_PLAIN_HTTP_INSECURE)

#: Where a certificate says which encryptor (SAE) its holder is.
SAE_ID_FROM_CN = "subject-cn"
SAE_ID_FROM_MAP = "map"
SAE_ID_SOURCES = (SAE_ID_FROM_CN, "subject-dn", "san-dns", "san-uri", SAE_ID_FROM_MAP)
TLS_VERSIONS = ("1.2", "1.3")
DEFAULT_MINIMUM_TLS = "1.2"

#: Message wrapping.
WRAPPING_OFF = "off"
WRAPPING_MODES = (WRAPPING_OFF, "on", "required")

LOG_LEVELS = ("debug", "info", "warning", "error")
LOG_INFO = "info"
LOG_AUTO = "auto"  # with journald's priorities where that reads the log, else as text
LOG_FORMATS = (LOG_AUTO, "text", "json", "journald")

MAX_SHARE_TIMEOUT_S = 86_400

_NODE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.:%-]*[A-Za-z0-9])?|[0-9A-Fa-f:.%]+", re.ASCII)

_ADDRESS = re.compile(r"(?:\[([^:\[\]]*:[^\[\]]*)\]|([^:\[\]]+)):([0-9]{1,9})", re.ASCII)
_BRACES = re.compile(r"\{[^{}]*\}?|\}")
_SHA256 = re.compile(r"[0-9A-Fa-f]{64}", re.ASCII)

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
    if len(host) > MAX_HOST_BYTES or not _HOST.fullmatch(host) or not _has_good_labels(host):
        return f"{host[:80]!r} is no host name or IP address"
    if is_wildcard(host):
        return f"{host} is no address that others can connect to; name the interface's own address"
    return None


def _has_good_labels(host: str) -> bool:
    """Of a name: none is empty, and the last is no number (RFC 3696, 2), as where an address is mistyped."""
    if ":" in host or is_address(host):
        return True
    labels = host.split(".")
    return all(labels) and not labels[-1].isdigit()


def is_address(host: str) -> bool:
    """Whether it is an IP address and no name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def listening_host_fault(host: str) -> str | None:
    """What is wrong with a host name or an IP address to listen on, or None. All addresses are allowed."""
    return None if is_wildcard(host) else host_fault(host)


def split_address(text: str) -> tuple[str, int] | None:
    """`HOST:PORT` as both, an IPv6 address in brackets; None where it is none."""
    match = _ADDRESS.fullmatch(text)
    return (match[1] or match[2], int(match[3])) if match else None


def no_address(text: str) -> str:
    """What is wrong with a text that split_address does not take."""
    return f"{text[:80]!r} is no address; expected HOST:PORT, with IPv6 [ADDRESS]:PORT"


def metrics_fault(host: str, beyond_loopback: bool) -> str | None:
    """What is wrong with the place where metrics are read, or None."""
    if beyond_loopback or is_loopback(host):
        return None
    return (
        f"{host} is not on loopback, and metrics tell everybody there who talks to whom: say "
        "beyond_loopback: true (--metrics-beyond-loopback) if that is meant"
    )


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
    if host == limits.ALL_ADDRESSES:
        return True
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


def wrapping_word(written: bool | str) -> str:
    """What a file says of wrapping: YAML 1.1 reads `on` and `off` as true and false."""
    return written if isinstance(written, str) else WRAPPING_MODES[written]


def wrapping_fault(mode: str) -> str | None:
    """What is wrong with it, or None."""
    return None if mode in WRAPPING_MODES else f"{mode!r} is not known; expected 'off', 'on' or 'required'"


def etsi_fault(mode: str, host: str, insecure: str = ETSI_PLAIN_HTTP_INSECURE) -> str | None:
    """What is wrong with the way in which a client serves ETSI GS QKD 014, or None.

    `insecure` is what allows plain HTTP on any address.
    """
    if mode not in ETSI_PLAIN_MODES:
        return (
            f"{mode!r} is not known; expected {ETSI_PLAIN_HTTP!r}, {ETSI_PLAIN_HTTP_INSECURE!r}, or for "
            "mutual TLS a mapping with certificate, private_key and client_ca"
        )
    if mode == ETSI_PLAIN_HTTP and not is_loopback(host):
        return (
            f"plain HTTP is for loopback only, and {host} is not; expected 127.0.0.1 as the client's host, "
            f"mutual TLS, or {insecure} if all on the network may read the keys"
        )
    return None


def log_faults(log_format: str, level: str) -> Iterator[tuple[str, str]]:
    """What is wrong with the way in which nodes log: (key, fault) each."""
    if log_format not in LOG_FORMATS:
        yield "format", f"{log_format!r} is not known; expected {_one_of(LOG_FORMATS)}"
    if level not in LOG_LEVELS:
        yield "level", f"{level!r} is not known; expected {_one_of(LOG_LEVELS)}"


def template_fault(path: str) -> str | None:
    """What is wrong with a path in which {name} may stand for a name, or None."""
    wrong = _BRACES.search(path.replace("{name}", ""))
    return f"{wrong[0]!r} in {path!r} stands for nothing; expected {{name}}" if wrong else None


def tls_faults(
    sae_id_from: str, sae_ids: Mapping[str, str], minimum_tls: str, encryptors: Container[str] | None
) -> Iterator[tuple[str, str]]:
    """What is wrong with the rules for certificates: (key, fault) each.

    `encryptors` are those that there are; None where that is not known.
    """
    if minimum_tls not in TLS_VERSIONS:
        yield "minimum_tls", f"{minimum_tls!r} is not known; expected {_one_of(TLS_VERSIONS)}"
    if sae_id_from not in SAE_ID_SOURCES:
        yield "sae_id_from", f"{sae_id_from!r} is not known; expected {_one_of(SAE_ID_SOURCES)}"
    elif (sae_id_from == SAE_ID_FROM_MAP) != bool(sae_ids):
        wrong = "has no effect without" if sae_ids else "is missing; it is needed with"
        yield "sae_ids", f"{wrong} sae_id_from: {SAE_ID_FROM_MAP}"
    for identity, name in sae_ids.items():
        fault = _identity_fault(identity)
        if not fault and encryptors is not None and name not in encryptors:
            fault = f"{identity!r} stands for {name!r}, and there is no such encryptor"
        if fault:
            yield "sae_ids", fault


def _one_of(words: Sequence[str]) -> str:
    return ", ".join(map(repr, words[:-1])) + f" or {words[-1]!r}"


def _identity_fault(identity: str) -> str | None:
    """What is wrong with the identity of a certificate, as a map of SAE IDs has it, or None."""
    kind, _, value = identity.partition(":")
    if kind in ("DNS", "URI") and value:
        return None
    if kind == "SHA256":
        digits = value.replace(":", "")
        return None if _SHA256.fullmatch(digits) else f"{identity!r}: SHA256: and 64 hex digits are expected"
    if "=" in identity:
        return None
    return f"{identity!r} names no certificate; expected a DN (CN=x,O=y), DNS:name, URI:... or SHA256:hex"


def system_id_fault(system_id: str) -> str | None:
    """What is wrong with a SKIP system ID, or None."""
    return encryptor_name_fault(system_id)


def stored_keys_faults(count: int, size_bits: int, max_size_bits: int) -> Iterator[tuple[str, str]]:
    """What is wrong with a number of keys held ready and their size: (key, fault) each."""
    most, max_size_bits = limits.MAX_STORED_KEYS_PER_PAIR, min(max_size_bits, limits.MAX_STORED_KEY_SIZE_BITS)
    if not 1 <= count <= most:
        yield "count", f"{count} keys; expected 1 to {most}"
    if size_bits % 8 or not limits.MIN_KEY_SIZE_BITS <= size_bits <= max_size_bits:
        yield (
            "size",
            f"{size_bits} bits; expected a multiple of 8 from {limits.MIN_KEY_SIZE_BITS} to {max_size_bits}",
        )


def stored_keys_total_fault(sizes: Iterable[tuple[int, int]]) -> str | None:
    """What is wrong with all the keys that a client holds ready, given as (count, size in bits), or None."""
    wanted = list(sizes)
    keys = sum(count for count, _ in wanted)
    size = sum(count * (size_bits // 8) for count, size_bits in wanted)
    if keys <= limits.MAX_STORED_KEYS and size <= limits.MAX_STORED_KEY_BYTES:
        return None
    return (
        f"with these the client holds {keys} keys ready, of {size} bytes in all; expected at most "
        f"{limits.MAX_STORED_KEYS} keys, and {limits.MAX_STORED_KEY_BYTES} bytes"
    )

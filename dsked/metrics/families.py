"""Every metric of a node: name, kind, labels, what it says. The one table; docs/monitoring.md explains it.

Names follow Prometheus's rules: the prefix, base units, `_total` for what only grows. `peer` is a hub at a
client and a client at a hub. `pool` is "local" for the pool that this node sends with, "peer" for the one
that its peer does.
"""

from __future__ import annotations

import enum
from typing import NamedTuple

from dsked.counters import Histogram


class Kind(enum.Enum):
    """Prometheus's kinds."""

    COUNTER = enum.auto()
    GAUGE = enum.auto()
    HISTOGRAM = enum.auto()


class Family(NamedTuple):
    """One metric with all its series."""

    name: str
    kind: Kind
    text: str
    labels: tuple[str, ...] = ()


ALL: list[Family] = []


def _family(name: str, kind: Kind, text: str, *labels: str) -> Family:
    ALL.append(Family(f"dsked_{name}", kind, text, labels))
    return ALL[-1]


def _counter(name: str, text: str, *labels: str) -> Family:
    return _family(f"{name}_total", Kind.COUNTER, text, *labels)


def _gauge(name: str, text: str, *labels: str) -> Family:
    return _family(name, Kind.GAUGE, text, *labels)


# Every node.
BUILD_INFO = _gauge("build_info", "1; the labels tell what runs.", "role", "node", "version", "python")
READY = _gauge("ready", "1 while the node serves, else 0.")
CONNECTIONS = _gauge("connections", "Open connections.", "interface")
AUTHENTICATION_FAILURES = _counter(
    "authentication_failures", "Whom an interface did not believe or allow, by reason.", "interface", "reason"
)
CONTROL_ERRORS = _counter("control_errors", "Requests over the control socket that got an error.", "reason")
AUDIT_LOST = _counter("audit_lines_lost", "Lines of the audit log that could not be written.")
AUDIT_FAILING = _gauge("audit_log_failing", "1 while the audit log cannot be written.")
SCRAPE_SECONDS = _gauge(
    "scrape_duration_seconds", "How long it took to gather these metrics, pauses included."
)

# Peers: all together, and each while they are no more than a limit.
PEERS = _gauge("peers", "Peers that this node knows.")
PEERS_LISTED = _gauge(
    "peers_listed", "Peers with series of their own: all of them, or none where they are many."
)
PEERS_REGISTERED = _gauge("peers_registered", "Peers with which encryptors are registered.")
PEERS_LOW = _gauge("peers_psrd_low", "Peers whose pools on media run low.")
PEERS_RESTORED = _gauge("peers_restored_state", "Peers with which restored or cloned state was met.")
POOLS_UNUSED = _gauge("pools_unused_bytes", "Bytes left in the pools of all peers together.", "pool")
POOLS_LEAST = _gauge("pools_least_unused_bytes", "Bytes left in the emptiest pool of any peer.", "pool")
PEER_REGISTERED = _gauge("peer_registered", "1 while encryptors are registered with this peer.", "peer")
PEER_WRAPPED = _gauge("peer_wrapped", "1 while there is a session whose messages are wrapped.", "peer")
PEER_LOW = _gauge("peer_psrd_low", "1 while this peer's pools on media run low.", "peer")
PEER_RESTORED = _gauge(
    "peer_restored_state", "1 once restored or cloned state was met with this peer.", "peer"
)
POOL_UNUSED = _gauge("pool_unused_bytes", "Bytes left in a pool.", "peer", "pool")
POOL_USED = _counter(
    "pool_used_bytes", "The position: bytes of a pool that are used or burned.", "peer", "pool"
)
POOL_END = _gauge("pool_end_bytes", "The position behind the last byte that a pool holds.", "peer", "pool")
POOL_WINDOW = _gauge("pool_window_bytes", "A pool's window; 0 where PSRD is simulated.", "peer", "pool")

# Hubs.
STRANGERS = _gauge("connections_unauthenticated", "Connections to this hub that have shown no gate key yet.")
DROPPED = _counter("connections_dropped", "Connections that were dropped because there were too many.")
SESSIONS = _counter("sessions", "Sessions that clients have opened.")
PEERS_CONNECTED = _gauge("peers_connected", "Clients that have a session.")
PEER_CONNECTED = _gauge("peer_connected", "1 while this client has a session.", "peer")
PEER_SHARES = _gauge("peer_shares", "Shares held that this client has dealt.", "peer")
PEER_SHARE_BYTES = _gauge("peer_share_bytes", "Their bytes.", "peer")
SHARES = _gauge("shares", "Shares held: dealt, and not fetched yet.")
SHARE_BYTES = _gauge("share_bytes", "Bytes of the shares held.")
SHARES_STORED = _counter("shares_stored", "Shares that were taken.")
SHARES_REFUSED = _counter("shares_refused", "Shares that were not taken: their client was at its limit.")
SHARES_EXPIRED = _counter("shares_expired", "Shares that timed out: not every responder has fetched them.")
TOMBSTONES = _gauge("tombstones", "Keys that are done with and are remembered.")
DRAINING = _gauge("draining", "1 once this hub drains: it takes no new shares.")

# Clients.
KEYS_ESTABLISHED = _counter("keys_established", "Keys given to the encryptors that asked for new ones.")
KEYS_DELIVERED = _counter("keys_delivered", "Keys given to the encryptors that asked for them by their IDs.")
REQUEST_FAILURES = _counter("key_request_failures", "Key requests that got an error.", "half", "reason")
REQUEST_SECONDS = _family(
    "key_request_duration_seconds", Kind.HISTOGRAM, "How long key requests took that got their keys.", "half"
)
REQUESTS = _gauge("key_requests_in_flight", "Key requests that have no answer yet.")
STORED_KEYS = _gauge("stored_keys", "Keys held ready.", "initiator", "responder", "size_bits")
STORED_KEYS_WANTED = _gauge(
    "stored_keys_wanted", "Keys to be held ready.", "initiator", "responder", "size_bits"
)
HUBS_NEEDED = _gauge("hubs_needed", "Hubs without which there are no keys: k.")
HUBS_USABLE = _gauge("hubs_usable", "Hubs that take the shares of new keys now.")
PEER_USABLE = _gauge("peer_usable", "1 while this hub takes the shares of new keys.", "peer")
PEER_LATE = _gauge("peer_late", "1 while this hub answers later than others, and is not waited for.", "peer")
PEER_DRAINING = _gauge("peer_draining", "1 while this hub drains: it takes no new shares.", "peer")
PEER_SET_ASIDE = _gauge("peer_set_aside", "1 while this hub is set aside for all keys: it has lied.", "peer")
PEER_SET_ASIDE_FOR = _gauge(
    "peer_set_aside_initiators", "Clients for whose keys this hub is set aside.", "peer"
)
PEER_MISMATCHES = _counter("peer_mismatches", "Shares of this hub that were proven wrong.", "peer")
PEER_SESSIONS = _counter("peer_sessions", "Sessions with this hub that were opened.", "peer")
HTTP_REPLIES = _counter("http_replies", "Replies over HTTP.", "interface", "code")

# The process, as Prometheus's own clients name it.
PROCESS_START = Family("process_start_time_seconds", Kind.GAUGE, "Unix time of the process's start.")
PROCESS_CPU = Family(
    "process_cpu_seconds_total", Kind.COUNTER, "Processor time, the system's for it included."
)
PROCESS_VIRTUAL = Family("process_virtual_memory_bytes", Kind.GAUGE, "Virtual memory.")
PROCESS_RESIDENT = Family("process_resident_memory_bytes", Kind.GAUGE, "Resident memory.")
PROCESS_FDS = Family("process_open_fds", Kind.GAUGE, "Open file descriptors.")
PROCESS_MAX_FDS = Family("process_max_fds", Kind.GAUGE, "File descriptors that the process may have open.")
OF_PROCESS = (
    PROCESS_START, PROCESS_CPU, PROCESS_VIRTUAL, PROCESS_RESIDENT, PROCESS_FDS, PROCESS_MAX_FDS,
)  # fmt: skip


class Scrape:
    """The values of one scrape, as they are gathered."""

    def __init__(self) -> None:
        self.values: dict[str, list[tuple[tuple[str, ...], float]]] = {}
        self.histograms: dict[str, list[tuple[tuple[str, ...], Histogram]]] = {}

    def add(self, family: Family, value: float, *labels: str) -> None:
        """One series' value; `labels` in the family's order."""
        assert len(labels) == len(family.labels), family.name
        self.values.setdefault(family.name, []).append((labels, value))

    def add_histogram(self, family: Family, histogram: Histogram, *labels: str) -> None:
        """One histogram."""
        assert len(labels) == len(family.labels), family.name
        self.histograms.setdefault(family.name, []).append((labels, histogram))

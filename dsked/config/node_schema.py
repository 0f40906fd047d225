"""What may stand in the file of one node, /etc/dsked/NAME.yaml: its keys and their types."""

from __future__ import annotations

import msgspec

from dsked import limits
from dsked.config import schema


class ListenEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the node's metrics are read."""

    listen: str
    beyond_loopback: bool = False


class NodeEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a hub and a client have alike. Thresholds are in bytes."""

    psrd: str | None = None
    wrapping: bool | str = False  # one of rules.WRAPPING_MODES
    start_request_psrd_threshold: int = limits.DEFAULT_START_REQUEST_PSRD_THRESHOLD_BYTES
    stop_request_psrd_threshold: int = limits.DEFAULT_STOP_REQUEST_PSRD_THRESHOLD_BYTES
    share_timeout_secs: int | float = limits.DEFAULT_SHARE_TIMEOUT_S
    state_dir: str | None = None
    gate_keys: str | None = None
    control_group: str | int | None = None
    metrics: ListenEntry | None = None
    logging: schema.LoggingEntry = schema.LoggingEntry()
    audit_log: str | None = None
    limits: dict[str, object] = {}  # their values: node_limits.py


class OwnerEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A client of a hub, and the names of its encryptors."""

    name: str
    encryptors: list[str] = []


class HubFile(NodeEntry, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole file of a hub."""

    hub: str
    listen: str
    x_coordinate: int
    clients: list[OwnerEntry]


class AddressEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A hub of a client."""

    name: str
    address: str
    x_coordinate: int


class EtsiEntry(schema.EtsiEntry, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """ETSI GS QKD 014, over mutual TLS where `mode` does not say otherwise."""

    listen: str
    mode: str | None = None  # one of rules.ETSI_PLAIN_MODES


class SkipEntry(schema.TlsEntry, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """SKIP; keys of TLS that are not written are those of ETSI GS QKD 014."""

    listen: str
    psk_file: str | None = None
    system_ids: dict[str, str] | None = None  # of other sites' encryptors


class ClientFile(NodeEntry, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole file of a client. The block's size is in bytes."""

    client: str
    hubs: list[AddressEntry]
    min_nr_shares: int = limits.DEFAULT_MIN_NR_SHARES
    get_psrd_block_size: int = limits.DEFAULT_GET_PSRD_BLOCK_SIZE_BYTES
    encryptors: list[schema.EncryptorEntry] = []
    etsi: EtsiEntry | None = None
    skip: SkipEntry | None = None

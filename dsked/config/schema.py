"""What may stand in a topology file: its keys and their types, as msgspec structures.

Values are checked in `dsked.config.topology`; this module only knows shapes. What stands in the file of
one node is in node_schema.py; what does not fit is said by shapes.py.
"""

from __future__ import annotations

import msgspec

from dsked import limits
from dsked.config import rules, shapes
from dsked.config.document import Document

#: The word for an interface that is not served.
OFF = "off"


class TlsEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Keys of mutual TLS. In paths, `{name}` stands for the client's name."""

    certificate: str | None = None
    private_key: str | None = None
    client_ca: str | None = None
    crl: str | None = None
    sae_id_from: str | None = None
    sae_ids: dict[str, str] | None = None
    minimum_tls: str | float | None = None  # 1.2 without quotes is a number


class EtsiEntry(TlsEntry, frozen=True, forbid_unknown_fields=True):
    """ETSI GS QKD 014 over mutual TLS. These two are for dskectl, `{name}` being the encryptor's name."""

    encryptor_certificates: str | None = None
    encryptor_private_keys: str | None = None


class SkipEntry(TlsEntry, frozen=True, forbid_unknown_fields=True):
    """SKIP; keys of TLS that are not written are those of ETSI GS QKD 014."""

    base_port: int = limits.DEFAULT_SKIP_BASE_PORT
    psk_file: str | None = None
    system_ids: dict[str, str] = {}  # of encryptors that the file does not name


class MetricsEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Metrics of every node, on loopback; ports by order from here, hubs first."""

    base_port: int = limits.DEFAULT_METRICS_BASE_PORT


class LoggingEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How nodes log, and what."""

    format: str = rules.LOG_AUTO  # one of rules.LOG_FORMATS
    level: str = rules.LOG_INFO  # one of rules.LOG_LEVELS


class StoredKeysEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Keys to hold ready for a responder. Size in bits."""

    responder: str
    count: int
    size: int = limits.DEFAULT_KEY_SIZE_BITS


class EncryptorEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One encryptor of a client, and the local users and groups who may act for it."""

    name: str
    users: list[str | int] = []
    groups: list[str | int] = []
    system_id: str | None = None  # of SKIP
    stored_keys: list[StoredKeysEntry] = []


class HubEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One hub. Port and x-coordinate go by order where they are not written."""

    name: str
    host: str = "127.0.0.1"
    port: int | None = None
    x_coordinate: int | None = None
    limits: dict[str, object] = {}  # their values: node_limits.py


class ClientEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One client. Its host and port are those of its ETSI GS QKD 014 interface."""

    name: str
    host: str = "127.0.0.1"
    port: int | None = None
    encryptors: list[EncryptorEntry] = []
    hubs: list[str] | None = None  # names of those that it shares PSRD with; None: all
    etsi: str | EtsiEntry | None = None  # the only word is OFF
    skip: object = None  # nothing, or OFF
    skip_host: str | None = None  # where it is not the client's host
    skip_port: int | None = None
    limits: dict[str, object] = {}  # their values: node_limits.py


class FileEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file. Sizes and thresholds are in bytes."""

    hubs: list[HubEntry]
    clients: list[ClientEntry]
    base_port: int = limits.DEFAULT_BASE_PORT
    start_request_psrd_threshold: int = limits.DEFAULT_START_REQUEST_PSRD_THRESHOLD_BYTES
    stop_request_psrd_threshold: int = limits.DEFAULT_STOP_REQUEST_PSRD_THRESHOLD_BYTES
    get_psrd_block_size: int = limits.DEFAULT_GET_PSRD_BLOCK_SIZE_BYTES
    min_nr_shares: int = limits.DEFAULT_MIN_NR_SHARES
    share_timeout_secs: int | float = limits.DEFAULT_SHARE_TIMEOUT_S
    psrd: str | None = None
    wrapping: bool | str = False  # one of rules.WRAPPING_MODES
    etsi: str | EtsiEntry | None = None
    skip: SkipEntry | None = None
    state_dir: str | None = None
    gate_keys: str | None = None
    control_group: str | int | None = None
    metrics: MetricsEntry | None = None
    logging: LoggingEntry = LoggingEntry()
    audit_log: str | None = None
    limits: dict[str, object] = {}  # their values: node_limits.py


_MAY_BE_OFF = ("etsi", "skip")
#: Said of a key at the top that no topology has: the file of a node counts as a topology's without that line.
_OF_A_NODE = "; the file of one node has a line 'hub: NAME' or 'client: NAME'"


def convert(document: Document) -> FileEntry:
    """The file as typed entries. Raises ConfigurationError with the place and what is expected."""
    return shapes.convert(document, _with_off(document.data), FileEntry, _OF_A_NODE)


def _with_off(data: object) -> object:
    """YAML 1.1 reads `etsi: off` and `skip: off` as false; at the top they say what nothing says."""
    if not isinstance(data, dict):
        return data
    said = {key: value for key, value in _off_as_word(data).items() if key not in _MAY_BE_OFF or value != OFF}
    clients = said.get("clients")
    if isinstance(clients, list):
        said["clients"] = [_off_as_word(one) if isinstance(one, dict) else one for one in clients]
    return said


def _off_as_word(data: dict[object, object]) -> dict[object, object]:
    return {key: OFF if key in _MAY_BE_OFF and value is False else value for key, value in data.items()}

"""What one daemon needs to know, after the topology file and the command line were merged.

Plain data without behaviour: the daemon is built from it, and tests build it by hand. All values
have been checked by whoever made them (`dsked.config.merge`); nothing here reads a file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dsked import limits
from dsked.chosen_limits import DEFAULT_LIMITS, Limits
from dsked.config import rules
from dsked.config.origins import Origins
from dsked.secrecy import no_pickle


@dataclass(frozen=True, slots=True, kw_only=True)
class HubAddress:
    """Where a client finds a hub, and the hub's fixed place in the sharing."""

    name: str
    host: str
    port: int
    x: int  # x-coordinate of the hub's shares, 1..255, the same at every client


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlSettings:
    """The control socket of one node, and who may do what over it.

    root and the daemon's own user may do everything. `users` and `groups` name, for an encryptor,
    the local users and groups (names, or numbers as decimal strings) who may act for it as well.
    """

    path: Path
    group: str | None = None  # group of the socket and of its directory; None: the daemon's own
    users: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsSettings:
    """Mutual TLS of one listening interface, and how a peer's certificate names its encryptor."""

    certificate: Path  # PEM, with the chain above it
    private_key: Path  # PEM, not encrypted
    client_ca: Path  # PEM: the authorities that encryptors' certificates must come from
    crl: Path | None = None  # PEM: revoked certificates
    sae_id_from: str = rules.SAE_ID_FROM_CN  # one of rules.SAE_ID_SOURCES
    sae_ids: Mapping[str, str] = field(default_factory=dict)  # with rules.SAE_ID_FROM_MAP: identity -> SAE ID
    minimum_tls: str = rules.DEFAULT_MINIMUM_TLS  # one of rules.TLS_VERSIONS


@dataclass(frozen=True, slots=True, kw_only=True)
class SkipSettings:
    """The SKIP interface of one client: mutual TLS, TLS-PSK, both, or plain HTTP."""

    host: str
    port: int
    tls: TlsSettings | None = None
    psk_file: Path | None = None  # lines `IDENTITY:HEXKEY`; the identity is a local system ID
    plain_http: str | None = None  # one of rules.ETSI_PLAIN_MODES where neither TLS nor TLS-PSK is set
    system_ids: Mapping[str, str] = field(default_factory=dict)  # system ID -> encryptor, here and elsewhere


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsSettings:
    """Where a node's metrics are read."""

    host: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredKeys:
    """Keys to hold ready for one pair of encryptors."""

    initiator: str
    responder: str
    count: int
    size_bits: int = limits.DEFAULT_KEY_SIZE_BITS


@dataclass(frozen=True, slots=True, kw_only=True)
class HubSettings:
    """Settings of `dsked --role hub`."""

    name: str
    host: str
    port: int  # DSKE over TCP
    share_timeout_s: float
    state_dir: Path  # of this node alone
    #: With PSRD on media: a pool below the first is told of, until it is above the second. Bytes.
    start_request_psrd_threshold: int = limits.DEFAULT_START_REQUEST_PSRD_THRESHOLD_BYTES
    stop_request_psrd_threshold: int = limits.DEFAULT_STOP_REQUEST_PSRD_THRESHOLD_BYTES
    simulated: bool  # PSRD is made by this hub and given out over the connection; else it comes on media
    wrapping: str = rules.WRAPPING_OFF  # of messages; one of rules.WRAPPING_MODES
    #: client name -> the encryptors that it owns. None: clients are taken first come, first
    #: served, which exists with simulated PSRD only.
    owners: Mapping[str, tuple[str, ...]] | None
    #: client name -> gate key, 32 bytes; with PSRD on media they come with it.
    gate_keys: Mapping[str, bytes] = field(repr=False)
    control: ControlSettings
    limits: Limits = DEFAULT_LIMITS
    log_level: str = "info"  # one of rules.LOG_LEVELS
    log_format: str = rules.LOG_AUTO  # one of rules.LOG_FORMATS
    metrics: MetricsSettings | None = None  # None: there are none
    audit_log: Path | None = None  # None: there is none
    origins: Origins = field(default_factory=dict, repr=False, compare=False)  # where they are written

    __reduce__ = no_pickle


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSettings:
    """Settings of `dsked --role client`. Thresholds and block size are in bytes."""

    name: str
    host: str
    port: int | None  # ETSI GS QKD 014; None: the interface is off
    etsi_plain_http: bool  # without TLS; on loopback, if not etsi_insecure
    etsi_insecure: bool = False  # without TLS on any address
    etsi_tls: TlsSettings | None = None
    skip: SkipSettings | None = None
    stored_keys: tuple[StoredKeys, ...] = ()
    hubs: tuple[HubAddress, ...]
    min_nr_shares: int  # k
    encryptors: tuple[str, ...]
    start_request_psrd_threshold: int = limits.DEFAULT_START_REQUEST_PSRD_THRESHOLD_BYTES
    stop_request_psrd_threshold: int = limits.DEFAULT_STOP_REQUEST_PSRD_THRESHOLD_BYTES
    get_psrd_block_size: int = limits.DEFAULT_GET_PSRD_BLOCK_SIZE_BYTES
    share_timeout_s: float = limits.DEFAULT_SHARE_TIMEOUT_S
    state_dir: Path  # of this node alone
    simulated: bool
    wrapping: str = rules.WRAPPING_OFF  # of messages; one of rules.WRAPPING_MODES
    #: hub name -> gate key, 32 bytes; with PSRD on media they come with it.
    gate_keys: Mapping[str, bytes] = field(repr=False)
    control: ControlSettings
    limits: Limits = DEFAULT_LIMITS
    log_level: str = "info"  # one of rules.LOG_LEVELS
    log_format: str = rules.LOG_AUTO  # one of rules.LOG_FORMATS
    metrics: MetricsSettings | None = None  # None: there are none
    audit_log: Path | None = None  # None: there is none
    origins: Origins = field(default_factory=dict, repr=False, compare=False)  # where they are written

    __reduce__ = no_pickle


NodeSettings = HubSettings | ClientSettings

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
    #: client name -> the encryptors that it owns. None: clients are taken first come, first
    #: served, which exists with simulated PSRD only.
    owners: Mapping[str, tuple[str, ...]] | None
    #: client name -> gate key, 32 bytes; with PSRD on media they come with it.
    gate_keys: Mapping[str, bytes] = field(repr=False)
    control: ControlSettings
    limits: Limits = DEFAULT_LIMITS
    log_level: str = "info"

    __reduce__ = no_pickle


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSettings:
    """Settings of `dsked --role client`. Thresholds and block size are in bytes."""

    name: str
    host: str
    port: int | None  # ETSI GS QKD 014; None: the interface is off
    etsi_plain_http: bool  # without TLS; only ever on loopback
    hubs: tuple[HubAddress, ...]
    min_nr_shares: int  # k
    encryptors: tuple[str, ...]
    start_request_psrd_threshold: int = limits.DEFAULT_START_REQUEST_PSRD_THRESHOLD_BYTES
    stop_request_psrd_threshold: int = limits.DEFAULT_STOP_REQUEST_PSRD_THRESHOLD_BYTES
    get_psrd_block_size: int = limits.DEFAULT_GET_PSRD_BLOCK_SIZE_BYTES
    share_timeout_s: float = limits.DEFAULT_SHARE_TIMEOUT_S
    state_dir: Path  # of this node alone
    simulated: bool
    #: hub name -> gate key, 32 bytes; with PSRD on media they come with it.
    gate_keys: Mapping[str, bytes] = field(repr=False)
    control: ControlSettings
    limits: Limits = DEFAULT_LIMITS
    log_level: str = "info"

    __reduce__ = no_pickle


NodeSettings = HubSettings | ClientSettings

"""What a daemon's command line says, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dsked.chosen_limits import Value
from dsked.config.node import HubAddress, MetricsSettings, StoredKeys
from dsked.errors import ConfigurationError


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line says; None where it says nothing. Sizes in bytes."""

    name: str
    config: Path | None = None
    host: str | None = None
    port: int | None = None
    share_timeout_s: float | None = None
    start_request_psrd_threshold: int | None = None
    stop_request_psrd_threshold: int | None = None
    get_psrd_block_size: int | None = None
    min_nr_shares: int | None = None
    hubs: tuple[HubAddress, ...] = ()
    encryptors: tuple[str, ...] = ()
    psrd: str | None = None
    wrapping: str | None = None
    etsi: str | None = None
    etsi_certificate: Path | None = None
    etsi_private_key: Path | None = None
    etsi_client_ca: Path | None = None
    etsi_crl: Path | None = None
    etsi_sae_id_from: str | None = None
    etsi_sae_ids: Mapping[str, str] = field(default_factory=dict)
    etsi_minimum_tls: str | None = None
    skip_port: int | None = None
    skip_psk_file: Path | None = None
    skip_system_ids: Mapping[str, str] = field(default_factory=dict)
    stored_keys: tuple[StoredKeys, ...] = ()
    gate_keys: Path | None = None
    state_dir: str | None = None
    runtime_dir: str | None = None
    limits: Mapping[str, Value] = field(default_factory=dict)
    log_level: str | None = None
    log_format: str | None = None
    metrics: MetricsSettings | None = None
    metrics_beyond_loopback: bool = False
    audit_log: Path | None = None
    only_checked: bool = False  # no node is started: nothing is made for it


def check(option: str, fault: str | None) -> None:
    """Raises ConfigurationError that names the option, where there is a fault."""
    if fault:
        raise ConfigurationError(f"{option}: {fault}")

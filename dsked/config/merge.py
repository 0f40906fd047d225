"""One node's settings from the topology file and the command line; the command line wins."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

from dsked import chosen_limits, limits
from dsked.chosen_limits import Limits, Value
from dsked.config import gate_keys, paths, rules, topology
from dsked.config.gate_keys import GateKeys
from dsked.config.node import ClientSettings, ControlSettings, HubAddress, HubSettings
from dsked.config.topology import Client, Encryptor, Topology
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
    etsi: str | None = None
    gate_keys: Path | None = None
    state_dir: str | None = None
    runtime_dir: str | None = None
    limits: Mapping[str, Value] = field(default_factory=dict)
    log_level: str = "info"


@dataclass(frozen=True, slots=True)
class _Shared:
    """Settings that a topology's nodes have in common, where the options do not differ."""

    start_request_psrd_threshold: int = limits.DEFAULT_START_REQUEST_PSRD_THRESHOLD_BYTES
    stop_request_psrd_threshold: int = limits.DEFAULT_STOP_REQUEST_PSRD_THRESHOLD_BYTES
    get_psrd_block_size: int = limits.DEFAULT_GET_PSRD_BLOCK_SIZE_BYTES
    share_timeout_s: float = float(limits.DEFAULT_SHARE_TIMEOUT_S)
    psrd: str | None = None


def hub_settings(options: Options) -> HubSettings:
    """Settings of a hub. Raises ConfigurationError that says which option or place is wrong."""
    network = _topology(options)
    own = network.hub(options.name) if network else None
    chosen = _limits(options, network, chosen_limits.HUB)
    host, port = _address(options, own)
    if port is None:
        raise ConfigurationError("--port: missing; a hub needs it, or a topology file with --config")
    shared = _shared(options, network)
    _check_psrd(shared.psrd, [host])
    simulated = shared.psrd != rules.MEDIA
    if network is None and not simulated:
        raise ConfigurationError(
            "--config: missing; with --psrd media a hub must know which client owns which encryptor"
        )
    return HubSettings(
        name=options.name,
        host=host,
        port=port,
        share_timeout_s=shared.share_timeout_s,
        state_dir=_state_dir(options, network, "hub"),
        start_request_psrd_threshold=shared.start_request_psrd_threshold,
        stop_request_psrd_threshold=shared.stop_request_psrd_threshold,
        simulated=simulated,
        owners=_owners(network),
        gate_keys=_hub_gate_keys(options, network) if simulated else {},
        control=_control(options, network, "hub", ()),
        limits=chosen,
        log_level=options.log_level,
    )


def client_settings(options: Options) -> ClientSettings:
    """Settings of a client. Raises ConfigurationError that says which option or place is wrong."""
    network = _topology(options)
    own = network.client(options.name) if network else None
    chosen = _limits(options, network, chosen_limits.CLIENT)
    host, port = _address(options, own)
    etsi = _etsi(options, network, host, port)
    hubs = _hubs(options, network)
    encryptors = _encryptors(options, own)
    shared = _shared(options, network)
    _check_psrd(shared.psrd, [hub.host for hub in hubs])
    simulated = shared.psrd != rules.MEDIA
    return ClientSettings(
        name=options.name,
        host=host,
        port=port if etsi else None,
        etsi_plain_http=etsi,
        hubs=hubs,
        min_nr_shares=_min_nr_shares(options, network, hubs),
        encryptors=tuple(encryptor.name for encryptor in encryptors),
        start_request_psrd_threshold=shared.start_request_psrd_threshold,
        stop_request_psrd_threshold=shared.stop_request_psrd_threshold,
        get_psrd_block_size=shared.get_psrd_block_size,
        share_timeout_s=shared.share_timeout_s,
        state_dir=_state_dir(options, network, "client"),
        simulated=simulated,
        gate_keys=_client_gate_keys(options, network, hubs) if simulated else {},
        control=_control(options, network, "client", encryptors),
        limits=chosen,
        log_level=options.log_level,
    )


def _limits(options: Options, network: Topology | None, role: str) -> Limits:
    for name, value in options.limits.items():
        _check(f"--limit {name}", chosen_limits.fault(name, value, role))
    of_file = network.limits[options.name] if network else {}
    return chosen_limits.with_values({**of_file, **options.limits})


def gate_key_file(network: Topology, option: Path | None = None, state_dir: str | None = None) -> Path:
    """Where a topology's gate keys are."""
    if option or network.gate_keys:
        return option or network.gate_keys or Path()
    return paths.state_dir(network.path, state_dir, network.state_dir) / gate_keys.FILE_NAME


def ensure_gate_keys(network: Topology, path: Path) -> bool:
    """Makes the gate keys that a topology still lacks. True if there were any."""
    return gate_keys.ensure(
        path, ((client.name, hub.name) for client in network.clients for hub in network.hubs)
    )


def _state_dir(options: Options, network: Topology | None, role: str) -> Path:
    base = paths.state_dir(options.config, options.state_dir, network.state_dir if network else None)
    return paths.node_state_dir(base, role, options.name)


def _topology(options: Options) -> Topology | None:
    fault = rules.node_name_fault(options.name)
    if fault:
        raise ConfigurationError(fault)
    return topology.load(options.config) if options.config else None


def _address(options: Options, own: HubAddress | Client | None) -> tuple[str, int | None]:
    host = options.host or (own.host if own else "127.0.0.1")
    port = options.port if options.port is not None else own.port if own else None
    _check("--host", rules.host_fault(host))
    if port is not None:
        _check("--port", rules.port_fault(port))
    return host, port


def _check(option: str, fault: str | None) -> None:
    if fault:
        raise ConfigurationError(f"{option}: {fault}")


def _check_psrd(mode: str | None, hosts: list[str]) -> None:
    _check("--psrd", rules.psrd_fault(mode, hosts))


def _shared(options: Options, network: Topology | None) -> _Shared:
    names = [one.name for one in fields(_Shared)]
    values = {name: getattr(network, name) for name in names} if network else {}
    values.update((name, getattr(options, name)) for name in names if getattr(options, name) is not None)
    shared = _Shared(**values)
    faults = rules.psrd_faults(
        shared.start_request_psrd_threshold,
        shared.stop_request_psrd_threshold,
        shared.get_psrd_block_size,
        shared.share_timeout_s,
        simulated=shared.psrd != rules.MEDIA,
    )
    for key, fault in faults:
        raise ConfigurationError(f"--{key.replace('_', '-')}: {fault}")
    return shared


def _etsi(options: Options, network: Topology | None, host: str, port: int | None) -> bool:
    """Whether the client serves ETSI GS QKD 014."""
    mode = options.etsi or (rules.ETSI_PLAIN_HTTP if network and network.etsi_plain_http else None)
    if mode is None:
        if options.port is not None:
            raise ConfigurationError(
                f"--port: is the port of the ETSI interface, which is off; add --etsi {rules.ETSI_PLAIN_HTTP}"
            )
        return False
    _check("--etsi", rules.etsi_fault(mode, host))
    if port is None:
        raise ConfigurationError("--etsi: needs --port")
    return True


def _hubs(options: Options, network: Topology | None) -> tuple[HubAddress, ...]:
    hubs = options.hubs or (network.hubs if network else ())
    if not hubs:
        raise ConfigurationError(
            "--hubs: missing; name them as NAME=HOST:PORT, or a topology file with --config"
        )
    if len({hub.name for hub in hubs}) < len(hubs) or len({hub.x for hub in hubs}) < len(hubs):
        raise ConfigurationError("--hubs: names and x-coordinates must differ from hub to hub")
    return hubs


def _encryptors(options: Options, own: Client | None) -> tuple[Encryptor, ...]:
    listed = own.encryptors if own else ()
    if not options.encryptors:
        return listed
    for name in options.encryptors:
        _check("--encryptors", rules.encryptor_name_fault(name))
    known = {encryptor.name: encryptor for encryptor in listed}
    return tuple(known.get(name, Encryptor(name)) for name in dict.fromkeys(options.encryptors))


def _min_nr_shares(options: Options, network: Topology | None, hubs: tuple[HubAddress, ...]) -> int:
    k = options.min_nr_shares
    if k is None:
        k = network.min_nr_shares if network else limits.DEFAULT_MIN_NR_SHARES
    _check("--min-nr-shares", rules.min_nr_shares_fault(k, len(hubs)))
    return k


def _owners(network: Topology | None) -> Mapping[str, tuple[str, ...]] | None:
    if network is None:
        return None
    return {client.name: tuple(one.name for one in client.encryptors) for client in network.clients}


def _load_gate_keys(options: Options, network: Topology | None) -> tuple[Path, GateKeys]:
    """The gate keys; on loopback, where every node reads the same file, they are made if missing."""
    if network is None and options.gate_keys is None:
        raise ConfigurationError(
            "--gate-keys: missing; name the file of gate keys, or a topology with --config"
        )
    path = options.gate_keys or Path()
    if network:
        path = gate_key_file(network, options.gate_keys, options.state_dir)
        if network.on_loopback() and options.gate_keys is None:
            ensure_gate_keys(network, path)
    return path, gate_keys.load(path)


def _hub_gate_keys(options: Options, network: Topology | None) -> dict[str, bytes]:
    path, keys = _load_gate_keys(options, network)
    own = {client: key for (client, hub), key in keys.items() if hub == options.name}
    if network is None:
        if not own:
            raise ConfigurationError(f"{path}: holds no gate key for hub {options.name}")
        return own
    return _all(path, ((client.name, (client.name, options.name)) for client in network.clients), keys)


def _client_gate_keys(
    options: Options, network: Topology | None, hubs: tuple[HubAddress, ...]
) -> dict[str, bytes]:
    path, keys = _load_gate_keys(options, network)
    return _all(path, ((hub.name, (options.name, hub.name)) for hub in hubs), keys)


def _all(path: Path, wanted: Iterable[tuple[str, tuple[str, str]]], keys: GateKeys) -> dict[str, bytes]:
    found = {}
    for peer, pair in wanted:
        if pair not in keys:
            raise ConfigurationError(f"{path}: holds no gate key for the pair {pair[0]}/{pair[1]}")
        found[peer] = keys[pair]
    return found


def _control(
    options: Options, network: Topology | None, role: str, encryptors: tuple[Encryptor, ...]
) -> ControlSettings:
    directory = paths.prepare_runtime_dir(options.config, options.runtime_dir)
    return ControlSettings(
        path=paths.socket_path(directory, role, options.name),
        group=network.control_group if network else None,
        users={encryptor.name: encryptor.users for encryptor in encryptors if encryptor.users},
        groups={encryptor.name: encryptor.groups for encryptor in encryptors if encryptor.groups},
    )

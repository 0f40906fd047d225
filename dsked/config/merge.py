"""One node's settings from the topology file and the command line; the command line wins."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TypedDict

from dsked import chosen_limits, limits
from dsked.chosen_limits import Limits
from dsked.config import gate_keys, merge_interfaces, merge_origins, paths, rules, service, topology
from dsked.config.gate_keys import GateKeys
from dsked.config.node import ClientSettings, ControlSettings, HubAddress, HubSettings, MetricsSettings
from dsked.config.options import Options, check
from dsked.config.origins import GATE_KEYS, named
from dsked.config.topology import Client, Encryptor, Topology
from dsked.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class _Shared:
    """Settings that a topology's nodes have in common, where the options do not differ."""

    start_request_psrd_threshold: int = limits.DEFAULT_START_REQUEST_PSRD_THRESHOLD_BYTES
    stop_request_psrd_threshold: int = limits.DEFAULT_STOP_REQUEST_PSRD_THRESHOLD_BYTES
    get_psrd_block_size: int = limits.DEFAULT_GET_PSRD_BLOCK_SIZE_BYTES
    share_timeout_s: float = float(limits.DEFAULT_SHARE_TIMEOUT_S)
    psrd: str | None = None
    wrapping: str = rules.WRAPPING_OFF


class _Watching(TypedDict):
    """The settings of which a node's work is independent."""

    log_level: str
    log_format: str
    metrics: MetricsSettings | None
    audit_log: Path | None


def hub_settings(options: Options) -> HubSettings:
    """Settings of a hub. Raises ConfigurationError that says which option or place is wrong."""
    network = _topology(options, chosen_limits.HUB)
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
        wrapping=shared.wrapping,
        owners=_owners(network, options.name),
        gate_keys=_hub_gate_keys(options, network) if simulated else {},
        control=_control(options, network, "hub", ()),
        limits=chosen,
        origins=merge_origins.of_node(options, network),
        **_watching(options, network),
    )


def client_settings(options: Options) -> ClientSettings:
    """Settings of a client. Raises ConfigurationError that says which option or place is wrong."""
    network = _topology(options, chosen_limits.CLIENT)
    own = network.client(options.name) if network else None
    chosen = _limits(options, network, chosen_limits.CLIENT)
    host, port = _address(options, own)
    etsi = merge_interfaces.etsi(options, own, host, port)
    hubs = _hubs(options, own)
    encryptors = _encryptors(options, own)
    names = tuple(encryptor.name for encryptor in encryptors)
    shared = _shared(options, network)
    _check_psrd(shared.psrd, [hub.host for hub in hubs])
    simulated = shared.psrd != rules.MEDIA
    skip = merge_interfaces.skip(options, own, (host, port), etsi, names)
    return ClientSettings(
        name=options.name,
        host=host,
        port=port if etsi else None,
        etsi_plain_http=etsi is not None and etsi.tls is None,
        etsi_insecure=etsi is not None and etsi.insecure,
        etsi_tls=etsi.tls if etsi else None,
        skip=skip,
        stored_keys=merge_interfaces.stored_keys(options, own, names, chosen),
        hubs=hubs,
        min_nr_shares=_min_nr_shares(options, network, hubs),
        encryptors=names,
        start_request_psrd_threshold=shared.start_request_psrd_threshold,
        stop_request_psrd_threshold=shared.stop_request_psrd_threshold,
        get_psrd_block_size=shared.get_psrd_block_size,
        share_timeout_s=shared.share_timeout_s,
        state_dir=_state_dir(options, network, "client"),
        simulated=simulated,
        wrapping=shared.wrapping,
        gate_keys=_client_gate_keys(options, network, hubs) if simulated else {},
        control=_control(options, network, "client", encryptors),
        limits=chosen,
        origins=merge_origins.of_client(options, network, etsi.tls if etsi else None, skip),
        **_watching(options, network),
    )


def _watching(options: Options, network: Topology | None) -> _Watching:
    """How the node is watched: its log, its metrics, its audit log."""
    metrics = options.metrics or (network.metrics(options.name) if network else None)
    if options.metrics:
        fault = rules.metrics_fault(options.metrics.host, options.metrics_beyond_loopback)
        check("--metrics", rules.listening_host_fault(options.metrics.host) or fault)
    audit_log = options.audit_log
    if audit_log is None and network and network.audit_log:
        audit_log = Path(network.audit_log.replace("{name}", options.name))
    return {
        "log_level": options.log_level or (network.log_level if network else rules.LOG_INFO),
        "log_format": options.log_format or (network.log_format if network else rules.LOG_AUTO),
        "metrics": metrics,
        "audit_log": audit_log,
    }


def _limits(options: Options, network: Topology | None, role: str) -> Limits:
    for name, value in options.limits.items():
        check(f"--limit {name}", chosen_limits.fault(name, value, role))
    of_file = network.limits[options.name] if network else {}
    return chosen_limits.with_values({**of_file, **options.limits})


def gate_key_file(network: Topology, option: Path | None = None, state_dir: str | None = None) -> Path:
    """Where a topology's gate keys are."""
    if option or network.gate_keys:
        return option or network.gate_keys or Path()
    return paths.state_dir(network.path, state_dir, network.state_dir) / gate_keys.FILE_NAME


def ensure_gate_keys(network: Topology, path: Path) -> bool:
    """Makes the gate keys that a topology still lacks. True if any was made; credentials are brought."""
    return not service.is_brought(path) and gate_keys.ensure(path, _pairs(network))


def _pairs(network: Topology) -> Iterator[tuple[str, str]]:
    return ((client.name, hub.name) for client, hub in network.pairs())


def _state_dir(options: Options, network: Topology | None, role: str) -> Path:
    made = service.state_directory(role, options.name)
    if made and not paths.is_state_dir_named(options.state_dir) and not (network and network.state_dir):
        return made
    base = paths.state_dir(options.config, options.state_dir, network.state_dir if network else None)
    return paths.node_state_dir(base, role, options.name)


def _topology(options: Options, role: str) -> Topology | None:
    fault = rules.node_name_fault(options.name)
    if fault:
        raise ConfigurationError(fault)
    network = topology.load(options.config) if options.config else None
    if network and network.own and network.own[:2] != (role, options.name):
        raise ConfigurationError(
            f"{network.path}: is the file of {network.own.role} {network.own.name}, not of {role} "
            f"{options.name}"
        )
    return network


def _address(options: Options, own: HubAddress | Client | None) -> tuple[str, int | None]:
    host = options.host or (own.host if own else "127.0.0.1")
    port = options.port if options.port is not None else own.port if own else None
    check("--host", rules.listening_host_fault(host))
    if port is not None:
        check("--port", rules.port_fault(port))
    return host, port


def _check_psrd(mode: str | None, hosts: list[str]) -> None:
    check("--psrd", rules.psrd_fault(mode, hosts))


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


def _hubs(options: Options, own: Client | None) -> tuple[HubAddress, ...]:
    hubs = options.hubs or (own.hubs if own else ())
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
        check("--encryptors", rules.encryptor_name_fault(name))
    known = {encryptor.name: encryptor for encryptor in listed}
    return tuple(known.get(name, Encryptor(name)) for name in dict.fromkeys(options.encryptors))


def _min_nr_shares(options: Options, network: Topology | None, hubs: tuple[HubAddress, ...]) -> int:
    k = options.min_nr_shares
    if k is None:
        k = network.min_nr_shares if network else limits.DEFAULT_MIN_NR_SHARES
    check("--min-nr-shares", rules.min_nr_shares_fault(k, len(hubs)))
    return k


def _owners(network: Topology | None, hub: str) -> Mapping[str, tuple[str, ...]] | None:
    if network is None:
        return None
    clients = network.clients_of(hub)
    return {client.name: tuple(one.name for one in client.encryptors) for client in clients}


def _load_gate_keys(options: Options, network: Topology | None) -> tuple[Path, GateKeys]:
    """The gate keys; on loopback, where every node reads the same file, they are made if missing."""
    if network is None and options.gate_keys is None:
        raise ConfigurationError("--gate-keys: missing; name their file, or a topology with --config")
    path = options.gate_keys or Path()
    with named(merge_origins.of_node(options, network), GATE_KEYS):
        if network:
            path = gate_key_file(network, options.gate_keys, options.state_dir)
            if network.on_loopback() and options.gate_keys is None:
                if options.only_checked and not service.is_brought(path):
                    return path, gate_keys.completed(path, _pairs(network))[1]
                ensure_gate_keys(network, path)
        return path, gate_keys.load(path)


def _hub_gate_keys(options: Options, network: Topology | None) -> dict[str, bytes]:
    path, keys = _load_gate_keys(options, network)
    own = {client: key for (client, hub), key in keys.items() if hub == options.name}
    with named(merge_origins.of_node(options, network), GATE_KEYS):
        if network is None:
            if not own:
                raise ConfigurationError(f"{path}: holds no gate key for hub {options.name}")
            return own
        clients = network.clients_of(options.name)
        return _all(path, ((client.name, (client.name, options.name)) for client in clients), keys)


def _client_gate_keys(
    options: Options, network: Topology | None, hubs: tuple[HubAddress, ...]
) -> dict[str, bytes]:
    path, keys = _load_gate_keys(options, network)
    with named(merge_origins.of_node(options, network), GATE_KEYS):
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
    made = (
        None
        if paths.is_runtime_dir_named(options.runtime_dir)
        else service.runtime_directory(role, options.name)
    )
    # Who only checks may be another user than the node's, whose directory it is.
    found = paths.runtime_dir if options.only_checked else paths.prepare_runtime_dir
    directory = made or found(options.config, options.runtime_dir)
    return ControlSettings(
        path=paths.socket_path(directory, role, options.name),
        group=network.control_group if network else None,
        users={encryptor.name: encryptor.users for encryptor in encryptors if encryptor.users},
        groups={encryptor.name: encryptor.groups for encryptor in encryptors if encryptor.groups},
    )

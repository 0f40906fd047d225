"""A checked topology: every hub and client with its address, and what they all share.

`load(path)` reads a topology file; what it returns keeps every rule that is named here, so that
nothing behind it has to check again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dsked.chosen_limits import Value
from dsked.config import (
    addresses,
    document,
    interfaces,
    node_file,
    node_limits,
    paths,
    rules,
    schema,
    topology_checks,
)
from dsked.config.addresses import Listening
from dsked.config.document import Document, Place
from dsked.config.interfaces import Etsi, Interfaces
from dsked.config.node import HubAddress, MetricsSettings, SkipSettings, StoredKeys
from dsked.config.node_file import Own
from dsked.config.stored_keys import StoredKeysOfFile
from dsked.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Encryptor:
    """An encryptor, and the local users and groups (names or numbers) who may act for it."""

    name: str
    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    stored_keys: tuple[StoredKeys, ...] = ()


@dataclass(frozen=True, slots=True)
class Client:
    """A client with the address of its ETSI interface, and how it serves its encryptors."""

    name: str
    host: str
    port: int | None  # None where the file does not say, and need not
    encryptors: tuple[Encryptor, ...]
    hubs: tuple[HubAddress, ...]  # those that it shares PSRD with
    etsi: Etsi | None  # None: the interface is off
    skip: SkipSettings | None  # None: the interface is off


@dataclass(frozen=True, slots=True)
class Topology:
    """All nodes, in the order of the file, and the settings that they share."""

    source: Document = field(repr=False, compare=False)
    path: Path
    hubs: tuple[HubAddress, ...]
    clients: tuple[Client, ...]
    min_nr_shares: int
    start_request_psrd_threshold: int
    stop_request_psrd_threshold: int
    get_psrd_block_size: int
    share_timeout_s: float
    psrd: str
    wrapping: str  # one of rules.WRAPPING_MODES
    state_dir: Path | None
    gate_keys: Path | None
    control_group: str | None
    limits: Mapping[str, Mapping[str, Value]]  # by node name: those that the file sets
    log_format: str
    log_level: str
    audit_log: str | None  # a path; {name} is the node's name
    metrics_base_port: int | None
    own: Own | None  # the node whose file it is; None where it is that of all
    warnings: tuple[str, ...]

    def hub(self, name: str) -> HubAddress:
        """The hub of this name. Raises ConfigurationError that lists the names there are."""
        for hub in self.hubs:
            if hub.name == name:
                return hub
        raise self._unknown("hub", name, [hub.name for hub in self.hubs])

    def client(self, name: str) -> Client:
        """The client of this name. Raises ConfigurationError that lists the names there are."""
        for client in self.clients:
            if client.name == name:
                return client
        raise self._unknown("client", name, [client.name for client in self.clients])

    def clients_of(self, hub: str) -> list[Client]:
        """The clients that share PSRD with the hub of this name."""
        return [client for client in self.clients if any(one.name == hub for one in client.hubs)]

    def pairs(self) -> Iterator[tuple[Client, HubAddress]]:
        """Every client with every hub that it shares PSRD with."""
        return ((client, hub) for client in self.clients for hub in client.hubs)

    def names(self, role: str) -> list[str]:
        """The nodes of a role that the file is for: all of a topology, or one, if it is of that role."""
        if self.own:
            return [self.own.name] if self.own.role == role else []
        return [node.name for node in (self.hubs if role == "hub" else self.clients)]

    def demand(self, name: str, roles: Iterable[str]) -> None:
        """Raises ConfigurationError where it is for no node of this name in one of these roles."""
        known = {
            role: [node.name for node in (self.hubs if role == "hub" else self.clients)] for role in roles
        }
        of = next((role for role, names in known.items() if name in names), None)
        if of is None:
            raise self._unknown(" or ".join(known), name, [one for names in known.values() for one in names])
        if not any(name in self.names(role) for role in known):
            raise ConfigurationError(f"{self.path}: is not the file of {of} {name}")

    def metrics(self, name: str) -> MetricsSettings | None:
        """Where the metrics of the node of this name are read; None: it has none."""
        if self.own:
            return self.own.metrics
        if self.metrics_base_port is None:
            return None
        number = [*self.names("hub"), *self.names("client")].index(name)
        return MetricsSettings(host=addresses.LOOPBACK, port=self.metrics_base_port + number)

    def client_of(self, encryptor: str) -> Client:
        """The client that serves an encryptor. Raises ConfigurationError if none does."""
        for client in self.clients:
            if any(entry.name == encryptor for entry in client.encryptors):
                return client
        known = [entry.name for client in self.clients for entry in client.encryptors]
        raise self._unknown("encryptor", encryptor, known)

    def interface_parts(self) -> list[str]:
        """What the clients' interfaces for encryptors run on (dsked.config.interfaces.parts)."""
        needed = (
            interfaces.parts(one.etsi is not None, one.etsi.tls if one.etsi else None, one.skip)
            for one in self.clients
        )
        return list(dict.fromkeys(part for of_client in needed for part in of_client))

    def on_loopback(self) -> bool:
        """Whether no hub can be reached from another host."""
        return all(rules.is_loopback(hub.host) for hub in self.hubs)

    def _unknown(self, what: str, name: str, known: list[str]) -> ConfigurationError:
        listed = ", ".join(known[:20]) + (", ..." if len(known) > 20 else "")
        return ConfigurationError(f"{self.path}: there is no {what} {name!r}; it has {listed or 'none'}")


def load(path: Path) -> Topology:
    """Reads and checks a topology file, or the file of one node.

    Raises ConfigurationError: `FILE:LINE: place: what is wrong; what is expected`.
    """
    source = document.load(path)
    own: Own | None = None
    if node_file.is_one(source):
        source, entry, own = node_file.read(source)
    else:
        entry = schema.convert(source)
    role = own.role if own else None
    topology_checks.check(source, entry, role)
    _check_found_alike(source, own)
    chosen = node_limits.of_nodes(source, entry)
    hubs = _hubs(source, entry, role)
    clients = _clients(source, entry, hubs, chosen, role)
    addresses.check_ports(source, [*_listening(hubs, clients), *_metrics(source, entry, own)])
    return Topology(
        source=source,
        path=path,
        hubs=hubs,
        clients=clients,
        min_nr_shares=entry.min_nr_shares,
        start_request_psrd_threshold=entry.start_request_psrd_threshold,
        stop_request_psrd_threshold=entry.stop_request_psrd_threshold,
        get_psrd_block_size=entry.get_psrd_block_size,
        share_timeout_s=float(entry.share_timeout_secs),
        psrd=entry.psrd or rules.SIMULATED,
        wrapping=rules.wrapping_word(entry.wrapping),
        state_dir=_beside(source, "state_dir", entry.state_dir),
        gate_keys=_beside(source, "gate_keys", entry.gate_keys),
        limits=chosen,
        control_group=None if entry.control_group is None else str(entry.control_group),
        log_format=entry.logging.format,
        log_level=entry.logging.level,
        audit_log=None if entry.audit_log is None else str(source.beside(("audit_log",), entry.audit_log)),
        metrics_base_port=entry.metrics.base_port if entry.metrics else None,
        own=own,
        warnings=tuple(topology_checks.warnings(source, entry, role)),
    )


def _beside(source: Document, key: str, value: str | None) -> Path | None:
    return None if value is None else source.beside((key,), value)


def _check_found_alike(source: Document, own: Own | None) -> None:
    """Raises ConfigurationError where the file would not be taken for what it is by a look at its lines.

    Sockets are looked for without YAML: by that look alone.
    """
    seen = paths.node_of(source.path)
    if own is None and seen:
        raise source.error((), f"a line begins with '{seen[0]}:', as that of a node's file; indent it")
    if own and seen != (own.role, own.name):
        raise source.error((own.role,), f"expected a line of its own: {own.role}: {own.name}")


def _hubs(source: Document, entry: schema.FileEntry, role: str | None) -> tuple[HubAddress, ...]:
    fault = rules.port_fault(entry.base_port)
    if fault:
        raise source.error(("base_port",), fault)
    xs = addresses.x_coordinates(source, entry)
    hubs = tuple(
        HubAddress(
            name=hub.name,
            host=addresses.host(source, ("hubs", index, "host"), hub.host, listens=role == "hub"),
            port=addresses.port(source, ("hubs", index), hub.port, entry.base_port + index),
            x=xs[index],
        )
        for index, hub in enumerate(entry.hubs)
    )
    fault = rules.psrd_fault(entry.psrd, [hub.host for hub in hubs])
    if fault:
        raise source.error(("psrd",), fault)
    return hubs


def _clients(
    source: Document,
    entry: schema.FileEntry,
    hubs: Sequence[HubAddress],
    chosen: Mapping[str, Mapping[str, Value]],
    role: str | None,
) -> tuple[Client, ...]:
    serving, stored = Interfaces(source, entry), StoredKeysOfFile(source, entry, alone=role == "client")
    first = entry.base_port + len(entry.hubs)
    clients = []
    for index, client in enumerate(entry.clients):
        place: Place = ("clients", index)
        host = addresses.host(source, (*place, "host"), client.host, listens=role == "client")
        port = client.port
        if role is None or port is not None:
            port = addresses.port(source, place, port, first + index)
        encryptors = tuple(
            Encryptor(
                one.name,
                tuple(map(str, one.users)),
                tuple(map(str, one.groups)),
                stored.of(one, (*place, "encryptors", number), chosen[client.name]),
            )
            for number, one in enumerate(client.encryptors)
        )
        own = tuple(hub for hub in hubs if client.hubs is None or hub.name in client.hubs)
        etsi = serving.etsi(index)
        clients.append(Client(client.name, host, port, encryptors, own, etsi, serving.skip(index)))
    return tuple(clients)


def _listening(hubs: Sequence[HubAddress], clients: Sequence[Client]) -> Iterator[Listening]:
    for index, hub in enumerate(hubs):
        yield Listening(("hubs", index, "port"), hub.name, hub.name, hub.host, hub.port)
    for index, client in enumerate(clients):
        name = client.name
        if client.port is not None:
            yield Listening(("clients", index, "port"), name, name, client.host, client.port)
        if client.skip:
            skip = client.skip
            yield Listening(("clients", index, "skip_port"), name, f"SKIP of {name}", skip.host, skip.port)


def _metrics(source: Document, entry: schema.FileEntry, own: Own | None) -> Iterator[Listening]:
    """Raises ConfigurationError where they begin or end at no port."""
    if own and own.metrics:
        what = f"metrics of {own.name}"
        yield Listening(("metrics", "listen"), own.name, what, own.metrics.host, own.metrics.port)
    if entry.metrics:
        place: Place = ("metrics", "base_port")
        names = [*(hub.name for hub in entry.hubs), *(client.name for client in entry.clients)]
        for port, name in enumerate(names, start=entry.metrics.base_port):
            fault = rules.port_fault(port)
            if fault:
                raise source.error(place, f"metrics of {name}: {fault}")
            yield Listening(place, name, f"metrics of {name}", addresses.LOOPBACK, port)

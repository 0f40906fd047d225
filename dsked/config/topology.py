"""A checked topology: every hub and client with its address, and what they all share.

`load(path)` reads a topology file; what it returns keeps every rule that is named here, so that
nothing behind it has to check again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dsked import limits
from dsked.chosen_limits import Value
from dsked.config import document, node_limits, rules, schema
from dsked.config.document import Document, Place
from dsked.config.node import HubAddress
from dsked.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Encryptor:
    """An encryptor, and the local users and groups (names or numbers) who may act for it."""

    name: str
    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Client:
    """A client with the address of its ETSI interface."""

    name: str
    host: str
    port: int
    encryptors: tuple[Encryptor, ...]


@dataclass(frozen=True, slots=True)
class Topology:
    """All nodes, in the order of the file, and the settings that they share."""

    path: Path
    hubs: tuple[HubAddress, ...]
    clients: tuple[Client, ...]
    min_nr_shares: int
    start_request_psrd_threshold: int
    stop_request_psrd_threshold: int
    get_psrd_block_size: int
    share_timeout_s: float
    psrd: str
    etsi_plain_http: bool
    state_dir: Path | None
    gate_keys: Path | None
    control_group: str | None
    limits: Mapping[str, Mapping[str, Value]]  # by node name: those that the file sets
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

    def client_of(self, encryptor: str) -> Client:
        """The client that serves an encryptor. Raises ConfigurationError if none does."""
        for client in self.clients:
            if any(entry.name == encryptor for entry in client.encryptors):
                return client
        known = [entry.name for client in self.clients for entry in client.encryptors]
        raise self._unknown("encryptor", encryptor, known)

    def on_loopback(self) -> bool:
        """Whether no hub can be reached from another host."""
        return all(rules.is_loopback(hub.host) for hub in self.hubs)

    def _unknown(self, what: str, name: str, known: list[str]) -> ConfigurationError:
        listed = ", ".join(known[:20]) + (", ..." if len(known) > 20 else "")
        return ConfigurationError(f"{self.path}: there is no {what} {name!r}; it has {listed or 'none'}")


def load(path: Path) -> Topology:
    """Reads and checks a topology file.

    Raises ConfigurationError: `FILE:LINE: place: what is wrong; what is expected`.
    """
    source = document.load(path)
    entry = schema.convert(source)
    _check_names(source, entry)
    _check_counts(source, entry)
    _check_psrd(source, entry)
    hubs, clients = _nodes(source, entry)
    _check_ports(source, hubs, clients)
    _check_modes(source, entry)
    return Topology(
        path=path,
        hubs=hubs,
        clients=clients,
        min_nr_shares=entry.min_nr_shares,
        start_request_psrd_threshold=entry.start_request_psrd_threshold,
        stop_request_psrd_threshold=entry.stop_request_psrd_threshold,
        get_psrd_block_size=entry.get_psrd_block_size,
        share_timeout_s=float(entry.share_timeout_secs),
        psrd=entry.psrd or rules.SIMULATED,
        etsi_plain_http=entry.etsi is not None,
        state_dir=_beside(path, entry.state_dir),
        gate_keys=_beside(path, entry.gate_keys),
        limits=node_limits.of_nodes(source, entry),
        control_group=None if entry.control_group is None else str(entry.control_group),
        warnings=tuple(_warnings(source, entry)),
    )


def _beside(path: Path, value: str | None) -> Path | None:
    """A path of the file, relative to the file's own directory."""
    return None if value is None else path.absolute().parent / Path(value).expanduser()


def _check_names(source: Document, entry: schema.FileEntry) -> None:
    seen: dict[str, str] = {}
    for place, name in _node_names(entry):
        fault = rules.node_name_fault(name)
        if fault:
            raise source.error(place, fault)
        _check_once(source, seen, place, name)
    seen = {}
    for place, encryptor in _encryptors(entry):
        fault = rules.encryptor_name_fault(encryptor.name)
        if fault:
            raise source.error(place, fault)
        _check_once(source, seen, place, encryptor.name)


def _check_once(source: Document, seen: dict[str, str], place: Place, name: str) -> None:
    if name in seen:
        raise source.error(place, f"the name {name!r} stands at {seen[name]} already; names must differ")
    seen[name] = document.place_text(place)


def _node_names(entry: schema.FileEntry) -> Iterator[tuple[Place, str]]:
    for index, hub in enumerate(entry.hubs):
        yield ("hubs", index, "name"), hub.name
    for index, client in enumerate(entry.clients):
        yield ("clients", index, "name"), client.name


def _encryptors(entry: schema.FileEntry) -> Iterator[tuple[Place, schema.EncryptorEntry]]:
    for index, client in enumerate(entry.clients):
        for number, encryptor in enumerate(client.encryptors):
            yield ("clients", index, "encryptors", number, "name"), encryptor


def _check_counts(source: Document, entry: schema.FileEntry) -> None:
    if not 1 <= len(entry.hubs) <= limits.MAX_HUBS:
        raise source.error(("hubs",), f"1 to {limits.MAX_HUBS} hubs are expected, got {len(entry.hubs)}")
    if not entry.clients:
        raise source.error(("clients",), "at least one client is expected")
    for index, client in enumerate(entry.clients):
        if len(client.encryptors) > limits.MAX_ENCRYPTORS_PER_CLIENT:
            raise source.error(
                ("clients", index, "encryptors"),
                f"at most {limits.MAX_ENCRYPTORS_PER_CLIENT} encryptors per client, "
                f"got {len(client.encryptors)}",
            )
    fault = rules.min_nr_shares_fault(entry.min_nr_shares, len(entry.hubs))
    if fault:
        raise source.error(("min_nr_shares",), fault)


#: The directory of the control sockets is closed to everybody else.
_WITHOUT_CONTROL_GROUP = "has no effect for users who are not in control_group; none is set"


def _warnings(source: Document, entry: schema.FileEntry) -> Iterator[str]:
    text = rules.min_nr_shares_warning(entry.min_nr_shares, len(entry.hubs))
    if text:
        yield str(source.error(("min_nr_shares",), text))
    if entry.control_group is None:
        for place, encryptor in _encryptors(entry):
            for key, listed in (("users", encryptor.users), ("groups", encryptor.groups)):
                if listed:
                    yield str(source.error((*place[:-1], key), _WITHOUT_CONTROL_GROUP))


def _check_psrd(source: Document, entry: schema.FileEntry) -> None:
    faults = rules.psrd_faults(
        entry.start_request_psrd_threshold,
        entry.stop_request_psrd_threshold,
        entry.get_psrd_block_size,
        entry.share_timeout_secs,
        simulated=entry.psrd != rules.MEDIA,
    )
    for key, fault in faults:
        raise source.error((key,), fault)


def _nodes(source: Document, entry: schema.FileEntry) -> tuple[tuple[HubAddress, ...], tuple[Client, ...]]:
    fault = rules.port_fault(entry.base_port)
    if fault:
        raise source.error(("base_port",), fault)
    xs = _x_coordinates(source, entry)
    hubs = tuple(
        HubAddress(
            name=hub.name,
            host=_host(source, ("hubs", index), hub.host),
            port=_port(source, ("hubs", index), hub.port, entry.base_port + index),
            x=xs[index],
        )
        for index, hub in enumerate(entry.hubs)
    )
    first = entry.base_port + len(entry.hubs)
    clients = tuple(
        Client(
            name=client.name,
            host=_host(source, ("clients", index), client.host),
            port=_port(source, ("clients", index), client.port, first + index),
            encryptors=tuple(
                Encryptor(one.name, tuple(map(str, one.users)), tuple(map(str, one.groups)))
                for one in client.encryptors
            ),
        )
        for index, client in enumerate(entry.clients)
    )
    return hubs, clients


def _host(source: Document, place: Place, host: str) -> str:
    fault = rules.host_fault(host)
    if fault:
        raise source.error((*place, "host"), fault)
    return host


def _port(source: Document, place: Place, port: int | None, by_order: int) -> int:
    if port is None and by_order > 65535:
        raise source.error(
            ("base_port",),
            f"{document.place_text(place)} would get port {by_order}, and ports end at 65535; "
            "choose a lower base_port",
        )
    port = by_order if port is None else port
    fault = rules.port_fault(port)
    if fault:
        raise source.error((*place, "port"), fault)
    return port


def _x_coordinates(source: Document, entry: schema.FileEntry) -> list[int]:
    """For every hub its own x-coordinate, else its number in the list, counted from 1."""
    places: dict[int, str] = {}
    for index, hub in enumerate(entry.hubs):
        place: Place = ("hubs", index, "x_coordinate")
        x = index + 1 if hub.x_coordinate is None else hub.x_coordinate
        if not 1 <= x <= limits.MAX_HUBS:
            raise source.error(place, f"{x} is no x-coordinate; expected 1 to {limits.MAX_HUBS}")
        if x in places:
            raise source.error(
                place, f"{places[x]} has the x-coordinate {x} already; every hub needs its own"
            )
        places[x] = f"hubs[{index}]"
    return list(places)


def _check_ports(source: Document, hubs: Sequence[HubAddress], clients: Sequence[Client]) -> None:
    taken: dict[tuple[str, int], str] = {}
    nodes: list[tuple[Place, HubAddress | Client]] = [
        *((("hubs", index, "port"), hub) for index, hub in enumerate(hubs)),
        *((("clients", index, "port"), client) for index, client in enumerate(clients)),
    ]
    for place, node in nodes:
        address = (rules.canonical_host(node.host), node.port)
        if address in taken:
            raise source.error(
                place, f"port {node.port} on {node.host} is taken by {taken[address]}; ports must differ"
            )
        taken[address] = node.name


def _check_modes(source: Document, entry: schema.FileEntry) -> None:
    fault = rules.psrd_fault(entry.psrd, [hub.host for hub in entry.hubs])
    if fault:
        raise source.error(("psrd",), fault)
    for index, client in enumerate(entry.clients):
        fault = entry.etsi and rules.etsi_fault(entry.etsi, client.host)
        if fault:
            unknown = entry.etsi != rules.ETSI_PLAIN_HTTP
            raise source.error(("etsi",) if unknown else ("clients", index, "host"), fault)

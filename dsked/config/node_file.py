"""The file of one node: the other nodes stand in it by address only.

It is made into a topology file's entries, and its places into those of a topology file: so what is checked,
and made of it, is the same for both. Errors name the places that are written.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from dsked.config import node_schema, rules, schema, shapes
from dsked.config.document import Document, Place
from dsked.config.node import MetricsSettings

HUB, CLIENT = "hub", "client"
#: What both kinds of file say in the same words.
_ALIKE = (
    "psrd",
    "wrapping",
    "start_request_psrd_threshold",
    "stop_request_psrd_threshold",
    "share_timeout_secs",
    "state_dir",
    "gate_keys",
    "control_group",
    "logging",
    "audit_log",
)
_TLS_KEYS = schema.TlsEntry.__struct_fields__


class Own(NamedTuple):
    """The node whose file it is, and where its metrics are read."""

    role: str
    name: str
    metrics: MetricsSettings | None


@dataclass(frozen=True)
class NodeDocument(Document):
    """A node's file, asked for the places of a topology file."""

    role: str

    def written(self, place: Place) -> Place:
        """Where that stands in a node's file."""
        own = f"{self.role}s"
        if place[:1] == (own,):
            return self._of_own(place[2:])
        if place[:1] == ("hubs",) and place[2:] in (("host",), ("port",)):
            return (*place[:2], "address")
        if place[:1] == ("clients",) and place[2:3] == ("encryptors",) and place[-1] == "name":
            return place[:-1]
        return place

    def _of_own(self, rest: Place) -> Place:
        if rest == ("name",):
            return (self.role,)
        if rest in (("host",), ("port",)):
            return ("listen",) if self.role == HUB else ("etsi", "listen")
        return ("skip", "listen") if rest in (("skip_host",), ("skip_port",)) else rest


def is_one(source: Document) -> bool:
    """Whether it is the file of one node: `hub: NAME` or `client: NAME` says so."""
    return isinstance(source.data, dict) and (HUB in source.data or CLIENT in source.data)


def read(plain: Document) -> tuple[NodeDocument, schema.FileEntry, Own]:
    """A node's file as that of a topology. Raises ConfigurationError with the place."""
    assert isinstance(plain.data, dict)
    if HUB in plain.data and CLIENT in plain.data:
        raise plain.error((CLIENT,), f"a node is a hub or a client, and {HUB!r} stands there as well")
    data = {key: value for key, value in plain.data.items() if not _is_off(key, value)}
    role = HUB if HUB in data else CLIENT
    source = NodeDocument(plain.path, data, plain.lines, role)
    if role == HUB:
        hub = shapes.convert(plain, data, node_schema.HubFile)
        return source, _of_hub(plain, hub), Own(role, hub.hub, _metrics(plain, hub))
    client = shapes.convert(plain, data, node_schema.ClientFile)
    return source, _of_client(plain, client), Own(role, client.client, _metrics(plain, client))


def _is_off(key: object, value: object) -> bool:
    """YAML 1.1 reads `etsi: off` as false; it says what nothing says."""
    return key in ("etsi", "skip") and (value is False or value == schema.OFF)


def _of_hub(plain: Document, file: node_schema.HubFile) -> schema.FileEntry:
    host, port = _address(plain, ("listen",), file.listen)
    own = schema.HubEntry(
        name=file.hub, host=host, port=port, x_coordinate=file.x_coordinate, limits=file.limits
    )
    clients = [
        schema.ClientEntry(name=one.name, encryptors=[schema.EncryptorEntry(name) for name in one.encryptors])
        for one in file.clients
    ]
    return schema.FileEntry(hubs=[own], clients=clients, **_alike(file))


def _of_client(plain: Document, file: node_schema.ClientFile) -> schema.FileEntry:
    hubs = []
    for index, hub in enumerate(file.hubs):
        host, port = _address(plain, ("hubs", index, "address"), hub.address)
        hubs.append(schema.HubEntry(name=hub.name, host=host, port=port, x_coordinate=hub.x_coordinate))
    listening: dict[str, Any] = {}
    if file.etsi:
        listening["host"], listening["port"] = _address(plain, ("etsi", "listen"), file.etsi.listen)
    if file.skip:
        host, port = _address(plain, ("skip", "listen"), file.skip.listen)
        listening |= {"skip_host": host, "skip_port": port}
    own = schema.ClientEntry(name=file.client, encryptors=file.encryptors, limits=file.limits, **listening)
    return schema.FileEntry(
        hubs=hubs,
        clients=[own],
        min_nr_shares=file.min_nr_shares,
        get_psrd_block_size=file.get_psrd_block_size,
        etsi=_etsi(plain, file.etsi),
        skip=_skip(file.skip),
        **_alike(file),
    )


def _alike(file: node_schema.NodeEntry) -> dict[str, Any]:
    return {key: getattr(file, key) for key in _ALIKE}


def _etsi(plain: Document, entry: node_schema.EtsiEntry | None) -> str | schema.EtsiEntry | None:
    if entry is None:
        return None
    tls = {key: getattr(entry, key) for key in schema.EtsiEntry.__struct_fields__}
    if entry.mode is None:
        return schema.EtsiEntry(**tls)
    for key, value in tls.items():
        if value is not None:
            raise plain.error(("etsi", key), f"is for TLS, and mode: {entry.mode} is without; remove one")
    return entry.mode


def _skip(entry: node_schema.SkipEntry | None) -> schema.SkipEntry | None:
    if entry is None:
        return None
    tls = {key: getattr(entry, key) for key in _TLS_KEYS}
    return schema.SkipEntry(psk_file=entry.psk_file, system_ids=entry.system_ids or {}, **tls)


def _metrics(plain: Document, file: node_schema.NodeEntry) -> MetricsSettings | None:
    if file.metrics is None:
        return None
    place: Place = ("metrics", "listen")
    host, port = _address(plain, place, file.metrics.listen)
    fault = rules.listening_host_fault(host) or rules.port_fault(port)
    fault = fault or rules.metrics_fault(host, file.metrics.beyond_loopback)
    if fault:
        raise plain.error(place, fault)
    return MetricsSettings(host=host, port=port)


def _address(plain: Document, place: Place, written: str) -> tuple[str, int]:
    """HOST:PORT as both; whether they are any is checked where a topology's are."""
    address = rules.split_address(written)
    if address is None:
        raise plain.error(place, rules.no_address(written))
    return address

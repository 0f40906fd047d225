"""Where each of a node's settings comes from: a place of the configuration file, or an option."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from dsked.config import paths
from dsked.config.document import Document, Place
from dsked.config.node import SkipSettings, TlsSettings
from dsked.config.options import Options
from dsked.config.origins import (
    AUDIT_LOG,
    CONTROL_GROUP,
    GATE_KEYS,
    LISTEN,
    METRICS,
    SKIP_LISTEN,
    STATE_DIR,
    groups_of,
    users_of,
)
from dsked.config.topology import Topology

#: What options say goes before the file: key, name.
_OPTIONS = (
    (AUDIT_LOG, "audit_log"),
    (GATE_KEYS, "gate_keys"),
    (LISTEN, "host"),
    (LISTEN, "port"),
    (SKIP_LISTEN, "skip_port"),
    (METRICS, "metrics"),
)
_FILES = ("certificate", "private_key", "client_ca", "crl")


def of_node(options: Options, network: Topology | None) -> dict[str, str]:
    """Of what a hub and a client have in common."""
    found = {}
    for key in (AUDIT_LOG, CONTROL_GROUP, GATE_KEYS, STATE_DIR) if network else ():
        if network and (key,) in network.source.lines:
            found[key] = network.source.where((key,))
    if network:
        found |= _of_addresses(options.name, network)
    if paths.is_state_dir_named(options.state_dir):
        found[STATE_DIR] = _option(STATE_DIR) if options.state_dir else "DSKED_STATE_DIR"
    for key, option in _OPTIONS:
        if getattr(options, option) is not None:
            found[key] = _option(option)
    return found


def _of_addresses(name: str, network: Topology) -> Iterator[tuple[str, str]]:
    """Nodes' names differ, be they hubs or clients."""
    hubs, clients = [hub.name for hub in network.hubs], [client.name for client in network.clients]
    for key, names in (("hubs", hubs), ("clients", clients)):
        if name in names:
            yield LISTEN, network.source.where((key, names.index(name), "port"))
            yield SKIP_LISTEN, network.source.where((key, names.index(name), "skip_port"))
    yield METRICS, network.source.where(("metrics", "listen" if network.own else "base_port"))


def of_client(
    options: Options, network: Topology | None, etsi: TlsSettings | None, skip: SkipSettings | None
) -> dict[str, str]:
    """The same, and of what clients alone have."""
    found = of_node(options, network)
    if network is not None:
        index = [client.name for client in network.clients].index(options.name)
        found |= _of_encryptors(network, index)
        found |= _of_files(network.source, index, etsi, skip)
    for key in _FILES:
        path = getattr(options, f"etsi_{key}")
        if path is not None:
            found[str(path)] = _option(f"etsi_{key}")
    if options.skip_psk_file is not None:
        found[str(options.skip_psk_file)] = _option("skip_psk_file")
    return found


def _option(key: str) -> str:
    return f"--{key.replace('_', '-')}"


def _of_encryptors(network: Topology, index: int) -> Iterator[tuple[str, str]]:
    for number, one in enumerate(network.clients[index].encryptors):
        place: Place = ("clients", index, "encryptors", number)
        if one.users:
            yield users_of(one.name), network.source.where((*place, "users"))
        if one.groups:
            yield groups_of(one.name), network.source.where((*place, "groups"))


def _of_files(
    source: Document, index: int, etsi: TlsSettings | None, skip: SkipSettings | None
) -> Iterator[tuple[str, str]]:
    for key, path in _paths(skip.tls if skip else None):
        yield from _written(source, index, key, path, ("skip", "etsi"))
    for key, path in _paths(etsi):
        yield from _written(source, index, key, path, ("etsi",))
    if skip and skip.psk_file:
        yield from _written(source, index, "psk_file", skip.psk_file, ("skip",))


def _paths(tls: TlsSettings | None) -> Iterator[tuple[str, Path]]:
    for key in _FILES if tls else ():
        path = getattr(tls, key)
        if path is not None:
            yield key, path


def _written(
    source: Document, index: int, key: str, path: Path, sections: Iterable[str]
) -> Iterator[tuple[str, str]]:
    """The client's own word goes before that at the top."""
    for section in sections:
        for place in (("clients", index, section, key), (section, key)):
            if source.written(place) in source.lines:
                yield str(path), source.where(place)
                return

"""PSRD for a whole laboratory, as `dskectl psrd generate` and `import` bring it, in one process."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from dsked.config import paths, topology
from dsked.entropy.sources import SystemSource
from dsked.media import generating, importing, medium, node
from dsked.media.planning import Order
from dsked.storage.files import Files
from dsked.storage.state_dir import StateDirectory


def deliver(config: Path, state_base: Path, size_bytes: int) -> None:
    """`size_bytes` for each pool of every pair of a topology; none of its nodes may run."""
    files = Files()
    network = topology.load(config)
    states = {one.name: _state(files, state_base, "client", one.name) for one in network.clients}
    for hub in network.hubs:
        state = _state(files, state_base, "hub", hub.name)
        for client in network.clients_of(hub.name):
            with TemporaryDirectory(dir=state_base) as medium_path:
                bundle = Path(medium_path) / f"{client.name}{medium.SUFFIX}"
                _generate(files, state, hub.x, Order(client=client.name, size_bytes=size_bytes), bundle)
                _import(files, states[client.name], bundle, {one.name: one.x for one in client.hubs})


def write_bundle(
    config: Path, state_base: Path, hub: str, client: str, size_bytes: int, bundle: Path
) -> None:
    """A hub's next bundle for a client, as `dskectl psrd generate` writes it; the hub must not run."""
    files = Files()
    x = next(one.x for one in topology.load(config).hubs if one.name == hub)
    order = Order(client=client, size_bytes=size_bytes)
    _generate(files, _state(files, state_base, "hub", hub), x, order, bundle)


def _state(files: Files, base: Path, role: str, name: str) -> StateDirectory:
    return StateDirectory(files, paths.node_state_dir(base, role, name), role, name)


def _generate(files: Files, state: StateDirectory, x: int, order: Order, bundle: Path) -> None:
    with node.deliveries(state), SystemSource() as source:
        planned = generating.plan_bundles(state, x, [order], {}, os.urandom)
        adopt = partial(node.adopt_here, state, None)
        generating.generate(files, state, planned, bundle, source, adopt, lambda length: None)


def _import(files: Files, state: StateDirectory, bundle: Path, hubs: dict[str, int]) -> None:
    with node.deliveries(state), medium.opened(files, bundle) as file:
        header = importing.only_bundle(files, file)
        reader = importing.open_bundle(files, file, 0, header, lambda header: "")
        adopt = partial(node.adopt_here, state, hubs)
        delivery = importing.check(state, reader.delivery, hubs, replace=False)
        importing.import_bundle(state, reader, delivery, adopt, lambda length: None)

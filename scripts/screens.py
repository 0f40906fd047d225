#!/usr/bin/env python3
"""Draws docs/figures/status.svg and top.svg: what `dskectl status` and `dskectl top` show of real nodes.

    python3 scripts/screens.py [DIRECTORY]     # docs/figures by default

Five hubs and three clients run here, with random data on media. Keys flow, and one hub is stopped. Before
the status is asked for, another one is drained while it holds shares. Ports are those of the documents in a
network of its own: `unshare -n sh -c 'ip link set lo up; python3 scripts/screens.py'`.
"""

from __future__ import annotations

import argparse
import io
import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from laboratory import Laboratory, free_ports
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console, RenderableType

from dsked.cli import cells, status_nodes, status_table, top_view
from dsked.cli.status_nodes import NodeState
from dsked.cli.target import NodePlace
from dsked.encryptor import KeyClient
from dsked.errors import DskedError

_FIGURES = Path(__file__).parents[1] / "docs" / "figures"
_TITLE = "dske-config.yaml"
_COLUMNS = 132
_HUBS = ("hank", "helen", "hilary", "holly", "hugo")
_CLIENTS = {"carol": ["sam"], "celia": ["serena"], "curtis": ["sunny", "susan"]}
_PAIRS = (("sam", "sunny"), ("serena", "susan"), ("susan", "sam"))
_MEDIA_BYTES = 1024 * 1024
_LOOKS, _INTERVAL_S = 40, 0.25
#: A page that is shown is not to ask others for fonts.
_FORMAT = re.sub(r"@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)


def draw(directory: Path) -> None:
    """Writes both figures."""
    content = {
        "base_port": free_ports(len(_HUBS) + len(_CLIENTS), 8100),
        "psrd": "media",
        "hubs": [{"name": name} for name in _HUBS],
        "clients": [
            {"name": name, "encryptors": [{"name": one} for one in encryptors]}
            for name, encryptors in _CLIENTS.items()
        ],
    }
    with Laboratory(content, media_bytes=_MEDIA_BYTES) as lab:
        nodes = [NodePlace(role, name, lab.port(name), lab.socket(role, name)) for role, name in lab.nodes()]
        with _keys_flow(lab):
            states, history = _watched(lab, nodes)
        page = top_view.view(_TITLE, states, history, cells.UNICODE, "14:05:31")
        _save(directory / "top.svg", "dskectl top", page)
        with KeyClient("sam", socket=lab.socket("client", "carol")) as sam:
            _refused(sam)
            sam.get_keys("sunny", 12, 256)  # which nobody fetches
        lab.run("--hub", "holly", "drain", "--no-wait")
        states = list(map(status_nodes.ask, nodes))
    page = status_table.page(_TITLE, states, cells.UNICODE)
    _save(directory / "status.svg", "dskectl status", page)


def _watched(lab: Laboratory, nodes: list[NodePlace]) -> tuple[list[NodeState], top_view.History]:
    """What was seen last, and the rates until then; half-way through a hub is stopped."""
    history = top_view.History()
    with ThreadPoolExecutor(len(nodes)) as pool:
        for look in range(_LOOKS):
            states = list(pool.map(status_nodes.ask, nodes))
            history.take(states, time.monotonic())
            if look == _LOOKS // 2:
                lab.stop("hugo")
            time.sleep(_INTERVAL_S)
    return states, history


@contextmanager
def _keys_flow(lab: Laboratory) -> Iterator[None]:
    """Each pair of encryptors makes and fetches keys in the `with` block."""
    ended = threading.Event()
    with ThreadPoolExecutor(len(_PAIRS)) as pool:
        flows = [pool.submit(_flow, lab, *pair, ended) for pair in _PAIRS]
        try:
            yield
        finally:
            ended.set()
    for flow in flows:
        flow.result()


def _flow(lab: Laboratory, initiator: str, responder: str, ended: threading.Event) -> None:
    with _client(lab, initiator) as first, _client(lab, responder) as second:
        while not ended.wait(0.01):
            keys = first.get_keys(responder, 8, 256)
            second.get_keys_by_id(initiator, [key.key_id for key in keys])


def _client(lab: Laboratory, encryptor: str) -> KeyClient:
    return KeyClient(encryptor, socket=lab.socket("client", lab.client_of(encryptor)))


def _refused(client: KeyClient) -> None:
    """Somebody asks for what there is not."""
    try:
        client.get_key("nobody")
    except DskedError:
        return
    raise AssertionError("an encryptor is served that no client has")


def _save(path: Path, title: str, page: RenderableType) -> None:
    """What a terminal of _COLUMNS shows, as a picture."""
    console = Console(
        file=io.StringIO(), width=_COLUMNS, record=True, force_terminal=True, color_system="truecolor"
    )
    console.print(page)
    svg = console.export_svg(title=title, code_format=_FORMAT, unique_id=path.stem)
    path.write_text(re.sub(r"[ \t]+$", "", svg, flags=re.MULTILINE), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("directory", type=Path, nargs="?", default=_FIGURES)
    draw(parser.parse_args().directory)


if __name__ == "__main__":
    main()

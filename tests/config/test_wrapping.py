"""What files and options say of message wrapping reaches both kinds of nodes."""

from __future__ import annotations

from pathlib import Path

import pytest

from dsked.config import merge, topology
from dsked.config.options import Options
from dsked.wire.additions import Wrapping
from tests.config.test_node_file import CLIENT, HUB, file
from tests.config.test_topology import NODES

WRITTEN = [
    ("", "off"), ("wrapping: off", "off"), ("wrapping: on", "on"), ("wrapping: required", "required"),
    ("wrapping: 'off'", "off"), ('wrapping: "on"', "on"), ("wrapping: true", "on"),
    ("wrapping: false", "off"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "word"), WRITTEN)
@pytest.mark.parametrize(
    "text", [NODES + "psrd: simulated\n", HUB, CLIENT], ids=["topology", "hub", "client"]
)
def test_every_spelling_in_both_kinds_of_files(tmp_path: Path, text: str, line: str, word: str) -> None:
    assert topology.load(file(tmp_path, f"{text}\n{line}\n")).wrapping == word
    assert Wrapping(word).value == word


def test_of_a_topology_it_is_for_all_nodes_and_the_option_for_one(tmp_path: Path) -> None:
    path = file(tmp_path, NODES + "psrd: simulated\nwrapping: on\n")
    state = {"config": path, "state_dir": str(tmp_path), "runtime_dir": str(tmp_path)}
    assert merge.hub_settings(Options(name="hank", **state)).wrapping == "on"
    assert merge.client_settings(Options(name="carol", **state)).wrapping == "on"
    assert merge.hub_settings(Options(name="hank", wrapping="off", **state)).wrapping == "off"

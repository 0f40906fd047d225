"""Which node is meant, and how it is started."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click
import pytest

from dsked.cli import drain_command
from dsked.cli.target import Target
from dsked.config import topology

NODE = """
hub: hank
listen: "127.0.0.1:7100"
x_coordinate: 1
psrd: media
clients:
  - name: carol
    encryptors: [sam]
"""


@pytest.fixture
def own_file(tmp_path: Path) -> Path:
    path = tmp_path / "hank.yaml"
    path.write_text(NODE)
    return path


def target(config: Path | None, *hubs: str) -> Target:
    return Target(str(config) if config else None, (), hubs, None, None)


def test_a_node_is_started_by_its_unit_where_its_file_is_the_units(own_file: Path) -> None:
    network = topology.load(own_file)
    assert target(own_file).how_to_start(network) == f"dskectl --config {own_file} start"
    of_unit = replace(network, path=Path("/etc/dsked/hank.yaml"))
    assert target(of_unit.path).how_to_start(of_unit) == "systemctl start dsked-hub@hank"
    other = replace(network, path=Path("/etc/dsked/dsked.yaml"))
    assert target(other.path).how_to_start(other) == "dskectl --config /etc/dsked/dsked.yaml start"


def test_the_hub_to_drain_is_the_one_of_its_own_file(own_file: Path) -> None:
    assert drain_command._hub(target(own_file), None, None) == "hank"
    assert drain_command._hub(target(own_file, "helen"), None, None) == "helen"
    assert drain_command._hub(target(own_file), "/run/x.sock", None) is None


def test_of_a_topology_the_hub_to_drain_is_named(tmp_path: Path) -> None:
    path = tmp_path / "lab.yaml"
    path.write_text("psrd: simulated\nmin_nr_shares: 2\nhubs: [{name: a}, {name: b}]\nclients: [{name: c}]\n")
    with pytest.raises(click.UsageError, match="Say which hub"):
        drain_command._hub(target(path), None, None)

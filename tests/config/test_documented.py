"""docs/configuration.md names every key; the examples are in order, what stands in their comments too."""

from __future__ import annotations

import re
import typing
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from dsked.cli.config_command import example
from dsked.config import node_schema, schema, topology
from tests.config.test_node_file import file

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "configuration.md").read_text()
EXAMPLES = {"hub": "hub.yaml", "client": "client.yaml", "topology": "dske-config.yaml"}


def keys(entry: type[msgspec.Struct]) -> set[str]:
    """The keys of an entry and of all below it."""
    found: set[str] = set()
    for name, hint in typing.get_type_hints(entry).items():
        found.add(name)
        for inner in _structs(hint):
            found |= keys(inner)
    return found


def _structs(hint: object) -> typing.Iterator[type[msgspec.Struct]]:
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        yield hint
    for part in typing.get_args(hint):
        yield from _structs(part)


@pytest.mark.parametrize("entry", [schema.FileEntry, node_schema.HubFile, node_schema.ClientFile])
def test_every_key_is_documented(entry: type[msgspec.Struct]) -> None:
    assert len(keys(entry)) >= 20
    assert {key for key in keys(entry) if not re.search(rf"`{key}[`:]", PAGE)} == set()


@pytest.mark.parametrize("what", EXAMPLES)
def test_the_examples_are_those_of_the_project_and_in_order(what: str, directory: Path) -> None:
    shown = CliRunner().invoke(example, [what]).output
    assert shown == (ROOT / "configs" / EXAMPLES[what]).read_text()
    network = topology.load(file(directory, shown))
    assert (network.own.role if network.own else "topology") == what
    assert network.warnings == ()


@pytest.mark.parametrize("what", ["hub", "client"])
def test_what_stands_in_a_comment_of_an_example_is_in_order_too(what: str, directory: Path) -> None:
    text = (ROOT / "configs" / EXAMPLES[what]).read_text()
    uncommented = re.sub(r"^# (?=[a-z_]+:|  [a-z])", "", text.partition("\n\n")[2], flags=re.MULTILINE)
    network = topology.load(file(directory, uncommented))
    assert network.own is not None
    assert network.own.metrics is not None
    assert network.audit_log == "/var/log/dsked/{name}.audit"

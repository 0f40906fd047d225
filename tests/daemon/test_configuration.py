"""The configuration of a running node, read again."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dsked.chosen_limits import Limits, with_values
from dsked.config.node import ControlSettings, HubSettings, MetricsSettings, NodeSettings
from dsked.daemon.configuration import Configuration
from dsked.delivery.access import AccessRules
from dsked.errors import ConfigurationError

SETTINGS = HubSettings(
    name="hank", host="127.0.0.1", port=7100, share_timeout_s=60.0, state_dir=Path("/state"), simulated=True,
    owners={"carol": ("sam",)}, gate_keys={}, control=ControlSettings(path=Path("/run/x.sock")),
)  # fmt: skip
NOTHING = "the configuration was read again: nothing has changed that takes effect now"


class Node:
    """What a node would do with what it is given."""

    def __init__(self) -> None:
        self.written: NodeSettings | Exception = SETTINGS
        self.limits: list[Limits] = []
        self.rules: list[AccessRules] = []
        self.configuration = Configuration(SETTINGS, self._read)
        self.configuration.on_limits(self.limits.append)
        self.configuration.on_access(self.rules.append)

    def _read(self) -> NodeSettings:
        if isinstance(self.written, Exception):
            raise self.written
        return self.written

    def reload(self, **changes: object) -> None:
        self.written = replace(SETTINGS, **changes)  # type: ignore[arg-type]
        self.configuration.read()()


@pytest.fixture
def node(caplog: pytest.LogCaptureFixture) -> Iterator[Node]:
    caplog.set_level("INFO")
    root = logging.getLogger()
    before = root.level, list(root.handlers)
    yield Node()
    root.setLevel(before[0])
    root.handlers[:] = before[1]


def test_what_is_as_it_was_changes_nothing(node: Node, caplog: pytest.LogCaptureFixture) -> None:
    node.reload()
    assert (node.limits, node.rules, caplog.messages) == ([], [], [NOTHING])


def test_limits_reach_all_who_have_some(node: Node, caplog: pytest.LogCaptureFixture) -> None:
    node.reload(limits=with_values({"max_connections": 7}))
    assert [one.max_connections for one in node.limits] == [7]
    assert caplog.messages == ["the configuration was read again: new max_connections"]
    node.reload(limits=with_values({"max_connections": 7}))
    assert len(node.limits) == 1


def test_users_and_groups_of_encryptors(node: Node, caplog: pytest.LogCaptureFixture) -> None:
    node.reload(control=replace(SETTINGS.control, users={"sam": ("1001",)}))
    assert node.rules == [AccessRules(os.geteuid(), {"sam": frozenset([1001])}, {})]
    assert caplog.messages == ["the configuration was read again: new users and groups of encryptors"]


def test_a_user_whom_nobody_knows_changes_nothing(node: Node) -> None:
    with pytest.raises(ConfigurationError, match="nobody-here"):
        node.reload(
            control=replace(SETTINGS.control, users={"sam": ("nobody-here",)}),
            limits=with_values({"max_connections": 7}),
        )
    assert (node.limits, node.rules) == ([], [])


def test_a_file_with_a_fault_changes_nothing(node: Node) -> None:
    node.written = ConfigurationError("hank.yaml:3: limits.max_connections: 0")
    with pytest.raises(ConfigurationError, match=r"stays as it was: hank\.yaml:3: "):
        node.configuration.read()()
    assert (node.limits, node.rules) == ([], [])


def test_the_level_of_the_log(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    node.reload(log_level="error", log_format="json")
    assert logging.getLogger().level == logging.ERROR
    logging.getLogger("dsked").error("something")
    assert '"something"' in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"port": 7101}, "port (listen)"),
        ({"simulated": False}, "psrd"),
        ({"share_timeout_s": 1.0}, "share_timeout_secs"),
        ({"metrics": MetricsSettings(host="::1", port=1)}, "metrics"),
        ({"audit_log": Path("/a")}, "audit_log"),
        ({"control": replace(SETTINGS.control, group="staff")}, "control_group"),
    ],
)
def test_what_needs_a_restart_is_told(
    node: Node, caplog: pytest.LogCaptureFixture, changes: dict[str, object], told: str
) -> None:
    for _ in range(2):  # as long as it is so
        caplog.clear()
        node.reload(**changes)
        what = f"the configuration has changes that take effect at a restart: {told}"
        assert caplog.messages == [NOTHING, what]


def test_gate_keys_are_taken_and_never_told(node: Node, caplog: pytest.LogCaptureFixture) -> None:
    node.reload(gate_keys={"carol": b"secret" * 6})
    assert caplog.messages == ["the configuration was read again: new clients and their encryptors"]

from __future__ import annotations

from pathlib import Path

import pytest

from dsked import chosen_limits, limits
from dsked.chosen_limits import DEFAULT_LIMITS, RANGES, Limits, fault, names, with_values
from dsked.config import topology
from dsked.config.merge import client_settings, hub_settings
from dsked.config.options import Options
from dsked.errors import ConfigurationError
from tests.config.conftest import SMALL


def test_the_defaults_are_the_constants() -> None:
    for name in RANGES:
        assert getattr(DEFAULT_LIMITS, name) == getattr(limits, name.upper())


@pytest.mark.parametrize("name", RANGES)
def test_a_default_and_both_ends_of_a_range_are_allowed_and_nothing_beyond(name: str) -> None:
    allowed = RANGES[name]
    for value in (getattr(DEFAULT_LIMITS, name), allowed.low, allowed.high):
        assert fault(name, value) is None
        assert getattr(with_values({name: value}), name) == value
    for value in (allowed.low - 1, allowed.high + 1, float("nan"), float("inf")):
        assert "expected" in str(fault(name, value))


@pytest.mark.parametrize(
    ("name", "value", "role", "message"),
    [
        ("max_conections", 1, None, "unknown limit; expected one of max_connections, "),
        ("max_http_connections", 1, "hub", "is no limit of a hub; those are max_connections, "),
        ("max_connections", 0, "hub", "0; expected a whole number from 1 to 1000000"),
        ("max_connections", 1.5, "hub", "1.5; expected a whole number from 1 to 1000000"),
        ("handshake_timeout_s", 61, "hub", "61; expected 0.1 to 60.0"),
        ("max_key_size_bits", 260, "client", "260; expected a multiple of 8 from 128 to 16777216"),
    ],
)
def test_what_is_wrong_is_said(name: str, value: float, role: str | None, message: str) -> None:
    assert str(fault(name, value, role)).startswith(message)


def _file(small: Path, text: str) -> Path:
    small.write_text(text)
    return small


def test_a_nodes_own_limits_go_before_those_of_all_and_the_command_lines_before_both(small: Path) -> None:
    text = SMALL.replace("  - name: hank\n", "  - name: hank\n    limits: {max_connections: 7}\n")
    config = _file(
        small, text + "limits:\n  max_connections: 9\n  max_control_clients: 5\n  handshake_timeout_s: 2\n"
    )
    hank = hub_settings(Options(name="hank", config=config)).limits
    assert (hank.max_connections, hank.max_control_clients, hank.handshake_timeout_s) == (7, 5, 2.0)
    helen = hub_settings(Options(name="helen", config=config, limits={"max_control_clients": 6})).limits
    assert helen == with_values({"max_connections": 9, "max_control_clients": 6, "handshake_timeout_s": 2.0})
    carol = client_settings(Options(name="carol", config=config)).limits
    assert carol == with_values({"max_control_clients": 5, "handshake_timeout_s": 2.0})


def test_no_limits_are_the_defaults(small: Path) -> None:
    assert hub_settings(Options(name="hank", config=small)).limits == Limits()
    assert client_settings(Options(name="carol", config=small)).limits == Limits()


@pytest.mark.parametrize(
    ("addition", "message"),
    [
        ("limits:\n  max_conections: 1\n", r"limits\.max_conections: unknown limit"),
        ("limits:\n  max_connections: 0\n", r"limits\.max_connections: 0; expected"),
        ("limits:\n  max_connections: many\n", r"limits\.max_connections: expected a number, got text"),
        ("limits:\n  max_connections: true\n", r"limits\.max_connections: expected a number, got true/false"),
        ("limits:\n  max_connections:\n", r"limits\.max_connections: expected a number, got nothing"),
        ("limits: [1]\n", r"limits: expected a mapping"),
    ],
)
def test_mistakes_in_the_file_are_told_with_their_place(small: Path, addition: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as error:
        topology.load(_file(small, SMALL + addition))
    assert f"{small}:" in str(error.value)


def test_a_limit_of_another_role_stands_at_the_top_and_not_with_a_node(small: Path) -> None:
    topology.load(_file(small, SMALL + "limits: {max_http_connections: 9}\n"))
    wrong = SMALL.replace("  - name: hank\n", "  - name: hank\n    limits: {max_http_connections: 9}\n")
    with pytest.raises(ConfigurationError, match=r"hubs\[0\].*max_http_connections: is no limit of a hub"):
        topology.load(_file(small, wrong))


@pytest.mark.parametrize("value", [0, 10**9])
def test_mistakes_on_the_command_line_name_the_option(small: Path, value: int) -> None:
    with pytest.raises(
        ConfigurationError, match=r"--limit max_connections: \d+; expected a whole number from 1"
    ):
        hub_settings(Options(name="hank", config=small, limits={"max_connections": value}))


def test_a_status_tells_the_limits_of_its_role() -> None:
    for role in ("hub", "client"):
        assert list(chosen_limits.report(DEFAULT_LIMITS, role)) == names(role)
    assert set(names("hub")) | set(names("client")) == set(RANGES)

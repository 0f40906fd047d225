from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from dsked.cli.dsked import dsked
from dsked.cli.options import limit_values


def test_limits_are_names_and_numbers() -> None:
    values = limit_values(("max_connections=500", "handshake-timeout-s=2.5", "max_connections=400"))
    assert values == {"max_connections": 400, "handshake_timeout_s": 2.5}


@pytest.mark.parametrize(
    "text", ["max_connections", "max_connections=", "max_connections=many", "=1x", "hank"]
)
def test_anything_else_says_what_is_expected(text: str) -> None:
    with pytest.raises(click.BadParameter, match="NAME=VALUE is expected, VALUE a number"):
        limit_values((text,))


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        ("max_connections=0", "--limit max_connections: 0; expected a whole number from 1 to 1000000"),
        ("max_http_connections=9", "--limit max_http_connections: is no limit of a hub; those are max_con"),
    ],
)
def test_the_daemon_refuses_what_is_out_of_range_or_of_another_role(limit: str, message: str) -> None:
    line = ["--role", "hub", "hank", "--port", "8100", "--psrd", "simulated", "--limit", limit]
    error = CliRunner().invoke(dsked, [*line, "--gate-keys", "/nowhere"]).exception
    assert str(error).startswith(message)

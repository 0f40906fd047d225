"""What is wrong in the environment is said with its variable, and with what is expected there."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dsked.cli import dsked as command
from dsked.cli import variables

from .conftest import Ran

Check = Callable[..., Ran]
CLIENT = ("--role", "client", "carol")


@pytest.fixture
def check(directory: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Check:
    """`dsked --check-config` for a node of the topology file, hub hank by default."""

    def call(*node: str, **environment: str) -> Ran:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        line = [*(node or ("--role", "hub", "hank")), "--config", "dske-config.yaml", "--check-config"]
        monkeypatch.setattr(sys, "argv", ["dsked", *line])
        with pytest.raises(SystemExit) as ended:
            command.main()
        assert isinstance(ended.value.code, int)
        return Ran(int(ended.value.code), *capsys.readouterr())

    return call


@pytest.mark.parametrize(
    ("node", "name", "value", "said"),
    [
        (CLIENT, "DSKED_HUBS", "hank", "'hank': NAME=HOST:PORT[,x=X] is expected."),
        (CLIENT, "DSKED_HUBS", "a=b:1 c=d:0", "'c=d:0': 0 is no TCP port; expected 1 to 65535."),
        (CLIENT, "DSKED_HUBS", "a=b:1 a=c:1", "names and x-coordinates must differ from hub to hub"),
        (CLIENT, "DSKED_HUBS", "a=b:1 c=[zz]:2", "'c=[zz]:2': NAME=HOST:PORT[,x=X] is expected."),
        ((), "DSKED_HUBS", "a=b:1", "is an option of a client, not of a hub."),
        ((), "DSKED_METRICS", "9464", "'9464' is no address"),
        ((), "DSKED_METRICS", "0.0.0.0:9464", "0.0.0.0 is not on loopback"),
        ((), "DSKED_LIMIT", "max_connections=many", "NAME=VALUE is expected, VALUE a number."),
        (
            (),
            "DSKED_LIMIT",
            "max_connections=0",
            "max_connections: 0; expected a whole number from 1 to 1000",
        ),
        ((), "DSKED_LIMIT", "=1", "'=1': NAME=VALUE is expected, VALUE a number."),
        ((), "DSKED_LIMIT", "max_connections=-5", "max_connections: -5; expected a whole number from 1 to"),
        ((), "DSKED_LIMIT", "no_such=1", "no_such: unknown limit; expected one of max_connections,"),
        ((), "DSKED_PORT", "0", "0 is no TCP port; expected 1 to 65535"),
        ((), "DSKED_LOG_LEVEL", "loud", "'loud' is not one of 'debug', 'info'"),
        ((), "DSKED_AUDIT_LOG", "/no/such/file", "audit log /no/such/file: there is no directory /no/such"),
        ((), "DSKED_AUDIT_LOG", "/etc", "audit log /etc: is a directory; expected a file in one"),
        ((), "DSKED_GATE_KEYS", "/no/such/file", "/no/such/file: "),
        (CLIENT, "DSKED_MIN_NR_SHARES", "9", "9"),
        (CLIENT, "DSKED_STORED_KEYS", "sam", "'sam': INITIATOR:RESPONDER:COUNT[:BITS] is expected."),
    ],
)
def test_a_wrong_value_is_told_with_its_variable(
    check: Check, node: tuple[str, ...], name: str, value: str, said: str
) -> None:
    ran = check(*node, **{name: value})
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith(f"dsked: {name}") and said in ran.err and ran.err.count("\n") == 1


def test_a_typed_option_is_told_as_it_was_typed(check: Check) -> None:
    """The command line goes before the environment: the variable is not what is wrong."""
    ran = check("--role", "hub", "hank", "--port", "0", DSKED_PORT="7100")
    assert ran.err.startswith("dsked: --port: 0 is no TCP port")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("--port: 0 is none", "DSKED_PORT: 0 is none"),
        ("--limit max_connections: 0", "DSKED_LIMIT max_connections: 0"),
        ("--port", "DSKED_PORT"),
        ("--host: --port: 0", "--host: --port: 0"),
        ("no option --port", "no option --port"),
        ("", ""),
    ],
)
def test_only_the_option_that_a_text_begins_with_is_replaced(text: str, said: str) -> None:
    written = {"--port": "DSKED_PORT", "--limit": "DSKED_LIMIT"}
    assert variables.in_place(text, written) == said

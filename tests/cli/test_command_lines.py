"""The command lines of `dsked` and `dskectl`: help, wrong use, and what reaches the daemon."""

from __future__ import annotations

import os
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from dsked import __version__
from dsked.cli import dsked as command
from dsked.cli import errors
from dsked.config import gate_keys
from dsked.config.node import ClientSettings, HubAddress, HubSettings, NodeSettings
from dsked.errors import ConfigurationError, TooFewHubsError, UnknownKeyError

from .conftest import Dskectl, Ran

Dsked = Callable[..., tuple[Ran, list[NodeSettings]]]


@pytest.fixture
def dsked(directory: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Dsked:
    """Calls dsked up to where the daemon begins; gives what the daemon was told."""
    told: list[NodeSettings] = []
    daemon = types.ModuleType("dsked.daemon.daemon")
    daemon.run = lambda settings, read_again: told.append(settings) or 0  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "dsked.daemon.daemon", daemon)
    monkeypatch.setattr("dsked.daemon.daemon", daemon, raising=False)

    def call(*arguments: str) -> tuple[Ran, list[NodeSettings]]:
        told.clear()
        monkeypatch.setattr(sys, "argv", ["dsked", *arguments])
        with pytest.raises(SystemExit) as ended:
            command.main()
        assert isinstance(ended.value.code, int)
        return Ran(int(ended.value.code), *capsys.readouterr()), list(told)

    return call


def test_a_hub_from_the_topology_file(dsked: Dsked) -> None:
    ran, told = dsked("--role", "hub", "hank", "--config", "dske-config.yaml")
    assert ran == (0, "", "")
    assert isinstance(told[0], HubSettings)
    assert told[0].port == 8100


def test_a_configuration_is_checked_without_a_start(dsked: Dsked, directory: Path) -> None:
    hank = ("--role", "hub", "hank", "--config", "dske-config.yaml", "--check-config")
    assert dsked(*hank) == ((0, "", ""), [])
    config = directory / "dske-config.yaml"
    config.write_text(config.read_text() + "no_such_key: 1\n")
    ran, told = dsked(*hank)
    assert ran.status == 2 and not told
    assert "dske-config.yaml:" in ran.err and "no_such_key" in ran.err


def test_a_client_from_the_topology_file_with_options_that_win(dsked: Dsked) -> None:
    _, told = dsked(
        "--role", "client", "carol", "--config", "dske-config.yaml", "-p", "9000", "--min-nr-shares", "3",
        "--share-timeout-secs", "5", "--start-request-psrd_threshold", "700", "--stop-request-psrd-threshold",
        "7000", "--get-psrd-block-size", "3000", "--log-level", "debug",
    )  # fmt: skip
    settings = told[0]
    assert isinstance(settings, ClientSettings)
    assert (settings.port, settings.min_nr_shares, settings.share_timeout_s) == (9000, 3, 5.0)
    assert settings.start_request_psrd_threshold == 700
    assert settings.stop_request_psrd_threshold == 7000
    assert settings.get_psrd_block_size == 3000
    assert settings.log_level == "debug"


@pytest.mark.parametrize(
    "hubs",
    [
        ["--hubs", "hank=127.0.0.1:8100", "helen=localhost:8101", "hugo=[::1]:8102,x=9"],
        ["--hubs", "hank=127.0.0.1:8100", "--hubs", "helen=localhost:8101", "--hubs", "hugo=[::1]:8102,x=9"],
        ["--hubs=hank=127.0.0.1:8100", "--hubs=helen=localhost:8101", "--hubs=hugo=[::1]:8102,x=9"],
    ],
)
def test_everything_on_the_command_line_as_the_guide_has_it(
    dsked: Dsked, directory: Path, hubs: list[str]
) -> None:
    pairs = directory / "pairs.json"
    gate_keys.ensure(pairs, [("curtis", hub) for hub in ("hank", "helen", "hugo")])
    ran, told = dsked(
        "--role", "client", "curtis", "--port", "8105", *hubs, "--encryptors", "sunny", "susan",
        "--psrd", "simulated", "--etsi", "plain-http-on-loopback", "--gate-keys", str(pairs),
    )  # fmt: skip
    assert ran.err == ""
    settings = told[0]
    assert isinstance(settings, ClientSettings)
    assert settings.hubs == (
        HubAddress(name="hank", host="127.0.0.1", port=8100, x=1),
        HubAddress(name="helen", host="localhost", port=8101, x=2),
        HubAddress(name="hugo", host="::1", port=8102, x=9),
    )
    assert settings.encryptors == ("sunny", "susan")


WRONG = [
    ([], "Missing argument 'NAME'."),
    (["hank"], "Missing option '--role'."),
    (["--role", "king", "hank"], "Invalid value for '--role': 'king' is not one of"),
    (
        ["--role", "hub", "hank", "--port", "x"],
        "Invalid value for '-p' / '--port': 'x' is not a valid integer.",
    ),
    (["--role", "hub", "hank", "--hubs", "a=b:1"], "--hubs is an option of a client, not of a hub."),
    (["--role", "hub", "hank", "--encryptors", "sam"], "--encryptors is an option of a client"),
    (["--role", "client", "c", "--hubs", "hank"], "'hank': NAME=HOST:PORT[,x=X] is expected."),
    (["--role", "client", "c", "--hubs", "a=b:70000"], "70000 is no TCP port"),
    (["--role", "client", "c", "--hubs", "a=b:1,x=256"], "256 is no x-coordinate; expected 1 to 255"),
    (["--role", "client", "c", "--hubs", "a b=c:1"], "'a b' is no name for a node"),
    (
        ["--role", "client", "c", "--hubs", "http://127.0.0.1:8100/hub/hank"],
        "NAME=HOST:PORT[,x=X] is expected.",
    ),
    (["--role", "hub", "hank", "--config", "missing.yaml"], "missing.yaml: cannot be read"),
    (["--role", "hub", "carol", "--config", "dske-config.yaml"], "there is no hub 'carol'; it has hank"),
]


@pytest.mark.parametrize(("arguments", "says"), WRONG)
def test_wrong_use_of_dsked_is_one_line_and_exit_status_2(
    dsked: Dsked, arguments: list[str], says: str
) -> None:
    ran, told = dsked(*arguments)
    assert ran.status == 2
    assert ran.err.startswith("dsked: ")
    assert says in ran.err
    assert ran.err.count("\n") == 1
    assert told == []


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("DSKED_LOG_LEVEL", "loud", "DSKED_LOG_LEVEL: Invalid value for '--log-level': 'loud' is not one of"),
        ("DSKED_PORT", "tcp://10.0.0.1:8100", "DSKED_PORT: Invalid value for '-p' / '--port': 'tcp://"),
    ],
)
def test_what_is_wrong_in_the_environment_is_told_by_its_variable(
    dsked: Dsked, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, says: str
) -> None:
    monkeypatch.setenv(variable, value)
    ran, told = dsked("--role", "client", "carol")
    assert (ran.status, told) == (2, [])
    assert ran.err.startswith(f"dsked: {says}")
    typed, _ = dsked("--role", "client", "carol", f"--{variable[6:].lower().replace('_', '-')}", value)
    assert variable not in typed.err


def test_less_than_a_majority_is_warned_of(dsked: Dsked, directory: Path) -> None:
    file = directory / "dske-config.yaml"
    file.write_text(file.read_text().replace("{name: hugo}", "{name: hugo}, {name: holly}"))
    ran, told = dsked("--role", "client", "carol", "--config", "dske-config.yaml")
    assert ran.err.startswith("dsked: warning: --min-nr-shares: 2 of 4 hubs is not a majority")
    assert len(told) == 1


def test_the_daemons_help_says_for_which_role_an_option_is(dsked: Dsked) -> None:
    text = " ".join(dsked("--help")[0].out.split())
    assert "Hub: deletes shares that nobody fetched in this time. Client: the time to live" in text
    assert "psrd_threshold" not in text


def test_the_module_is_the_daemon() -> None:
    root = Path(__file__).parents[2]
    ran = subprocess.run(
        [sys.executable, "-m", "dsked", "--version"], cwd=root, capture_output=True, text=True, check=True
    )
    assert ran.stdout == f"dsked, version {__version__}\n"


def test_the_help_says_what_the_guide_must_say(call: Dskectl) -> None:
    ran = call("--help")
    assert ran.status == 0
    text = " ".join(ran.out.split())
    for words in (
        "else ./dske-config.yaml, else /etc/dsked/dske-config.yaml",
        "hub-NAME.out and client-NAME.out to the current directory",
        "/var/lib/dsked/TOPOLOGY for root",
        "$XDG_RUNTIME_DIR/dsked or /tmp/dsked-UID",
        "start Start hubs and clients. stop Stop hubs and clients. status",
    ):
        assert words in text
    assert call("-h").out == ran.out


LINK = ["etsi-qkd", "sam", "sunny"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["start"],
        ["stop"],
        ["status"],
        ["get-key"],
        ["get-key-with-key-ids"],
        ["etsi-qkd"],
        [*LINK, "get-status"],
        [*LINK, "get-key"],
        [*LINK, "get-key-with-key-ids"],
        [*LINK, "get-key-pair"],
    ],
)
def test_every_command_has_help_without_a_topology(
    call: Dskectl, directory: Path, arguments: list[str]
) -> None:
    (directory / "dske-config.yaml").unlink()
    ran = call(*arguments, "--help")
    assert ran.status == 0
    assert ran.out.startswith("Usage: dskectl ")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["begin"], "No such command 'begin'. See: dskectl --help"),
        (["start", "--config", "x"], "--config stands before the command: dskectl --config FILE start ..."),
        (["stop", "--hub=hank"], "--hub stands before the command: dskectl --hub NAME stop ..."),
        (["start", "--fast"], "No such option '--fast'. See: dskectl start --help"),
        (["--config", "missing.yaml", "start"], "missing.yaml: there is no such file"),
        (["etsi-qkd", "sam", "sunny", "get-key", "--size", "x"], "'x' is not a valid integer."),
        (["etsi-qkd", "sam", "sunny"], "Missing command."),
        (["--hub", "hank", "etsi-qkd", "sam", "sunny", "get-key"], "not for etsi-qkd."),
    ],
)
def test_wrong_use_of_dskectl(call: Dskectl, arguments: list[str], says: str) -> None:
    ran = call(*arguments)
    assert ran.status == 2
    assert ran.out == ""
    assert ran.err.startswith("dskectl: ")
    assert says in ran.err
    assert ran.err.count("\n") == 1


def test_no_topology_file(call: Dskectl, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "dsked.config.paths.DEFAULT_CONFIGS", (Path("dske-config.yaml"), directory / "etc.yaml")
    )
    (directory / "dske-config.yaml").unlink()
    ran = call("start")
    assert ran.status == 2
    assert ran.err == (
        f"dskectl: none of ./dske-config.yaml, {directory}/etc.yaml exists; "
        "name a topology file with --config FILE\n"
    )


def test_without_a_command_the_help_is_shown(call: Dskectl) -> None:
    ran = call()
    assert ran.status == 2
    assert ran.err.startswith("Usage: dskectl [OPTIONS] COMMAND")


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (ConfigurationError("a file is wrong"), 2, "a file is wrong"),
        (UnknownKeyError("no such key"), 4, "no such key"),
        (TooFewHubsError("2 of 5 hubs\nanswered"), 1, "2 of 5 hubs answered"),
        (errors.NodeNotRunningError("down"), 3, "down"),
        (OSError(28, "No space left on device", "/x"), 1, "/x: No space left on device"),
        (OSError("odd"), 1, "odd"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (click.ClickException("a fault"), 1, "a fault"),
    ],
)
def test_every_declared_error_has_an_exit_status_and_one_line(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    status: int,
    line: str,
) -> None:
    @click.command()
    def fail() -> None:
        raise error

    monkeypatch.setattr(sys, "argv", ["program"])
    with pytest.raises(SystemExit) as ended:
        errors.run("program", fail)
    assert ended.value.code == status
    assert capsys.readouterr().err.strip() == f"program: {line}"


def test_a_reader_that_has_seen_enough_is_no_traceback(directory: Path) -> None:
    program = "import dsked.cli.dskectl as d; d.main()"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    reading, writing = os.pipe()
    os.close(reading)
    ran = subprocess.run(
        [sys.executable, "-c", program, "--help"],
        stdout=writing,
        stderr=subprocess.PIPE,
        env=environment,
        text=True,
    )
    os.close(writing)
    assert ran.returncode == 1
    assert ran.stderr == ""

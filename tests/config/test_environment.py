"""Options in the environment: below the command line, above the file."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from dsked.cli import dskectl, environment
from dsked.cli import dsked as command
from dsked.config import topology
from dsked.config.node import MetricsSettings, NodeSettings
from dsked.errors import ConfigurationError
from tests.config.test_node_file import CLIENT, HUB, file

Call = Callable[..., NodeSettings]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Call:
    """Calls dsked up to where the daemon begins; gives the settings, and those that are read again."""
    told: list[NodeSettings] = []
    daemon = types.ModuleType("dsked.daemon.daemon")

    def record(settings: NodeSettings, read_again: Callable[[], NodeSettings]) -> int:
        assert read_again() == settings
        told.append(settings)
        return 0

    daemon.run = record  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "dsked.daemon.daemon", daemon)
    monkeypatch.setattr("dsked.daemon.daemon", daemon, raising=False)

    def call(*arguments: str, **environment: str) -> NodeSettings:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        command.dsked.main(list(arguments), prog_name="dsked", standalone_mode=False)
        return told.pop()

    return call


def test_a_node_with_its_own_file_needs_no_more_than_that(run: Call, directory: Path) -> None:
    assert run("--config", str(file(directory, CLIENT))).name == "carol"
    assert run(DSKED_CONFIG=str(file(directory, HUB))).name == "hank"


def test_without_one_the_name_and_the_role_are_needed(run: Call, small: Path) -> None:
    for arguments, missing in ((["--role", "hub"], "name"), (["hank"], "role")):
        with pytest.raises(click.MissingParameter) as error:
            run("--config", str(small), *arguments)
        assert error.value.param is not None
        assert error.value.param.name == missing
    assert run(DSKED_CONFIG=str(small), DSKED_NAME="hank", DSKED_ROLE="hub").name == "hank"


def test_the_environment_goes_before_the_file_and_options_before_both(run: Call, directory: Path) -> None:
    config = ["--config", str(file(directory, HUB))]
    settings = run(*config, DSKED_LOG_LEVEL="error", DSKED_METRICS="[::1]:9", DSKED_HOST="*")
    assert (settings.log_level, settings.log_format, settings.host) == ("error", "json", "*")
    assert settings.metrics == MetricsSettings(host="::1", port=9)
    assert run(*config, "--log-level", "warning").log_level == "warning"


def test_of_several_values_spaces_are_between(run: Call, directory: Path) -> None:
    settings = run("--config", str(file(directory, HUB)), DSKED_LIMIT="max_connections=5 shutdown_grace_s=9")
    assert (settings.limits.max_connections, settings.limits.shutdown_grace_s) == (5, 9.0)


def test_every_option_has_its_variable() -> None:
    own = {"state_dir", "runtime_dir", "version"}  # dsked.config.paths has those of directories
    for option in command.dsked.params:
        if option.name not in own:
            assert option.envvar == "DSKED_" + option.opts[-1].lstrip("-").upper().replace("-", "_")


def test_the_names_that_are_known_are_those_that_are_read() -> None:
    options = {str(option.envvar) for option in command.dsked.params if option.envvar}
    read = {"DSKED_STATE_DIR", "DSKED_RUNTIME_DIR", "DSKED_UNPACK_DIR"}  # paths.py, packaging/binary
    assert options | read == environment.NAMES


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("DSKED_STAT_DIR", "/tmp/x", "; is DSKED_STATE_DIR meant?"),
        ("DSKED_LOGLEVEL", "debug", "; is DSKED_LOG_LEVEL meant?"),
        ("DSKED_COLOUR_OF_THE_SKY", "blue", ""),
        ("DSKED_HUB_PORT", "7100", "; is DSKED_PORT meant?"),
    ],
)
def test_a_variable_that_nothing_reads_is_warned_of(
    run: Call, directory: Path, capsys: pytest.CaptureFixture[str], name: str, value: str, said: str
) -> None:
    run("--config", str(file(directory, HUB)), **{name: value})
    text = f"the environment's {name} is no variable of dsked, and has no effect{said}\n"
    assert capsys.readouterr().err == f"dsked: warning: {text}"


def test_dskectl_warns_as_well(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSKED_STAT_DIR", "/tmp/x")
    done = CliRunner().invoke(dskectl.dskectl, ["config", "check", str(file(directory, HUB))])
    assert (done.exit_code, done.output.count("is DSKED_STATE_DIR meant?")) == (0, 1)


def test_what_kubernetes_sets_for_a_service_is_not_told_of(
    run: Call, directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    links = {
        "DSKED_SERVICE_HOST": "10.96.0.7",
        "DSKED_SERVICE_PORT": "7100",
        "DSKED_SERVICE_PORT_DSKE": "7100",
        "DSKED_PORT_7100_TCP": "tcp://10.96.0.7:7100",
        "DSKED_PORT_7100_TCP_ADDR": "10.96.0.7",
        "DSKED_HUB_PORT": "tcp://10.96.0.7:7100",
    }
    run("--config", str(file(directory, HUB)), **links)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("written", ["9464", "::1:9", "127.0.0.1:0", "127.0.0.1:65536"])
def test_metrics_need_an_address(run: Call, directory: Path, written: str) -> None:
    with pytest.raises(click.BadParameter, match=r"no (address|TCP port)"):
        run("--config", str(file(directory, HUB)), "--metrics", written)


def test_metrics_beyond_loopback_are_asked_for_by_a_word(run: Call, directory: Path) -> None:
    config = ["--config", str(file(directory, HUB)), "--metrics", "*:9464"]
    with pytest.raises(ConfigurationError, match=r"--metrics: \* is not on loopback"):
        run(*config)
    settings = run(*config, "--metrics-beyond-loopback")
    assert settings.metrics == MetricsSettings(host="*", port=9464)


def test_metrics_and_audit_logs_of_a_topology(run: Call, small: Path) -> None:
    more = "metrics: {base_port: 9500}\naudit_log: logs/{name}\nlogging: {format: text}\n"
    small.write_text(small.read_text() + more)
    network = topology.load(small)
    ports = [network.metrics(name) for name in ("hank", "helen", "hugo", "carol", "curtis")]
    assert [one.port for one in ports if one] == [9500, 9501, 9502, 9503, 9504]
    settings = run("--config", str(small), "--role", "hub", "helen")
    assert settings.metrics == MetricsSettings(host="127.0.0.1", port=9501)
    assert (settings.audit_log, settings.log_format) == (small.parent / "logs/helen", "text")


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ("metrics: {base_port: 8102}\n", "metrics.base_port: port 8102 on 127.0.0.1 is taken by hugo"),
        ("metrics: {base_port: 65533}\n", "metrics.base_port: metrics of carol: 65536 is no TCP port"),
        ("metrics: {}\nbase_port: 9460\n", "metrics.base_port: port 9464 on 127.0.0.1 is taken by curtis"),
        ("audit_log: all.log\n", "audit_log: 'all.log' is one file for all nodes"),
        ("logging: {level: loud}\n", "logging.level: 'loud' is not known"),
        ("logging: {colour: red}\n", "logging.colour: unknown key; expected one of format, level"),
    ],
)
def test_what_is_wrong_with_watching_is_told(small: Path, more: str, says: str) -> None:
    small.write_text(small.read_text() + more)
    with pytest.raises(ConfigurationError) as error:
        topology.load(small)
    assert says in str(error.value)

"""What is found wrong only when it is used says where it is written: in the check, at a start, on SIGHUP."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from dsked.cli import dsked as command
from dsked.config.merge import client_settings, hub_settings
from dsked.config.node import NodeSettings
from dsked.config.options import Options
from dsked.config.origins import named
from dsked.daemon import daemon
from dsked.daemon.configuration import Configuration
from dsked.errors import ConfigurationError
from scripts.laboratory import free_ports
from tests.delivery.pki import Pki
from tests.delivery.test_listener import as_nobody

HUB = 'hub: hank\nlisten: "127.0.0.1:7100"\nx_coordinate: 1\npsrd: media\nclients: [{name: carol}]\n'
CLIENT = """\
client: carol
psrd: media
min_nr_shares: 2
hubs: [{name: hank, address: "127.0.0.1:7100", x_coordinate: 1},
       {name: helen, address: "127.0.0.1:7101", x_coordinate: 2}]
encryptors:
  - name: sam
    users: [root]
"""
TOPOLOGY = """\
psrd: media
min_nr_shares: 2
etsi: {certificate: c.pem, private_key: "{name}.key", client_ca: ca.pem}
hubs: [{name: hank}, {name: helen}]
clients:
  - name: carol
    etsi:
      client_ca: own.pem
"""
ETSI = "etsi:\n  listen: '127.0.0.1:8443'\n  certificate: carol.pem\n  private_key: carol.key\n  client_ca: "
#: The file, its node, and what a start finds wrong: LINE: key: words.
WRONG = {
    "group": (HUB + "control_group: nobody-here\n", "hank", "6: control_group: there is no local group"),
    "users": (
        CLIENT.replace("root", "nobody-here"),
        "carol",
        "8: encryptors[0].users: there is no local user",
    ),
    "groups": (
        CLIENT + "    groups: [nope, 1]\n",
        "carol",
        "9: encryptors[0].groups: there is no local group 'nope'",
    ),
    "audit log": (HUB + "audit_log: no/{name}\n", "hank", "6: audit_log: audit log "),
    "certificates": (CLIENT + ETSI + "gone.pem\n", "carol", "13: etsi.client_ca: "),
    "of skip": (
        CLIENT + ETSI + "ca.pem\n" + "skip: {listen: '127.0.0.1:8444', crl: gone.pem}\n",
        "carol",
        "14: skip.crl: ",
    ),
}


def settings(path: Path, text: str, name: str) -> NodeSettings:
    """As a start has them: of a node that listens nowhere before it fails."""
    path.write_text(text)
    read: Callable[[Options], NodeSettings] = hub_settings if name == "hank" else client_settings
    return read(Options(name=name, config=path))


@pytest.fixture
def config(directory: Path) -> Path:
    Pki(directory)  # carol.pem, carol.key, ca.pem
    return directory / "node.yaml"


@pytest.mark.parametrize("case", WRONG)
def test_a_check_says_where(config: Path, case: str) -> None:
    text, _name, said = WRONG[case]
    config.write_text(text)
    with pytest.raises(ConfigurationError) as error:
        CliRunner().invoke(
            command.dsked, ["--config", str(config), "--check-config"],
            catch_exceptions=False, standalone_mode=False,
        )  # fmt: skip
    assert str(error.value).startswith(f"{config}:{said}")


@pytest.mark.parametrize("case", WRONG)
async def test_a_start_says_where(config: Path, caplog: pytest.LogCaptureFixture, case: str) -> None:
    text, name, said = WRONG[case]
    caplog.set_level(logging.ERROR)
    wrong = settings(config, text, name)
    assert await asyncio.wait_for(daemon.serve(wrong, lambda: wrong), 10) == 2
    assert caplog.messages[-1].startswith(f"{config}:{said}")


@pytest.mark.parametrize(
    ("text", "name", "said"),
    [
        (HUB.replace('"127.0.0.1:7100"', "HERE"), "hank", "2: listen: cannot listen on "),
        (HUB + "metrics: {listen: HERE}\n", "hank", "6: metrics.listen: metrics: cannot"),
        (CLIENT + "etsi: {listen: HERE, mode: plain-http-on-loopback}\n", "carol", "9: etsi.listen: cannot"),
        (
            CLIENT + "etsi: {listen: FREE, mode: plain-http-on-loopback}\nskip: {listen: HERE}\n",
            "carol",
            "10: skip.listen: cannot listen on ",
        ),
    ],
)
async def test_an_address_that_is_taken_says_where(
    config: Path, caplog: pytest.LogCaptureFixture, text: str, name: str, said: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        here, free = (f"'127.0.0.1:{port}'" for port in (taken.getsockname()[1], free_ports(1)))
        wrong = settings(config, text.replace("HERE", here).replace("FREE", free), name)
        assert await asyncio.wait_for(daemon.serve(wrong, lambda: wrong), 10) == 2
    assert caplog.messages[-1].startswith(f"{config}:{said}")


async def test_a_state_directory_says_where(
    config: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    text = HUB + "state_dir: ca.pem/state\n"
    assert settings(config, text, "hank").origins["state_dir"] == "DSKED_STATE_DIR"
    monkeypatch.delenv("DSKED_STATE_DIR")
    wrong = settings(config, text, "hank")
    assert await asyncio.wait_for(daemon.serve(wrong, lambda: wrong), 10) == 1
    assert caplog.messages[-1].startswith(
        f"{config}:6: state_dir: {config.parent}/ca.pem/state: cannot be made"
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user who is in no group")
async def test_a_group_that_sockets_cannot_be_given_to_says_where(
    config: Path, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = settings(config, HUB + "control_group: 4711\n", "hank")
    for place in (config.parent, *config.parent.rglob("*")):
        os.chown(place, 65534, 65534)
    with as_nobody():
        assert await asyncio.wait_for(daemon.serve(wrong, lambda: wrong), 10) == 2
    place = f"{config.parent}/run/hub-hank"
    assert caplog.messages[-1].startswith(
        f"{config}:6: control_group: {place}: cannot be given to group 4711: "
    )


def test_a_file_of_gate_keys_says_where(config: Path) -> None:
    (config.parent / "keys").write_text("{}")
    (config.parent / "keys").chmod(0o644)
    text = (HUB + "gate_keys: keys\n").replace("media", "simulated")
    with pytest.raises(ConfigurationError, match=rf"^{config}:6: gate_keys: .*/keys: others may read these"):
        settings(config, text, "hank")


def test_a_reload_says_where(config: Path) -> None:
    right = settings(config, CLIENT, "carol")
    text = CLIENT.replace("root", "nobody-here")
    running = Configuration(right, lambda: settings(config, text, "carol"))
    with pytest.raises(
        ConfigurationError, match=rf"as it was: {config}:8: encryptors\[0\]\.users: there is no"
    ):
        running.read()


def test_lines_that_move_are_no_change(config: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    before, after = CLIENT + "audit_log: x\n", "# more\n" + CLIENT + "audit_log: x\n"
    Configuration(settings(config, before, "carol"), lambda: settings(config, after, "carol")).read()()
    assert caplog.messages == ["the configuration was read again: nothing has changed that takes effect now"]


def test_the_clients_own_key_goes_before_that_of_all(directory: Path) -> None:
    path = directory / "lab.yaml"
    path.write_text(TOPOLOGY)
    found = client_settings(Options(name="carol", config=path)).origins
    assert {key: where for key, where in found.items() if key.startswith("/")} == {
        str(directory / "c.pem"): f"{path}:3: etsi.certificate",
        str(directory / "carol.key"): f"{path}:3: etsi.private_key",
        str(directory / "own.pem"): f"{path}:8: clients[0].etsi.client_ca",
    }


def test_an_option_is_named_where_it_goes_before_the_file(config: Path, directory: Path) -> None:
    config.write_text(CLIENT + "audit_log: x\n" + ETSI + "ca.pem\n")
    options = Options(
        name="carol", config=config, audit_log=directory / "y", etsi_client_ca=directory / "z", state_dir="/s"
    )
    found = client_settings(options).origins
    assert (found["audit_log"], found["state_dir"]) == ("--audit-log", "--state-dir")
    assert found[str(directory / "z")] == "--etsi-client-ca"
    assert str(directory / "ca.pem") not in found


def test_what_is_written_nowhere_stays_as_it_is() -> None:
    for key in ("audit_log", ""):
        with pytest.raises(ConfigurationError, match=r"^/a/b is no file$"), named({"/a/c": "x"}, key):
            raise ConfigurationError("/a/b is no file")


def test_of_several_files_the_longest_name_counts() -> None:
    with pytest.raises(ConfigurationError, match=r"^2: /a/bc: gone$"), named({"/a/b": "1", "/a/bc": "2"}):
        raise ConfigurationError("/a/bc: gone")

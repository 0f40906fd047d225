"""What operators get wrong around a unit: credentials, directories that were there before, edited drop-ins.

What fails says why in the journal, with the line of the file where one is at fault, and nothing of a key.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scripts.laboratory import wait_until

from .conftest import CONFIGURATION, CREDENTIALS, secret
from .machine import Machine

pytestmark = pytest.mark.full
HUB, CLIENT = "dsked-hub@igor", "dsked-client@carol"
GATE_KEY = "0f" * 32
Change = Callable[[Path, str], None]


class Journal:
    """What is said of a unit from now on."""

    def __init__(self, machine: Machine, unit: str) -> None:
        self._machine, self._unit = machine, unit
        self._before = len(machine.journal(unit))

    def said(self) -> str:
        return self._machine.journal(self._unit)[self._before :]

    def wait_for(self, text: str) -> str:
        wait_until(lambda: text in self.said(), f"{text}, and it was: {self.said()}")
        return self.said()


@pytest.fixture
def hub(machine: Machine) -> Iterator[Machine]:
    """A hub with simulated PSRD, not running, whatever was done to it; its gate keys are a credential."""
    place = machine.root / CREDENTIALS / "dsked.igor.gate-keys"
    good = place.read_text()
    yield machine
    machine.run("systemctl", "stop", HUB)
    shutil.rmtree(machine.root / "run/systemd/system" / f"{HUB}.service.d", ignore_errors=True)
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "reset-failed")
    _remove(place)
    secret(place, good)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _refused(machine: Machine, unit: str, text: str) -> str:
    """A start that fails with this in the journal; gives all that was said."""
    journal = Journal(machine, unit)
    assert machine.run("systemctl", "start", unit, check=False).returncode != 0
    said = journal.wait_for(text)
    machine.run("systemctl", "stop", unit)
    assert "Traceback" not in said
    return said


def _serves(machine: Machine) -> None:
    machine.run("systemctl", "start", HUB)
    machine.wait_for(HUB, ActiveState="active", StatusText="ready")
    machine.run("systemctl", "stop", HUB)


def _write(text: str) -> Change:
    return lambda path, good: secret(path, text)


def _nothing(path: Path, good: str) -> None:
    pass


def _directory(path: Path, good: str) -> None:
    path.mkdir()
    secret(path / "keys", good)


def _too_large(path: Path, good: str) -> None:
    secret(path, good + " " * (2 << 20))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_nothing, "the unit was given no such credential: bring /etc/credstore/dsked.NAME.gate-keys"),
        (_write(""), "no file of gate keys, or damaged"),
        (_write(f"{GATE_KEY}\n"), "no file of gate keys, or damaged"),
        (
            _write(f'{{"version": 1, "pairs": {{"{GATE_KEY}": "chloe/igor"}}}}'),
            "no file of gate keys, or damaged",
        ),
        (_write(f'{{"version": "{GATE_KEY}", "pairs": {{}}}}'), "its version is not known; expected 1"),
        (_write('{"version": 1, "pairs": {}}'), "holds no gate key for the pair chloe/igor"),
        (_directory, "status=243/CREDENTIALS"),  # these two are systemd's own words
        (_too_large, "status=243/CREDENTIALS"),
    ],
)
def test_gate_keys_that_cannot_be_used(hub: Machine, change: Change, said: str) -> None:
    place = hub.root / CREDENTIALS / "dsked.igor.gate-keys"
    good = place.read_text()
    place.unlink()
    change(place, good)
    journal = _refused(hub, HUB, said)
    assert GATE_KEY[:16] not in journal
    assert "CREDENTIALS" in said or "/etc/dsked/igor.yaml:6: gate_keys: /run/credentials/" in journal


def test_a_credential_may_end_with_lines_and_be_open_at_its_source(hub: Machine) -> None:
    """What the unit gets is its own, whoever else may read the file: that is the file system's to say."""
    place = hub.root / CREDENTIALS / "dsked.igor.gate-keys"
    place.write_text(place.read_text() + "\n\n")
    place.chmod(0o644)
    _serves(hub)


def test_a_credential_that_has_changed_is_taken_by_a_restart_and_not_by_a_reload(hub: Machine) -> None:
    hub.run("systemctl", "start", HUB)
    (hub.root / CREDENTIALS / "dsked.igor.gate-keys").write_text("damaged")
    journal = Journal(hub, HUB)
    hub.run("systemctl", "reload", HUB)
    journal.wait_for("the configuration was read again")
    hub.wait_for(HUB, ActiveState="active", StatusText="ready")
    journal = Journal(hub, HUB)
    assert hub.run("systemctl", "restart", HUB, check=False).returncode != 0
    journal.wait_for("no file of gate keys, or damaged")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_nothing, "the unit was given no such credential: bring /etc/credstore/dsked.NAME.tls-key"),
        (_write(""), "expected a private key in PEM, whole and with its first and last line"),
        (lambda path, good: secret(path, good[:200]), "expected a private key in PEM, whole"),
        (
            lambda path, good: secret(path, "".join(good.splitlines()[1:-1])),
            "expected a private key in PEM, whole",
        ),
    ],
    ids=["missing", "empty", "cut", "without its lines"],
)
def test_a_private_key_that_cannot_be_used(machine: Machine, change: Change, said: str) -> None:
    place = machine.root / CREDENTIALS / "dsked.carol.tls-key"
    good = place.read_text()
    place.unlink()
    try:
        change(place, good)
        journal = _refused(machine, CLIENT, said)
    finally:
        place.unlink(missing_ok=True)
        secret(place, good)
    assert "/etc/dsked/carol.yaml:12: etsi.private_key: /run/credentials/" in journal
    assert not any(line[:16] in journal for line in good.splitlines()[1:-1])


# --- directories that were there before ---


@pytest.mark.parametrize("path", ["/var/lib/dsked/hub-igor", "/run/dsked/hub-igor", "/var/log/dsked"])
def test_a_directory_of_somebody_else_becomes_the_nodes(hub: Machine, path: str) -> None:
    hub.run("sh", "-c", f"mkdir -p {path}; chown -R mallory:mallory {path}; chmod 0777 {path}")
    hub.run("systemctl", "start", HUB)
    mode = {"/run/dsked/hub-igor": "750"}.get(path, "700")
    assert hub.run("stat", "-c", "%U:%G %a", path).stdout.strip() == f"dsked:dsked {mode}"


@pytest.mark.parametrize(
    ("path", "step"),
    [
        ("/var/lib/dsked/hub-igor", "STATE_DIRECTORY"),
        ("/run/dsked/hub-igor", "RUNTIME_DIRECTORY"),
        ("/var/log/dsked", "LOGS_DIRECTORY"),
    ],
)
def test_a_link_to_elsewhere_is_not_followed(hub: Machine, path: str, step: str) -> None:
    hub.run(
        "sh", "-c", f"test ! -e {path} || mv {path} {path}.kept; mkdir -p /srv/else; ln -s /srv/else {path}"
    )
    try:
        _refused(hub, HUB, f"Failed at step {step} spawning /usr/bin/dsked: Not a directory")
        assert hub.run("ls", "/srv/else").stdout == ""
    finally:
        hub.run("sh", "-c", f"rm {path}; test ! -e {path}.kept || mv {path}.kept {path}")
    _serves(hub)


def test_what_stands_in_the_place_of_the_socket_is_not_removed(hub: Machine) -> None:
    socket = "/run/dsked/hub-igor/hub-igor.sock"
    hub.run("sh", "-c", f"mkdir -p /run/dsked/hub-igor; echo precious >{socket}")
    _refused(hub, HUB, f"{socket} exists and is not a socket: move it away")


def test_an_audit_log_of_somebody_else_is_told_of_with_its_line(hub: Machine) -> None:
    config = hub.root / CONFIGURATION / "simulated.yaml"
    before = config.read_text()
    config.write_text(f"audit_log: /var/log/dsked/{{name}}.audit\n{before}")
    log = "/var/log/dsked/igor.audit"
    hub.run(
        "sh", "-c", f"mkdir -p /var/log/dsked; chown dsked: /var/log/dsked; touch {log}; chmod 0600 {log}"
    )
    try:
        _refused(
            hub,
            HUB,
            f"/etc/dsked/igor.yaml:1: audit_log: audit log {log}: Permission denied; expected a file",
        )
    finally:
        config.write_text(before)
        hub.run("rm", log)


# --- drop-ins ---


def _drop_in(machine: Machine, *lines: str) -> None:
    path = machine.root / "run/systemd/system" / f"{HUB}.service.d/edited.conf"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(["[Service]", *lines, ""]))
    machine.run("systemctl", "daemon-reload")


def test_a_node_keeps_to_itself_what_a_drop_in_has_opened(hub: Machine) -> None:
    """Core files, modes of state and socket do not depend on the unit."""
    _drop_in(
        hub, "UMask=0000", "LimitCORE=infinity", "ProtectSystem=no", "NoNewPrivileges=no", "PrivateTmp=no",
        "MemoryDenyWriteExecute=no", "SystemCallFilter=", "CapabilityBoundingSet=~", "ProtectProc=default",
    )  # fmt: skip
    hub.run("systemctl", "start", HUB)
    limits = Path(f"/proc/{hub.main_pid(HUB)}/limits").read_text()
    [core] = [line for line in limits.splitlines() if line.startswith("Max core file size")]
    assert core.split()[4:6] == ["0", "0"]
    found = hub.run(
        "find", "/var/lib/dsked/hub-igor", "/run/dsked/hub-igor", "-printf", "%y%m "
    ).stdout.split()
    assert set(found) == {"d700", "f600", "d750", "s660"}


def test_a_node_that_was_roots_for_a_while_is_its_users_again(hub: Machine) -> None:
    _drop_in(hub, "User=root", "Group=root")
    _serves(hub)
    _drop_in(hub, "Nice=0")
    _serves(hub)
    owners = hub.run("find", "/var/lib/dsked/hub-igor", "-printf", "%u ").stdout.split()
    assert set(owners) == {"dsked"}


def test_too_few_descriptors_are_told_of_with_how_many_it_takes(hub: Machine) -> None:
    _drop_in(hub, "LimitNOFILE=40")
    _refused(hub, HUB, "40 file descriptors are too few for this hub: raise the limit (ulimit -n) to ")


def test_a_unit_without_its_state_directory_says_where_it_cannot_write(hub: Machine) -> None:
    _drop_in(hub, "StateDirectory=")
    _refused(hub, HUB, "cannot be made: Read-only file system")


def test_a_unit_of_another_type_serves_as_well(hub: Machine) -> None:
    """Nobody hears that it is ready, and its watchdog is off: neither is a condition."""
    _drop_in(hub, "Type=simple", "NotifyAccess=none", "WatchdogSec=0")
    journal = Journal(hub, HUB)
    hub.run("systemctl", "start", HUB)
    journal.wait_for("hub igor is ready")
    hub.run("systemctl", "stop", HUB)
    hub.wait_for(HUB, ActiveState="inactive", Result="success", ExecMainStatus="0")

"""Nodes as units of a real systemd: start, readiness, reload, watchdog, stop, credentials, write-protection.

All tests share one machine; each starts what it needs.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from scripts.laboratory import wait_until
from tests.delivery.pki import Pki, name

from .conftest import CLIENTS, CONFIGURATION, CREDENTIALS, ETSI_PORTS, HAS_PSK, HUBS, secret
from .machine import ROOT, Machine, wait_for_hubs

pytestmark = pytest.mark.full
NODES = [*(f"dsked-hub@{name}" for name in HUBS), *(f"dsked-client@{name}" for name in CLIENTS)]


@pytest.fixture(scope="module")
def delivered(machine: Machine) -> None:
    """PSRD for every pair, brought to nodes that run.

    One bundle is sealed, its passphrase a credential of the unit that reads it, and its client not running.
    """
    machine.run("systemctl", "start", *(f"dsked-hub@{hub}" for hub in HUBS))
    machine.run("systemctl", "start", "--no-block", "dsked-client@curtis")
    missing = "0 of 3 hubs are connected"
    wait_until(lambda: missing in machine.show("dsked-client@curtis", "StatusText")["StatusText"], missing)
    sealed = True
    for hub in HUBS:
        for client in CLIENTS:
            _deliver(machine, hub, client, sealed)
            sealed = False
    machine.wait_for("dsked-client@curtis", ActiveState="active", StatusText="ready")


def _deliver(machine: Machine, hub: str, client: str, sealed: bool) -> None:
    bundle = f"/run/carried/{hub}-{client}.psrd"
    psrd = ("dskectl", "--config", f"/etc/dsked/{hub}.yaml", "psrd", "generate", "--hub", hub)
    seal = ("--seal", "--passphrase-file", "/root/passphrase") if sealed else ()
    machine.run(*psrd, "--client", client, "--size", "1M", "--out", bundle, *seal)
    if not sealed:
        machine.run("dskectl", "--config", f"/etc/dsked/{client}.yaml", "psrd", "import", bundle)
        return
    machine.run("chown", "dsked", bundle)
    command = f"dskectl --config /etc/dsked/{client}.yaml --state-dir /var/lib/dsked psrd import {bundle}"
    machine.run(
        "systemd-run", "--quiet", "--wait", "--pipe", "--collect", "--property=User=dsked",
        f"--property=StateDirectory=dsked/client-{client}",
        "--property=LoadCredential=passphrase:/root/passphrase",
        "sh", "-c", f"{command} --passphrase-file $CREDENTIALS_DIRECTORY/passphrase",
    )  # fmt: skip


@pytest.fixture
def nodes(machine: Machine, delivered: None) -> Machine:
    """The machine, with all nodes running."""
    machine.run("systemctl", "reset-failed")
    machine.run("systemctl", "start", *NODES)
    return machine


@pytest.fixture
def connected(nodes: Machine) -> Machine:
    """The same, with both clients registered with all hubs."""
    wait_for_hubs(nodes, CLIENTS, HUBS)
    return nodes


def test_the_units_are_what_systemd_expects(machine: Machine) -> None:
    """Their man pages are the package's."""
    units = ("dsked-hub@hank.service", "dsked-client@carol.service")
    said = machine.run("systemd-analyze", "verify", "--man=no", *units)
    assert said.stdout + said.stderr == ""


def test_a_client_is_ready_once_it_serves_and_tells_what_is_missing(
    machine: Machine, delivered: None
) -> None:
    machine.run("systemctl", "stop", *NODES)
    machine.run("systemctl", "start", "--no-block", "dsked-client@carol")
    missing = "0 of 3 hubs are connected, 2 are needed"
    wait_until(
        lambda: machine.show("dsked-client@carol", "StatusText")["StatusText"].startswith(missing), missing
    )
    machine.wait_for("dsked-client@carol", ActiveState="activating")
    machine.run("systemctl", "start", "dsked-hub@hank")
    machine.wait_for("dsked-client@carol", ActiveState="activating")
    machine.run("systemctl", "start", "dsked-hub@helen", "dsked-client@carol")
    machine.wait_for("dsked-client@carol", ActiveState="active", SubState="running", StatusText="ready")


def test_a_key_through_units(nodes: Machine) -> None:
    _key_pair(nodes)


def _key_pair(machine: Machine) -> None:
    """Over the control sockets, each encryptor as a user of its own: the kernel tells who it is."""
    wait_for_hubs(machine, CLIENTS, HUBS)
    asked = ("dskectl", "get-key", "sunny", "--node", "carol", "--json")
    given = json.loads(machine.as_user("sam", *asked).stdout)
    asked = (
        "dskectl",
        "get-key-with-key-ids",
        "sam",
        given["keys"][0]["key_ID"],
        "--node",
        "curtis",
        "--json",
    )
    assert json.loads(machine.as_user("sunny", *asked).stdout) == given
    assert given["keys"][0]["key"] not in machine.run("journalctl", "--no-pager").stdout


def test_a_key_over_mutual_tls_whose_private_keys_are_credentials(connected: Machine) -> None:
    given = json.loads(_etsi(connected, "carol", "sam", "sunny/enc_keys"))
    [key] = given["keys"]
    assert json.loads(_etsi(connected, "curtis", "sunny", f"sam/dec_keys?key_ID={key['key_ID']}")) == given


def test_who_may_use_the_control_sockets(nodes: Machine) -> None:
    """A member of the group connects, and acts for an encryptor only that is his; nobody else connects."""
    other = nodes.as_user("mallory", "dskectl", "get-key", "sunny", "--node", "carol", check=False)
    assert other.returncode != 0 and "user 2003 may not act for encryptor sam" in other.stderr
    outsider = nodes.as_user("eve", "dskectl", "get-key", "sunny", "--node", "carol", check=False)
    assert outsider.returncode != 0 and "group" in outsider.stderr


def test_files_of_a_node_are_its_own(nodes: Machine) -> None:
    shown = nodes.run(
        "stat", "-c", "%n %U:%G %a", "/var/lib/dsked/client-carol", "/run/dsked/client-carol",
        "/run/dsked/client-carol/client-carol.sock", "/var/log/dsked", "/etc/dsked",
    ).stdout.splitlines()  # fmt: skip
    assert shown == [
        "/var/lib/dsked/client-carol dsked:dsked 700",
        "/run/dsked/client-carol dsked:dsked 750",
        "/run/dsked/client-carol/client-carol.sock dsked:dsked 660",
        "/var/log/dsked dsked:dsked 700",
        "/etc/dsked root:dsked 750",
    ]


def test_a_node_can_write_nothing_but_its_own(nodes: Machine) -> None:
    """What it could do if somebody else ran in its place: tried in its namespaces, as its user."""
    inside = nodes.show("dsked-client@carol", "MainPID")["MainPID"]
    program = (
        "for place in /etc/dsked /etc /usr /home /root /boot /var/lib /var/lib/dsked /run /run/dsked "
        "/dev/shm /proc/sys/kernel /sys /var/log /srv /var/lib/dsked/client-carol /run/dsked/client-carol "
        "/var/log/dsked /tmp; do (touch $place/probe) 2>/dev/null && rm $place/probe && echo $place; done; "
        "ls /var/lib/dsked /run/dsked; ls /home /root /etc/credstore 2>/dev/null; exit 0"
    )
    tried = nodes.run(
        "nsenter", "--target", inside, "--mount", "--",
        "setpriv", "--reuid", "dsked", "--regid", "dsked", "--clear-groups", "sh", "-c", program,
    ).stdout.split()  # fmt: skip
    assert tried == [
        "/dev/shm",  # its own, with PrivateTmp
        "/var/lib/dsked/client-carol",
        "/run/dsked/client-carol",
        "/var/log/dsked",
        "/tmp",
        "/run/dsked:",
        "client-carol",
        "/var/lib/dsked:",
        "client-carol",
    ]


def test_a_node_has_no_privilege_left(nodes: Machine) -> None:
    for unit in ("dsked-hub@hank", "dsked-client@carol"):
        status = Path(f"/proc/{nodes.main_pid(unit)}/status").read_text()
        found = dict(re.findall(r"^(\w+):\s+(\S+)", status, re.MULTILINE))
        none = "0" * 16
        assert (found["CapEff"], found["CapPrm"], found["CapBnd"], found["CapAmb"]) == (none,) * 4
        assert (found["NoNewPrivs"], found["Seccomp"]) == ("1", "2") and found["Uid"] != "0"
        limits = Path(f"/proc/{nodes.main_pid(unit)}/limits").read_text()
        assert re.search(r"Max core file size +0 +0 ", limits)


def test_secrets_are_in_no_environment_and_on_no_command_line(nodes: Machine) -> None:
    for unit in NODES:
        process = Path(f"/proc/{nodes.main_pid(unit)}")
        told = process.joinpath("environ").read_bytes() + process.joinpath("cmdline").read_bytes()
        assert b"PRIVATE KEY" not in told and b"CREDENTIALS_DIRECTORY=" in told


@pytest.fixture
def simulating(machine: Machine) -> Iterator[Machine]:
    """The machine, with the nodes running whose PSRD is simulated."""
    units = ("dsked-hub@igor", "dsked-hub@ivan", "dsked-client@chloe")
    machine.run("systemctl", "start", *units)
    yield machine
    machine.run("systemctl", "stop", *units)


def test_gate_keys_may_be_a_credential(simulating: Machine) -> None:
    simulating.wait_for("dsked-client@chloe", ActiveState="active", StatusText="ready")


@pytest.mark.skipif(not HAS_PSK, reason="TLS-PSK needs Python 3.13")
def test_pre_shared_keys_may_be_a_credential(simulating: Machine) -> None:
    assert "client chloe serves SKIP over TLS-PSK" in simulating.journal("dsked-client@chloe")


def _etsi(machine: Machine, client: str, holder: str, path: str) -> str:
    """A client's answer over ETSI GS QKD 014 to the holder of a certificate; curl's words where TLS fails."""
    tls = "/etc/dsked/tls"
    asked = machine.run(
        "curl", "--silent", "--show-error", "--fail-with-body",
        "--cacert", f"{tls}/ca.pem", "--cert", f"{tls}/{holder}.pem", "--key", f"{tls}/{holder}.key",
        f"https://127.0.0.1:{ETSI_PORTS[client]}/api/v1/keys/{path}", check=False,
    )  # fmt: skip
    return asked.stdout if asked.returncode == 0 else asked.stderr


def _serves(machine: Machine, holder: str) -> bool:
    return "source_KME_ID" in _etsi(machine, "carol", holder, "sunny/status")


def test_a_reload_takes_certificates_and_revocations(connected: Machine, pki: Pki) -> None:
    """An encryptor that has been in use is revoked, and a node that is told so goes on without a break."""
    unit, tls = "dsked-client@carol", connected.root / CONFIGURATION / "tls"
    second = pki.ca.issue(name("sam"), "second")
    for path in (second.certificate, second.private_key):
        shutil.copy(path, tls)
    assert _serves(connected, "second")
    pid = connected.main_pid(unit)
    pki.revoke(second)
    shutil.copy(pki.crl, tls)
    _reload(connected, unit, "has read its certificates again")
    assert "revoked" in _etsi(connected, "carol", "second", "sunny/status") and _serves(connected, "sam")
    connected.wait_for(unit, ActiveState="active", SubState="running", StatusText="ready")
    assert connected.main_pid(unit) == pid


def test_a_reload_takes_what_can_change_without_a_restart(connected: Machine) -> None:
    """Who may act for an encryptor. What is wrong changes nothing, and is said with file and line."""
    unit, config = "dsked-client@carol", connected.root / CONFIGURATION / "carol.yaml"
    asked = ("dskectl", "get-key", "sunny", "--node", "carol")
    before, pid = config.read_text(), connected.main_pid(unit)
    content = yaml.safe_load(before)
    content["encryptors"][0]["users"].append("mallory")
    config.write_text(yaml.safe_dump(content))
    _reload(connected, unit, "new users and groups of encryptors")
    connected.as_user("mallory", *asked)
    config.write_text("client: carol\nhubs: [\n")
    _reload(connected, unit, "carol.yaml:3: not YAML")
    connected.as_user("mallory", *asked)
    config.write_text(before)
    _reload(connected, unit, "new users and groups of encryptors")
    assert connected.as_user("mallory", *asked, check=False).returncode != 0
    assert connected.main_pid(unit) == pid


def _reload(machine: Machine, unit: str, words: str) -> None:
    """Until the node has said these words of it."""
    said = machine.journal(unit).count(words)
    machine.run("systemctl", "reload", unit)
    wait_until(lambda: machine.journal(unit).count(words) > said, words)


def test_a_new_private_key_is_taken_by_a_restart(connected: Machine, pki: Pki) -> None:
    """systemd reads credentials when a unit starts. A reload refuses the certificate, and nothing stops."""
    unit, fresh = "dsked-client@carol", pki.server_of("carol")
    shutil.copy(fresh.certificate, connected.root / CONFIGURATION / "tls")
    secret(connected.root / CREDENTIALS / "dsked.carol.tls-key", fresh.private_key.read_text())
    _reload(connected, unit, "goes on with the ")
    assert _serves(connected, "sam")
    connected.run("systemctl", "restart", unit)
    wait_for_hubs(connected, CLIENTS, HUBS)
    assert _serves(connected, "sam")


def test_a_client_that_waits_for_hubs_is_not_given_up(machine: Machine, delivered: None) -> None:
    """It asks for more time, whatever TimeoutStartSec= says; twice in the time that the watchdog waits."""
    unit = "dsked-client@curtis"
    machine.run("systemctl", "stop", *NODES)
    with _changed(machine, unit, "WatchdogSec=5s\nTimeoutStartSec=10s\n"):
        began = time.monotonic()
        machine.run("systemctl", "start", "--no-block", unit)
        wait_until(lambda: time.monotonic() > began + 12, "it would be over")
        machine.wait_for(unit, ActiveState="activating", NRestarts="0", Result="success")
        machine.run("systemctl", "start", *NODES)
        machine.wait_for(unit, ActiveState="active", NRestarts="0", StatusText="ready")


#: Of the hub that is watched: it says twice in this time that it lives, on a machine that may be busy.
WATCHDOG_S = 5


@pytest.fixture
def watched(nodes: Machine) -> Iterator[Machine]:
    """Hub helen, whose watchdog does not wait long."""
    unit = "dsked-hub@helen"
    with _changed(nodes, unit, f"WatchdogSec={WATCHDOG_S}s\nRestartSec=100ms\n"):
        nodes.run("systemctl", "restart", unit)
        yield nodes


@contextmanager
def _changed(machine: Machine, unit: str, lines: str) -> Iterator[None]:
    """A drop-in of the unit, which is stopped at the end: other tests want no watchdog that is impatient."""
    drop_in = machine.root / "run/systemd/system" / f"{unit}.service.d/test.conf"
    drop_in.parent.mkdir(parents=True)
    drop_in.write_text(f"[Service]\n{lines}")
    machine.run("systemctl", "daemon-reload")
    try:
        yield
    finally:
        machine.run("systemctl", "stop", unit)
        shutil.rmtree(drop_in.parent)
        machine.run("systemctl", "daemon-reload")


def test_a_daemon_that_hangs_is_killed_and_started_anew(watched: Machine) -> None:
    """The log has where it hung."""
    unit = "dsked-hub@helen"
    pid = watched.main_pid(unit)
    os.kill(pid, signal.SIGSTOP)
    watched.wait_for(unit, ActiveState="active", SubState="running", NRestarts="1", StatusText="ready")
    assert watched.main_pid(unit) not in (0, pid)
    said = watched.journal(unit)
    assert "Watchdog timeout" in said and "Fatal Python error: Aborted" in said and "process.py" in said


def test_a_daemon_that_lives_is_left_alone_by_its_watchdog(watched: Machine) -> None:
    unit = "dsked-hub@helen"
    began = heard = _heard(watched, unit)
    while heard < began + 1_250_000 * WATCHDOG_S:  # longer than it waits
        wait_until(lambda before=heard: _heard(watched, unit) > before, "a sign of life")
        heard = _heard(watched, unit)
    assert watched.show(unit, "NRestarts", "Result") == {"NRestarts": "0", "Result": "success"}


def _heard(machine: Machine, unit: str) -> int:
    """When the unit has told last that it lives (microseconds)."""
    return int(machine.show(unit, "WatchdogTimestampMonotonic")["WatchdogTimestampMonotonic"])


def test_a_daemon_that_is_killed_comes_back_and_keys_flow(nodes: Machine) -> None:
    unit = "dsked-client@curtis"
    before = int(nodes.show(unit, "NRestarts")["NRestarts"])
    os.kill(nodes.main_pid(unit), signal.SIGKILL)
    nodes.wait_for(unit, NRestarts=str(before + 1), ActiveState="active", StatusText="ready")
    _key_pair(nodes)


def test_a_stop_is_clean_and_leaves_nothing_but_state(nodes: Machine) -> None:
    nodes.run("systemctl", "stop", *NODES)
    for unit in NODES:
        nodes.wait_for(unit, ActiveState="inactive", Result="success", ExecMainStatus="0")
        assert "Traceback" not in nodes.journal(unit)
    assert list((nodes.root / "run/dsked").iterdir()) == []
    kept = {path.name for path in (nodes.root / "var/lib/dsked").iterdir()}
    assert kept >= {*(f"hub-{hub}" for hub in HUBS), *(f"client-{client}" for client in CLIENTS)}


def test_audit_logs_are_rotated_while_a_client_waits_for_its_hubs(nodes: Machine) -> None:
    """Nobody waits for that client: logs of the whole host would be rotated no more."""
    unit, config, log = (
        "dsked-hub@hank",
        nodes.root / CONFIGURATION / "hank.yaml",
        "/var/log/dsked/hank.audit",
    )
    before = config.read_text()

    def taken() -> bool:
        _key_pair(nodes)
        return " taken " in nodes.run("dskectl", "audit", "show", log).stdout

    shutil.copy(ROOT / "configs/logrotate/dsked", nodes.root / "etc/logrotate.d/dsked")
    try:
        config.write_text(f"{before}audit_log: {log}\n")
        nodes.run("systemctl", "restart", unit)
        wait_until(taken, "hank has shares of keys")
        nodes.run("systemctl", "stop", "dsked-client@carol", "dsked-hub@helen", "dsked-hub@hilary")
        nodes.run("systemctl", "start", "--no-block", "dsked-client@carol")
        nodes.wait_for("dsked-client@carol", ActiveState="activating")
        nodes.run("logrotate", "--force", "/etc/logrotate.d/dsked")
        wait_until(lambda: (nodes.root / log[1:]).exists(), "the node has reopened its log")
        nodes.wait_for("dsked-client@carol", ActiveState="activating")
        nodes.run("systemctl", "start", *NODES)
        wait_until(taken, "hank has shares of more keys")
        nodes.run("dskectl", "audit", "verify", f"{log}.1", log)
    finally:
        config.write_text(before)
        nodes.run("systemctl", "restart", unit)


def test_state_on_another_disk_is_mounted_in_its_place(nodes: Machine) -> None:
    """systemd follows no link there, whoever has put it; and the state may be a mount."""
    unit, state = "dsked-client@curtis", "/var/lib/dsked/client-curtis"
    nodes.run("systemctl", "stop", unit)
    nodes.run("mv", state, "/srv/curtis")
    nodes.run("ln", "-s", "/srv/curtis", state)
    try:
        assert nodes.run("systemctl", "start", unit, check=False).returncode != 0
        assert "STATE_DIRECTORY" in nodes.journal(unit)
        nodes.run("sh", "-c", f"rm {state}; mkdir {state}; mount --bind /srv/curtis {state}")
        nodes.run("systemctl", "start", unit)
        _key_pair(nodes)
    finally:
        nodes.run("systemctl", "stop", unit)
        nodes.run("sh", "-c", f"umount {state}; rm -r {state}; mv /srv/curtis {state}")
    nodes.run("systemctl", "start", unit)
    _key_pair(nodes)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("hubs: [\n", "bad.yaml:2: not YAML"),
        ("psrd: media\nhubs:\n- name: bad\n  prot: 7100\n", "bad.yaml:"),
        (None, "/etc/dsked/bad.yaml: cannot be read: No such file or directory"),
    ],
    ids=["no YAML", "a key that is none", "no file"],
)
def test_a_file_that_is_wrong_is_refused_before_anything_starts(
    machine: Machine, text: str | None, fault: str
) -> None:
    unit = "dsked-hub@bad"
    config = machine.root / CONFIGURATION / "bad.yaml"
    config.unlink(missing_ok=True)
    if text is not None:
        config.write_text(text)
    started = machine.run("systemctl", "start", unit, check=False)
    assert started.returncode != 0 and "control process exited with error code" in started.stderr
    machine.run("systemctl", "stop", unit)
    wait_until(lambda: fault in machine.journal(unit), fault)
    assert machine.show(unit, "ExecMainPID")["ExecMainPID"] == "0", "it never ran"
    machine.run("systemctl", "reset-failed", check=False)


def test_nothing_that_a_node_holds_goes_to_the_swap(nodes: Machine) -> None:
    assert nodes.show("dsked-hub@hank", "MemorySwapMax")["MemorySwapMax"] == "0"

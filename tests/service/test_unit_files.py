"""What stands in configs/systemd: hardened as far as a node can be, alike for hubs and clients, verified."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

UNITS = Path(__file__).parents[2] / "configs/systemd"
ROLES = ("hub", "client")
#: Of 10: the more, the more a unit could do.
MOST_EXPOSURE = 1.5
#: Keys that a hub's unit and a client's may have different.
OWN = {
    "BindPaths", "Description", "ExecStart", "ExecStartPre", "LoadCredential", "RuntimeDirectory",
    "StateDirectory",
}  # fmt: skip

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None,
    reason="systemd-analyze is missing (Debian: apt-get install systemd)",
)


def unit(role: str) -> Path:
    return UNITS / f"dsked-{role}@.service"


def lines(role: str) -> list[tuple[str, str]]:
    """(key, value) of a unit, in order."""
    return re.findall(r"^(\w+)=(.*)$", unit(role).read_text(), re.MULTILINE)


@needs_systemd
@pytest.mark.parametrize("role", ROLES)
def test_a_unit_is_exposed_as_little_as_a_node_can_be(role: str) -> None:
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(unit(role))]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.search(r"Overall exposure level for \S+: (\d+\.\d+)", said)
    assert found and float(found[1]) <= MOST_EXPOSURE, said


@needs_systemd
@pytest.mark.parametrize("role", ROLES)
def test_systemd_finds_nothing_wrong_with_a_unit(role: str, tmp_path: Path) -> None:
    """Another program stands for /usr/bin/dsked, which need not be installed here; nor need man pages."""
    copy = tmp_path / f"dsked-{role}@hank.service"
    copy.write_text(unit(role).read_text().replace("/usr/bin/dsked", "/bin/true"))
    command = ["systemd-analyze", "verify", "--man=no", str(copy)]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (said.returncode, said.stdout + said.stderr) == (0, "")


def test_hubs_and_clients_differ_in_what_they_must_only() -> None:
    hub, client = ([line for line in lines(role) if line[0] not in OWN] for role in ROLES)
    assert hub == client
    assert len(hub) > 40


@pytest.mark.parametrize("role", ROLES)
def test_what_the_control_socket_and_keys_in_memory_depend_on(role: str) -> None:
    found = dict(lines(role))
    assert "PrivateUsers" not in found, "SO_PEERCRED would give 65534 for everybody"
    assert "DynamicUser" not in found, "state belongs to a user that stays"
    assert (found["LimitCORE"], found["MemorySwapMax"]) == ("0", "0")
    assert (found["Type"], found["Restart"], found["WatchdogSec"]) == ("notify", "on-failure", "30s")
    assert found["ExecStartPre"] == f"{found['ExecStart']} --check-config"
    own = f"dsked/{role}-%i"
    assert (found["StateDirectory"], found["RuntimeDirectory"]) == (own, own)
    assert (found["StateDirectoryMode"], found["RuntimeDirectoryMode"]) == ("0700", "0750")
    assert found["LogsDirectoryMode"] == "0700", "encryptors' users are in the group, and audit logs tell all"
    assert "d /var/log/dsked 0700 dsked dsked\n" in (UNITS / "dsked.tmpfiles").read_text()

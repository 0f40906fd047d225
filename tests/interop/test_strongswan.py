"""docs/encryptors.md's script with the real strongSwan: a tunnel between two hosts, ESP in user space."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from scripts.laboratory import LIMIT_S, Laboratory, wait_until

from .hosts import Host, environment, needs, script, two_hosts

CHARON = Path("/usr/lib/ipsec/charon")
USER_SPACE = CHARON.parent / "plugins" / "libstrongswan-kernel-libipsec.so"
pytestmark = [
    *needs("swanctl", "unshare"),
    pytest.mark.skipif(not CHARON.exists() or not USER_SPACE.exists(), reason="no strongSwan with libipsec"),
]

DAEMON = """charon {{
    load = random nonce aes sha1 sha2 hmac kdf curve25519 {network} socket-default vici updown
    plugins {{ vici {{ socket = {socket}
    }} }}
}}
"""
CONNECTION = """connections {{ tunnel {{
    version = 2
    local_addrs = {here.address}
    remote_addrs = {there.address}
    proposals = aes256-sha256-x25519
    ppk_required = yes
    local {{ auth = psk
        id = {here.name} }}
    remote {{ auth = psk
        id = {there.name} }}
    children {{ tunnel {{ local_ts = {here.inside}/32
        remote_ts = {there.inside}/32
        esp_proposals = aes256-sha256-x25519 }} }}
}} }}
secrets {{ ike {{ secret = "for authentication alone" }} }}
include {ppk}
"""
SWANCTL = """#!/bin/sh
case $1 in --load*) set -- "$@" --file {connection} ;; esac
exec {swanctl} "$@" --uri {socket} 2>&1
"""


class Gateway:
    """One end of the tunnel."""

    def __init__(self, host: Host, other: Host, directory: Path) -> None:
        self.host = host
        self.programs = directory / host.name
        self.programs.mkdir()
        self.ppk = directory / f"{host.name}-ppk.conf"
        settings, connection = directory / f"{host.name}.conf", directory / f"{host.name}-swanctl.conf"
        socket = f"unix://{directory}/{host.name}.vici"
        settings.write_text(DAEMON.format(network="kernel-libipsec kernel-netlink", socket=socket))
        connection.write_text(CONNECTION.format(here=host, there=other, ppk=self.ppk))
        self._swanctl = self.programs / "swanctl"
        real = shutil.which("swanctl")
        self._swanctl.write_text(SWANCTL.format(connection=connection, socket=socket, swanctl=real))
        self._swanctl.chmod(0o755)
        host.run("ip", "address", "add", f"{host.inside}/32", "dev", "lo")
        # In a mount namespace of its own, since charon keeps one process ID for all in /run.
        own_run = f"mount -t tmpfs none /run && exec {CHARON}"
        command = host.command(
            "env", f"STRONGSWAN_CONF={settings}", "unshare", "--mount", "sh", "-c", own_run
        )
        self._daemon = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda: self.swanctl("--stats")[0] == 0, "charon answers")

    def close(self) -> None:
        self._daemon.terminate()
        self._daemon.wait(LIMIT_S)

    def swanctl(self, *words: str) -> tuple[int, str]:
        """Exit status and output."""
        done = subprocess.run([self._swanctl, *words], capture_output=True, text=True)
        return done.returncode, done.stdout


@pytest.fixture
def gateways(tmp_path: Path) -> Iterator[tuple[Gateway, Gateway]]:
    with ExitStack() as stack:
        hosts = stack.enter_context(two_hosts())
        found = []
        for host, other in zip(hosts, hosts[::-1], strict=True):
            found.append(Gateway(host, other, tmp_path))
            stack.callback(found[-1].close)
        yield found[0], found[1]


def test_a_tunnel_with_postquantum_preshared_keys(
    lab: Laboratory, gateways: tuple[Gateway, Gateway], tmp_path: Path
) -> None:
    here, there = gateways
    program = script(tmp_path, "strongswan-ppk.sh")

    def new_ppk() -> str:
        take = [*environment(lab, there.programs), program, "take", str(there.ppk), "tunnel", "sam", "sunny"]
        make = (program, "make", str(here.ppk), "tunnel", "sam", "sunny")
        here.host.run(*environment(lab, here.programs), *make, *take)
        assert here.ppk.read_text() == there.ppk.read_text()
        return here.ppk.read_text()

    seen = set()
    for _ in range(2):
        seen.add(new_ppk())
        status, printed = here.swanctl("--initiate", "--child", "tunnel")
        assert status == 0, printed
        assert "CURVE_25519/PPK" in here.swanctl("--list-sas")[1]
        assert here.host.reaches(there.host)
        assert here.swanctl("--terminate", "--ike", "tunnel")[0] == 0
    assert len(seen) == 2

    other = new_ppk().partition("secret = 0s")[2][:8]
    here.ppk.write_text(here.ppk.read_text().replace(f"0s{other}", "0sAAAAAAAA"))
    assert here.swanctl("--load-all", "--noprompt")[0] == 0
    status, printed = here.swanctl("--initiate", "--child", "tunnel")
    assert status != 0
    assert "AUTHENTICATION_FAILED" in printed
    assert not here.host.reaches(there.host)

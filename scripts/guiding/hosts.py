"""Hosts, each a network namespace and a root directory: files, users and addresses of its own.

A root directory is this machine's, as an overlay that takes writes into memory. All of it stands in a mount
namespace and a process namespace (`separate`), and is gone with the last process in them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

PROJECT = Path(__file__).parents[2]
_INSIDE = "GUIDE_IS_INSIDE"
#: In memory, and hidden from everybody outside: nothing has to be removed, least of all through a mount.
_PLACE = Path("/run/guide")
#: What must not be seen of this machine's own nodes, and what a package would bring.
_NOT_COPIED = ("etc/dsked", "var/lib/dsked", "var/log/dsked", "etc/sysusers.d/dsked.conf")
_FIRST_UID = 930
TOOLS = ("ip", "unshare", "nsenter", "mount", "chroot", "systemd-sysusers", "systemd-tmpfiles", "openssl")


def why_not() -> str | None:
    """Why there can be no such hosts here; None where there can."""
    if os.geteuid() != 0:
        return "network namespaces are made by root"
    missing = [tool for tool in (*TOOLS, "curl", "jq") if shutil.which(tool) is None]
    if missing:
        return f"not installed: {', '.join(missing)}"
    tried = subprocess.run(["unshare", "--mount", "--net", "true"], capture_output=True, check=False)  # noqa: S607
    return None if tried.returncode == 0 else "this system makes no namespaces"


def separate() -> None:
    """Goes on in namespaces of its own, where this process is not yet in them: then it does not return."""
    if os.environ.get(_INSIDE):
        return
    os.environ[_INSIDE] = "1"
    namespaces = ["--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc"]
    os.execvp("unshare", ["unshare", *namespaces, sys.executable, *sys.argv])  # noqa: S606, S607


def run(*command: str) -> None:
    """A command that must succeed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")


class Host:
    """One of them. `addresses`: in CIDR notation, none for a host without a network."""

    def __init__(self, name: str, number: int, addresses: Sequence[str]) -> None:
        self.name, self.number, self.addresses = name, number, addresses
        self.directory = _PLACE / name
        self.root = self.directory / "root"
        self._uts = self.directory / "uts"  # its host name

    def make(self) -> None:
        """The root directory and the network namespace, with a loopback interface."""
        for part in ("upper", "work", "root"):
            (self.directory / part).mkdir(parents=True)
        layers = f"lowerdir=/,upperdir={self.directory}/upper,workdir={self.directory}/work"
        run("mount", "-t", "overlay", "overlay", "-o", layers, str(self.root))
        run("mount", "--rbind", "/proc", str(self.root / "proc"))
        run("mount", "--rbind", "/dev", str(self.root / "dev"))
        run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", str(self.root / "run"))
        self._forget_this_machine()
        self._show_project()
        (self.root / "media" / "dske").mkdir(parents=True, exist_ok=True)
        run("ip", "netns", "add", self.name)
        self._uts.touch()
        run("unshare", f"--uts={self._uts}", "hostname", self.name)
        self.command("ip", "link", "set", "lo", "up")

    def _forget_this_machine(self) -> None:
        """Its own nodes, and a user that it may have. Only the overlay is written."""
        for path in _NOT_COPIED:
            if (self.root / path).is_dir():
                shutil.rmtree(self.root / path)
            else:
                (self.root / path).unlink(missing_ok=True)
        for name in ("passwd", "shadow", "group", "gshadow"):
            file = self.root / "etc" / name
            if file.exists():
                lines = file.read_text().splitlines(keepends=True)
                file.write_text("".join(line for line in lines if not line.startswith("dsked:")))
        (self.root / "etc" / "sysusers.d").mkdir(parents=True, exist_ok=True)
        uid = _FIRST_UID + self.number  # another one at each host
        (self.root / "etc" / "sysusers.d" / "range.conf").write_text(f"r - {uid}-{uid}\n")

    def _show_project(self) -> None:
        """Interpreter and checkout, readable for every user, also where they are on other file systems."""
        for path in {PROJECT, Path(sys.prefix), Path(sys.base_prefix)}:
            here = self.root / path.relative_to("/")
            if not here.exists() or not any(here.iterdir()):
                here.mkdir(parents=True, exist_ok=True)
                run("mount", "--bind", str(path), str(here))
            for parent in here.parents:
                if parent == self.root:
                    break
                parent.chmod(parent.stat().st_mode | 0o111)

    def connect(self, wire: str) -> None:
        """A wire to the bridge in the network namespace `wire`."""
        if not self.addresses:
            return
        other = f"to-{self.name}"
        ends = ("name", "wire", "netns", self.name), ("name", other, "netns", wire)
        run("ip", "link", "add", *ends[0], "type", "veth", "peer", *ends[1])
        run("ip", "-n", wire, "link", "set", other, "master", "bridge", "up")
        for address in self.addresses:
            run("ip", "-n", self.name, "address", "add", address, "dev", "wire", "nodad")
        run("ip", "-n", self.name, "link", "set", "wire", "up")

    def know(self, addresses: Mapping[str, Sequence[str]]) -> None:
        """Names of hosts, as DNS would tell them."""
        lines = ["127.0.0.1 localhost", "::1 localhost"]
        for name, all_of_it in addresses.items():
            lines += [f"{address.partition('/')[0]} {name}.example.net" for address in all_of_it]
        (self.root / "etc" / "hosts").write_text("\n".join(lines) + "\n")

    def inside(self, *words: str, user: str = "root") -> list[str]:
        """A command line that runs these words here."""
        return [
            *("nsenter", f"--net=/run/netns/{self.name}", f"--uts={self._uts}"),
            *("chroot", f"--userspec={user}:{user}", "--groups=", str(self.root)),
            *words,
        ]

    def command(self, *words: str) -> None:
        """A command here, as root, that must succeed."""
        run(*self.inside(*words))

    def shell(self, text: str) -> subprocess.CompletedProcess[str]:
        """What root types here: output and errors together."""
        return subprocess.run(
            self.inside("bash", "-c", f"cd\n{text}"),
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )


class Network:
    """Hosts on one wire, and a medium that is carried between them."""

    def __init__(self, addresses: Mapping[str, Sequence[str]]) -> None:
        self._medium = _PLACE / "medium"
        self._at: Host | None = None
        self._addresses = addresses
        self.hosts = {name: Host(name, number, addresses[name]) for number, name in enumerate(addresses)}

    def make(self) -> None:
        """All of it. To be called in namespaces of its own only (`separate`)."""
        assert os.environ.get(_INSIDE)
        run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
        Path("/run/netns").mkdir()
        self._medium.mkdir(parents=True)
        run("ip", "netns", "add", "wire")
        run("ip", "-n", "wire", "link", "add", "bridge", "type", "bridge", "mcast_snooping", "0")
        run("ip", "-n", "wire", "link", "set", "bridge", "up")
        for host in self.hosts.values():
            host.make()
            host.connect("wire")
            host.know(self._addresses)

    def carry(self, name: str) -> None:
        """The medium to this host."""
        if self._at is not None:
            run("umount", str(self._at.root / "media" / "dske"))
        self._at = self.hosts[name]
        run("mount", "--bind", str(self._medium), str(self._at.root / "media" / "dske"))

"""Two hosts, which are network namespaces with a wire between them, for the scripts of docs/encryptors.md."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from scripts.laboratory import Laboratory

from .document import Page


def needs(*programs: str) -> list[pytest.MarkDecorator]:
    """Marks of tests on two hosts that run these programs."""
    missing = [name for name in ("ip", "ping", "jq", *programs) if shutil.which(name) is None]
    return [
        pytest.mark.full,
        pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces are made by root"),
        pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}"),
    ]


def run(*command: str, text: str | None = None) -> str:
    """The output of a command that must succeed."""
    done = subprocess.run(command, input=text, capture_output=True, text=True)
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout.strip()


class Host:
    """One of them. Its address on the wire ends with its number."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.name = f"dsked-{os.getpid()}-{number}"
        self.wire = f"w{number}-{os.getpid()}"
        self.address = f"192.0.2.{number}"
        self.inside = f"198.51.100.{number}"  # in the tunnel

    def command(self, *words: str) -> list[str]:
        """A command line that runs these words here."""
        return ["ip", "netns", "exec", self.name, *words]

    def run(self, *words: str, text: str | None = None) -> str:
        """The output of a command here."""
        return run(*self.command(*words), text=text)

    def reaches(self, other: Host) -> bool:
        """Whether a packet goes there and back through the tunnel."""
        ping = self.command("ping", "-c", "1", "-W", "2", "-I", self.inside, other.inside)
        return subprocess.run(ping, capture_output=True).returncode == 0


@contextmanager
def two_hosts() -> Iterator[tuple[Host, Host]]:
    """Both, with addresses on the wire."""
    here, there = Host(1), Host(2)
    with ExitStack() as stack:
        for host in (here, there):
            run("ip", "netns", "add", host.name)
            stack.callback(run, "ip", "netns", "delete", host.name)
        ends = [("name", host.wire, "netns", host.name) for host in (here, there)]
        run("ip", "link", "add", *ends[0], "type", "veth", "peer", *ends[1])
        for host in (here, there):
            host.run("ip", "address", "add", f"{host.address}/24", "dev", host.wire)
            host.run("ip", "link", "set", host.wire, "up")
            host.run("ip", "link", "set", "lo", "up")
        yield here, there


def script(directory: Path, name: str) -> str:
    """The path of a script of docs/encryptors.md."""
    path = directory / name
    path.write_text(Page().files[name])
    path.chmod(0o755)
    return str(path)


def environment(lab: Laboratory, *places: Path) -> list[str]:
    """A command's beginning that has the scripts find `dskectl`, its nodes, and the programs in `places`."""
    path = os.pathsep.join([*map(str, places), str(Path(sys.executable).parent), os.environ["PATH"]])
    return ["env", f"PATH={path}", f"DSKED_STATE_DIR={lab.path}", f"DSKED_RUNTIME_DIR={lab.path}"]

"""A topology of real daemons in a temporary directory, for the demonstration, benchmarks and tests."""

from __future__ import annotations

import contextlib
import itertools
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml

FIRST_PORT = 20_000
LAST_PORT = 32_000  # below Linux's ephemeral ports, which outgoing connections take
DSKECTL = Path(sys.executable).with_name("dskectl")


def free_ports(number: int, first: int = FIRST_PORT) -> int:
    """The first of `number` neighbouring TCP ports of 127.0.0.1 that nobody listens on."""
    for base in range(first, LAST_PORT, number):
        with contextlib.ExitStack() as held:
            try:
                for port in range(base, base + number):
                    held.enter_context(_bound(port))
            except OSError:
                continue
            return base
    raise RuntimeError(f"no {number} neighbouring ports are free between {first} and {LAST_PORT}")


@contextlib.contextmanager
def _bound(port: int) -> Iterator[None]:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))
        yield


def topology(
    hubs: int, clients: Mapping[str, Sequence[str]], base_port: int, **settings: Any
) -> dict[str, Any]:
    """A topology file's content: hubs hub1, hub2, ...; `clients`: name to encryptors."""
    return {
        "base_port": base_port,
        "psrd": "simulated",
        "etsi": "plain-http-on-loopback",
        "hubs": [{"name": f"hub{number}"} for number in range(1, hubs + 1)],
        "clients": [
            {"name": name, "encryptors": [{"name": encryptor} for encryptor in encryptors]}
            for name, encryptors in clients.items()
        ],
        **settings,
    }


class Laboratory:
    """A started topology; everything is stopped and removed at the end of the `with` block."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="dsked-")
        self.path = Path(self._directory.name)
        self.config = self.path / "lab.yaml"
        self.config.write_text(yaml.safe_dump(dict(content), sort_keys=False))
        self.content = content

    def __enter__(self) -> Self:
        try:
            self.dskectl("start")
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(subprocess.CalledProcessError):
            self.dskectl("stop")
        self._directory.cleanup()

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run dskectl on this topology, in its directory; whatever its exit status."""
        return subprocess.run(self.command(*arguments), cwd=self.path, capture_output=True, text=True)

    def dskectl(self, *arguments: str) -> str:
        """The standard output of a dskectl command that must succeed."""
        done = self.run(*arguments)
        if done.returncode:
            sys.stderr.write(done.stderr)
            done.check_returncode()
        return done.stdout

    def command(self, *arguments: str) -> list[str]:
        """The command line of dskectl on this topology."""
        places = [
            "--config",
            str(self.config),
            "--state-dir",
            str(self.path),
            "--runtime-dir",
            str(self.path),
        ]
        return [str(DSKECTL), *places, *arguments]

    def socket(self, role: str, name: str) -> Path:
        """A node's control socket; the node must be running."""
        return next(self.path.glob(f"*/{role}-{name}.sock"))

    def nodes(self) -> Iterator[tuple[str, str]]:
        """(role, name) of all nodes, hubs first."""
        return itertools.chain(
            (("hub", hub["name"]) for hub in self.content["hubs"]),
            (("client", client["name"]) for client in self.content["clients"]),
        )

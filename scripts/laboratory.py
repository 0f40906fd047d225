"""A topology of real daemons in a temporary directory, for the demonstration, benchmarks and tests."""

from __future__ import annotations

import atexit
import contextlib
import itertools
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import provision
import yaml

from dsked.delivery.control_client import ControlClient

FIRST_PORT = 20_000
PORTS_AT_ONCE = 20
LAST_PORT = 32_000  # below Linux's ephemeral ports, which outgoing connections take
#: The environment may name another, say of a package: scripts/demo.py then tries that.
DSKECTL = Path(os.environ.get("DSKECTL") or Path(sys.executable).with_name("dskectl"))
_POLL_S = 0.02
#: A hub has no client of this number: its page of a status is empty.
_BEYOND_ALL_PEERS = 2**31
#: How long a condition, or the end of a process, is waited for on a machine that is very busy.
LIMIT_S = 30.0

Found = TypeVar("Found")


def wait_until(condition: Callable[[], Found | None], what: str, limit_s: float = LIMIT_S) -> Found:
    """Ask again and again until `condition` gives something true: that. Raises TimeoutError."""
    deadline = time.monotonic() + limit_s
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"after {limit_s:g} s, still not so: {what}")
        time.sleep(_POLL_S)
    return found


_claims: list[socket.socket] = []


@atexit.register
def _give_up_claims() -> None:
    for claim in _claims:
        claim.close()


def free_ports(number: int, first: int | None = None) -> int:
    """The first of `number` neighbouring TCP ports of 127.0.0.1 that nobody listens on.

    They are this process's until it ends: laboratories that start at once do not meet.
    """
    assert number <= PORTS_AT_ONCE
    for base in range(first or FIRST_PORT, LAST_PORT, PORTS_AT_ONCE):
        with contextlib.suppress(OSError), contextlib.ExitStack() as held:
            claim = held.enter_context(_claimed(base))
            with contextlib.ExitStack() as probes:
                for port in range(base, base + number):
                    probes.enter_context(_bound(port))
            held.pop_all()
            _claims.append(claim)
            return base
    raise RuntimeError(f"no {number} neighbouring ports are free between {first} and {LAST_PORT}")


def _claimed(base: int) -> socket.socket:
    """A claim on a block of ports that every laboratory of this machine respects (unix(7), abstract)."""
    claim = socket.socket(socket.AF_UNIX)
    try:
        claim.bind(f"\0dsked-laboratory-{base}")
    except OSError:
        claim.close()
        raise
    return claim


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
    """A started topology; everything is stopped and removed at the end of the `with` block.

    `nodes`: the names of those to start, all by default. `log_level` is that of the nodes.
    `environment` is added to that of dskectl and the nodes. `media_bytes`: with `psrd: media`, what is
    brought for each pool of every pair before the nodes start.
    """

    def __init__(
        self,
        content: Mapping[str, Any],
        *,
        nodes: Sequence[str] = (),
        log_level: str = "info",
        environment: Mapping[str, str] | None = None,
        media_bytes: int = 0,
    ) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="dsked-")
        self.path = Path(self._directory.name)
        self.config = self.path / "lab.yaml"
        self.config.write_text(yaml.safe_dump(dict(content), sort_keys=False))
        self.content = content
        self._first = nodes
        self._log_level = log_level
        self._environment = {**os.environ, **(environment or {})}
        self._media_bytes = media_bytes

    def __enter__(self) -> Self:
        try:
            if self._media_bytes:
                provision.deliver(self.config, self.path, self._media_bytes)
            self.start(*self._first)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    @contextlib.contextmanager
    def prepared(self) -> Iterator[Self]:
        """The directory with the topology, nothing started; everything is removed as at the end of `with`."""
        try:
            yield self
        finally:
            self.__exit__(None, None, None)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(subprocess.CalledProcessError):
            if list(self.path.glob("*/*.sock")):
                self.stop()
        self._directory.cleanup()

    # --- dskectl ---

    def command(self, *arguments: str) -> list[str]:
        """The command line of dskectl on this topology."""
        return [str(DSKECTL), "--config", str(self.config), *self.places, *arguments]

    @property
    def places(self) -> list[str]:
        """The options of dskectl and dsked that keep everything in this laboratory's directory."""
        return ["--state-dir", str(self.path), "--runtime-dir", str(self.path)]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run dskectl on this topology, in its directory; whatever its exit status."""
        command = self.command(*arguments)
        return subprocess.run(command, cwd=self.path, env=self._environment, capture_output=True, text=True)

    def dskectl(self, *arguments: str) -> str:
        """The standard output of a dskectl command that must succeed."""
        done = self.run(*arguments)
        if done.returncode:
            sys.stderr.write(done.stderr)
            done.check_returncode()
        return done.stdout

    def start(self, *names: str) -> str:
        """Start the nodes of these names, or all, and wait until they are ready; gives the output."""
        return self.dskectl(*self._filters(names), "start", "--log-level", self._log_level)

    def stop(self, *names: str) -> str:
        """Stop the nodes of these names, or all, and wait until they are gone; gives the output."""
        return self.dskectl(*self._filters(names), "stop")

    def _filters(self, names: Sequence[str]) -> list[str]:
        return [word for name in names for word in (f"--{self.role(name)}", name)]

    @contextlib.contextmanager
    def changed(self, environment: Mapping[str, str]) -> Iterator[None]:
        """What is started in the `with` block has this in its environment, too."""
        before = self._environment
        self._environment = {**before, **environment}
        yield
        self._environment = before

    # --- nodes ---

    def nodes(self) -> Iterator[tuple[str, str]]:
        """(role, name) of all nodes, hubs first."""
        return itertools.chain(
            (("hub", hub["name"]) for hub in self.content["hubs"]),
            (("client", client["name"]) for client in self.content["clients"]),
        )

    def role(self, name: str) -> str:
        """`hub` or `client`."""
        return next(role for role, other in self.nodes() if other == name)

    def port(self, name: str) -> int:
        """The TCP port of a node: the base port, and its place in the file."""
        names = [other for _, other in self.nodes()]
        return int(self.content["base_port"]) + names.index(name)

    def client_of(self, encryptor: str) -> str:
        """The name of the client that serves an encryptor."""
        return next(
            str(client["name"])
            for client in self.content["clients"]
            if any(one["name"] == encryptor for one in client.get("encryptors", []))
        )

    def socket(self, role: str, name: str) -> Path:
        """A node's control socket; the node must have been started."""
        return next(self.path.glob(f"*/{role}-{name}.sock"))

    def control(self, name: str, timeout_s: float = LIMIT_S) -> ControlClient:
        """A connection to a node's control socket."""
        return ControlClient(self.socket(self.role(name), name), timeout_s)

    def status(self, name: str) -> dict[str, Any]:
        """A node's own state, as its control socket tells it: not as it was before this call.

        What was made for another call may be given again for a while (`StatusPages`); another page waits
        until that is over, and what is asked for behind it is made anew.
        """
        with self.control(name) as control:
            control.status(_BEYOND_ALL_PEERS)
            state: dict[str, Any] = control.status()["status"]
        return state

    def log(self, name: str) -> str:
        """All that a node has logged."""
        return (self.path / f"{self.role(name)}-{name}.out").read_text()

    def pid(self, name: str) -> int:
        """The process of a running node."""
        with self.control(name) as control:
            return control.peer_pid

    def resident_bytes(self, name: str) -> int:
        """Resident memory of a running node's process."""
        status = Path(f"/proc/{self.pid(name)}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) * 1024

    def kill(self, name: str) -> None:
        """End a node's process without warning, and wait until it is gone."""
        pidfd = os.pidfd_open(self.pid(name))
        try:
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            ended = select.poll()
            ended.register(pidfd, select.POLLIN)
            assert ended.poll(1000 * LIMIT_S), f"{name} survives SIGKILL"
        finally:
            os.close(pidfd)

    @contextlib.contextmanager
    def frozen(self, name: str) -> Iterator[None]:
        """A node whose process hangs (stopped, not dead) in the `with` block."""
        pidfd = os.pidfd_open(self.pid(name))
        try:
            signal.pidfd_send_signal(pidfd, signal.SIGSTOP)
            yield
        finally:
            signal.pidfd_send_signal(pidfd, signal.SIGCONT)
            os.close(pidfd)

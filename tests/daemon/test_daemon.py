from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from dsked.chosen_limits import with_values
from dsked.config.node import ClientSettings, ControlSettings, HubAddress, HubSettings, NodeSettings
from dsked.daemon import daemon
from dsked.delivery.control_client import ControlClient
from dsked.errors import LimitError
from tests.delivery.pki import Pki
from tests.delivery.tls_client import ask

LIMIT_S = 30.0
ROOT = Path(__file__).parents[2]


def hub_settings(directory: Path, port: int = 0) -> HubSettings:
    return HubSettings(
        name="hank", host="127.0.0.1", port=port, share_timeout_s=60.0, simulated=True, owners=None,
        state_dir=directory / "hub-hank",
        gate_keys={"carol": bytes(32)}, control=ControlSettings(path=directory / "hub-hank.sock"),
    )  # fmt: skip


def client_settings(directory: Path, hub_port: int, port: int | None = None) -> ClientSettings:
    hubs = (HubAddress(name="hank", host="127.0.0.1", port=hub_port, x=1),)
    return ClientSettings(
        name="carol", host="127.0.0.1", port=port, etsi_plain_http=port is not None, hubs=hubs,
        min_nr_shares=1, encryptors=("sam",), simulated=True, gate_keys={"hank": bytes(32)},
        control=ControlSettings(path=directory / "client-carol.sock"), state_dir=directory / "client-carol",
    )  # fmt: skip


class Manager:
    """A service manager: hears what daemons tell it over NOTIFY_SOCKET."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.settimeout(LIMIT_S)

    def heard(self) -> str:
        return self._socket.recv(4096).decode()

    def wait_for(self, text: str) -> list[str]:
        """All that is said up to and including a message with `text`."""
        said = [self.heard()]
        while text not in said[-1]:
            said.append(self.heard())
        return said

    async def until(self, text: str) -> list[str]:
        return await asyncio.to_thread(self.wait_for, text)

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Manager]:
    manager = Manager(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", str(manager.path))
    yield manager
    manager.close()


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody else listens on."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


@contextlib.asynccontextmanager
async def serving(
    settings: NodeSettings, reread: NodeSettings | None = None
) -> AsyncIterator[asyncio.Task[int]]:
    """The daemon in this process, without its logging set-up and its limits on the process.

    `reread`: the settings that it finds later.
    """
    before = asyncio.get_running_loop().get_exception_handler()
    task = asyncio.create_task(daemon.serve(settings, lambda: reread or settings))
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        asyncio.get_running_loop().set_exception_handler(before)


async def exit_status(task: asyncio.Task[int]) -> int:
    async with asyncio.timeout(LIMIT_S):
        return await task


def over_control(settings: NodeSettings, what: Callable[[ControlClient], Any]) -> Any:
    with ControlClient(settings.control.path) as client:
        return what(client)


def run_process(expression: str, **options: object) -> subprocess.Popen[str]:
    """`daemon.run` of settings that an expression over this module gives, as a process of its own."""
    program = (
        "import sys; from pathlib import Path; from tests.daemon.test_daemon import *\n"
        f"settings = {expression}; sys.exit(daemon.run(settings, lambda: settings))"
    )
    return subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, text=True, stderr=subprocess.PIPE, **options
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_hub_with_status_0(tmp_path: Path, manager: Manager, number: signal.Signals) -> None:
    process = run_process(f"hub_settings(Path({str(tmp_path)!r}))")
    manager.wait_for("READY=1")
    process.send_signal(number)
    _, log = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0
    assert manager.heard() == "STOPPING=1"
    assert "hub hank is ready" in log
    assert "hub hank is stopping" in log
    assert "Traceback" not in log
    assert not (tmp_path / "hub-hank.sock").exists()


def test_a_daemon_keeps_the_memory_of_large_keys_for_the_next() -> None:
    """Pages that were given back to the system would have to be fetched again."""
    code = (
        "import resource; from dsked.daemon import process; process.keep_freed_memory()\n"
        "def faults(): return resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "def key(): return [bytearray(size) for size in (131_072, 2_097_152, 2_097_152)]\n"
        "key(); before = faults()\n"
        "for _ in range(20): key()\n"
        "assert faults() - before < 500, faults() - before"  # 20 times 1,056 pages else
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_a_daemon_leaves_no_core_file_and_cannot_be_traced() -> None:
    program = (
        "import ctypes, resource; from dsked.daemon import process; process.forbid_core_dumps()\n"
        "pr_get_dumpable = 3\n"
        "print(resource.getrlimit(resource.RLIMIT_CORE))\n"
        "print(ctypes.CDLL(None).prctl(pr_get_dumpable, 0, 0, 0, 0))"
    )
    said = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, text=True, capture_output=True, check=True
    )
    assert said.stdout.split("\n")[:2] == ["(0, 0)", "0"]


def test_a_taken_port_ends_a_process_with_status_2_and_one_line(tmp_path: Path, taken: int) -> None:
    process = run_process(f"hub_settings(Path({str(tmp_path)!r}), {taken})")
    _, log = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 2
    [line] = log.splitlines()
    assert line.endswith(f"ERROR hub hank: cannot listen on 127.0.0.1 port {taken}: Address already in use")


async def test_the_operator_ends_it_over_the_control_socket(tmp_path: Path, manager: Manager) -> None:
    settings = hub_settings(tmp_path)
    async with serving(settings) as task:
        await manager.until("READY=1")
        await asyncio.to_thread(over_control, settings, ControlClient.stop)
        assert await exit_status(task) == 0


async def test_what_has_been_started_is_closed_when_the_rest_cannot_start(tmp_path: Path, taken: int) -> None:
    settings = hub_settings(tmp_path, taken)
    async with serving(settings) as task:
        assert await exit_status(task) == 2
    assert not settings.control.path.exists()


async def test_a_second_daemon_on_one_control_socket_is_refused(tmp_path, manager, caplog) -> None:
    settings = hub_settings(tmp_path)
    async with serving(settings) as first:
        await manager.until("READY=1")
        async with serving(replace(settings, state_dir=tmp_path / "other")) as second:
            assert await exit_status(second) == 2
        assert str(settings.control.path) in caplog.messages[-1]
        assert not first.done()
        status = await asyncio.to_thread(over_control, settings, ControlClient.status)
    assert status["name"] == "hank"


async def test_a_second_daemon_on_one_state_directory_is_refused(tmp_path, manager, caplog) -> None:
    settings = hub_settings(tmp_path)
    elsewhere = replace(settings, control=ControlSettings(path=tmp_path / "other.sock"))
    async with serving(settings) as first:
        await manager.until("READY=1")
        async with serving(elsewhere) as second:
            assert await exit_status(second) == 2
        assert f"{settings.state_dir}: is in use by process {os.getpid()}" in caplog.messages[-1]
        assert not first.done()
    async with serving(elsewhere):
        await manager.until("READY=1")


async def test_a_client_tells_what_is_missing_until_it_is_ready(
    tmp_path: Path, manager: Manager, free: int
) -> None:
    async with serving(client_settings(tmp_path, free)):
        [said] = await manager.until("STATUS=")
        assert said.startswith("STATUS=0 of 1 hubs are connected, 1 are needed (hank: ")
        async with serving(hub_settings(tmp_path, free)):
            said = await manager.until("READY=1\nSTATUS=ready")  # the hub's
            await manager.until("READY=1\nSTATUS=ready")  # the client's


async def test_a_client_serves_etsi_where_it_is_told_to(tmp_path: Path, manager: Manager, taken: int) -> None:
    async with serving(client_settings(tmp_path, taken, taken)) as task:
        assert await exit_status(task) == 2
    async with serving(client_settings(tmp_path, taken, 0)) as task:
        await manager.until("STATUS=0 of 1")
        os.kill(os.getpid(), signal.SIGTERM)
        assert await exit_status(task) == 0


async def test_an_error_that_no_code_has_caught_is_logged_and_the_daemon_goes_on(
    tmp_path, manager, caplog
) -> None:
    async with serving(hub_settings(tmp_path)) as task:
        await manager.until("READY=1")
        loop = asyncio.get_running_loop()
        loop.call_soon(lambda: 1 // 0)
        loop.call_exception_handler({"message": "a socket's end", "exception": OSError("no more files")})
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not task.done()
    traced = [bool(record.exc_info) for record in caplog.records if record.levelname in ("ERROR", "WARNING")]
    assert traced == [False, True], "a traceback only for what is ours"


class Log(logging.Handler):
    """The log of the daemon in this process, to be waited for."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._lines: asyncio.Queue[str] = asyncio.Queue()

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.put_nowait(f"{record.levelname}: {record.getMessage()}")

    async def until(self, text: str) -> str:
        """The next line with `text`."""
        async with asyncio.timeout(LIMIT_S):
            while text not in (line := await self._lines.get()):
                pass
        return line


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[Log]:
    """What the daemon says while a test runs."""
    caplog.set_level(logging.INFO)
    handler = Log()
    logging.getLogger().addHandler(handler)
    yield handler
    logging.getLogger().removeHandler(handler)


async def certificate_of(port: int) -> bytes:
    """What a server shows (DER)."""
    return ssl.PEM_cert_to_DER_cert(
        await asyncio.to_thread(ssl.get_server_certificate, ("127.0.0.1", port), timeout=LIMIT_S)
    )


async def test_certificates_are_read_again_on_sighup(
    tmp_path: Path, manager: Manager, taken: int, log: Log
) -> None:
    pki = Pki(tmp_path)
    sam = pki.encryptor("sam")
    settings = replace(client_settings(tmp_path, taken, 0), etsi_plain_http=False, etsi_tls=pki.settings())
    async with serving(settings):
        served = await log.until("client carol serves ETSI GS QKD 014 over mutual TLS on 127.0.0.1 port")
        port = int(served.rpartition(" ")[2])
        await manager.until("STATUS=0 of 1")
        before = pki.server.x509.public_bytes(Encoding.DER)
        assert await certificate_of(port) == before
        status = await asyncio.to_thread(ask, port, pki.client_context(sam), "/api/v1/keys/sam/status")
        assert status.status == 200
        after = pki.server_of("carol").x509.public_bytes(Encoding.DER)
        os.kill(os.getpid(), signal.SIGHUP)
        assert (
            await log.until("certificates again") == "INFO: ETSI GS QKD 014 has read its certificates again"
        )
        assert await certificate_of(port) == after != before
        pki.server.private_key.write_text("nonsense")
        os.kill(os.getpid(), signal.SIGHUP)
        said = await log.until("goes on with the certificate it has")
        assert str(pki.server.private_key) in said and said.startswith("ERROR: ")
        assert await certificate_of(port) == after


async def test_a_file_of_tls_that_cannot_be_used_ends_the_start(tmp_path: Path, manager: Manager) -> None:
    pki = Pki(tmp_path)
    pki.server.private_key.chmod(0o644)
    tls = pki.settings()
    settings = replace(client_settings(tmp_path, 1, 0), etsi_plain_http=False, etsi_tls=tls)
    async with serving(settings) as task:
        assert await exit_status(task) == 2


async def test_plain_http_off_loopback_is_warned_of(
    tmp_path: Path, manager: Manager, taken: int, log: Log
) -> None:
    settings = replace(client_settings(tmp_path, taken, 0), etsi_insecure=True)
    async with serving(settings):
        warning = await log.until("without TLS")
        assert warning.startswith("WARNING: ETSI GS QKD 014 without TLS on 127.0.0.1 port ")


async def test_a_configuration_that_is_as_it_was_changes_nothing(
    tmp_path: Path, manager: Manager, log: Log
) -> None:
    async with serving(hub_settings(tmp_path)) as task:
        await manager.until("READY=1")
        os.kill(os.getpid(), signal.SIGHUP)
        await log.until("the configuration was read again: nothing has changed that takes effect now")
        assert not task.done()


async def test_a_limit_changes_on_sighup(tmp_path: Path, manager: Manager, log: Log) -> None:
    settings = hub_settings(tmp_path)
    fewer = replace(settings, limits=with_values({"max_control_clients": 1}))
    async with serving(settings, fewer):
        await manager.until("READY=1")
        with ControlClient(settings.control.path) as first, ControlClient(settings.control.path) as second:
            assert await asyncio.to_thread(first.status) and await asyncio.to_thread(second.status)
        os.kill(os.getpid(), signal.SIGHUP)
        await log.until("the configuration was read again: new max_control_clients")
        with ControlClient(settings.control.path) as first, ControlClient(settings.control.path) as second:
            status = await asyncio.to_thread(first.status)
            assert status["status"]["limits"]["max_control_clients"] == 1
            with pytest.raises(LimitError, match="your user has 1 control connections open"):
                await asyncio.to_thread(second.status)

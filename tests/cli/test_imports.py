"""What is imported, and what is not: most of the time that a command or a node takes to start is imports."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dsked.config import gate_keys
from scripts.laboratory import Laboratory, free_ports
from tests.system.daemon import Daemon
from tests.system.support import small

from .conftest import Dskectl

ROOT = Path(__file__).parents[2]
#: What an encryptor that asks for a key would wait for, and need not.
HEAVY = {
    "aiohttp", "asyncio", "concurrent", "cryptography", "ctypes", "dataclasses", "email", "hashlib", "hmac",
    "http", "logging", "msgspec", "multiprocessing", "numpy", "prometheus_client", "random", "rich",
    "secrets", "ssl", "structlog", "subprocess", "tempfile", "urllib.request", "uvloop", "yaml",
}  # fmt: skip
#: What no hub needs, and what neither a hub nor a client does.
NO_HUBS = {"aiohttp", "email", "http", "multidict", "numpy", "shutil", "tempfile", "yarl", "zlib"}
NO_NODES = {
    "multiprocessing",
    "prometheus_client",
    "random",
    "rich",
    "secrets",
    "unittest",
    "xml",
}

KEY_ID = "00010203-0405-4607-8809-0a0b0c0d0e0f"
COMMANDS = {
    "--version": ["--version"],
    "--help": ["--help"],
    "get-key": ["get-key", "sunny", "--node", "carol", "--json"],
    "the only client's": ["get-key", "sunny"],
    "get-key-with-key-ids": ["get-key-with-key-ids", "sam", KEY_ID, "--node", "carol"],
    "status of one node": ["status", "--node", "carol"],
}


def loaded(modules: Iterator[str], heavy: set[str]) -> set[str]:
    return {module for module in modules if module in heavy or module.partition(".")[0] in heavy}


@pytest.mark.parametrize("arguments", COMMANDS.values(), ids=COMMANDS)
def test_a_command_that_is_called_for_every_key_loads_nothing_heavy(
    stand_ins: Dskectl, arguments: list[str]
) -> None:
    if not arguments[0].startswith("-"):
        assert stand_ins("--client", "carol", "start").status == 0
    program = (
        "import sys; from dsked.cli import dskectl\n"
        "try: dskectl.main()\n"
        "finally: print('loaded', *sys.modules)"
    )
    command = [sys.executable, "-P", "-c", program, *arguments]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    modules = ran.stdout.splitlines()[-1].split()
    assert {"loaded", "click", "dsked.cli.target"} <= set(modules)
    assert loaded(iter(modules), HEAVY) == set()


def imported(log: str) -> Iterator[str]:
    """The modules that -X importtime tells of."""
    for line in log.splitlines():
        if line.startswith("import time:"):
            yield line.rpartition("|")[2].strip()


@pytest.mark.parametrize("role", ["hub", "client"])
def test_a_node_loads_nothing_of_what_others_need(tmp_path: Path, role: str) -> None:
    gate_keys.ensure(tmp_path / "keys", [("carol", "nia"), ("nia", "hank"), ("nia", "hugo")])
    port = str(free_ports(1))
    alone = {
        "hub": ["--port", port],
        "client": ["--hubs", f"hank=127.0.0.1:{port}", f"hugo=127.0.0.2:{port}", "--min-nr-shares", "2"],
    }
    arguments = [
        "--role",
        role,
        "nia",
        "--psrd",
        "simulated",
        "--gate-keys",
        str(tmp_path / "keys"),
    ]
    arguments += [*alone[role], "--runtime-dir", str(tmp_path)]
    with Daemon(arguments, tmp_path / "log", {"PYTHONPROFILEIMPORTTIME": "1"}) as node:
        node.wait_ready() if role == "hub" else node.wait_unready()
        modules = set(imported(node.log.read_text())) - {"rich"}  # listed where it fails (daemon/logs.py)
    assert f"dsked.{role}.engine" in modules
    assert f"dsked.{'client' if role == 'hub' else 'hub'}.engine" not in modules
    assert loaded(iter(modules), NO_HUBS | NO_NODES) == set()  # this client serves no ETSI


@pytest.mark.parametrize("tls", [False, True], ids=["plain HTTP", "mutual TLS, SKIP and metrics"])
def test_forked_nodes_import_nothing_any_more(tls: bool) -> None:
    content = small(["hank", "helen"], k=2)
    if tls:
        content["skip"] = {"base_port": free_ports(2)}
        content["metrics"] = {"base_port": free_ports(4)}
    with Laboratory(content, environment={"PYTHONPROFILEIMPORTTIME": "1"}).prepared() as lab:
        lines = lab.dskectl("certs", "create-lab").partition("\n\n")[2]
        if tls:
            lab.config.write_text(lab.config.read_text().replace("etsi: plain-http-on-loopback\n", lines))
        lab.start()
        for _, name in lab.nodes():
            assert list(imported(lab.log(name))) == []
            hub_has_aiohttp = "/aiohttp/" in Path(f"/proc/{lab.pid(name)}/maps").read_text()
            assert hub_has_aiohttp == (lab.role(name) == "client")

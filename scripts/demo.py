"""The main job on the example topology: start it, get a key at both ends, compare, stop it.

Runs in a temporary directory, on other ports where those of the example are taken, so that it neither
meets nor disturbs a topology that is running. Exits 0 only if both encryptors hold the same key.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import yaml
from laboratory import DSKECTL, free_ports

from dsked.limits import DEFAULT_BASE_PORT

SHOWN = "configs/dske-config.yaml"  # what a reader in the checkout would type
EXAMPLE = Path(__file__).parent.parent / SHOWN
MASTER, SLAVE = "sam", "sunny"

_KEY = re.compile(r'"key": *"([A-Za-z0-9+/=]+)"')


def main() -> int:
    """Run the demonstration; returns the exit status."""
    with tempfile.TemporaryDirectory(prefix="dsked-demo-") as name:
        directory = Path(name)
        config = directory / EXAMPLE.name
        config.write_text(_on_free_ports(yaml.safe_load(EXAMPLE.read_text())))
        places = ["--config", str(config), "--state-dir", name, "--runtime-dir", name]

        def dskectl(*arguments: str) -> subprocess.CompletedProcess[str]:
            print(f"$ dskectl --config {SHOWN}", *arguments, flush=True)
            command = [str(DSKECTL), *places, *arguments]
            with subprocess.Popen(command, cwd=directory, stdout=subprocess.PIPE, text=True) as process:
                try:
                    output = process.communicate()[0]
                except KeyboardInterrupt:  # it got the same, and stops what it has started
                    process.communicate()
                    raise
            print(output, flush=True)
            return subprocess.CompletedProcess(command, process.returncode, output)

        return _run(dskectl)


def _run(dskectl: Callable[..., subprocess.CompletedProcess[str]]) -> int:
    try:
        status = dskectl("start").returncode or _key_pair(dskectl)
    finally:
        stopped = dskectl("stop").returncode
    return status or stopped


def _key_pair(dskectl: Callable[..., subprocess.CompletedProcess[str]]) -> int:
    """Get a key at both ends, and look with own eyes whether it is the same."""
    done = dskectl("etsi-qkd", MASTER, SLAVE, "get-key-pair")
    keys = _KEY.findall(done.stdout)
    if done.returncode == 0 and (len(keys) != 2 or keys[0] != keys[1]):
        print("demo: both ends should show the same key, and do not", file=sys.stderr)
        return 1
    return done.returncode


def _on_free_ports(topology: dict[str, list[object]]) -> str:
    nodes = len(topology["hubs"]) + len(topology["clients"])
    base_port = free_ports(nodes, DEFAULT_BASE_PORT)
    if base_port != DEFAULT_BASE_PORT:
        print(
            f"(Ports from {DEFAULT_BASE_PORT} on are in use here: this demonstration begins at {base_port}.)"
        )
    return yaml.safe_dump({**topology, "base_port": base_port}, sort_keys=False)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("demo: interrupted", file=sys.stderr)
        sys.exit(130)  # 128 + SIGINT

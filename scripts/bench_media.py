"""make bench-media: rates and peak memory of bundles, and what a node costs by the size of its pools.

Bundles go the whole way: generated and sealed at a hub, verified, taken in by a client, by real commands. The
floor of a rate is what this machine's generator and disk do with as many bytes and nothing else.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import provision
import yaml
from laboratory import DSKECTL, free_ports, topology

MIB = 1024 * 1024
PASSPHRASE = "only for measuring"  # noqa: S105
NODE_SIZES = (MIB, 64 * MIB, 4096 * MIB)


class Step(NamedTuple):
    """One command over `size` bytes. `peak`: the largest resident memory of its process in MiB."""

    name: str
    mib: float
    seconds: float
    peak_mib: float

    @property
    def mib_per_s(self) -> float:
        """The rate."""
        return self.mib / self.seconds


class Start(NamedTuple):
    """A hub that was started on pools of this size, in MiB; ms until it is ready, resident MiB then."""

    pool_mib: float
    ready_ms: float
    resident_mib: float


def run(name: str, size: int, command: list[str]) -> Step:
    """One command of dskectl, and what it took."""
    before = time.perf_counter()
    process = subprocess.Popen([str(DSKECTL), *command], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{name} failed: dskectl {' '.join(command)}")
    return Step(name, size / MIB, time.perf_counter() - before, usage.ru_maxrss / 1024)


def bundle_steps(directory: Path, bundle_bytes: int) -> list[Step]:
    """The way of one bundle of so many bytes, half of them for each pool."""
    config = _config(directory, "bundle")
    passphrase = directory / "passphrase"
    passphrase.write_text(f"{PASSPHRASE}\n")
    base = ["--config", str(config), "--state-dir", str(directory / "state"), "psrd"]
    seal = ["--passphrase-file", str(passphrase)]
    bundle = directory / "bundle.psrd"
    pool = str(bundle_bytes // 2)
    generate = ["generate", "--hub", "hub1", "--client", "carol", "--size", pool, "--out", str(bundle)]
    steps = [run("generate, sealed", bundle_bytes, [*base, *generate, "--seal", *seal])]
    steps.append(run("verify", bundle_bytes, [*base, "verify", str(bundle), *seal]))
    steps.append(run("import", bundle_bytes, [*base, "import", str(bundle), *seal]))
    steps.append(run("erase", bundle_bytes, [*base, "erase", str(bundle), "--yes"]))
    return steps


def floor(directory: Path, size: int) -> list[Step]:
    """The system's generator, and its disk: written once and synced."""
    before = time.perf_counter()
    for _ in range(size // MIB):
        os.urandom(MIB)
    random = Step("floor: generator", size / MIB, time.perf_counter() - before, 0)
    piece = os.urandom(MIB)
    before = time.perf_counter()
    path = directory / "floor"
    with path.open("wb") as file:
        for _ in range(size // MIB):
            file.write(piece)
        os.fsync(file.fileno())
    disk = Step("floor: disk", size / MIB, time.perf_counter() - before, 0)
    path.unlink()
    return [random, disk]


def start_of(directory: Path, pool_bytes: int) -> Start:
    """A hub with two pools of this size each, started once the pools are there."""
    config = _config(directory, "start")
    provision.deliver(config, directory, pool_bytes)
    notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notify.bind(str(directory / "notify"))
    command = [sys.executable, "-P", "-m", "dsked", "--role", "hub", "hub1", "--config", str(config)]
    places = ["--state-dir", str(directory), "--runtime-dir", str(directory)]
    before = time.perf_counter()
    process = subprocess.Popen(
        [*command, *places],
        env={**os.environ, "NOTIFY_SOCKET": str(directory / "notify")},
        stderr=subprocess.DEVNULL,
    )
    try:
        while b"READY=1" not in notify.recv(4096):
            pass
        ready_ms = 1000 * (time.perf_counter() - before)
        status = Path(f"/proc/{process.pid}/status").read_text()
        return Start(pool_bytes / MIB, ready_ms, int(status.partition("VmRSS:")[2].split()[0]) / 1024)
    finally:
        process.terminate()
        process.wait()
        notify.close()


def _config(directory: Path, name: str) -> Path:
    path = directory / f"{name}.yaml"
    content = topology(2, {"carol": ["sam"]}, free_ports(3), psrd="media", min_nr_shares=2)
    path.write_text(yaml.safe_dump(content))
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle-mib", type=int, default=4096, help="size of the bundle (default 4096)")
    parser.add_argument("--quick", action="store_true", help="a bundle of 64 MiB, no pool of 4 GiB")
    parser.add_argument("--directory", type=Path, help="where to work (default: the temporary directory)")
    parser.add_argument("--json", action="store_true", help="one JSON document")
    options = parser.parse_args()
    size = (64 if options.quick else options.bundle_mib) * MIB
    with tempfile.TemporaryDirectory(prefix="dsked-", dir=options.directory) as path:
        steps = floor(Path(path), size) + bundle_steps(Path(path), size)
    starts = []
    for pool in NODE_SIZES[: 2 if options.quick else 3]:
        with tempfile.TemporaryDirectory(prefix="dsked-", dir=options.directory) as path:
            starts.append(start_of(Path(path), pool))
    if options.json:
        document = {"bundle": [one._asdict() for one in steps], "start": [one._asdict() for one in starts]}
        print(json.dumps(document, indent=2))
        return
    print(f"a bundle of {size // MIB} MiB\n\n{'':<18} {'s':>7} {'MiB/s':>7} {'peak MiB':>9}")
    for step in steps:
        peak = f"{step.peak_mib:>9.0f}" if step.peak_mib else f"{'':>9}"
        print(f"{step.name:<18} {step.seconds:>7.1f} {step.mib_per_s:>7.0f} {peak}")
    print(f"\na hub by the size of its pools\n\n{'MiB per pool':>12} {'ready ms':>9} {'resident MiB':>13}")
    for start in starts:
        print(f"{start.pool_mib:>12.0f} {start.ready_ms:>9.0f} {start.resident_mib:>13.1f}")


if __name__ == "__main__":
    main()

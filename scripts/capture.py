#!/usr/bin/env python3
"""Captures what the nodes of a laboratory say to each other, for Wireshark (docs/wireshark.md).

    python3 scripts/capture.py FILE.pcap [--wrapping]

Three hubs and two clients start, establish keys, meet a few errors, and stop. Needs tshark, dumpcap and the
right to capture on the loopback interface.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from laboratory import Laboratory, free_ports, wait_until

from dsked.errors import DskedError

SAMPLE = Path(__file__).parent / "wireshark/sample.pcap"
HUBS = ("hank", "helen", "hilary")
CLIENTS = {"carol": ["sam"], "curtis": ["sunny", "susan"]}
_LONG_KEY_BITS = 16_000
_NOBODYS_KEY = bytes(16)
#: What tells that everything before it has been captured: it is taken out in the end.
_LAST = b"dsked: the end of a capture"
#: The kernel's for dumpcap. Its default of 2 takes no more than 30 of loopback's packets on a busy machine.
_BUFFER_MIB = 64
Scene = Callable[[Laboratory], None]


class NoCaptureError(Exception):
    """dumpcap may not capture here."""


def topology(*, wrapping: bool = False) -> dict[str, Any]:
    """Three hubs, k = 2; hubs have the first three ports."""
    return {
        "base_port": free_ports(len(HUBS) + len(CLIENTS)),
        "psrd": "simulated",
        "min_nr_shares": 2,
        "hubs": [{"name": name} for name in HUBS],
        "clients": [
            {"name": name, "encryptors": [{"name": one} for one in encryptors]}
            for name, encryptors in CLIENTS.items()
        ],
        **({"wrapping": "on"} if wrapping else {}),
    }


def ordinary(lab: Laboratory) -> None:
    """Keys for one responder and for two, a long one, one that nobody has made; then a hub that drains."""
    wait_for_hubs(lab)
    with lab.control("carol") as carol, lab.control("curtis") as curtis:
        key, *_ = carol.get_keys(("sunny",), 1, None, "sam")
        curtis.get_keys_by_id("sam", [key.key_id], "sunny")
        several = carol.get_keys(("sunny", "susan"), 3, 256, "sam")
        curtis.get_keys_by_id("sam", [one.key_id for one in several], "susan")
        long, *_ = carol.get_keys(("susan",), 1, _LONG_KEY_BITS, "sam")
        curtis.get_keys_by_id("sam", [long.key_id], "susan")
        with contextlib.suppress(DskedError):
            curtis.get_keys_by_id("sam", [_NOBODYS_KEY], "sunny")
        with contextlib.suppress(DskedError):
            carol.get_keys(("nobody",), 1, None, "sam")
        with lab.control(HUBS[-1]) as hub:
            hub.drain()
        key, *_ = carol.get_keys(("sunny",), 1, None, "sam")
        curtis.get_keys_by_id("sam", [key.key_id], "sunny")


def wait_for_hubs(lab: Laboratory) -> None:
    """Wait until all clients are registered with all hubs."""

    def so() -> bool:
        return all(peer["registered"] for client in CLIENTS for peer in lab.status(client)["peer_hubs"])

    wait_until(so, "all clients registered with all hubs")


def record(path: Path, content: dict[str, Any], scene: Scene = ordinary, *, media_bytes: int = 0) -> None:
    """Run a topology, and write all that its hubs and clients say meanwhile as a pcap to `path`.

    `media_bytes`: as Laboratory takes it.
    """
    with tempfile.TemporaryDirectory(prefix="dsked-capture-") as name:
        raw = Path(name) / "raw.pcap"
        with (
            capturing(raw, content["base_port"], len(content["hubs"])),
            Laboratory(content, media_bytes=media_bytes) as lab,
        ):
            scene(lab)
            lab.stop()
        only_tcp = ["tshark", "-r", str(raw), "-Y", "tcp", "-F", "pcap", "-w", str(path)]
        subprocess.run(only_tcp, check=True, stderr=subprocess.DEVNULL)


@contextlib.contextmanager
def capturing(path: Path, port: int, number: int) -> Iterator[None]:
    """Capture `number` ports from `port` on, of TCP, over the loopback interface into a file.

    Raises NoCaptureError where that is not allowed.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
        last.bind(("127.0.0.1", 0))
        wanted = f"tcp portrange {port}-{port + number - 1} or udp port {last.getsockname()[1]}"
        command = ["dumpcap", "-q", "-i", "lo", "-P", "-B", str(_BUFFER_MIB), "-w", str(path), "-f", wanted]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as dumpcap:
            try:
                _wait_for_start(dumpcap)
                yield
                last.sendto(_LAST, last.getsockname())
                wait_until(lambda: _LAST in path.read_bytes(), "everything captured")
            finally:
                dumpcap.send_signal(signal.SIGINT)


def _wait_for_start(dumpcap: subprocess.Popen[str]) -> None:
    assert dumpcap.stderr is not None
    said = []
    for line in dumpcap.stderr:
        if line.startswith("File:"):
            return
        said.append(line)
    raise NoCaptureError("no capture: " + "".join(said).strip())


def main() -> None:
    """As the module says."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("file", type=Path, nargs="?", default=SAMPLE)
    parser.add_argument("--wrapping", action="store_true", help="wrap whole frames (proto/wrapping.md)")
    arguments = parser.parse_args()
    if missing := [tool for tool in ("tshark", "dumpcap") if shutil.which(tool) is None]:
        sys.exit(f"capture: {' and '.join(missing)} must be installed (Debian: tshark)")
    try:
        record(arguments.file, topology(wrapping=arguments.wrapping))
    except NoCaptureError as error:
        sys.exit(f"capture: {error}")


if __name__ == "__main__":
    main()

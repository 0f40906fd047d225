"""Tries programs of dsked on a network of their own; $DSKECTL names dskectl, beside which the others lie.

Three hubs and two clients with metrics, lines in JSON and audit logs: the same key at both ends, and what is
shown, measured, diagnosed and written down of it. Exits with an error where anything is not as it should be.
"""

from __future__ import annotations

import contextlib
import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
from laboratory import Laboratory, free_ports, topology

HUBS, CLIENTS = 3, {"carol": ["sam"], "curtis": ["sunny"]}
NODES = [*(f"hub{number}" for number in range(1, HUBS + 1)), *CLIENTS]


def main() -> None:
    """Start all, try all, stop all."""
    first, metrics = free_ports(HUBS + len(CLIENTS)), free_ports(len(NODES))
    content = topology(
        HUBS, CLIENTS, first,
        min_nr_shares=2,
        metrics={"base_port": metrics},
        logging={"format": "json"},
        audit_log="{name}.audit",
    )  # fmt: skip
    with Laboratory(content) as lab:
        lab.dskectl("config", "check")
        _expect("Key values match", lab.dskectl("etsi-qkd", "sam", "sunny", "get-key-pair"))
        _expect("Verdict: it works", lab.dskectl("doctor", "--self-test", "sam", "sunny"))
        _watch(lab)
        for name, port in zip(NODES, range(metrics, metrics + len(NODES)), strict=True):
            _try_node(lab, name, port)


def _watch(lab: Laboratory) -> None:
    """Looks at it live, on a terminal, until the last node is there."""
    ours, its = pty.openpty()
    with subprocess.Popen(lab.command("top"), stdin=its, stdout=its, cwd=lab.path) as top:  # noqa: S603 — ours
        os.close(its)
        said = b""
        while NODES[-1].encode() not in said:
            said += os.read(ours, 65536)
        os.write(ours, b"q")
        _read_all(ours)
    if top.returncode:
        sys.exit(f"dskectl top: status {top.returncode}")


def _read_all(terminal: int) -> None:
    with contextlib.suppress(OSError):  # as a terminal ends
        while os.read(terminal, 65536):
            pass
    os.close(terminal)


def _try_node(lab: Laboratory, name: str, port: int) -> None:
    """One that runs: its table, its metrics, and its lines."""
    _expect(name, lab.dskectl("status", "--table", "--node", name))
    _expect("dsked_build_info{", _get(port, "metrics"))
    _get(port, "readyz")
    _expect("nothing was changed", lab.dskectl("audit", "verify", str(lab.path / f"{name}.audit")))
    (log,) = lab.path.rglob(f"*-{name}.out")
    for line in log.read_text().splitlines():
        json.loads(line)


def _get(port: int, page: str) -> str:
    with urlopen(f"http://127.0.0.1:{port}/{page}") as answer:
        text: str = answer.read().decode()
        return text


def _expect(what: str, said: str) -> None:
    if what not in said:
        sys.exit(f"{what!r} is not in:\n{said}")


if __name__ == "__main__":
    main()

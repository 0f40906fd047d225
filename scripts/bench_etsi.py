"""ETSI GS QKD 014 over HTTP keep-alive, one key per request, beside a bare aiohttp handler in the same run.

Five hubs, any three of them, two clients, all real daemons on loopback. A process that is none of them asks
carol for a key and curtis for the same key by its ID, and compares both replies; so many of these are under
way at once, each on connections of its own. The bare handler answers with a body of the same size, in one
process, loaded in the same way. With --tls both speak mutual TLS (EC P-256), each in its usual way.

Each client serves one half of the pairs. So the part of the bare handler is told in three ways: requests per
second of one client process (seven daemons share the cores meanwhile), of both together, and what a request
costs the bare handler's process against what it costs a client's, in CPU time, its engine's work included.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from benching.children import Child
from benching.processes import cpu_seconds
from benching.topologies import CLIENTS, USUAL, content, wait_until_registered
from laboratory import Laboratory

CONCURRENCY = 64
SECONDS = 3.0
_WARM_UP_S = 1.0  # pools learn the rate
_TLS = {
    "certificate": "certs/{name}.pem",
    "private_key": "certs/{name}.key",
    "client_ca": "certs/ca.pem",
    "crl": "certs/crl.pem",
}
_BODY = json.dumps({"keys": [{"key_ID": "0" * 36, "key": "0" * 44}]}, separators=(",", ":"))  # 256 bits


class Half(NamedTuple):
    """What one kind of request came to. `cpu_us`: of the process that serves it, for one request."""

    what: str
    per_s: float
    p50_ms: float
    p99_ms: float
    cpu_us: float


class Figures(NamedTuple):
    """A run. Requests of all kinds carry one 256-bit key each."""

    concurrency: int
    get_key: Half
    by_id: Half
    bare: Half

    @property
    def of_process(self) -> float:
        """Requests per second of one client process, as a part of the bare handler's."""
        return self.get_key.per_s / self.bare.per_s

    @property
    def of_both(self) -> float:
        """Requests per second of both client processes together, as a part of the bare handler's."""
        return (self.get_key.per_s + self.by_id.per_s) / self.bare.per_s

    @property
    def of_cpu(self) -> float:
        """A bare request's CPU time, as a part of that of one of ours; both halves weigh the same."""
        return 2 * self.bare.cpu_us / (self.get_key.cpu_us + self.by_id.cpu_us)

    def document(self) -> dict[str, Any]:
        """All of it for JSON."""
        halves = {name: getattr(self, name)._asdict() for name in ("get_key", "by_id", "bare")}
        parts = {name: getattr(self, name) for name in ("of_process", "of_both", "of_cpu")}
        return {"concurrency": self.concurrency, **halves, **parts}


def measure(seconds: float = SECONDS, concurrency: int = CONCURRENCY, tls: bool = False) -> Figures:
    """Both halves over real daemons, then the bare handler, for so long each; over mutual TLS with `tls`.

    Raises RuntimeError where a request is not served, or the two values of a key differ.
    """
    interface: dict[str, Any] = {"etsi": _TLS} if tls else {}
    with Child("benching.http_load") as load, Laboratory(content(*USUAL, **interface)).prepared() as lab:
        certificates = _certificates(lab) if tls else {}
        load_for = partial(load.ask, concurrency=concurrency, certificates=certificates)
        get_key, by_id = _of_daemons(lab, load_for, seconds)
        bare = _of_bare(certificates, load_for, seconds)
    return Figures(concurrency, get_key, by_id, bare)


def _certificates(lab: Laboratory) -> dict[str, Any]:
    """Files of the laboratory's certificates: the CA's, a server's, and those of the two encryptors."""
    lab.dskectl("certs", "create-lab")
    pairs = {
        name: [str(lab.path / "certs" / f"{name}.{kind}") for kind in ("pem", "key")]
        for name in ("carol", "sam", "sunny")
    }
    ca = str(lab.path / "certs" / "ca.pem")
    return {"ca": ca, "server": pairs["carol"], "clients": [pairs["sam"], pairs["sunny"]]}


def _of_daemons(
    lab: Laboratory, load_for: Callable[..., dict[str, Any]], seconds: float
) -> tuple[Half, Half]:
    lab.start()
    wait_until_registered(lab)
    ports = [lab.port(name) for name in CLIENTS]
    pids = [lab.pid(name) for name in CLIENTS]
    load_for(ports=ports, seconds=_WARM_UP_S)
    before = list(map(cpu_seconds, pids))
    told = load_for(ports=ports, seconds=seconds)
    cpu_s = [cpu_seconds(pid) - then for pid, then in zip(pids, before, strict=True)]
    lab.stop()
    return _half("Get key", told, 0, cpu_s[0]), _half("Get key with key IDs", told, 1, cpu_s[1])


def _of_bare(certificates: dict[str, Any], load_for: Callable[..., dict[str, Any]], seconds: float) -> Half:
    with Child("benching.bare_http") as bare:
        port = bare.ask(body=_BODY, certificates=certificates)["port"]
        load_for(port=port, seconds=_WARM_UP_S)
        before = cpu_seconds(bare.pid)
        told = load_for(port=port, seconds=seconds)
        return _half("bare handler", told, 0, cpu_seconds(bare.pid) - before)


def _half(what: str, told: dict[str, Any], which: int, cpu_s: float) -> Half:
    p50_ms, p99_ms = told["ms"][which]
    return Half(what, told["rounds"] / told["seconds"], p50_ms, p99_ms, 1e6 * cpu_s / told["rounds"])


def table(found: Figures) -> str:
    """The figures for people."""
    lines = [f"{'':<22}{'requests/s':>12}{'p50 ms':>9}{'p99 ms':>9}{'CPU us':>9}"]
    lines += [
        f"{one.what:<22}{one.per_s:>12,.0f}{one.p50_ms:>9.1f}{one.p99_ms:>9.1f}{one.cpu_us:>9.1f}"
        for one in (found.get_key, found.by_id, found.bare)
    ]
    parts = (
        f"of the bare handler: requests/s of one client process {found.of_process:.2f}, "
        f"of both {found.of_both:.2f}; CPU of a request 1/{1 / found.of_cpu:.1f} = {found.of_cpu:.2f}"
    )
    return "\n".join([*lines, parts])


def main() -> int:
    """Measure and show."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each measurement [%(default)s]")
    parser.add_argument("--concurrency", type=int, default=CONCURRENCY, help="pairs at once [%(default)s]")
    parser.add_argument("--tls", action="store_true", help="over mutual TLS, not plain HTTP")
    parser.add_argument("--json", action="store_true", help="print one JSON document, nothing else")
    options = parser.parse_args()
    found = measure(options.seconds, options.concurrency, options.tls)
    print(json.dumps(found.document(), indent=1) if options.json else table(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())

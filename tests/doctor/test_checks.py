"""What the checks make of what they see: files, clocks, ports, statuses."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from dsked.config.interfaces import Etsi
from dsked.config.node import HubAddress, TlsSettings
from dsked.config.topology import Client
from dsked.doctor import certificates, clock, nodes, pools, reach
from dsked.doctor.finding import Finding, Outcome, fault, good, verdict, warning
from scripts.laboratory import free_ports
from tests.delivery.pki import DAY, SERVER, Authority, name

WINDOW = 16384
PLAN = pools.Plan()


def only(findings: list[Finding]) -> tuple[str, str]:
    """Outcome and text of the one that there is."""
    (found,) = findings
    return str(found.outcome), found.text


# --- the verdict ---


@pytest.mark.parametrize(
    ("findings", "expected"),
    [
        ([], Outcome.GOOD),
        ([good("a", "b", "c")], Outcome.GOOD),
        ([good("a", "b", "c"), warning("a", "b", "c")], Outcome.WARNING),
        ([warning("a", "b", "c"), fault("a", "b", "c"), good("a", "b", "c")], Outcome.FAULT),
    ],
)
def test_the_verdict_is_the_worst_of_all(findings: list[Finding], expected: Outcome) -> None:
    assert verdict(findings) is expected


# --- the clock ---


@pytest.mark.parametrize(
    ("told", "outcome", "text"),
    [
        (True, "good", "synchronized"),
        (False, "warning", "not synchronized"),
        (None, "warning", "does not tell"),
    ],
)
def test_the_clock(told: bool | None, outcome: str, text: str) -> None:
    found = only(clock.check(lambda: told))
    assert found[0] == outcome
    assert text in found[1]


def test_this_kernel_tells() -> None:
    assert clock.synchronized() in (True, False)


# --- certificates ---


def client(directory: Path, end: timedelta) -> Client:
    """One whose certificate expires then; that of its CA in 400 days."""
    ca = Authority(directory, "ca", end=400 * DAY)
    own = ca.issue(name("carol"), "carol", usage=SERVER, begin=-3 * DAY, end=end)
    etsi = Etsi(tls=TlsSettings(certificate=own.certificate, private_key=own.private_key, client_ca=ca.path))
    return Client(name="carol", host="127.0.0.1", port=8443, encryptors=(), hubs=(), etsi=etsi, skip=None)


def outcomes(found: Iterator[Finding]) -> list[str]:
    return [str(one.outcome) for one in found]


def test_certificates_that_are_good_for_long(tmp_path: Path) -> None:
    found = list(certificates.check(client(tmp_path, 300 * DAY)))
    assert outcomes(iter(found)) == ["good", "good"]
    assert found[0].values["days_left"] in (299, 300)


def test_a_certificate_that_expires_soon_is_warned_of(tmp_path: Path) -> None:
    found = list(certificates.check(client(tmp_path, 20 * DAY)))
    assert outcomes(iter(found)) == ["warning", "good"]
    assert "renew it" in found[0].text


def test_a_certificate_that_has_expired_is_a_fault(tmp_path: Path) -> None:
    found = next(certificates.check(client(tmp_path, -DAY)))
    assert found.outcome is Outcome.FAULT
    assert "expired at" in found.text


def test_a_file_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    carol = client(tmp_path, DAY)
    (tmp_path / "carol.key").unlink()
    outcome, text = only(list(certificates.check(carol)))
    assert outcome == "fault"
    assert "carol.key" in text


def test_a_private_key_that_only_the_unit_sees_is_not_looked_for(tmp_path: Path) -> None:
    carol = client(tmp_path, 300 * DAY)
    assert carol.etsi
    assert carol.etsi.tls
    tls = replace(carol.etsi.tls, private_key=tmp_path / "$CREDENTIALS_DIRECTORY" / "tls-key")
    found = certificates.check(replace(carol, etsi=replace(carol.etsi, tls=tls)))
    assert outcomes(found) == ["good", "good"]


# --- ways to hubs ---


@contextmanager
def listening(greeting: bytes) -> Iterator[int]:
    """Somebody on loopback who says this to everybody who connects."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.sendall(greeting)

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def hub(port: int, host: str = "127.0.0.1") -> HubAddress:
    return HubAddress(name="hank", host=host, port=port, x=1)


def test_a_hub_that_answers() -> None:
    with listening(b"\0\0\0\x20\x95\xa4DSKE" + bytes(30)) as port:
        (found,) = reach.check([hub(port)])
    assert found.outcome is Outcome.GOOD
    assert 0 < found.values["latency_ms"]["127.0.0.1"] < 1000 * reach._LIMIT_S


@pytest.mark.parametrize("greeting", [b"", b"SSH-2.0-OpenSSH_9.2p1\r\n"])
def test_somebody_else_answers(greeting: bytes) -> None:
    with listening(greeting) as port:
        outcome, text = only(reach.check([hub(port)]))
    assert outcome == "fault"
    assert "no hub" in text


def test_nobody_answers() -> None:
    port = free_ports(1)
    assert only(reach.check([hub(port)])) == (
        "fault",
        f"port {port} cannot be reached: 127.0.0.1: Connection refused",
    )


def test_a_name_that_nobody_knows() -> None:
    outcome, text = only(reach.check([hub(7100, "nowhere.invalid")]))
    assert outcome == "fault"
    assert "its address is not known" in text


# --- statuses ---


def pool(position: int = 0, left: int = 1 << 30, **values: Any) -> dict[str, Any]:
    expected = {"bytes_per_day": None, "days_left": None}
    return {"window": WINDOW, "position": position, "nr_unused_bytes": left, **expected, **values}


def answer(role: str = "client", **pair: Any) -> dict[str, Any]:
    peer = {
        "registered": True, "connected": True, "problem": None, "late": False, "mismatches": {},
        "psrd_low": False, "restored_state_seen": False, "local_pool": pool(), "peer_pool": pool(),
        **({"hub_name": "hank"} if role == "client" else {"client_name": "carol"}),
    }  # fmt: skip
    key = "peer_hubs" if role == "client" else "peer_clients"
    name = "carol" if role == "client" else "hank"
    status = {key: [peer | pair], "encryptor_names": ["sam"]}
    return {
        "role": role, "name": name, "ready": True, "reason": None, "pid": 1, "version": "1", "status": status
    }  # fmt: skip


def test_a_node_that_is_well() -> None:
    assert outcomes(nodes.check(answer())) == ["good", "good"]
    assert outcomes(nodes.check(answer("hub"))) == ["good", "good"]


@pytest.mark.parametrize(
    ("role", "pair", "outcome", "text"),
    [
        ("client", {"registered": False, "problem": "refused"}, "fault", "refused"),
        ("client", {"late": True}, "warning", "too late"),
        ("client", {"draining": True}, "warning", "drained"),
        ("client", {"mismatches": {"curtis": 3}}, "fault", "3 of keys of curtis"),
        ("client", {"restored_state_seen": True}, "fault", "cloned"),
        ("hub", {"connected": False}, "warning", "not connected"),
        ("hub", {"restored_state_seen": True}, "fault", "cloned"),
    ],
)
def test_what_a_node_has_seen(role: str, pair: dict[str, Any], outcome: str, text: str) -> None:
    (found,) = [one for one in nodes.check(answer(role, **pair)) if one.outcome is not Outcome.GOOD]
    assert (found.outcome, text in found.text) == (outcome, True)


def test_a_node_that_is_not_ready() -> None:
    found = list(nodes.check(answer() | {"ready": False, "reason": "1 of 3 hubs"}))
    assert (found[0].outcome, found[0].text) == (Outcome.FAULT, "is not ready: 1 of 3 hubs")


@pytest.mark.parametrize(
    ("changes", "outcome", "text"),
    [
        ({}, "good", "/a.log: 7 lines"),
        ({"nr_lost": 3}, "warning", "/a.log: 3 lines could not be written"),
        ({"nr_lost": 3, "problem": "No space left"}, "fault", "/a.log: No space left"),
    ],
)
def test_an_audit_log(changes: dict[str, Any], outcome: str, text: str) -> None:
    told = answer("hub")
    told["status"]["audit_log"] = {"path": "/a.log", "number": 7, "nr_lost": 0, "problem": None, **changes}
    assert only([one for one in nodes.check(told) if one.check == "audit log"]) == (outcome, text)


def test_pools_that_cannot_be_opened() -> None:
    told = answer("hub")
    told["status"]["closed_pools"] = {"celia": "damaged"}
    assert next(one for one in nodes.check(told) if "celia" in one.about).outcome is Outcome.FAULT


# --- pools ---

MIB = 1 << 20


@pytest.mark.parametrize(
    ("pair", "outcome", "text"),
    [
        ({}, "good", "for how long is known"),
        ({"local_pool": pool(left=0)}, "fault", "used up"),
        ({"psrd_low": True}, "warning", "low: "),
    ],
)
def test_pools_of_which_no_rate_is_known(pair: dict[str, Any], outcome: str, text: str) -> None:
    found = only(list(pools.check(answer(**pair), PLAN)))
    assert found[0] == outcome
    assert text in found[1]


def used(per_day: float, left: int) -> dict[str, Any]:
    return pool(left=left, bytes_per_day=per_day, days_left=left / per_day if per_day else None)


def test_how_long_pools_last_and_what_to_order() -> None:
    told = answer(local_pool=used(MIB, 100 * MIB), peer_pool=used(2 * MIB, 300 * MIB))
    (found,) = pools.check(told, PLAN)
    assert found.outcome is Outcome.GOOD
    assert found.values == {"bytes_left": 100 * MIB, "days_left": 100.0, "order_bytes": (2 * 365 - 300) * MIB}
    assert found.text == "100.0 MiB left, 100 days at the present rate; for 365 days order --size 430M"


def test_pools_that_end_soon_are_warned_of() -> None:
    told = answer(local_pool=used(MIB, 29 * MIB), peer_pool=used(MIB, 400 * MIB))
    assert next(pools.check(told, PLAN)).outcome is Outcome.WARNING
    assert next(pools.check(told, pools.Plan(warn=20))).outcome is Outcome.GOOD


def test_pools_that_nobody_uses() -> None:
    told = answer(local_pool=used(0, MIB), peer_pool=used(0, MIB))
    assert only(list(pools.check(told, PLAN))) == ("good", "1.0 MiB left; nothing is being used")


def test_simulated_pools_are_no_stock() -> None:
    simulated = pool(window=None)
    assert not list(pools.check(answer(local_pool=simulated, peer_pool=simulated), PLAN))


# --- positions ---

USED = 1_000_000


def both(client: int, hub: int, hub_pool: tuple[int, int] = (0, 0)) -> list[dict[str, Any]]:
    """A client that has used its pool up to `client`, its hub that says `hub`; `hub_pool`: the other way."""
    return [
        answer(local_pool=pool(client), peer_pool=pool(hub_pool[1])),
        answer("hub", local_pool=pool(hub_pool[0]), peer_pool=pool(hub)),
    ]


@pytest.mark.parametrize("behind", [0, 48, 2 * WINDOW])
def test_a_receiver_may_be_behind_by_what_is_on_its_way(behind: int) -> None:
    asked = both(USED, USED - behind, hub_pool=(USED, USED - behind))
    assert only(list(pools.positions(asked, asked)))[0] == "good"


@pytest.mark.parametrize("other", [USED - 2 * WINDOW - 1, USED + 1])
@pytest.mark.parametrize("way", ["client", "hub"])
def test_positions_that_do_not_fit(way: str, other: int) -> None:
    asked = both(USED, other) if way == "client" else both(0, 0, hub_pool=(USED, other))
    (found,) = pools.positions(asked, asked)
    assert found.outcome is Outcome.FAULT
    assert found.values[f"{way}_pool"] == {"owner": USED, "receiver": other}


@pytest.mark.parametrize("late", [0, 1])
def test_keys_that_flow_in_between_are_no_fault(late: int) -> None:
    """However much was used between the two sides' answers, whichever of them was asked first."""
    before = both(0, 50 * WINDOW * late, hub_pool=(50 * WINDOW * (1 - late), 0))
    after = both(90 * WINDOW, 90 * WINDOW, hub_pool=(90 * WINDOW, 90 * WINDOW))
    assert only(list(pools.positions(before, after)))[0] == "good"


def test_a_side_that_was_written_down_is_compared() -> None:
    client, hub = both(USED, USED)
    assert only(list(pools.positions([client], [client], [hub])))[0] == "good"
    _, other = both(USED, 9)
    assert only(list(pools.positions([client], [client], [other])))[0] == "warning"


def test_one_side_alone_says_nothing() -> None:
    client, hub = both(1, 1)
    assert not list(pools.positions([client], [client]))
    assert not list(pools.positions([hub], [hub]))
    assert not list(pools.positions([client, hub], [client]))


def test_a_pair_that_one_side_does_not_know_says_nothing() -> None:
    client, hub = both(1, 1)
    hub["status"]["peer_clients"] = []
    assert not list(pools.positions([client, hub], [client, hub]))

"""ETSI GS QKD 014 over mutual TLS, real daemons: who gets a key and who not; certificates read again."""

from __future__ import annotations

import base64
import os
import re
import signal
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from scripts.laboratory import wait_until
from tests.delivery import tls_client
from tests.delivery.pki import Authority, Pki, name

from .support import small, started_over_tls

KEYS = "/api/v1/keys"
HUBS = ["hank", "helen", "hilary"]
RELOADS = 5
READ_AGAIN = "has read its certificates again"


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    """Its files are the laboratory's, by a link."""
    pki = Pki(tmp_path_factory.mktemp("certs"))
    pki.server_of("curtis")
    return pki


@pytest.fixture(scope="module")
def holders(pki, tmp_path_factory):
    wrong = Authority(tmp_path_factory.mktemp("other"), "other")
    found = {one: pki.encryptor(one) for one in ("sam", "sunny", "susan", "revoked")}
    pki.revoke(found["revoked"])
    return found | {
        "nobody": None, "wrong CA": wrong.issue(name("sunny"), "sunny"), "expired": pki.expired("sunny"),
    }  # fmt: skip


@pytest.fixture(scope="module")
def lab(pki, holders):
    with started_over_tls(pki.directory, small(HUBS, k=2)) as lab:
        yield lab


@pytest.fixture
def ask(lab, pki, holders):
    """A request to the client of that name, with the certificate of `who`."""

    def ask(client, who, path):
        return tls_client.ask(lab.port(client), pki.client_context(holders[who]), f"{KEYS}/{path}")

    return ask


@pytest.fixture
def key(ask):
    """One of sam for sunny: its ID and its value."""
    got = ask("carol", "sam", "sunny/enc_keys?size=256")
    assert got.status == 200
    [key] = got.document["keys"]
    return key["key_ID"], key["key"]


def test_the_named_slave_gets_the_key_once(ask, key):
    key_id, value = key
    path = f"sam/dec_keys?key_ID={key_id}"
    assert ask("curtis", "sunny", path).document == {"keys": [{"key_ID": key_id, "key": value}]}
    again = ask("curtis", "sunny", path)
    assert (again.status, value.encode() in again.raw) == (400, False)


@pytest.mark.parametrize(
    ("client", "who", "status"),
    [
        ("curtis", "nobody", 401),
        ("curtis", "sam", 401),  # an encryptor of another client
        ("curtis", "susan", 401),  # not named
        ("carol", "sam", 401),  # the master
        ("carol", "sunny", 401),  # named, at the wrong client
    ],
)
def test_who_may_not_have_the_key_gets_a_401_without_a_byte_of_it(ask, key, client, who, status):
    key_id, value = key
    answer = ask(client, who, f"sam/dec_keys?key_ID={key_id}")
    assert (answer.status, list(answer.document)) == (status, ["message"])
    assert not any(form in answer.raw for form in (value.encode(), base64.b64decode(value)))
    assert ask("curtis", "sunny", f"sam/dec_keys?key_ID={key_id}").status == 200, "it was not spent by that"


@pytest.mark.parametrize(
    ("who", "alert", "reason"),
    [
        ("wrong CA", "TLSV1_ALERT_UNKNOWN_CA", "its certificate comes from an unknown CA"),
        ("expired", "SSLV3_ALERT_CERTIFICATE_EXPIRED", "its certificate has expired"),
        ("revoked", "SSLV3_ALERT_CERTIFICATE_REVOKED", "its certificate is revoked"),
    ],
)
def test_a_certificate_that_does_not_verify_gets_an_alert_and_a_line_in_the_log(lab, ask, who, alert, reason):
    answer = ask("curtis", who, "sam/status")
    assert (answer.alert, answer.raw) == (alert, b"")
    subject = "revoked" if who == "revoked" else "sunny"
    found = wait_until(
        lambda: [line for line in lab.log("curtis").splitlines() if reason in line], "a line in the log"
    )
    assert len(found) == 1
    assert re.search(
        rf"TLS handshake with 127\.0\.0\.1 port \d+ failed \(certificate CN={subject}\)", found[0]
    )


def test_an_unknown_key_id_gets_a_400(ask):
    assert ask("curtis", "sunny", f"sam/dec_keys?key_ID={uuid.uuid4()}").status == 400


def _reload(lab, client, count):
    os.kill(lab.pid(client), signal.SIGHUP)
    wait_until(lambda: lab.log(client).count(READ_AGAIN) == count or None, "a SIGHUP's effect")


class Load:
    """One client in a thread, which keeps its connection as long as the replies allow."""

    def __init__(self, port, context):
        self._port, self._context = port, context
        self._over = threading.Event()
        self.answers, self.serials = 0, set()

    def run(self):
        while not self._over.is_set():
            connection = tls_client.Connection(self._port, self._context)
            self.serials.add(connection.socket.getpeercert()["serialNumber"])
            stays = True
            while stays and not self._over.is_set():
                answer = connection.ask(f"{KEYS}/sunny/enc_keys")
                assert answer.status == 200, answer
                self.answers += 1
                stays = answer.headers.get("Connection") != "close"
            connection.close()

    def end(self):
        self._over.set()


def test_sighup_under_load_takes_certificates_anew_without_a_failed_request(lab, pki, holders):
    loads = [Load(lab.port("carol"), pki.client_context(holders["sam"])) for _ in range(3)]
    before = lab.log("carol").count(READ_AGAIN)
    with ThreadPoolExecutor() as pool:
        running = [pool.submit(load.run) for load in loads]
        try:
            for count in range(1, RELOADS + 1):
                pki.server_of("carol")
                pki.revoke(pki.encryptor(f"gone-{count}"))
                _reload(lab, "carol", before + count)
                seen = [load.answers for load in loads]
                wait_until(
                    lambda seen=seen: all(
                        one.answers > then + 2 for one, then in zip(loads, seen, strict=True)
                    ),
                    "answers of the new certificate",
                )
        finally:
            for load in loads:
                load.end()
        for one in running:
            one.result()
    assert all(len(load.serials) >= RELOADS for load in loads)


def test_after_a_sighup_who_was_revoked_is_out_over_the_connection_that_it_has_as_well(lab, pki):
    late = pki.encryptor("late")
    kept = tls_client.Connection(lab.port("carol"), pki.client_context(late))
    before = lab.log("carol").count(READ_AGAIN)
    pki.revoke(late)
    _reload(lab, "carol", before + 1)
    answer = kept.ask(f"{KEYS}/sunny/status")
    kept.close()
    assert (answer.status, "revoked" in answer.document["message"]) == (401, True)
    again = tls_client.ask(lab.port("carol"), pki.client_context(late), f"{KEYS}/sunny/status")
    assert again.alert == "SSLV3_ALERT_CERTIFICATE_REVOKED"

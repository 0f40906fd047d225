"""`dskectl etsi-qkd` against an HTTP server that answers as it is told."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from .conftest import Dskectl

KEY_ID = "f1f2cf55-9569-4e8f-8805-f80c8f600d48"
CONTAINER = {"keys": [{"key_ID": KEY_ID, "key": "+bXUKbPwVSdpS23JXGLSRA=="}]}
GET_KEY = (
    "Invoke ETSI QKD Get Key API on client (KME) {} port {} "
    "master encryptor (SAE) sam slave encryptor (SAE) {}:"
)
GET_WITH_IDS = GET_KEY.replace("Get Key API", "Get Key with Key IDs API")


class Service:
    """Answers by path; remembers who asked for what."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, bytes]] = {}
        self.asked: list[tuple[str, str | None]] = []
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                service.asked.append((self.path, self.headers["Authorization"]))
                status, body = service.answers.get(self.path.partition("?")[0], (404, b"{}"))
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                """Keeps silent."""

        self.server = socketserver.ThreadingTCPServer(("0.0.0.0", 0), Handler)
        self.port = self.server.server_address[1]

    def answer(self, path: str, document: Any, status: int = 200) -> None:
        self.answers[path] = (
            status,
            document if isinstance(document, bytes) else json.dumps(document).encode(),
        )


@pytest.fixture
def service(directory: Path) -> Iterator[Service]:
    """One server that is both clients, under an address for each."""
    one = Service()
    text = (directory / "dske-config.yaml").read_text()
    text = text.replace("name: carol,", f"name: carol, port: {one.port},")
    text = text.replace("name: curtis,", f"name: curtis, host: 127.0.0.2, port: {one.port},")
    text = text.replace("{name: sunny}", "{name: sunny}, {name: 'a/b \u00e9'}")
    (directory / "dske-config.yaml").write_text(text)
    thread = threading.Thread(target=one.server.serve_forever, args=(0.01,))
    thread.start()
    yield one
    one.server.shutdown()
    thread.join()
    one.server.server_close()


def test_get_key(call: Dskectl, service: Service) -> None:
    service.answer("/api/v1/keys/sunny/enc_keys", CONTAINER)
    ran = call("etsi-qkd", "sam", "sunny", "get-key")
    assert ran.status == 0
    assert ran.lines[0] == GET_KEY.format("carol", service.port, "sunny")
    assert "\n".join(ran.lines[1:]) == json.dumps(CONTAINER, indent=2)
    assert service.asked == [("/api/v1/keys/sunny/enc_keys", "sam")]


def test_get_key_of_a_size(call: Dskectl, service: Service) -> None:
    service.answer("/api/v1/keys/sunny/enc_keys", CONTAINER)
    assert call("etsi-qkd", "sam", "sunny", "get-key", "--size", "256", "--json").status == 0
    assert service.asked == [("/api/v1/keys/sunny/enc_keys?size=256", "sam")]


def test_get_key_with_key_ids(call: Dskectl, service: Service) -> None:
    service.answer("/api/v1/keys/sam/dec_keys", CONTAINER)
    ran = call("etsi-qkd", "sam", "sunny", "get-key-with-key-ids", KEY_ID)
    assert ran.lines[0] == GET_WITH_IDS.format("curtis", service.port, "sunny")
    assert json.loads(ran.out.partition("\n")[2]) == CONTAINER
    assert service.asked == [(f"/api/v1/keys/sam/dec_keys?key_ID={KEY_ID}", "sunny")]


def test_get_status(call: Dskectl, service: Service) -> None:
    status = {"source_KME_ID": "carol", "key_size": 128}
    service.answer("/api/v1/keys/sunny/status", status)
    ran = call("etsi-qkd", "sam", "sunny", "get-status")
    assert ran.lines[0] == GET_KEY.replace("Get Key", "Status").format("carol", service.port, "sunny")
    assert json.loads(ran.out.partition("\n")[2]) == status


def test_get_key_pair_compares_both_ends(call: Dskectl, service: Service) -> None:
    service.answer("/api/v1/keys/sunny/enc_keys", CONTAINER)
    service.answer("/api/v1/keys/sam/dec_keys", CONTAINER)
    ran = call("etsi-qkd", "sam", "sunny", "get-key-pair")
    document = json.dumps(CONTAINER, indent=2)
    assert ran.status == 0
    assert ran.out == "\n".join(
        [
            GET_KEY.format("carol", service.port, "sunny"),
            document,
            GET_WITH_IDS.format("curtis", service.port, "sunny"),
            document,
            "Key values match\n",
        ]
    )


def test_get_key_pair_fails_where_the_values_differ(call: Dskectl, service: Service) -> None:
    other = {"keys": [{"key_ID": KEY_ID, "key": "AAAA"}]}
    service.answer("/api/v1/keys/sunny/enc_keys", CONTAINER)
    service.answer("/api/v1/keys/sam/dec_keys", other)
    ran = call("etsi-qkd", "sam", "sunny", "get-key-pair")
    assert ran.status == 1
    assert ran.err == "dskectl: the key values differ: use neither of them\n"
    assert "Key values match" not in ran.out
    assert json.loads(call("etsi-qkd", "sam", "sunny", "get-key-pair", "--json").out) == {
        "get_key": CONTAINER,
        "get_key_with_key_ids": other,
        "match": False,
    }


def test_names_are_encoded_in_path_and_header(call: Dskectl, service: Service) -> None:
    service.answer("/api/v1/keys/a%2Fb%20%C3%A9/enc_keys", CONTAINER)
    service.answer("/api/v1/keys/sam/dec_keys", CONTAINER)
    assert call("etsi-qkd", "sam", "a/b \u00e9", "get-key-pair").status == 0
    caller = service.asked[1][1]
    assert caller is not None
    assert caller.encode("latin-1").decode() == "a/b \u00e9"


REPLIES: list[tuple[int, Any, int, str]] = [
    (400, {"message": "size shall be a multiple of 8"}, 4, "size shall be a multiple of 8"),
    (401, {"message": "sam is not served here"}, 4, "sam is not served here"),
    (
        400,
        {"message": "not found on KME", "details": [{"reason": "delivered before"}, 5, {"reason": 5}]},
        4,
        "not found on KME: delivered before",
    ),
    (400, {"message": "not found on KME", "details": 5}, 4, "not found on KME"),
    (401, b"", 4, "an answer with HTTP status 401 that is not understood"),
    (503, {"message": "2 of 5 hubs answered, 3 are needed"}, 1, "2 of 5 hubs answered, 3 are needed"),
    (500, b"<html>", 1, "an answer with HTTP status 500 that is not understood"),
    (200, b"<html>", 1, "an answer with HTTP status 200 that is not understood"),
    (200, b"[" * 100_000, 1, "an answer with HTTP status 200 that is not understood"),
    (400, {"message": "two\nlines"}, 4, "two lines"),
]


@pytest.mark.parametrize(("status", "reply", "exit_status", "says"), REPLIES)
def test_a_failure_is_one_line(
    call: Dskectl, service: Service, status: int, reply: Any, exit_status: int, says: str
) -> None:
    service.answer("/api/v1/keys/sunny/enc_keys", reply, status)
    ran = call("etsi-qkd", "sam", "sunny", "get-key")
    assert ran.status == exit_status
    assert ran.err == f"dskectl: client carol port {service.port}: {says}\n"


@pytest.mark.parametrize("reply", [{}, {"keys": []}, {"keys": [{"key": 1}]}, {"keys": "x"}, {"keys": [{}]}])
def test_a_reply_without_a_key_fails_the_pair(call: Dskectl, service: Service, reply: object) -> None:
    service.answer("/api/v1/keys/sunny/enc_keys", reply)
    ran = call("etsi-qkd", "sam", "sunny", "get-key-pair")
    assert ran.status == 1
    assert ran.err == "dskectl: the client's reply holds no key with a 'key_ID'\n"


def test_a_client_that_does_not_run(call: Dskectl, directory: Path) -> None:
    file = directory / "dske-config.yaml"
    file.write_text(file.read_text().replace("name: carol,", "name: carol, port: 1,"))
    ran = call("etsi-qkd", "sam", "sunny", "get-key", "--json")
    assert ran == (
        3,
        "",
        "dskectl: client carol on 127.0.0.1 port 1 is not running; "
        "start it with: dskectl --client carol start\n",
    )


def test_an_unknown_encryptor(call: Dskectl) -> None:
    ran = call("etsi-qkd", "sam", "nobody", "get-key")
    assert ran == (2, "", "dskectl: dske-config.yaml: there is no encryptor 'nobody'; it has sam, sunny\n")


def test_a_topology_without_the_interface(call: Dskectl, directory: Path) -> None:
    file = directory / "dske-config.yaml"
    file.write_text(file.read_text().replace("etsi: plain-http-on-loopback\n", ""))
    ran = call("etsi-qkd", "sam", "sunny", "get-key")
    assert ran.status == 2
    assert ran.err == (
        "dskectl: dske-config.yaml: the ETSI interface is off at carol, curtis; turn it on with 'etsi': a "
        "mapping with certificate, private_key and client_ca for HTTPS, or plain-http-on-loopback\n"
    )


def test_a_key_id_is_checked_before_anything_is_asked(call: Dskectl) -> None:
    assert call("etsi-qkd", "sam", "sunny", "get-key-with-key-ids", "no-uuid").status == 2

"""`dskectl etsi-qkd` over mutual TLS, against servers that answer in the names of the topology's clients."""

from __future__ import annotations

import json
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from dsked.certs.lab import Lab
from dsked.cli import etsi_tls
from dsked.delivery import tls
from dsked.errors import DskedError, RequestError, ServiceError

from .conftest import Dskectl

KEY = {"keys": [{"key_ID": "f1f2cf55-9569-4e8f-8805-f80c8f600d48", "key": "+bXUKbPwVSdpS23JXGLSRA=="}]}
NO_TLS = (
    "does not speak TLS (but plain HTTP?), and the topology file says HTTPS: was it started with another "
    "file?"
)
TLS = """\
etsi:
  certificate: certs/{name}.pem
  private_key: certs/{name}.key
  client_ca: certs/ca.pem
"""
OF_ENCRYPTORS = """\
  encryptor_certificates: certs/{name}.pem
  encryptor_private_keys: certs/{name}.key
"""


class Kme(ThreadingHTTPServer):
    """Answers every request with a key; `asked`: whose certificate came with which request."""

    def __init__(self, context: ssl.SSLContext | None) -> None:
        self.asked: list[tuple[str, str, str | None]] = []
        kme = self

        class Handler(BaseHTTPRequestHandler):
            def setup(self) -> None:
                if isinstance(self.request, ssl.SSLSocket):
                    self.request.do_handshake()
                super().setup()

            def do_GET(self) -> None:
                shown: Any = (
                    self.connection.getpeercert() if isinstance(self.connection, ssl.SSLSocket) else None
                )
                who = dict(part[0] for part in shown["subject"])["commonName"] if shown else ""
                kme.asked.append((self.path, who, self.headers["Authorization"]))
                body = json.dumps(KEY).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                """Keeps silent."""

        super().__init__(("127.0.0.1", 0), Handler)
        if context is not None:
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def handle_error(self, *args: object) -> None:
        """A handshake that failed is what some tests want."""


@pytest.fixture
def lab(directory: Path, call: Dskectl) -> Path:
    """The topology of the other tests with TLS, and its certificates."""
    file = directory / "dske-config.yaml"
    file.write_text(file.read_text().replace("etsi: plain-http-on-loopback\n", TLS + OF_ENCRYPTORS))
    assert call("certs", "create-lab").status == 0
    return directory / "certs"


def server_context(lab: Path, name: str = "carol") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(lab / f"{name}.pem", lab / f"{name}.key")
    context.load_verify_locations(lab / "ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    return context


@pytest.fixture
def serve(directory: Path) -> Iterator[Callable[..., Kme]]:
    """Starts what the topology file has for client carol and client curtis from then on."""
    running: list[tuple[Kme, threading.Thread]] = []

    def start(context: ssl.SSLContext | None) -> Kme:
        kme = Kme(context)
        file = directory / "dske-config.yaml"
        text = file.read_text().replace("name: carol,", f"name: carol, port: {kme.server_port},")
        file.write_text(text)
        thread = threading.Thread(target=kme.serve_forever, args=(0.01,))
        thread.start()
        running.append((kme, thread))
        return kme

    yield start
    for kme, thread in running:
        kme.shutdown()
        thread.join()
        kme.server_close()


def test_the_encryptors_certificate_says_who_calls(
    lab: Path, call: Dskectl, serve: Callable[..., Kme]
) -> None:
    kme = serve(server_context(lab))
    ran = call("etsi-qkd", "sam", "sunny", "get-key", "--json")
    assert (ran.status, ran.err) == (0, "")
    assert json.loads(ran.out) == KEY
    assert kme.asked == [("/api/v1/keys/sunny/enc_keys", "sam", None)]


def test_no_request_is_sent_to_somebody_else(
    lab: Path, tmp_path: Path, call: Dskectl, serve: Callable[..., Kme]
) -> None:
    other = Lab(tmp_path / "other")
    other.create({"carol": "127.0.0.1"}, [], 1)
    kme = serve(server_context(other.directory))
    ran = call("etsi-qkd", "sam", "sunny", "get-key")
    assert ran.status == 4
    where = f"dskectl: client carol on 127.0.0.1 port {kme.server_port}"
    assert ran.err.startswith(f"{where}: its certificate is refused: ")
    assert kme.asked == []


def test_an_encryptors_certificate_is_no_clients(lab: Path, call: Dskectl, serve: Callable[..., Kme]) -> None:
    kme = serve(server_context(lab, "sunny"))
    ran = call("etsi-qkd", "sam", "sunny", "get-key")
    assert ran.status == 4
    assert "its certificate is refused: " in ran.err
    assert kme.asked == []


def test_a_server_that_hangs_up(lab: Path, call: Dskectl, serve: Callable[..., Kme]) -> None:
    """Python's own server sends its alert into a connection that it closes at once."""
    other = Lab(lab.parent / "other")
    other.create({}, ["sam"], 1)
    for suffix in (".pem", ".key"):
        (lab / f"sam{suffix}").write_bytes((other.directory / f"sam{suffix}").read_bytes())
    kme = serve(server_context(lab))
    ran = call("etsi-qkd", "sam", "sunny", "get-key")
    assert ran.status in (1, 4)
    assert ran.err.startswith(f"dskectl: client carol on 127.0.0.1 port {kme.server_port}: ")
    assert len(ran.err.splitlines()) == 1
    assert "_ssl.c" not in ran.err


def alert(reason: str | None) -> ssl.SSLError:
    error = ssl.SSLError(1, "[SSL] what OpenSSL says (_ssl.c:1)")
    error.reason = reason  # type: ignore[assignment]  # OpenSSL does not always tell
    return error


@pytest.mark.parametrize(
    ("error", "kind", "says"),
    [
        (alert("TLSV1_ALERT_UNKNOWN_CA"), RequestError, "carol: it refuses us: unknown ca"),
        (alert("SSLV3_ALERT_CERTIFICATE_REVOKED"), RequestError, "carol: it refuses us: certificate revoked"),
        (
            alert("TLSV13_ALERT_CERTIFICATE_REQUIRED"),
            RequestError,
            "carol: it refuses us: certificate required",
        ),
        (alert("TLSV1_ALERT_INTERNAL_ERROR"), ServiceError, "carol: it refuses us: internal error"),
        (
            alert("UNEXPECTED_EOF_WHILE_READING"),
            ServiceError,
            "carol: TLS fails: unexpected eof while reading",
        ),
        (alert("RECORD_LAYER_FAILURE"), ServiceError, f"carol {NO_TLS}"),
        (alert("PACKET_LENGTH_TOO_LONG"), ServiceError, f"carol {NO_TLS}"),
        (alert(None), ServiceError, "carol: TLS fails: the connection ended"),
    ],
)
def test_why_tls_failed_is_told_in_words(error: ssl.SSLError, kind: type[DskedError], says: str) -> None:
    failure = etsi_tls.failure("carol", error)
    assert (type(failure), str(failure)) == (kind, says)


def test_a_port_without_tls(lab: Path, call: Dskectl, serve: Callable[..., Kme]) -> None:
    kme = serve(None)
    ran = call("etsi-qkd", "sam", "sunny", "get-key")
    assert ran.status == 1
    assert ran.err == (f"dskectl: client carol on 127.0.0.1 port {kme.server_port} {NO_TLS}\n")


@pytest.mark.parametrize(
    "answer",
    [
        tls._PLAIN_HTTP,  # our own daemon's
        b"\x15\x03\x01\0\x02\x02\x46",  # an alert: what others answer
    ],
)
def test_a_port_with_tls_where_the_file_says_plain_http(
    call: Dskectl, directory: Path, answer: bytes
) -> None:
    class Answering(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(4096)
            self.request.sendall(answer)

    with socketserver.TCPServer(("127.0.0.1", 0), Answering) as server:
        port = server.server_address[1]
        replace(directory / "dske-config.yaml", "name: carol,", f"name: carol, port: {port},")
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        ran = call("etsi-qkd", "sam", "sunny", "get-key", "--json")
        thread.join()
    assert ran == (
        1,
        "",
        f"dskectl: client carol on 127.0.0.1 port {port} speaks HTTPS, and the topology file says plain "
        "HTTP: was it started with another file?\n",
    )


def replace(file: Path, old: str, new: str) -> None:
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))


def test_what_is_missing_is_named(lab: Path, call: Dskectl) -> None:
    file = lab.parent / "dske-config.yaml"
    (lab / "sam.key").chmod(0o644)
    ran = call("etsi-qkd", "sam", "sunny", "get-key")
    assert (ran.status, ran.err) == (
        2, f"dskectl: {lab}/sam.key: others may read the private key (mode 0644): expected 0600\n",
    )  # fmt: skip
    (lab / "sam.pem").unlink()
    ran = call("etsi-qkd", "sam", "sunny", "get-key")
    assert ran.err == (
        f"dskectl: etsi.encryptor_certificates: {lab}/sam.pem: there is no such file; "
        "'dskectl certs create-lab' makes a laboratory's\n"
    )
    replace(file, OF_ENCRYPTORS, "")
    ran = call("etsi-qkd", "sam", "sunny", "get-key")
    assert ran.status == 2
    assert "write encryptor_certificates below 'etsi', say certs/{name}.pem" in ran.err
    (lab / "ca.pem").write_text("nonsense")
    assert f"{lab}/ca.pem: expected certificates in PEM" in call("etsi-qkd", "sam", "sunny", "get-key").err


def test_a_file_that_is_missing_at_the_start_is_named(lab: Path, stand_ins: Dskectl, directory: Path) -> None:
    made = "there is no such file; 'dskectl certs create-lab' makes a laboratory's"
    (lab / "curtis.key").unlink()
    ran = stand_ins("start")
    assert (ran.status, ran.err) == (
        2, f"dskectl: dske-config.yaml: client curtis: etsi.private_key: {lab}/curtis.key: {made}\n",
    )  # fmt: skip
    assert "Starting" not in ran.out
    assert stand_ins("--client", "carol", "start").status == 0
    (lab / "ca.pem").unlink()
    assert stand_ins("--client", "carol", "start").status == 0  # it runs already, with what it has
    file = directory / "dske-config.yaml"
    file.write_text(file.read_text() + "skip: {psk_file: 'psk/{name}.txt', client_ca: certs/other.pem}\n")
    (lab / "ca.pem").touch()
    (lab / "curtis.key").touch()
    skip = "dskectl: dske-config.yaml: client curtis: skip"
    assert stand_ins("start").err == f"{skip}.client_ca: {lab}/other.pem: {made}\n"
    (lab / "other.pem").touch()
    says = f"{skip}.psk_file: {directory}/psk/curtis.txt: there is no such file; expected one with a line"
    assert stand_ins("start").err.startswith(says)

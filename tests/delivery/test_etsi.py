from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import logging
import subprocess
import sys
import uuid
import zlib

import aiohttp
import pytest
from yarl import URL

from dsked import errors, limits
from dsked.delivery import etsi, http_server
from dsked.delivery import etsi_messages as messages
from dsked.delivery.etsi import caller_of_authorization, create_app
from dsked.delivery.http_server import HttpServer
from dsked.errors import ConfigurationError

KEYS = "/api/v1/keys"


@pytest.fixture
async def http(keys):
    server = HttpServer(create_app(keys, caller_of_authorization(keys)))
    await server.start("127.0.0.1", 0)
    yield server
    await server.close()


@pytest.fixture
async def call(http):
    """Send a request; returns the reply's status, its JSON and its headers."""
    async with aiohttp.ClientSession() as session:

        async def call(method, path, **options):
            url = URL(f"http://127.0.0.1:{http.port}{path}", encoded=True)
            async with session.request(method, url, **options) as reply:
                return reply.status, json.loads(await reply.read() or b"null"), reply.headers

        yield call


@pytest.fixture
def quiet(caplog):
    """Fails the test where anything at all was logged from INFO up."""
    caplog.set_level(logging.INFO)
    yield
    assert [
        record.getMessage() for record in caplog.get_records("call") if record.levelno >= logging.INFO
    ] == []


async def raw_reply(http, sent):
    """Everything that the server answers to these bytes, until it closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", http.port)
    writer.write(sent)
    reply = await reader.read()
    writer.close()
    return reply


# --- what it is for ---


@pytest.mark.parametrize("prefix", ["", "/client/carol/etsi"])
@pytest.mark.parametrize("caller", [{}, {"headers": {"Authorization": "sam"}}])
async def test_status(call, prefix, caller):
    status, document, headers = await call("GET", f"{prefix}{KEYS}/sunny/status", **caller)
    assert status == 200
    assert document["source_KME_ID"] == "carol"
    assert document["target_KME_ID"] == "curtis"
    assert (document["master_SAE_ID"], document["slave_SAE_ID"]) == ("sam", "sunny")
    assert headers["Content-Type"] == "application/json"
    assert headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("prefix", ["", "/client/carol/etsi"])
@pytest.mark.parametrize(
    ("method", "query", "options"),
    [
        ("GET", "?number=2&size=256&key_size=ignored", {}),
        ("POST", "", {"json": {"number": 2, "size": 256, "extension_optional": [{"x": 1}]}}),
        ("POST", "", {"data": b'{"number":2,"size":256}', "headers": {"Content-Type": "text/plain"}}),
    ],
)
async def test_get_key(call, prefix, method, query, options):
    status, document, _headers = await call(method, f"{prefix}{KEYS}/sunny/enc_keys{query}", **options)
    assert status == 200
    assert list(document) == ["keys"]
    assert [len(base64.b64decode(entry["key"], validate=True)) for entry in document["keys"]] == [32, 32]
    assert all(str(uuid.UUID(entry["key_ID"])) == entry["key_ID"] for entry in document["keys"])


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_get_key_without_parameters_is_one_key_of_the_default_size(call, method):
    _status, document, _headers = await call(method, f"{KEYS}/sunny/enc_keys")
    assert [len(base64.b64decode(entry["key"])) for entry in document["keys"]] == [16]


async def test_get_key_with_key_ids(call, keys):
    first, second, third = (keys.deal("sunny", "sam") for _ in range(3))
    ids = [str(uuid.UUID(bytes=key.key_id)) for key in (first, second, third)]
    body = {"key_IDs": [{"key_ID": ids[0]}, {"key_ID": ids[1].upper()}]}
    status, document, _headers = await call("POST", f"{KEYS}/sunny/dec_keys", json=body)
    assert status == 200
    assert [entry["key_ID"] for entry in document["keys"]] == ids[:2]
    assert [base64.b64decode(entry["key"]) for entry in document["keys"]] == [first.key, second.key]
    status, document, _headers = await call("GET", f"{KEYS}/sunny/dec_keys?key_ID={ids[2]}&x=y")
    assert base64.b64decode(document["keys"][0]["key"]) == third.key


async def test_replies_are_compact(http):
    request = b"GET /api/v1/keys/sunny/enc_keys HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    assert b'\r\n\r\n{"keys":[{"key_ID":"' in await raw_reply(http, request)


async def test_the_host_header_may_say_anything(http):
    request = b"GET /api/v1/keys/sunny/status HTTP/1.1\r\nHost: system-7\r\nConnection: close\r\n\r\n"
    assert (await raw_reply(http, request)).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("encoded", ["a%2Fb", "s%C3%B6mmer", "a%2fb"])
async def test_sae_ids_are_percent_encoded_in_paths(call, encoded):
    status, document, _headers = await call("GET", f"{KEYS}/{encoded}/status")
    assert (status, document["slave_SAE_ID"] in ("a/b", "sömmer")) == (200, True)


async def test_answers_may_come_later(call, keys):
    keys.hold = True
    keys.on_held = lambda: asyncio.get_running_loop().call_soon(keys.release)
    status, document, _headers = await call("GET", f"{KEYS}/sunny/enc_keys")
    assert (status, len(document["keys"])) == (200, 1)


# --- who is calling ---


@pytest.mark.parametrize("path", ["status", "enc_keys", f"dec_keys?key_ID={uuid.UUID(int=1)}"])
@pytest.mark.parametrize(
    ("headers", "served", "says"),
    [
        ({}, ("sam", "sue"), "which SAE is calling"),
        ({}, (), "serves no SAE"),
        ({"Authorization": ""}, ("sam",), "Authorization header is empty"),
    ],
)
async def test_a_caller_that_does_not_say_who_it_is(call, keys, quiet, path, headers, served, says):
    keys.encryptors = served
    status, document, reply_headers = await call("GET", f"{KEYS}/sunny/{path}", headers=headers)
    assert status == 401
    assert says in document["message"]
    assert "WWW-Authenticate" in reply_headers


@pytest.mark.parametrize("name", ["mallory", "Basic c2FtOng=", "Sam", "sam,sam"])
async def test_a_caller_that_this_kme_does_not_serve(call, quiet, name):
    for path in ("status", "enc_keys"):
        status, document, _headers = await call(
            "GET", f"{KEYS}/sunny/{path}", headers={"Authorization": name}
        )
        assert status == 401
        assert name in document["message"]


async def test_a_caller_whose_name_is_no_utf_8(http, quiet):
    request = (
        b"GET /api/v1/keys/sunny/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        b"Authorization: \xff\xfe\r\n\r\n"
    )
    assert (await raw_reply(http, request)).startswith(b"HTTP/1.1 400 ")


async def test_a_key_goes_to_the_named_sae_once(call, keys):
    keys.encryptors = ("sam", "sue")
    key_id = uuid.UUID(bytes=keys.deal("sunny", "sam").key_id)
    path = f"{KEYS}/sunny/dec_keys?key_ID={key_id}"
    status, _document, _headers = await call("GET", path, headers={"Authorization": "sue"})
    assert status == 401
    status, _document, _headers = await call("GET", path, headers={"Authorization": "sam"})
    assert status == 200
    status, document, _headers = await call("GET", path, headers={"Authorization": "sam"})
    assert (status, document["message"]) == (400, messages.KEYS_NOT_FOUND)
    assert "delivered before" in document["details"][0]["reason"]


# --- bad requests ---


@pytest.mark.parametrize(
    ("method", "path", "body", "says"),
    [
        ("GET", "nobody/status", None, "no client serves encryptor nobody"),
        ("GET", "nobody/enc_keys", None, "no client serves encryptor nobody"),
        ("GET", "%00/enc_keys", None, "slave_SAE_ID"),
        ("GET", "%ff/status", None, "no client serves|slave_SAE_ID"),
        ("GET", "x" * 129 + "/status", None, "slave_SAE_ID"),
        ("GET", "sunny/enc_keys?number=1.0", None, "number"),
        ("GET", "sunny/enc_keys?number=0", None, "number"),
        ("GET", "sunny/enc_keys?number=129", None, "number"),
        ("GET", "sunny/enc_keys?number=-1", None, "number"),
        ("GET", "sunny/enc_keys?number=1&number=2", None, "number"),
        ("GET", "sunny/enc_keys?number=99999999999999999999999", None, "number"),
        ("GET", "sunny/enc_keys?size=x", None, "size"),
        ("GET", "sunny/enc_keys?size=0", None, "size"),
        ("GET", "sunny/enc_keys?size=129", None, messages.SIZE_NOT_BYTES),
        ("GET", "sunny/enc_keys?size=24", None, "size"),
        ("GET", "sunny/enc_keys?size=16777224", None, "size"),
        ("POST", "sunny/enc_keys", b'{"number": true}', "number"),
        ("POST", "sunny/enc_keys", b'{"number": 99999999999999999999999}', "number"),
        ("POST", "sunny/enc_keys", b'{"extension_mandatory": [{"a": 1}]}', messages.MANDATORY_UNSUPPORTED),
        ("POST", "sunny/enc_keys", b'{"additional_slave_SAE_IDs": ["sue"]}', "additional_slave_SAE_IDs"),
        ("POST", "sunny/enc_keys", b"number=1", "JSON"),
        ("GET", "sunny/dec_keys", None, "key_ID"),
        ("GET", "sunny/dec_keys?key_ID=x", None, "key_ID"),
        ("POST", "sunny/dec_keys", b"", "JSON"),
        ("POST", "sunny/dec_keys", b'{"key_IDs": []}', "key IDs"),
        ("POST", "sunny/dec_keys", b'{"key_IDs": [{"key_ID": "x"}]}', "key_ID"),
        ("GET", f"sunny/dec_keys?key_ID={uuid.UUID(int=7)}", None, messages.KEYS_NOT_FOUND),
    ],
)
async def test_a_bad_request_says_what_is_wrong(call, quiet, method, path, body, says):
    status, document, headers = await call(method, f"{KEYS}/{path}", data=body)
    assert status == 400
    assert any(one in document["message"] for one in says.split("|"))
    assert headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    "path",
    [
        "/",
        KEYS,
        f"{KEYS}/sunny",
        f"{KEYS}/sunny/other",
        f"{KEYS}//status",
        f"{KEYS}/a/b/status",
        f"/client/celia/etsi{KEYS}/sunny/status",
    ],
)
async def test_no_such_path(call, quiet, path):
    status, document, _headers = await call("GET", path)
    assert (status, document) == (404, {"message": "Not Found"})


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "enc_keys"),
        ("DELETE", "dec_keys"),
        ("POST", "status"),
        ("HEAD", "enc_keys"),
        ("OPTIONS", "status"),
    ],
)
async def test_no_such_method(call, keys, quiet, method, path):
    status, _document, headers = await call(method, f"{KEYS}/sunny/{path}")
    assert status == 405
    assert "GET" in headers["Allow"]
    assert keys._made == 0


async def test_a_body_over_the_limit(call, quiet):
    body = b'{"more": "' + b"x" * limits.MAX_HTTP_BODY_BYTES + b'"}'
    status, document, _headers = await call("POST", f"{KEYS}/sunny/enc_keys", data=body)
    assert (status, "message" in document) == (413, True)


async def test_a_body_that_unpacks_to_more_than_the_limit(call, quiet):
    bomb = zlib.compress(b"[" + b" " * 5_000_000 + b"]")
    status, _document, _headers = await call(
        "POST", f"{KEYS}/sunny/enc_keys", data=bomb, headers={"Content-Encoding": "deflate"}
    )
    assert status in (400, 413)


HEAD = b"POST /api/v1/keys/sunny/enc_keys HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64),  # a TLS client
        b"nonsense\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nx: " + b"y" * 20_000 + b"\r\n\r\n",
        HEAD + b"Content-Length: -1\r\n\r\n",
        HEAD + b"Content-Length: 2\r\n\r\n{}GARBAGE\r\n\r\n",
        HEAD + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nnot hexadecimal\r\n",
        HEAD + b"Content-Encoding: deflate\r\nContent-Length: 4\r\nConnection: close\r\n\r\nxxxx",
        b"\xff" * 9000,
    ],
)
async def test_what_is_no_http_gets_a_400_and_no_line_in_the_log(http, quiet, sent):
    assert b" 400 " in (await raw_reply(http, sent)).split(b"\r\n")[0]


@pytest.mark.parametrize("version", ["1.1", "1.0"])
async def test_a_body_that_waits_to_be_asked_for(http, quiet, version):
    """`Expect: 100-continue` (RFC 9110, 10.1.1), as curl sends it; HTTP/1.0 does not know it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", http.port)
    writer.write(
        HEAD.replace(b"1.1", version.encode()) + b"Expect: 100-continue\r\nContent-Length: 12\r\n\r\n"
    )
    if version == "1.1":
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(b'{"number":2}')
    reply = await reader.readuntil(b"]}")
    assert reply.startswith(f"HTTP/{version} 200 ".encode())
    assert len(json.loads(reply.split(b"\r\n\r\n")[1])["keys"]) == 2
    writer.close()


async def test_a_body_that_breaks_off(http, call, quiet):
    _reader, writer = await asyncio.open_connection("127.0.0.1", http.port)
    writer.write(HEAD + b"Content-Length: 100\r\n\r\n{")
    writer.close()
    await writer.wait_closed()
    assert (await call("GET", f"{KEYS}/sunny/status"))[0] == 200


# --- the service's errors ---


@pytest.mark.parametrize("path", ["status", "enc_keys"])
async def test_503_says_when_to_try_again(call, keys, quiet, path):
    keys.failure = errors.TooFewHubsError("2 of 5 hubs answered; 3 are needed")
    status, document, headers = await call("GET", f"{KEYS}/sunny/{path}")
    assert (status, document) == (503, {"message": "2 of 5 hubs answered; 3 are needed"})
    assert headers["Retry-After"] == "1"


async def test_a_fault_of_ours_is_logged_and_its_text_does_not_go_out(call, keys, caplog):
    keys.crash = ZeroDivisionError("inner detail")
    status, document, _headers = await call("GET", f"{KEYS}/sunny/enc_keys")
    assert (status, document) == (500, {"message": "internal error: see the KME's log"})
    assert "inner detail" in caplog.text


# --- limits of the server ---


async def test_a_connection_too_many(http, call, keys, quiet):
    """What has no request under way makes room; who is being served does not."""
    http._max_connections = 1
    idle_reader, idle = await asyncio.open_connection("127.0.0.1", http.port)
    assert (await call("GET", f"{KEYS}/sunny/status"))[0] == 200
    assert await idle_reader.read() == b""
    idle.close()
    keys.hold, held = True, asyncio.Event()
    keys.on_held = held.set
    asking = asyncio.create_task(call("GET", f"{KEYS}/sunny/status"))
    await held.wait()
    reply = await raw_reply(http, b"")
    assert reply.startswith(b"HTTP/1.1 503 ")
    assert json.loads(reply.split(b"\r\n\r\n")[1]) == {"message": "too many connections"}
    keys.release()
    assert (await asking)[0] == 200


async def test_connections_that_are_gone_make_no_room(http, keys):
    """Else whoever comes and goes a thousand times could hold a thousand connections after that."""
    http._max_connections = 2
    for _ in range(20):
        _reader, writer = await asyncio.open_connection("127.0.0.1", http.port)
        writer.close()
        await writer.wait_closed()
    held = [await asyncio.open_connection("127.0.0.1", http.port) for _ in range(6)]
    ends = [asyncio.create_task(reader.read()) for reader, _writer in held]
    done, open_ones = await asyncio.wait(ends[:4], timeout=5)
    assert (len(done), len(open_ones)) == (4, 0), "the oldest made room"
    assert not any(end.done() for end in ends[4:])
    assert (len(http._waiting), len(http._silent), len(http._runner.server.connections)) == (2, 2, 2)
    for _reader, writer in held:
        writer.close()
    await asyncio.wait(ends)


async def _never(begun):
    begun.set()
    await asyncio.Event().wait()


async def test_a_request_that_takes_too_long_makes_room(http, call, keys, monkeypatch, quiet):
    """A body that comes slowly, say; no key request takes so long."""
    http._max_connections = 1
    monkeypatch.setattr(http_server, "HTTP_PATIENCE_S", 0.0)
    begun = asyncio.Event()
    monkeypatch.setattr(etsi, "_body", lambda request: _never(begun))
    reader, writer = await asyncio.open_connection("127.0.0.1", http.port)
    writer.write(HEAD + b"Content-Length: 100\r\n\r\n{")
    await begun.wait()
    assert (await call("GET", f"{KEYS}/sunny/status"))[0] == 200
    with contextlib.suppress(ConnectionResetError):
        assert await reader.read() == b""
    writer.close()


@pytest.mark.parametrize("sent", [b"", b"GET /api/v1/keys/sunny/enc_keys HTTP/1.1\r\nHos"])
async def test_who_says_nothing_whole_is_cut_off(monkeypatch, keys, quiet, sent):
    monkeypatch.setattr(http_server, "HTTP_REQUEST_TIMEOUT_S", 0.01)
    server = HttpServer(create_app(keys, caller_of_authorization(keys)))
    await server.start("127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(sent)
    with contextlib.suppress(ConnectionResetError):  # what was sent was never read
        assert await reader.read() == b""
    writer.close()
    await server.close()


async def test_a_body_that_does_not_come(monkeypatch, keys, quiet):
    monkeypatch.setattr(etsi, "HTTP_REQUEST_TIMEOUT_S", 0.01)
    monkeypatch.setattr(http_server, "HTTP_LINGER_S", 0.01)
    server = HttpServer(create_app(keys, caller_of_authorization(keys)))
    await server.start("127.0.0.1", 0)
    reply = await raw_reply(server, HEAD + b"Content-Length: 100\r\nConnection: close\r\n\r\n{")
    assert reply.startswith(b"HTTP/1.1 408 ")
    await server.close()


async def test_a_connection_that_spoke_is_not_cut_off(http, call):
    assert (await call("GET", f"{KEYS}/sunny/status"))[0] == 200
    assert http._silent == {}


# --- start and close ---


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "example.org", ""])
async def test_plain_http_is_for_loopback_only(keys, host):
    server = HttpServer(create_app(keys, caller_of_authorization(keys)))
    with pytest.raises(ConfigurationError, match="loopback only"):
        await server.start(host, 0)
    await server.close()


async def test_a_port_that_is_taken(http, keys):
    second = HttpServer(create_app(keys, caller_of_authorization(keys)))
    with pytest.raises(ConfigurationError, match=f"cannot listen on 127.0.0.1 port {http.port}: .*in use"):
        await second.start("127.0.0.1", http.port)
    await second.close()


async def test_close_lets_the_port_go_at_once_with_connections_open(keys, quiet):
    server = HttpServer(create_app(keys, caller_of_authorization(keys)))
    await server.start("127.0.0.1", 0)
    port = server.port
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /api/v1/keys/sunny/status HTTP/1.1\r\nHost: x\r\n\r\n")
    await reader.readuntil(b"}")
    await server.close()
    await server.close()
    again = HttpServer(create_app(keys, caller_of_authorization(keys)))
    await again.start("127.0.0.1", port)
    await again.close()
    assert await reader.read() == b""
    writer.close()


async def test_close_does_not_wait_long_for_a_request(keys, monkeypatch, quiet):
    monkeypatch.setattr(http_server, "SHUTDOWN_GRACE_S", 0.01)
    server = HttpServer(create_app(keys, caller_of_authorization(keys)))
    await server.start("127.0.0.1", 0)
    keys.hold = True
    held = asyncio.Event()
    keys.on_held = held.set
    _reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"GET /api/v1/keys/sunny/enc_keys HTTP/1.1\r\nHost: x\r\n\r\n")
    await held.wait()
    await server.close()
    keys.release()
    writer.close()


def test_only_etsi_loads_aiohttp():
    program = (
        "import sys, dsked.delivery.control, dsked.delivery.etsi_messages; print('aiohttp' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"

"""SKIP (draft-cisco-skip-02), over a key service in memory."""

from __future__ import annotations

import errno
import gc
import json
import logging
import random as chances
import sys

import aiohttp
import pytest
from yarl import URL

from dsked import errors
from dsked.delivery import skip
from dsked.delivery import skip_messages as messages
from dsked.delivery.etsi import caller_of_authorization
from dsked.delivery.http_server import HttpServer
from dsked.limits import MAX_SKIP_ENTROPY_BITS

from .raw_http import raw_reply

SYSTEM_IDS = {"SAM-1": "sam", "SUNNY-1": "sunny", "a/b": "a/b", "KP_*": "sömmer"}
KEY_ID = "00112233445566778899aabbccddeeff"


class Random:
    """Bytes that count up, so that every one is told from the others; or a generator that has failed."""

    def __init__(self):
        self.given = 0
        self.failure = None

    def __call__(self, nr_bytes):
        if self.failure is not None:
            raise self.failure
        self.given += nr_bytes
        return bytes(number % 256 for number in range(self.given - nr_bytes, self.given))


@pytest.fixture
def random():
    return Random()


@pytest.fixture
async def http(keys, random):
    app = skip.create_app(keys, caller_of_authorization(keys), SYSTEM_IDS, random)
    server = HttpServer(app)
    await server.start("127.0.0.1", 0)
    yield server
    await server.close()


@pytest.fixture
async def call(http):
    """Send a request; returns the reply's status, its JSON and its headers."""
    async with aiohttp.ClientSession() as session:

        async def call(path, method="GET", **options):
            url = URL(f"http://127.0.0.1:{http.port}{path}", encoded=True)
            async with session.request(method, url, **options) as reply:
                return reply.status, json.loads(await reply.read() or b"null"), reply.headers

        yield call


# --- what it is for ---


async def test_long_system_ids(keys):
    own, other = "o" * 128, "r" * 128
    app = skip.create_app(keys, lambda request: "sam", {own: "sam", other: "sunny"})
    server = HttpServer(app)
    await server.start("127.0.0.1", 0)
    document = await raw_reply(server, b"GET /capabilities HTTP/1.0\r\n\r\n")
    made = await raw_reply(server, b"GET /key?remoteSystemID=%s HTTP/1.0\r\n\r\n" % other.encode())
    await server.close()
    assert f'"localSystemID":"{own}","remoteSystemID":["{other}"]' in document.decode()
    assert made.startswith(b"HTTP/1.0 200 ")


async def test_capabilities(call):
    status, document, headers = await call("/capabilities")
    assert (status, headers["Content-Type"]) == (200, "application/json")
    assert document == {
        "entropy": True,
        "key": True,
        "algorithm": "DSKE",
        "localSystemID": "SAM-1",
        "remoteSystemID": ["SUNNY-1", "a/b", "KP_[*]"],
    }


@pytest.mark.parametrize(("query", "bits"), [("", 256), ("&size=128", 128), ("&size=512&other=x", 512)])
async def test_a_new_key(call, keys, query, bits):
    status, document, headers = await call(f"/key?remoteSystemID=SUNNY-1{query}")
    assert (status, list(document)) == (200, ["keyId", "key"])
    assert len(bytes.fromhex(document["keyId"])) == 16
    assert len(bytes.fromhex(document["key"])) == bits // 8
    assert headers["Cache-Control"] == "no-store"
    initiator, responders, key = keys._keys[bytes.fromhex(document["keyId"])]
    assert (initiator, responders, key.hex()) == ("sam", ("sunny",), document["key"])


@pytest.mark.parametrize("change", [str, str.upper])
async def test_the_other_side_takes_a_key_once(call, keys, change):
    key = keys.deal("sunny", "sam", size_bytes=32)
    path = f"/key/{change(key.key_id.hex())}?remoteSystemID=SUNNY-1"
    status, document, _headers = await call(path)
    assert (status, document) == (200, {"keyId": key.key_id.hex(), "key": key.key.hex()})
    status, document, _headers = await call(path)
    assert (status, document) == (400, {"message": messages.KEY_HANDED_OUT})


@pytest.mark.parametrize("system", ["a%2Fb", "a/b"])
async def test_system_ids_may_be_percent_encoded(call, keys, system):
    status, _document, _headers = await call(f"/key?remoteSystemID={system}")
    assert (status, [responders for _, responders, _ in keys._keys.values()]) == (200, [("a/b",)])


@pytest.mark.parametrize(("query", "bits"), [("", 256), ("?minentropy=128", 128), ("?minentropy=9", 16)])
async def test_entropy_is_the_system_s_generator_s_and_new_each_time(call, random, query, bits):
    _status, first, _headers = await call(f"/entropy{query}")
    status, second, headers = await call(f"/entropy{query}")
    assert (status, second["minentropy"], random.given) == (200, bits, 2 * bits // 8)
    assert bytes.fromhex(first["randomStr"] + second["randomStr"]) == bytes(range(2 * bits // 8))
    assert headers["Cache-Control"] == "no-store"


async def test_the_longest_entropy(call):
    _status, document, _headers = await call(f"/entropy?minentropy={MAX_SKIP_ENTROPY_BITS}")
    assert len(document["randomStr"]) == MAX_SKIP_ENTROPY_BITS // 4


async def test_replies_are_compact_and_the_host_header_may_say_anything(http):
    request = b"GET /key?remoteSystemID=SUNNY-1 HTTP/1.1\r\nHost: SAM-1\r\nConnection: close\r\n\r\n"
    assert b'\r\n\r\n{"keyId":"' in await raw_reply(http, request)


async def test_nothing_is_left_of_a_key_that_was_handed_out(call, keys):
    key = keys.deal("sunny", "sam", size_bytes=32)
    await call("/capabilities")
    before = sys.getrefcount(key.key)
    status, _document, _headers = await call(f"/key/{key.key_id.hex()}?remoteSystemID=SUNNY-1")
    gc.collect()
    assert (status, sys.getrefcount(key.key)) == (200, before)


# --- who is calling ---


@pytest.mark.parametrize(
    "path", ["/capabilities", "/entropy", "/key?remoteSystemID=SUNNY-1", f"/key/{KEY_ID}"]
)
async def test_a_caller_that_cannot_be_told(call, keys, random, quiet, path):
    keys.encryptors = ("sam", "sue")
    status, _document, headers = await call(path)
    assert (status, keys._made, random.given) == (401, 0, 0)
    assert "WWW-Authenticate" in headers


async def test_a_key_for_another_looks_like_none_at_all(call, keys, quiet):
    keys.encryptors = ("sam", "sue")
    key = keys.deal("sunny", "sue")
    replies = [
        await call(f"/key/{key_id}?remoteSystemID=SUNNY-1", headers={"Authorization": "sam"})
        for key_id in (key.key_id.hex(), KEY_ID)
    ]
    assert [reply[:2] for reply in replies] == 2 * [(400, {"message": messages.KEY_NOT_FOUND})]


async def test_a_key_of_another_system_than_was_said(call, keys, quiet):
    key = keys.deal("sunny", "sam")
    status, document, _headers = await call(f"/key/{key.key_id.hex()}?remoteSystemID=a/b")
    assert (status, document) == (400, {"message": messages.KEY_NOT_FOUND})


@pytest.mark.parametrize(
    "header",
    [
        {"Origin": "https://x.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"User-Agent": "Mozilla/5.0", "Accept-Language": "en"},  # it does not say which page asks
    ],
)
@pytest.mark.parametrize("path", ["/entropy", "/key?remoteSystemID=SUNNY-1"])
async def test_web_pages_get_nothing(call, keys, random, quiet, header, path):
    status, document, _headers = await call(path, headers=header)
    assert (status, list(document), keys._made, random.given) == (403, ["message"], 0, 0)


# --- bad requests ---


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/key", "remoteSystemID"),
        ("/key?remoteSystemID=", "remoteSystemID"),
        ("/key?remotesystemid=SUNNY-1", "remoteSystemID"),
        ("/key?remoteSystemID=SUNNY-1&remoteSystemID=SUNNY-1", "remoteSystemID"),
        ("/key?remoteSystemID=SUNNY-2", "'SUNNY-2' is no remote system"),
        ("/key?remoteSystemID=sunny", "'sunny' is no remote system"),
        ("/key?remoteSystemID=SAM-1", "'SAM-1' is no remote system"),
        ("/key?remoteSystemID=%00%ff", "is no remote system"),
        ("/key?remoteSystemID=" + "x" * 200, "...' is no remote system"),
        ("/key?remoteSystemID=SUNNY-1&size=", "size"),
        ("/key?remoteSystemID=SUNNY-1&size=x", "size"),
        ("/key?remoteSystemID=SUNNY-1&size=0", "size"),
        ("/key?remoteSystemID=SUNNY-1&size=-8", "size"),
        ("/key?remoteSystemID=SUNNY-1&size=129", "size"),
        ("/key?remoteSystemID=SUNNY-1&size=256&size=256", "size"),
        ("/key?remoteSystemID=SUNNY-1&size=16777224", "size"),
        ("/key?remoteSystemID=SUNNY-1&size=9999999999999999999999", "size"),
        (f"/key/{KEY_ID}", "remoteSystemID"),
        (f"/key/{KEY_ID}?remoteSystemID=SUNNY-2", "is no remote system"),
        (f"/key/{KEY_ID}?remoteSystemID=SUNNY-1", messages.KEY_NOT_FOUND),
        (f"/key/{KEY_ID}00?remoteSystemID=SUNNY-1", "keyId"),
        (f"/key/{KEY_ID[2:]}?remoteSystemID=SUNNY-1", "keyId"),
        (f"/key/{KEY_ID[:-1]}g?remoteSystemID=SUNNY-1", "keyId"),
        ("/key/%00?remoteSystemID=SUNNY-1", "keyId"),
        ("/entropy?minentropy=0", "minentropy"),
        ("/entropy?minentropy=-1", "minentropy"),
        ("/entropy?minentropy=1.5", "minentropy"),
        ("/entropy?minentropy=8&minentropy=8", "minentropy"),
        (f"/entropy?minentropy={MAX_SKIP_ENTROPY_BITS + 1}", "minentropy"),
    ],
)
async def test_a_bad_request_says_what_is_wrong(call, keys, random, quiet, path, says):
    status, document, headers = await call(path)
    assert status == 400
    assert says in document["message"]
    assert (headers["Content-Type"], keys._made, random.given) == ("application/json", 0, 0)


@pytest.mark.parametrize(
    "path",
    ["/", "/keys", "/key/", f"/key/{KEY_ID}/", "/capabilities/", "/Entropy", "/api/v1/keys/sunny/status"],
)
async def test_no_such_path(call, quiet, path):
    status, document, _headers = await call(path)
    assert (status, document) == (404, {"message": "Not Found"})


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "HEAD", "OPTIONS"])
@pytest.mark.parametrize(
    "path", ["/capabilities", "/entropy", "/key?remoteSystemID=SUNNY-1", f"/key/{KEY_ID}"]
)
async def test_no_such_method(call, keys, random, quiet, method, path):
    status, _document, headers = await call(path, method)
    assert (status, headers["Allow"], keys._made, random.given) == (405, "GET", 0, 0)


async def test_whatever_is_asked_for_is_no_fault_of_ours(call, quiet):
    """Paths and queries out of pieces that mean something, and out of any bytes."""
    chance = chances.Random(20_001)
    pieces = [
        "/",
        "key",
        "entropy",
        "capabilities",
        KEY_ID,
        "?",
        "&",
        "=",
        "remoteSystemID",
        "SUNNY-1",
        "size",
    ]
    pieces += [
        "minentropy",
        "8",
        "-1",
        "9" * 30,
        "%00",
        "%ff",
        "%2F",
        "%3F",
        "+",
        ";",
        "%",
        "[",
        "*",
        "x" * 300,
    ]
    for _ in range(200):
        path = "/" + "".join(chance.choices(pieces, k=chance.randrange(1, 9)))
        status, document, _headers = await call(path)
        assert status in (200, 400, 404), path
        assert isinstance(document, dict)


# --- what the service or the system cannot do ---


@pytest.mark.parametrize("path", ["/key?remoteSystemID=SUNNY-1", f"/key/{KEY_ID}?remoteSystemID=SUNNY-1"])
@pytest.mark.parametrize(
    "failure",
    [
        errors.TooFewHubsError("2 of 5 hubs answered; 3 are needed"),
        errors.PoolExhaustedError("no bytes left"),
        errors.LimitError("too many"),
        errors.ReconstructionError("no k shares agree"),
        errors.ShuttingDownError("stopping"),
    ],
)
async def test_a_key_that_cannot_be_had_is_500(call, keys, quiet, path, failure):
    keys.failure = failure
    status, document, _headers = await call(path)
    assert (status, document) == (500, {"message": str(failure)})


async def test_a_remote_encryptor_that_no_hub_knows(call, keys, quiet):
    keys.directory.clear()
    status, document, _headers = await call("/key?remoteSystemID=SUNNY-1")
    assert (status, document) == (400, {"message": "no client serves encryptor sunny"})


async def test_entropy_of_a_generator_that_has_failed(call, random, quiet):
    random.failure = OSError(errno.EIO, "Input/output error")
    status, document, _headers = await call("/entropy")
    assert status == 503
    assert document["message"] == "the system's generator failed: Input/output error"


async def test_a_fault_of_ours_is_logged_and_its_text_does_not_go_out(call, keys, caplog):
    keys.crash = ZeroDivisionError("inner detail")
    status, document, _headers = await call("/key?remoteSystemID=SUNNY-1")
    assert (status, document) == (500, {"message": "internal error: see the key provider's log"})
    assert "inner detail" in caplog.text


async def test_no_key_and_no_random_byte_is_logged(call, keys, caplog):
    caplog.set_level(logging.DEBUG)
    _status, made, _headers = await call("/key?remoteSystemID=SUNNY-1")
    _status, random, _headers = await call("/entropy")
    assert not any(secret in caplog.text for secret in (made["key"], random["randomStr"]))

from __future__ import annotations

import asyncio
import base64
import uuid

import pytest

from dsked import errors
from dsked.delivery import etsi_messages as messages

from .raw_http import KEYS, raw_reply

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


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_master_that_asks_for_its_own_key_is_not_told_whether_it_exists(call, keys, known, method):
    made = keys.deal("sam", "sunny")
    key_id = str(uuid.UUID(bytes=made.key_id)) if known else str(uuid.UUID(int=7))
    query, body = ("", {"key_IDs": [{"key_ID": key_id}]}) if method == "POST" else (f"?key_ID={key_id}", None)
    status, document, headers = await call(method, f"{KEYS}/sam/dec_keys{query}", json=body)
    assert (status, document) == (401, {"message": messages.NOT_AUTHORISED})
    assert "WWW-Authenticate" in headers


async def test_of_several_keys_one_of_another_slave_is_enough_for_a_401(call, keys):
    mine, other = keys.deal("sunny", "sam"), keys.deal("sunny", "sue")
    ids = [{"key_ID": str(uuid.UUID(bytes=key.key_id))} for key in (mine, other)]
    status, document, _headers = await call("POST", f"{KEYS}/sunny/dec_keys", json={"key_IDs": ids})
    assert (status, document) == (401, {"message": messages.NOT_AUTHORISED})
    status, document, _headers = await call("POST", f"{KEYS}/sunny/dec_keys", json={"key_IDs": ids[:1]})
    assert (status, base64.b64decode(document["keys"][0]["key"])) == (200, mine.key)


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


# --- multicast ---


@pytest.mark.parametrize("additional", [["sue"], ["sue", "sunny", "sue"]])
async def test_one_key_for_several_slaves_each_of_which_gets_it_once(call, keys, additional):
    keys.encryptors = ("sam", "sunny", "sue", "serena")
    keys.directory["sue"] = "carol"
    made = await call(
        "POST",
        f"{KEYS}/sunny/enc_keys",
        json={"number": 2, "additional_slave_SAE_IDs": additional},
        headers={"Authorization": "sam"},
    )
    assert made[0] == 200
    wanted = {"key_IDs": [{"key_ID": key["key_ID"]} for key in made[1]["keys"]]}
    for slave, status in (("sunny", 200), ("serena", 401), ("sue", 200), ("sunny", 400), ("sue", 400)):
        got = await call("POST", f"{KEYS}/sam/dec_keys", json=wanted, headers={"Authorization": slave})
        assert got[0] == status
        assert (got[1] == made[1]) == (status == 200)


# --- what status tells is what is enforced ---


def _enc_keys(**fields):
    return ("POST", f"{KEYS}/sunny/enc_keys"), {"json": fields}


async def test_status_tells_the_stored_keys_of_the_pair(call, keys):
    keys.stored = {("sam", "sunny"): 3, ("sunny", "sam"): 5}
    status, document, _ = await call("GET", f"{KEYS}/sunny/status")
    assert (status, document["stored_key_count"]) == (200, 3)


async def test_what_status_tells_is_enforced_exactly(call, keys):
    _status, told, _headers = await call("GET", f"{KEYS}/sunny/status")
    names = [f"sae{i}" for i in range(told["max_SAE_ID_count"] + 1)]
    keys.directory |= dict.fromkeys(names, "curtis")
    largest, smallest, most = told["max_key_size"], told["min_key_size"], told["max_key_per_request"]
    allowed = (
        {"number": most}, {"number": 1}, {"size": largest}, {"size": smallest},
        {"additional_slave_SAE_IDs": names[:-1]},
    )  # fmt: skip
    refused = (
        {"number": most + 1}, {"number": 0}, {"size": largest + 8}, {"size": smallest - 8},
        {"additional_slave_SAE_IDs": names},
    )  # fmt: skip
    for fields in allowed:
        address, options = _enc_keys(**fields)
        assert (await call(*address, **options))[0] == 200, fields
    for fields in refused:
        address, options = _enc_keys(**fields)
        status, document, _headers = await call(*address, **options)
        assert status == 400
        assert next(iter(fields)) in document["message"]
    address, options = _enc_keys()
    _status, document, _headers = await call(*address, **options)
    assert len(base64.b64decode(document["keys"][0]["key"])) * 8 == told["key_size"]


# --- HTTP as clients speak it ---


@pytest.mark.parametrize(
    ("line", "slave"),
    [
        (b"GET http://kme-1:1/api/v1/keys/sunny/status HTTP/1.1", "sunny"),  # as to a proxy
        (b"GET /api/v1/keys/sunny/status HTTP/1.0", "sunny"),
        (b"GET /api/v1/keys/s%75nny/status?key_size=1&&=&x#y HTTP/1.1", "sunny"),
        (b"GET /api/v1/keys/%2E%2E/status HTTP/1.1", ".."),
        (b"GET /api/v1/keys/a+b/status HTTP/1.1", "a+b"),
        (b"GET /api/v1/keys/a%252Fb/status HTTP/1.1", "a%2Fb"),
        (b"GET /api/v1/keys/a%zz/status HTTP/1.1", "a%zz"),
    ],
)
async def test_a_request_line(http, keys, quiet, line, slave):
    keys.directory |= dict.fromkeys(["..", "a+b", "a%2Fb", "a%zz"], "curtis")
    reply = await raw_reply(http, line + b"\r\nHost: 16-byte system\r\nConnection: close\r\n\r\n")
    assert f'"slave_SAE_ID":"{slave}"'.encode() in reply


async def test_one_connection_serves_keys_refusals_and_keys_again(http):
    get = b"GET /api/v1/keys/%b HTTP/1.1\r\nHost: x\r\n%b\r\n"
    wanted = (b"sunny/enc_keys", b"sunny/enc_keys?size=9", b"nobody/status", b"sam/dec_keys?key_ID=x")
    sent = b"".join(get % (path, b"") for path in wanted) + get % (
        b"sunny/enc_keys",
        b"Connection: close\r\n",
    )
    reply = await raw_reply(http, sent)
    assert [int(part[:3]) for part in reply.split(b"HTTP/1.1 ")[1:]] == [200, 400, 400, 400, 200]


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
        ("POST", "sunny/enc_keys", b'{"additional_slave_SAE_IDs": ["sue"]}', "encryptor sue"),
        ("POST", "sunny/enc_keys", b'{"additional_slave_SAE_IDs": ["sam"]}', "its own key"),
        ("POST", "sunny/enc_keys", b'{"additional_slave_SAE_IDs": 1}', "$.additional_slave_SAE_IDs"),
        ("POST", "sunny/enc_keys", b'{"number": 1, "number": 2}', "'number' twice"),
        ("POST", "sunny/enc_keys", b"number=1", "JSON"),
        ("GET", "sunny/enc_keys?additional_slave_SAE_IDs=sue", None, "additional_slave_SAE_IDs"),
        ("GET", "sunny/enc_keys?extension_mandatory=x", None, "extension_mandatory"),
        ("POST", "sam/enc_keys", b"{}", "its own key"),
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

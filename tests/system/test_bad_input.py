"""What bad input gets, over every interface: a clear error to its sender, and nothing is lost or burned."""

from __future__ import annotations

import socket
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgpack
import pytest

from dsked.delivery.control_protocol import FrameBuffer, Op, encode_frame, encode_request
from dsked.errors import (
    BadKeyIdError,
    BadKeySizeError,
    BadNumberError,
    ErrorCode,
    NotOwnerError,
    RequestError,
    UnknownEncryptorError,
    UnknownKeyError,
)
from scripts.laboratory import LIMIT_S, Laboratory

from .support import etsi, get_keys, key_pair, pools_of, spent

KEY_ID = uuid.UUID("d6a116f1-104e-4213-8cf1-0557cf33cb29")
NOT_FOUND = "one or more keys specified are not found on KME"
MAX_BITS = 16_777_216

#: Get key: number, size, its error and what the message names. None of these reaches a hub.
WRONG_KEY_REQUESTS: list[tuple[int, int | None, type[RequestError], str]] = [
    (1, 0, BadKeySizeError, "0 bits; 32 to 16777216"),
    (1, -8, BadKeySizeError, "-8 bits; 32 to 16777216"),
    (1, 129, BadKeySizeError, "multiple of 8"),
    (1, 24, BadKeySizeError, "24 bits; 32 to 16777216"),
    (1, MAX_BITS + 8, BadKeySizeError, "16777224 bits; 32 to 16777216"),
    (1, 10**17, BadKeySizeError, "32 to 16777216"),
    (0, None, BadNumberError, "number is 0; 1 to 128"),
    (-1, None, BadNumberError, "number is -1; 1 to 128"),
    (129, None, BadNumberError, "number is 129; 1 to 128"),
    (2, MAX_BITS, BadNumberError, "16777216 bits in all"),
]


# --- control socket ---


@pytest.mark.parametrize(("number", "size", "error", "text"), WRONG_KEY_REQUESTS)
def test_number_and_size(
    lab: Laboratory, number: int, size: int | None, error: type[RequestError], text: str
) -> None:
    def costs() -> int:
        before = pools_of(lab.status("connie"))
        with pytest.raises(error, match=text):
            control.get_keys(["sunny"], number, size)
        after = pools_of(lab.status("connie"))
        return sum(spent(pool, after[name]) for name, pool in before.items())

    with lab.control("connie") as control:
        # Slow hubs acknowledge the keys of tests before meanwhile: not at every one of many tries.
        assert any(costs() == 0 for _ in range(50))
        assert len(control.get_keys(["sunny"])) == 1


@pytest.mark.parametrize(
    ("responders", "caller", "error", "text"),
    [
        (["nobody"], None, UnknownEncryptorError, "nobody is unknown"),
        (["sunny", "nobody"], None, UnknownEncryptorError, "nobody is unknown"),
        ([], None, RequestError, "1 to 32 responders, not 0"),
        ([f"encryptor{number}" for number in range(33)], None, RequestError, "1 to 32 responders, not 33"),
        (["sam"], None, RequestError, "'sam' cannot be the responder of its own key"),
        (["sunny"], "susan", NotOwnerError, "'susan' is not an encryptor of client carol"),
        (["sunny"], "nobody", NotOwnerError, "'nobody' is not an encryptor of client carol"),
    ],
)
def test_who_asks_for_whom(
    lab: Laboratory, responders: list[str], caller: str | None, error: type[RequestError], text: str
) -> None:
    with lab.control("carol") as control, pytest.raises(error, match=text) as raised:
        control.get_keys(responders, 1, None, caller)
    assert type(raised.value) is error
    key_pair(lab)


def test_a_client_of_several_encryptors_must_be_told_which(lab: Laboratory) -> None:
    with lab.control("curtis") as curtis, pytest.raises(RequestError, match="one of sunny, susan"):
        curtis.get_keys(["sam"])
    with lab.control("cindy") as cindy, pytest.raises(RequestError, match="cindy serves no encryptor"):
        cindy.get_keys(["sam"])
    with (
        lab.control("hank") as hank,
        pytest.raises(RequestError, match="hub hank gives no keys: ask a client"),
    ):
        hank.get_keys(["sam"])
    key_pair(lab, "sunny", "sam")


def test_wrong_key_ids(lab: Laboratory) -> None:
    (key,) = get_keys(lab, "sam", "sunny")
    with lab.control("curtis") as curtis:
        for ids, error, text in (
            ([KEY_ID.bytes[:15]], BadKeyIdError, "a UUID: 16 bytes"),
            ([key.key_id, b""], BadKeyIdError, "a UUID: 16 bytes"),
            ([key.key_id, key.key_id], BadKeyIdError, "twice in one request"),
            ([], BadNumberError, "0 key IDs"),
            ([KEY_ID.bytes] * 129, BadNumberError, "129 key IDs"),
        ):
            with pytest.raises(error, match=text):
                curtis.get_keys_by_id("sam", ids, "sunny")
        assert curtis.get_keys_by_id("sam", [key.key_id], "sunny") == [key]  # nothing was lost


def test_an_unknown_key_id_everywhere_at_once(lab: Laboratory) -> None:
    """Each of these waits for its deadline; meanwhile other requests are served."""
    (key,) = get_keys(lab, "sam", "sunny")

    def over_control() -> str:
        with lab.control("curtis") as curtis:
            try:  # the one that is there does not come without the one that is not
                curtis.get_keys_by_id("sam", [key.key_id, KEY_ID.bytes], "sunny")
            except UnknownKeyError as error:
                return str(error)
        return ""

    with ThreadPoolExecutor() as pool:
        control = pool.submit(over_control)
        get = pool.submit(etsi, lab, "curtis", f"sam/dec_keys?key_ID={KEY_ID}", sae="sunny")
        post = pool.submit(
            etsi, lab, "curtis", "sam/dec_keys", sae="sunny", body={"key_IDs": [{"key_ID": str(KEY_ID)}]}
        )
        node = ("get-key-with-key-ids", "sam", str(KEY_ID), "--as", "sunny", "--node", "curtis")
        by_node = pool.submit(lab.run, *node)
        by_guide = pool.submit(lab.run, "etsi-qkd", "sam", "sunny", "get-key-with-key-ids", str(KEY_ID))
        key_pair(lab, "sofia", "susan")
        assert control.result() == NOT_FOUND
        for reply in (get.result(), post.result()):
            assert (reply.status, reply.message) == (400, NOT_FOUND)
        reason = "a key ID is wrong, or is that of a key which another master SAE made, or which has expired"
        for ran, end in ((by_node.result(), NOT_FOUND), (by_guide.result(), f"{NOT_FOUND}: {reason}")):
            assert ran.returncode == 4
            assert ran.stderr.startswith("dskectl: ")
            assert ran.stderr.endswith(f"{end}\n")
    with lab.control("curtis") as curtis:
        assert curtis.get_keys_by_id("sam", [key.key_id], "sunny") == [key]


def talk(lab: Laboratory, data: bytes, replies: int) -> tuple[list[Any], bool]:
    """Bytes sent to carol's control socket: that many replies, and whether the connection is then closed."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(LIMIT_S)
        connection.connect(str(lab.socket("client", "carol")))
        connection.sendall(data)
        frames = FrameBuffer()
        found: list[Any] = []
        while len(found) < replies:
            data = connection.recv(65536)
            assert data
            found += [msgpack.unpackb(frame) for frame in frames.feed(data)]
        if found[-1][0] == 0:  # an error of the connection, not of a request
            return found, connection.recv(1) == b""
        connection.sendall(encode_request(Op.LOCATE, 77, ["sam"]))
        return found, not connection.recv(1)


@pytest.mark.parametrize(
    "message",
    [
        [99, 1, []],
        [int(Op.GET_KEYS), 1, []],
        [int(Op.GET_KEYS), 1, [["sunny"], "1", None, None]],
        [int(Op.GET_KEYS), 1, [["sunny"], 1.0, None, None]],
        [int(Op.GET_KEYS), 1, [["sunny"], True, None, None]],
        [int(Op.GET_KEYS), 1, ["sunny", 1, None, None]],
        [int(Op.GET_KEYS), 1, [["sunny"], 1, 2**63, None]],
        [int(Op.GET_KEYS_BY_ID), 1, ["sam", [str(KEY_ID)], None]],
        [int(Op.LOCATE), 1, [None]],
        [int(Op.STATUS), 1, ["1"]],
        [int(Op.STATUS), 1, [-1]],
        [int(Op.STATUS), 1, [1, 1]],
    ],
)
def test_a_request_that_is_wrong_in_itself(lab: Laboratory, message: list[Any]) -> None:
    (reply,), closed = talk(lab, encode_frame(message), 1)
    assert reply[0] == 1
    assert reply[1] in (ErrorCode.BAD_REQUEST, ErrorCode.BAD_KEY_SIZE)
    assert not closed
    key_pair(lab)


@pytest.mark.parametrize(
    "data",
    [
        b"\xff" * 64,  # a length of 4 GiB
        (65 * 1024).to_bytes(4, "big"),  # more than any request
        encode_frame([]),
        b"\x00\x00\x00\x03abc",
        encode_request(Op.GET_KEYS, 5, [["sunny"], 1, None, None]) * 2,  # a request ID in use
    ],
)
def test_what_is_no_request_closes_the_connection(lab: Laboratory, data: bytes) -> None:
    (reply,), closed = talk(lab, data, 1)
    assert reply[0] == 0
    assert closed
    key_pair(lab)


# --- ETSI GS QKD 014 ---


@pytest.mark.parametrize(("number", "size", "error", "text"), WRONG_KEY_REQUESTS)
def test_etsi_number_and_size(
    lab: Laboratory, number: int, size: int | None, error: type[RequestError], text: str
) -> None:
    query = f"number={number}" + ("" if size is None else f"&size={size}")
    body = {"number": number} | ({} if size is None else {"size": size})
    for reply in (
        etsi(lab, "carol", f"sunny/enc_keys?{query}"),
        etsi(lab, "carol", "sunny/enc_keys", body=body),
    ):
        assert reply.status == 400
        assert text.partition(";")[0] in reply.message
    assert etsi(lab, "carol", "sunny/enc_keys").status == 200


@pytest.mark.parametrize(
    ("client", "path", "sae", "body", "status", "text"),
    [
        ("carol", "nobody/enc_keys", None, None, 400, "nobody is unknown"),
        ("carol", "nobody/status", None, None, 400, "nobody is unknown"),
        ("carol", "sam/enc_keys", None, None, 400, "own key"),
        ("carol", "sunny/enc_keys", "susan", None, 401, "susan"),
        ("carol", "sunny/status", "susan", None, 401, "susan"),
        ("curtis", "sam/enc_keys", None, None, 401, "which SAE is calling"),
        ("cindy", "sam/enc_keys", None, None, 401, "serves no SAE"),
        ("curtis", "sam/dec_keys?key_ID=no-uuid", "sunny", None, 400, "UUID"),
        ("curtis", "sam/dec_keys", "sunny", None, 400, "key_ID"),
        ("curtis", "sam/dec_keys", "sunny", {"key_IDs": []}, 400, "0 key IDs; 1 to 128"),
        ("curtis", "sam/dec_keys", "sunny", {"key_IDs": [{"key_ID": 1}]}, 400, "key_ID"),
        ("carol", "sunny/enc_keys?number=x", None, None, 400, "number"),
        ("carol", "sunny/enc_keys?size=1e3", None, None, 400, "size"),
        ("carol", f"sunny/enc_keys?size={10**30}", None, None, 400, "size: expected an integer of at most"),
        ("carol", "sunny/enc_keys", None, {"size": 10**30}, 400, "size"),
        ("carol", "sunny/enc_keys", None, {"number": True}, 400, "number"),
        ("carol", "sunny/enc_keys", None, {"size": 128.5}, 400, "size"),
        ("carol", "sunny/enc_keys", None, b"{", 400, "JSON"),
        ("carol", "sunny/enc_keys", None, b"\xff\xfe", 400, ""),
        ("carol", "sunny/enc_keys", None, b"[" * 50_000, 400, ""),
        ("carol", "sunny/enc_keys", None, b" " * 200_000, 400, "131072 bytes"),
        ("carol", "sunny/enc_keys", None, {"additional_slave_SAE_IDs": ["nobody"]}, 400, "nobody is unknown"),
        ("carol", "sunny/enc_keys", None, b'{"size": 128, "size": 256}', 400, "'size' twice"),
        ("carol", "sunny/enc_keys", None, {"extension_mandatory": [{"x": 1}]}, 400, "extension_mandatory"),
        ("carol", "sunny/nothing", None, None, 404, ""),
    ],
)  # fmt: skip
def test_etsi_requests_that_are_refused(
    lab: Laboratory, client: str, path: str, sae: str | None, body: object, status: int, text: str
) -> None:
    reply = etsi(lab, client, path, sae=sae, body=body)
    assert reply.status == status, reply.document
    assert text in reply.message
    assert ("WWW-Authenticate" in reply.headers) == (status == 401)
    assert etsi(lab, "carol", "sunny/enc_keys").status == 200


def test_etsi_methods(lab: Laboratory) -> None:
    for method, path in (("PUT", "sunny/enc_keys"), ("DELETE", "sunny/dec_keys"), ("POST", "sunny/status")):
        reply = etsi(lab, "carol", path, body={}, method=method)
        assert reply.status == 405
        assert "GET" in reply.headers["Allow"]


# --- dskectl ---


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        (["etsi-qkd", "sam", "sunny", "get-key", "--size", "0"], 4, "0 bits; 32 to 16777216"),
        (["etsi-qkd", "sam", "sunny", "get-key", "--size", "12"], 4, "size shall be a multiple of 8"),
        (["etsi-qkd", "sam", "sunny", "get-key", "--size", "x"], 2, "not a valid integer"),
        (["etsi-qkd", "sam", "sunny", "get-key-with-key-ids", "6a1"], 2, "UUID"),
        (["etsi-qkd", "sam", "nobody", "get-key"], 2, "nobody"),
        (["etsi-qkd", "sam", "sam", "get-key"], 4, "own key"),
        (["get-key", "nobody", "--node", "carol"], 4, "nobody is unknown"),
        (["get-key", "sunny", "--node", "carol", "--number", "129"], 4, "number is 129"),
        (["get-key", "sunny", "--node", "carol", "--as", "susan"], 4, "susan"),
        (["get-key", "sunny", "--node", "caroline"], 2, "there is no client 'caroline'; it has carol, "),
        (["get-key", "sunny"], 2, "--node: carol, celia, cindy, connie, curtis"),
        (["get-key-with-key-ids", "sam", "6a1", "--node", "curtis"], 2, "UUID"),
        (["--hub", "hans", "status"], 2, "hans"),
    ],
)
def test_dskectl(lab: Laboratory, arguments: list[str], status: int, text: str) -> None:
    ran = lab.run(*arguments)
    assert ran.returncode == status, ran.stderr
    (line,) = ran.stderr.splitlines()
    assert line.startswith("dskectl: ")
    assert text in line
    assert '"key"' not in ran.stdout


def test_others_are_served_while_one_asks_for_nonsense(lab: Laboratory) -> None:
    """A refused 16 Mbit request costs nothing: it does not hold up anybody."""
    with lab.control("carol") as carol:
        for _ in range(100):
            with pytest.raises(BadKeySizeError):
                carol.get_keys(["sunny"], 1, MAX_BITS + 1)
            with pytest.raises(BadNumberError):
                carol.get_keys(["sunny"], 128, MAX_BITS)
    with lab.control("carol") as carol:
        carol.get_keys(["sunny"])

"""The largest number of keys that a request may be allowed to ask for fits into all that carries it."""

from __future__ import annotations

import contextlib
import http.client
import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from benching.topologies import CLIENTS, content, wait_until_registered
from laboratory import LIMIT_S, Laboratory, wait_until

from dsked.chosen_limits import RANGES
from dsked.delivery import etsi_messages
from dsked.delivery.control_protocol import Op, encode_frame, encode_request
from dsked.errors import BadNumberError
from dsked.keys import Key
from dsked.limits import (
    MAX_CONTROL_FRAME_BYTES,
    MAX_CONTROL_REQUEST_BYTES,
    MAX_ENCRYPTOR_NAME_BYTES,
    MAX_HTTP_BODY_BYTES,
    MAX_KEYS_PER_FRAME,
    MAX_REQUEST_KEY_BYTES,
)

MOST = int(RANGES["max_keys_per_request"].high)
LONGEST_NAME = "n" * MAX_ENCRYPTOR_NAME_BYTES
IDS = [uuid.UUID(int=number) for number in range(MOST)]


def body_of(ids: list[uuid.UUID], indent: int | None = None) -> bytes:
    return json.dumps({"key_IDs": [{"key_ID": str(key_id)} for key_id in ids]}, indent=indent).encode()


def test_one_frame_takes_it() -> None:
    assert MOST == MAX_KEYS_PER_FRAME >= 128


def test_a_control_request_takes_it() -> None:
    args = [LONGEST_NAME, [key_id.bytes for key_id in IDS], LONGEST_NAME]
    assert len(encode_request(Op.GET_KEYS_BY_ID, 2**32 - 1, args)) <= MAX_CONTROL_REQUEST_BYTES


@pytest.mark.parametrize("indent", [None, 2, 4])
def test_an_http_body_takes_it(indent: int | None) -> None:
    body = body_of(IDS, indent)
    assert len(body) <= MAX_HTTP_BODY_BYTES
    assert etsi_messages.key_ids_of_body(body) == [key_id.bytes for key_id in IDS]


def test_a_control_reply_takes_it() -> None:
    keys = [Key(key_id.bytes, bytes(MAX_REQUEST_KEY_BYTES // MOST)) for key_id in IDS]
    assert len(encode_frame([2**32 - 1, 0, keys])) <= MAX_CONTROL_FRAME_BYTES


# --- real daemons ---

HUBS = K = 3  # whoever has an answer has it from all of them: nothing comes late
KEY_BYTES, MASK_BYTES, CODE_BYTES = 32, 16, 32
POOL_BYTES = 2 * 1024 * 1024


@pytest.fixture
def lab() -> Iterator[Laboratory]:
    """Pools that hold far more than what these tests use: they are not refilled meanwhile."""
    settings = {"limits": {"max_keys_per_request": MOST}, "stop_request_psrd_threshold": POOL_BYTES}
    with Laboratory(content(HUBS, K, **settings)) as lab:
        wait_until_registered(lab)
        pools = [(client, pool) for client in CLIENTS for pool in ("local_pool", "peer_pool")]
        full = POOL_BYTES - 1024  # beside what sessions and registrations took
        wait_until(lambda: all(min(unused(lab, *pool)) > full for pool in pools), "the pools are full")
        yield lab


def unused(lab: Laboratory, client: str, pool: str) -> list[int]:
    """Pad bytes left in one of a client's two pools, with each hub; the status may be some moments old."""
    return [hub[pool]["nr_unused_bytes"] for hub in lab.status(client)["peer_hubs"]]


def test_a_batch_is_one_frame_to_each_hub_and_one_from_it(lab: Laboratory) -> None:
    """By the pads that are used: a mask for each frame, beside the shares and their codes."""
    pools = {"shares": ("carol", "local_pool"), "answers": ("curtis", "peer_pool")}
    left = {what: unused(lab, *pool) for what, pool in pools.items()}
    # Once: where an encryptor is; and both clients' identifiers, in NAMES before what speaks of them first.
    once = {"shares": MASK_BYTES, "answers": 3 * MASK_BYTES}
    with lab.control("carol") as carol, lab.control("curtis") as curtis:
        for number in (1, 128, MOST):
            keys = carol.get_keys(["sunny"], number, 8 * KEY_BYTES)
            assert len(keys) == number
            assert curtis.get_keys_by_id("sam", [key.key_id for key in keys]) == keys
            frame = MASK_BYTES + number * (KEY_BYTES + CODE_BYTES)
            for what, pool in pools.items():
                left[what] = [before - once[what] - frame for before in left[what]]
                wait_until(
                    lambda what=what, pool=pool: unused(lab, *pool) == left[what], f"one frame of {what}"
                )
            once = dict.fromkeys(once, 0)


def post(lab: Laboratory, client: str, path: str, caller: str, body: bytes) -> dict[str, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", lab.port(client), timeout=LIMIT_S)
    with contextlib.closing(connection):
        connection.request("POST", f"/api/v1/keys/{path}", body, {"Authorization": caller})
        reply = connection.getresponse()
        answer: dict[str, Any] = json.loads(reply.read())
        assert reply.status == 200, answer
        return answer


def test_the_largest_batch_over_etsi_and_by_dskectl(lab: Laboratory) -> None:
    made = post(lab, "carol", "sunny/enc_keys", "sam", b'{"number": %d, "size": 256}' % MOST)
    assert len(made["keys"]) == MOST
    ids = [uuid.UUID(key["key_ID"]) for key in made["keys"]]
    assert post(lab, "curtis", "sam/dec_keys", "sunny", body_of(ids, indent=4)) == made
    said = lab.dskectl("get-key", "sunny", "--as", "sam", "--number", str(MOST), "--json")
    assert len(json.loads(said)["keys"]) == MOST
    with lab.control("carol") as carol, pytest.raises(BadNumberError) as refusal:
        carol.get_keys(["sunny"], MOST + 1)
    assert str(refusal.value) == f"number is {MOST + 1}; 1 to {MOST} keys are possible"

"""Keys reach the encryptors that were named, each once, and nobody and nothing else."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from dsked.delivery.control_protocol import Op
from dsked.errors import AlreadyDeliveredError, DskedError, ErrorCode, NotNamedError, UnknownKeyError
from dsked.keys import Key
from scripts.laboratory import Laboratory

from .support import Pipeline, etsi, fetch, get_keys, key_pair


def assert_refused(
    lab: Laboratory, slave: str, master: str, keys: list[Key], *errors: type[DskedError]
) -> None:
    with pytest.raises(errors):
        fetch(lab, slave, master, keys)


# --- ETSI, with an HTTP client as encryptors have it ---


@pytest.mark.parametrize("guide_url", [False, True])
@pytest.mark.parametrize("post", [False, True])
def test_a_key_over_etsi(lab: Laboratory, post: bool, guide_url: bool) -> None:
    ask = partial(etsi, lab, guide_url=guide_url)
    if post:
        made = ask("carol", "sunny/enc_keys", sae="sam", body={"number": 2, "size": 256})
    else:
        made = ask("carol", "sunny/enc_keys?number=2&size=256&key_size=1", sae="sam")
    assert made.status == 200
    assert made.headers["Content-Type"].startswith("application/json")
    assert made.headers["Cache-Control"] == "no-store"
    keys = made.document["keys"]
    assert [len(base64.b64decode(key["key"])) for key in keys] == [32, 32]
    found = []
    if post:
        wanted = {"key_IDs": [{"key_ID": key["key_ID"]} for key in keys]}
        found += ask("curtis", "sam/dec_keys", sae="sunny", body=wanted).document["keys"]
    else:
        for key in keys:
            path = f"sam/dec_keys?key_ID={key['key_ID']}"
            found += ask("curtis", path, sae="sunny").document["keys"]
    assert found == keys


def test_the_caller_of_a_client_of_one_encryptor_need_not_say_who_it_is(lab: Laboratory) -> None:
    made = etsi(lab, "carol", "serena/enc_keys").document
    (key,) = made["keys"]
    assert etsi(lab, "celia", f"sam/dec_keys?key_ID={key['key_ID']}").document == made


@pytest.mark.parametrize("guide_url", [False, True])
def test_status_over_etsi(lab: Laboratory, guide_url: bool) -> None:
    reply = etsi(lab, "curtis", "sam/status", sae="susan", guide_url=guide_url)
    assert reply.status == 200
    link = {name: value for name, value in reply.document.items() if name.endswith("_ID")}
    assert link == {
        "source_KME_ID": "curtis", "target_KME_ID": "carol", "master_SAE_ID": "susan", "slave_SAE_ID": "sam"
    }  # fmt: skip


def test_each_key_once_over_etsi(lab: Laboratory) -> None:
    (key,) = etsi(lab, "carol", "sunny/enc_keys").document["keys"]
    path = f"sam/dec_keys?key_ID={key['key_ID']}"
    other = etsi(lab, "curtis", path, sae="susan")
    assert other.status == 401
    assert etsi(lab, "celia", path).status == 401
    assert etsi(lab, "curtis", path, sae="sunny").status == 200
    again = etsi(lab, "curtis", path, sae="sunny")
    assert (again.status, again.message) == (400, "one or more keys specified are not found on KME")


# --- once, and to whom it is meant ---


def test_a_second_fetch_is_refused(lab: Laboratory) -> None:
    keys = key_pair(lab)
    assert_refused(lab, "sunny", "sam", keys, AlreadyDeliveredError)
    assert_refused(lab, "sunny", "sam", keys + get_keys(lab, "sam", "sunny"), AlreadyDeliveredError)


def test_two_fetches_at_once_get_it_once(lab: Laboratory) -> None:
    (key,) = get_keys(lab, "sam", "sunny")
    with Pipeline(lab.socket("client", "curtis")) as curtis:
        answers = curtis.answers(Op.GET_KEYS_BY_ID, [["sam", [key.key_id], "sunny"]] * 5)
    assert sorted(code for code, _ in answers) == [ErrorCode.OK] + [ErrorCode.DELIVERED] * 4


def test_an_encryptor_that_was_not_named_on_the_same_client(lab: Laboratory) -> None:
    keys = get_keys(lab, "sam", "sunny")
    assert_refused(lab, "susan", "sam", keys, NotNamedError)
    assert fetch(lab, "sunny", "sam", keys) == keys
    assert_refused(lab, "susan", "sam", keys, NotNamedError, AlreadyDeliveredError)


def test_an_encryptor_that_was_not_named_on_another_client(lab: Laboratory) -> None:
    keys = get_keys(lab, "sam", "sunny")
    assert_refused(lab, "serena", "sam", keys, NotNamedError)
    assert fetch(lab, "sunny", "sam", keys) == keys


def test_a_key_of_another_initiator(lab: Laboratory) -> None:
    keys = get_keys(lab, "sam", "sunny")
    with pytest.raises((UnknownKeyError, NotNamedError)):
        fetch(lab, "sunny", "serena", keys)
    assert fetch(lab, "sunny", "sam", keys) == keys


def test_the_initiator_cannot_fetch_its_own_key(lab: Laboratory) -> None:
    keys = get_keys(lab, "sam", "sunny")
    with pytest.raises(DskedError, match="its own keys already"):
        fetch(lab, "sam", "sam", keys)


def test_a_key_between_two_encryptors_of_one_client(lab: Laboratory) -> None:
    key_pair(lab, "sunny", "susan")


# --- one key for several encryptors ---


@pytest.mark.parametrize("slaves", [("sunny", "susan"), ("susan", "serena"), ("serena", "sunny", "susan")])
def test_a_key_for_several_encryptors(lab: Laboratory, slaves: tuple[str, ...]) -> None:
    keys = get_keys(lab, "sam", *slaves, number=2)
    outsider = next(name for name in ("susan", "serena", "sofia") if name not in slaves)
    assert_refused(lab, outsider, "sam", keys, NotNamedError)
    for slave in slaves:
        assert fetch(lab, slave, "sam", keys) == keys
    for slave in slaves:
        assert_refused(lab, slave, "sam", keys, AlreadyDeliveredError)


# --- no secret anywhere else ---


def _written(lab: Laboratory) -> Iterator[tuple[str, bytes]]:
    """All that a topology shows or writes: logs, status, files."""
    yield "status", lab.dskectl("status").encode()
    yield "status of all", lab.dskectl("status", "--json").encode()
    for path in lab.path.rglob("*"):
        if path.is_file():
            yield path.name, path.read_bytes()


def test_keys_are_nowhere_to_be_read(lab: Laboratory) -> None:
    keys = key_pair(lab, number=4) + key_pair(lab, "sam", "serena", size=256)
    keys += get_keys(lab, "sam", "sunny", number=2)  # pending at the hubs
    keys += key_pair(lab, size=65_536)
    assert_refused(lab, "sunny", "sam", keys[:1], AlreadyDeliveredError)
    made = etsi(lab, "carol", "sunny/enc_keys?number=3").document["keys"]
    keys += [Key(uuid.UUID(key["key_ID"]).bytes, base64.b64decode(key["key"])) for key in made]
    pair = json.loads(lab.dskectl("etsi-qkd", "sam", "sunny", "get-key-pair", "--json"))
    keys += [Key(b"", base64.b64decode(pair["get_key"]["keys"][0]["key"]))]
    for place, text in _written(lab):
        for key in keys:
            piece = key.key[:12]  # no padding in base64, and no chance to occur by accident
            for form in (piece, piece.hex().encode(), piece.hex().upper().encode(), base64.b64encode(piece)):
                assert form not in text, f"a key can be read in {place}"


def test_gate_keys_are_in_their_file_only(lab: Laboratory) -> None:
    (path,) = lab.path.rglob("gate-keys.json")
    assert path.stat().st_mode & 0o777 == 0o600
    gate_keys = json.loads(path.read_text())["pairs"].values()
    for place, text in _written(lab):
        if place != path.name:
            assert not any(bytes.fromhex(key) in text or key.encode() in text for key in gate_keys), place


def test_no_node_dumps_its_memory(lab: Laboratory) -> None:
    for _, name in lab.nodes():
        limits = Path(f"/proc/{lab.pid(name)}/limits").read_text().splitlines()
        (line,) = (line for line in limits if line.startswith("Max core file size"))
        assert line.split()[4:6] == ["0", "0"]

"""Messages: round trips, canonical form, types and limits, the order of secrets."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsked.errors import FrameError
from dsked.limits import MAX_FRAME_PAD_BYTES, MAX_KEYS_PER_FRAME
from dsked.wire import messages as m

uint8, uint32 = st.integers(0, 2**8 - 1), st.integers(0, 2**32 - 1)
uint64 = st.integers(0, 2**64 - 1)
ids = st.binary(min_size=16, max_size=16)
names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=64).filter(
    lambda name: m.name_fits(name, 64)
)
clients = names | uint32  # in frames
secrets = st.binary(max_size=40)
counts = st.integers(1, 255)


def lists(of: st.SearchStrategy[Any], at_least: int = 0) -> st.SearchStrategy[list[Any]]:
    return st.lists(of, min_size=at_least, max_size=3)


columns = st.integers(1, 3).flatmap(lambda keys: st.binary(min_size=16 * keys, max_size=16 * keys))
confirmations = lists(st.builds(m.Confirmed, clients, columns))
parties = st.builds(m.PartyBody, clients, names)
put_groups = st.builds(
    m.PutGroup, names, lists(parties, 1), counts, counts, uint32, st.integers(1, 2**21), columns, uint32,
    secrets, secrets,
)  # fmt: skip
get_groups = st.builds(m.GetGroup, clients, columns, uint32)
share_groups = st.builds(
    m.ShareGroup, parties, lists(parties, 1), counts, counts, st.integers(1, 2**21), columns, uint32,
    secrets, secrets,
)  # fmt: skip
blocks = st.builds(m.PsrdBlock, st.integers(0, 1), ids, uint32, ids, st.binary(min_size=1, max_size=40))
ANY_MESSAGE: dict[type[m.Message], st.SearchStrategy[Any]] = {
    m.Register: st.builds(m.Register, lists(names)),
    m.Registered: st.builds(m.Registered, uint8, lists(names), uint32),
    m.Unregister: st.builds(m.Unregister),
    m.Ping: st.builds(m.Ping, st.booleans(), uint64, uint64, confirmations),
    m.Error: st.builds(m.Error, uint8, st.text(st.characters(exclude_categories=["Cs"]), max_size=64)),
    m.Names: st.builds(m.Names, lists(st.tuples(uint32, names), 1)),
    m.PsrdRequest: st.builds(m.PsrdRequest, st.integers(0, 1), ids, uint32, uint32),
    m.PsrdBlock: blocks,
    m.PutShares: st.builds(m.PutShares, lists(put_groups, 1)),
    m.PutSharesAck: st.builds(m.PutSharesAck, st.binary(max_size=9)),
    m.GetShares: st.builds(m.GetShares, lists(get_groups), uint32, confirmations),
    m.Shares: st.builds(m.Shares, lists(share_groups), lists(st.builds(m.Missing, clients, uint8, columns))),
    m.Locate: st.builds(m.Locate, lists(names, 1)),
    m.Located: st.builds(m.Located, lists(st.none() | clients)),
}


def test_every_type_has_one_message_and_one_number() -> None:
    assert set(ANY_MESSAGE) == set(m.MESSAGES)
    assert sorted(message.type for message in (*m.MESSAGES, m.Wrap)) == sorted(m.MessageType)
    assert {m.MessageType.PSRD_REQUEST, m.MessageType.PSRD_BLOCK} == m.SEALED_TYPES


@pytest.mark.parametrize("kind", m.MESSAGES)
@settings(max_examples=50)
@given(st.data())
def test_round_trip_through_plain_msgpack(kind: type[m.Message], data: st.DataObject) -> None:
    message = data.draw(ANY_MESSAGE[kind])
    body = m.encode_body(message)
    decoded = m.decode_body(message.type, body)
    assert type(decoded) is kind
    assert decoded == message
    assert msgpack.packb(msgpack.unpackb(body)) == body  # another packer's shortest form is the same


@pytest.mark.parametrize("kind", [m.PutShares, m.Shares])
@settings(max_examples=50)
@given(st.data())
def test_secrets_come_in_the_order_of_the_bodys_bytes(kind: type[m.Message], data: st.DataObject) -> None:
    message = data.draw(ANY_MESSAGE[kind])
    found = list(message.secrets())
    plain = msgpack.unpackb(m.encode_body(message))
    assert found == [secret for group in plain[0] for secret in group[-2:]]
    replaced = [bytes((number,)) * len(secret) for number, secret in enumerate(found)]
    message.replace_secrets(iter(replaced))
    assert list(message.secrets()) == replaced


def test_order_of_secrets_by_example() -> None:
    parties = [m.PartyBody("c", "e")]
    put = m.PutShares([
        m.PutGroup("sam", parties, 5, 3, 1, 7, bytes(32), 0, b"share 1share 2", b"code 1acode 2a"),
        m.PutGroup("sam", parties, 5, 3, 1, 14, b"\1" * 16, 7, b"share 3", b""),
    ])  # fmt: skip
    wanted = [b"share 1share 2", b"code 1acode 2a", b"share 3", b""]
    assert list(put.secrets()) == wanted
    body = m.encode_body(put)
    assert sorted(wanted[:3], key=body.index) == wanted[:3]
    sam = m.PartyBody("carol", "sam")
    shares = m.Shares([m.ShareGroup(sam, parties, 5, 3, 7, bytes(16), 0, b"share 1", b"code 1")], [])
    assert list(shares.secrets()) == [b"share 1", b"code 1"]


@pytest.mark.parametrize("length", [1, 15, 17, 31])
def test_a_column_of_key_ids_is_made_of_whole_ones(length: int) -> None:
    column = bytes(length)
    for make in (
        lambda: m.Confirmed("carol", column),
        lambda: m.GetGroup("carol", column, 0),
        lambda: m.Missing("carol", 7, column),
    ):
        with pytest.raises(ValueError, match="16 bytes"):
            make()


def test_key_ids_are_cut_in_their_order() -> None:
    ids = [bytes([i]) * 16 for i in range(3)]
    assert m.cut_key_ids(b"".join(ids)) == ids
    assert m.GetGroup("carol", b"".join(ids), 0).number == 3


@pytest.mark.parametrize("kind", [m.PutGroup, m.ShareGroup])
def test_shares_are_not_shown(kind: type[Any]) -> None:
    first = ["sam", [], 5, 3, 1, 7] if kind is m.PutGroup else [m.PartyBody("c", "s"), [], 5, 3, 7]
    assert "secret" not in repr(kind(*first, bytes(16), 0, b"secret", b"secret"))


@pytest.mark.parametrize("kind", m.MESSAGES)
@settings(max_examples=50)
@given(st.data())
def test_what_is_decoded_has_these_bytes_and_no_others(kind: type[m.Message], data: st.DataObject) -> None:
    """Any change of a byte gives another message or none, never the same one."""
    message = data.draw(ANY_MESSAGE[kind])
    body = bytearray(m.encode_body(message))
    at = data.draw(st.integers(0, len(body) - 1))
    body[at] ^= data.draw(st.integers(1, 255))
    try:
        decoded = m.decode_body(message.type, bytes(body))
    except FrameError:
        return
    assert decoded != message
    assert m.encode_body(decoded) == body


#: PING [false, 1, 2, []] and what else says the same to a lenient reader.
NOT_CANONICAL = [
    ("uint8 for a fixint", "94c2cc010290"),
    ("uint64 for a fixint", "94c2cf00000000000000010290"),
    ("int8 for a fixint", "94c2d0010290"),
    ("array16 for a fixarray", "dc0004c2010290"),
    ("array32 for a fixarray", "dd00000004c2010290"),
    ("array16 inside", "94c20102dc0000"),
    ("a float", "94c2cb3ff00000000000000290"),
    ("a map for the array", "84a57265706c79c2aa636c69656e745f656e6401a76875625f656e6402a4646f6e6590"),
    ("a field too many", "95c201029000"),
    ("a field too few", "93c20102"),
    ("bytes after the end", "94c201029000"),
    ("an integer for a boolean", "9400010290"),
    ("a string for an integer", "94c2a1310290"),
    ("a negative integer", "94c2ff0290"),
    ("nil for the list", "94c20102c0"),
    ("a reserved byte", "94c2c10290"),
    ("nothing", ""),
    ("a truncated integer", "94c2cc"),
    ("an endless array", "dd7fffffff"),
]  # fmt: skip


@pytest.mark.parametrize(("what", "body"), NOT_CANONICAL, ids=[what for what, _ in NOT_CANONICAL])
def test_only_the_canonical_form_is_read(what: str, body: str) -> None:
    assert m.decode_body(m.MessageType.PING, bytes.fromhex("94c2010290")) == m.Ping(False, 1, 2, [])
    with pytest.raises(FrameError):
        m.decode_body(m.MessageType.PING, bytes.fromhex(body))


def _put(**changes: Any) -> list[Any]:
    """A put group, with one field as it must not be."""
    good = {
        "initiator": "sam", "responders": [["c", "e"]], "n": 5, "k": 3, "ttl_ms": 0, "key_bytes": 1,
        "key_ids": bytes(16), "offset": 0, "shares": b"s", "codes": bytes(32),
    }  # fmt: skip
    return list((good | changes).values())


def test_the_group_that_the_next_test_changes_is_right() -> None:
    assert isinstance(m.decode_body(m.MessageType.PUT_SHARES, msgpack.packb([[_put()]])), m.PutShares)


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (m.MessageType.REGISTER, [[b"sam"]]),
        (m.MessageType.REGISTER, [[""]]),
        (m.MessageType.REGISTER, [["x" * 129]]),
        (m.MessageType.REGISTER, [["x"] * 8193]),
        (m.MessageType.REGISTERED, [256, [], 0]),
        (m.MessageType.REGISTERED, [0, [], 2**32]),
        (m.MessageType.PING, [False, 0, 0, [["carol", bytes(15)]]]),
        (m.MessageType.PING, [False, 0, 0, [["carol", b""]]]),
        (m.MessageType.PING, [False, 0, 0, [["carol", bytes(16 * (MAX_KEYS_PER_FRAME + 1))]]]),
        (m.MessageType.ERROR, [0, "x" * 257]),
        (m.MessageType.PSRD_REQUEST, [2, bytes(16), 0, 1]),
        (m.MessageType.PSRD_REQUEST, [0, bytes(17), 0, 1]),
        (m.MessageType.PSRD_BLOCK, [0, bytes(16), 0, bytes(16), b""]),
        (m.MessageType.PSRD_BLOCK, [0, bytes(16), 0, bytes(15), b"x"]),
        (m.MessageType.PSRD_BLOCK, [0, bytes(16), 0, bytes(16), bytes(MAX_FRAME_PAD_BYTES + 1)]),
        (m.MessageType.PUT_SHARES, [[]]),
        (m.MessageType.PUT_SHARES, [[_put(responders=[])]]),
        (m.MessageType.PUT_SHARES, [[_put(responders=[["c", "e"]] * 33)]]),
        (m.MessageType.PUT_SHARES, [[_put(n=0)]]),
        (m.MessageType.PUT_SHARES, [[_put(n=256)]]),
        (m.MessageType.PUT_SHARES, [[_put(key_bytes=0)]]),
        (m.MessageType.PUT_SHARES, [[_put(key_bytes=2**21 + 1)]]),
        (m.MessageType.PUT_SHARES, [[_put(key_ids=b"")]]),
        (m.MessageType.PUT_SHARES, [[_put(key_ids=bytes(24))]]),
        (m.MessageType.PUT_SHARES, [[_put(key_ids=bytes(16 * (MAX_KEYS_PER_FRAME + 1)))]]),
        (m.MessageType.PUT_SHARES, [[_put(key_ids=[bytes(16)])]]),
        (m.MessageType.PUT_SHARES, [[_put(offset=-1)]]),
        (m.MessageType.PUT_SHARES, [[_put(shares="text")]]),
        (m.MessageType.PUT_SHARES, [[_put(codes=[bytes(32)])]]),
        (m.MessageType.PUT_SHARES_ACK, [bytes(MAX_KEYS_PER_FRAME + 1)]),
        (m.MessageType.PUT_SHARES_ACK, [[0]]),
        (m.MessageType.GET_SHARES, [[["carol", b"", 0]], 0, []]),
        (m.MessageType.GET_SHARES, [[["carol", bytes(17), 0]], 0, []]),
        (m.MessageType.SHARES, [[], [["carol", -1, bytes(16)]]]),
        (m.MessageType.SHARES, [[], [["carol", 7, bytes(8)]]]),
        (m.MessageType.LOCATE, [[]]),
        (m.MessageType.LOCATED, [["", None]]),
        (m.MessageType.UNREGISTER, [0]),
    ],
)
def test_wrong_types_and_values_beyond_their_limits_are_refused(kind: int, fields: list[Any]) -> None:
    with pytest.raises(FrameError):
        m.decode_body(kind, msgpack.packb(fields))


@pytest.mark.parametrize("bad", [b"\xff", b"\xc3\x28", b"\xed\xa0\x80"])
def test_text_that_is_no_utf_8_is_refused(bad: bytes) -> None:
    with pytest.raises(FrameError):
        m.decode_body(m.MessageType.REGISTER, b"\x91\x91" + bytes((0xA0 + len(bad),)) + bad)


def test_a_refusal_does_not_show_what_was_read() -> None:
    with pytest.raises(FrameError) as refused:
        m.decode_body(m.MessageType.REGISTER, b"\x91\x91\xc4\x06secret")
    assert "secret" not in str(refused.value)
    assert refused.value.__cause__ is None


@pytest.mark.parametrize("kind", sorted(set(range(0x80)) - {int(kind) for kind in m.MessageType}))
def test_a_type_of_a_later_version_is_unknown_not_wrong(kind: int) -> None:
    message = m.decode_body(kind, b"\xc1 anything")
    assert isinstance(message, m.Unknown)
    assert message.kind == kind
    assert list(message.secrets()) == []


@pytest.mark.parametrize(
    ("name", "limit", "fits"),
    [
        ("a" * 64, 64, True),
        ("a" * 65, 64, False),
        ("\u00e9" * 32, 64, True),
        ("\u00e9" * 33, 64, False),
        ("", 0, True),
    ],
)
def test_names_are_measured_in_bytes(name: str, limit: int, fits: bool) -> None:
    assert m.name_fits(name, limit) is fits

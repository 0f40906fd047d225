from __future__ import annotations

from dsked.errors import ErrorCode
from dsked.hub.answers import Found, shares_messages
from dsked.hub.share_store import StoredShare
from dsked.limits import MAX_FRAME_BYTES, MAX_FRAME_PAD_BYTES, MAX_KEYS_PER_FRAME, MIN_FRAME_PAD_BYTES
from dsked.sharing.terms import Party, Terms
from dsked.wire.frame import OVERHEAD_BYTES
from dsked.wire.messages import Missing, Shares, decode_body, encode_body


def found(
    number: int, *, key_bytes: int = 32, offset: int = 0, encryptor: str = "sam", code: int = 32
) -> Found:
    terms = Terms(1, 5, 3, Party("carol", encryptor), (Party("curtis", "sunny"),), key_bytes)
    share = bytes((number + i) % 251 for i in range(key_bytes))
    stored = StoredShare(terms, {"curtis": bytes([number % 256]) * code, "celia": b"x" * code}, 0.0, share)
    return Found(number.to_bytes(16, "big"), offset, stored)


def missing(number: int) -> list[Missing]:
    return [Missing("carol", i.to_bytes(16, "big"), int(ErrorCode.UNKNOWN_KEY)) for i in range(number)]


def answers(items: list[Found], absent: list[Missing] | None = None, max_pads: int = MAX_FRAME_PAD_BYTES):
    """The messages, each held to what a frame may be."""
    messages = list(shares_messages("curtis", items, absent or [], max_pads))
    for message in messages:
        body = encode_body(message)
        assert decode_body(Shares.type, body) == message
        assert len(body) + OVERHEAD_BYTES <= MAX_FRAME_BYTES
        assert sum(map(len, message.secrets())) <= max_pads
        assert sum(len(group.keys) for group in message.groups) <= MAX_KEYS_PER_FRAME
    return messages


def joined(messages: list[Shares]) -> dict[bytes, tuple[bytes, bytes]]:
    """Key ID to (share, code), pieces put together in order."""
    whole: dict[bytes, tuple[bytes, bytes]] = {}
    for message in messages:
        for group in message.groups:
            for key in group.keys:
                share, code = whole.get(key.key_id, (b"", b""))
                assert not (code and key.code), "a code travels once"
                whole[key.key_id] = (share + key.share, code + key.code)
    return whole


def as_stored(items: list[Found]) -> dict[bytes, tuple[bytes, bytes]]:
    return {item.key_id: (item.stored.share, item.stored.codes["curtis"]) for item in items}


def test_nothing_to_say_is_no_message() -> None:
    assert answers([]) == []


def test_keys_under_the_same_terms_share_one_group() -> None:
    items = [found(number, encryptor=("sam", "sue")[number % 2]) for number in range(6)]
    [message] = answers(items)
    assert [group.initiator.encryptor for group in message.groups] == ["sam", "sue"]
    assert [len(group.keys) for group in message.groups] == [3, 3]
    assert joined([message]) == as_stored(items)


def test_terms_are_told_as_they_are_stored() -> None:
    [message] = answers([found(1)])
    [group] = message.groups
    assert (group.n, group.k, group.key_bytes) == (5, 3, 32)
    assert (group.initiator.client, group.initiator.encryptor) == ("carol", "sam")
    assert [(party.client, party.encryptor) for party in group.responders] == [("curtis", "sunny")]


def test_shares_and_missing_travel_together() -> None:
    [message] = answers([found(1)], missing(2))
    assert len(message.groups) == 1
    assert len(message.missing) == 2


def test_more_missing_than_a_frame_holds() -> None:
    messages = answers([], missing(MAX_KEYS_PER_FRAME + 1))
    assert [len(message.missing) for message in messages] == [MAX_KEYS_PER_FRAME, 1]


def test_more_keys_than_a_frame_holds() -> None:
    items = [found(number, key_bytes=4) for number in range(MAX_KEYS_PER_FRAME + 1)]
    messages = answers(items)
    assert len(messages) == 2
    assert joined(messages) == as_stored(items)


def test_a_large_share_travels_in_pieces_with_its_code_in_the_first() -> None:
    items = [found(3, key_bytes=10_000, code=48)]
    messages = answers(items, max_pads=MIN_FRAME_PAD_BYTES)
    keys = [message.groups[0].keys[0] for message in messages]
    assert [(key.offset, len(key.share), len(key.code)) for key in keys] == [
        (0, 4048, 48), (4048, 4096, 0), (8144, 1856, 0),
    ]  # fmt: skip
    assert joined(messages) == as_stored(items)


def test_small_keys_after_a_large_one_fill_its_last_frame() -> None:
    items = [found(1, key_bytes=5000), found(2), found(3)]
    messages = answers(items, max_pads=MIN_FRAME_PAD_BYTES)
    assert len(messages) == 2
    assert joined(messages) == as_stored(items)


def test_a_share_from_an_offset_on_comes_without_its_code() -> None:
    [message] = answers([found(1, offset=20)])
    [key] = message.groups[0].keys
    assert (key.offset, key.code) == (20, b"")
    assert key.share == found(1).stored.share[20:]


def test_an_offset_at_or_beyond_the_end_gives_nothing() -> None:
    assert answers([found(1, offset=32)]) == []
    assert answers([found(1, offset=2**32 - 1)]) == []


def test_frames_that_are_nearly_full_do_not_cut_a_code() -> None:
    """Whatever is left in a frame, a piece has its whole code and at least one byte, or waits."""
    for first in range(MIN_FRAME_PAD_BYTES - 100, MIN_FRAME_PAD_BYTES):
        items = [found(1, key_bytes=first - 32), found(2)]
        messages = answers(items, max_pads=MIN_FRAME_PAD_BYTES)
        assert joined(messages) == as_stored(items)
        assert all(key.share for message in messages for group in message.groups for key in group.keys)


def test_many_groups_are_cut_by_their_metadata() -> None:
    items = [found(number, encryptor=f"{number:0128}") for number in range(1000)]
    messages = answers(items)
    assert len(messages) > 1
    assert joined(messages) == as_stored(items)

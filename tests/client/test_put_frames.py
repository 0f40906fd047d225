from __future__ import annotations

import itertools

import pytest

from dsked.client.deal import Deal, KeyRequest
from dsked.client.put_frames import InFlight, PutItem, put_frames
from dsked.limits import (
    MAX_ENCRYPTOR_NAME_BYTES,
    MAX_FRAME_BYTES,
    MAX_FRAME_PAD_BYTES,
    MAX_KEYS_PER_FRAME,
    MAX_RESPONDERS,
    MIN_FRAME_PAD_BYTES,
)
from dsked.sharing.shares import HubColumns, code_bytes
from dsked.sharing.terms import Party, Terms, responder_clients, sort_parties
from dsked.wire.frame import OVERHEAD_BYTES
from dsked.wire.messages import PutShares, cut_key_ids, decode_body, encode_body
from dsked.wire.terms import columns_fit, put_terms

NOW = 1000.0
_numbers = itertools.count()


def new_item(
    number: int = 1, key_bytes: int = 32, *, responders: int = 1, encryptor: str = "sam", ttl_s: float = 60.0
) -> PutItem:
    """One hub's shares of a dealing of so many keys: no two bytes alike by rule."""
    named = sort_parties({Party(f"client{number}", "sunny") for number in range(responders)})
    ids = b"".join(next(_numbers).to_bytes(16, "big") for _ in range(number))
    terms = Terms(1, 5, 3, Party("carol", encryptor), named, key_bytes)
    deal = Deal(terms, [KeyRequest(number, lambda outcome: None)], ids, bytes(number * key_bytes), range(5))
    deal.expires_at = NOW + ttl_s
    codes = number * responders * code_bytes(terms)
    return PutItem(deal, HubColumns(pattern(number * key_bytes), pattern(codes)), 0, number)


def pattern(length: int) -> bytes:
    start = next(_numbers)
    return bytes((start + i + i // 251) % 251 for i in range(length))


def frames(items: list[PutItem], max_pads: int = MAX_FRAME_PAD_BYTES) -> list[tuple[PutShares, InFlight]]:
    """The frames, each held to what a frame may be and to what a hub takes."""
    made = list(put_frames(items, max_pads, NOW))
    for message, in_flight in made:
        body = encode_body(message)
        assert decode_body(PutShares.type, body) == message
        assert len(body) + OVERHEAD_BYTES <= MAX_FRAME_BYTES
        assert sum(map(len, message.secrets())) <= max_pads
        assert sum(group.number for group in message.groups) <= MAX_KEYS_PER_FRAME
        for group, (sent, _) in zip(message.groups, in_flight, strict=True):
            assert cut_key_ids(group.key_ids) == ids_of(sent), "acks come in order"
            terms = put_terms("carol", group)
            assert terms is not None
            assert columns_fit(terms, group, len(responder_clients(terms)))
    return made


def ids_of(item: PutItem) -> list[bytes]:
    return cut_key_ids(item.deal.key_ids)[item.start : item.start + item.number]


def joined(made: list[tuple[PutShares, InFlight]]) -> dict[bytes, tuple[bytes, bytes]]:
    """Share and codes by key ID, as a hub would put them together."""
    whole: dict[bytes, tuple[bytes, bytes]] = {}
    for message, in_flight in made:
        for group, (_, last) in zip(message.groups, in_flight, strict=True):
            ids = cut_key_ids(group.key_ids)
            shares, codes = len(group.shares) // len(ids), len(group.codes) // len(ids)
            for i, key_id in enumerate(ids):
                share, of_key = whole.get(key_id, (b"", b""))
                assert group.offset == len(share)
                share += group.shares[i * shares : (i + 1) * shares]
                whole[key_id] = share, of_key + group.codes[i * codes : (i + 1) * codes]
                assert last is (len(share) == group.key_bytes)
    return whole


def as_dealt(items: list[PutItem]) -> dict[bytes, tuple[bytes, bytes]]:
    dealt = {}
    for item in items:
        size, codes = item.deal.terms.key_bytes, item.code_bytes
        for place, key_id in enumerate(ids_of(item), start=item.start):
            share = item.columns.shares[place * size : (place + 1) * size]
            dealt[key_id] = share, item.columns.codes[place * codes : (place + 1) * codes]
    return dealt


def test_nothing_to_send_is_no_frame() -> None:
    assert frames([]) == []


def test_keys_of_one_dealing_travel_in_one_group() -> None:
    items = [new_item(128)]
    made = frames(items)
    [(message, _)] = made
    [group] = message.groups
    assert (group.initiator, group.n, group.k, group.ttl_ms, group.key_bytes) == ("sam", 5, 3, 60_000, 32)
    assert group.shares == items[0].columns.shares
    assert joined(made) == as_dealt(items)


def test_each_dealing_has_a_group_of_its_own() -> None:
    items = [new_item(2), new_item(ttl_s=30), new_item(encryptor="sue", ttl_s=30), new_item()]
    made = frames(items)
    [(message, _)] = made
    told = [(group.initiator, group.ttl_ms, group.number) for group in message.groups]
    assert told == [("sam", 60_000, 2), ("sam", 30_000, 1), ("sue", 30_000, 1), ("sam", 60_000, 1)]
    assert joined(made) == as_dealt(items)


def test_a_time_to_live_is_never_negative() -> None:
    [(message, _)] = frames([new_item(ttl_s=-1)])
    assert message.groups[0].ttl_ms == 0


def test_one_code_for_each_responder_client_in_the_first_piece() -> None:
    items = [new_item(1, 5000, responders=MAX_RESPONDERS)]
    made = frames(items, MIN_FRAME_PAD_BYTES)
    assert [len(message.groups[0].codes) for message, _ in made] == [48 * MAX_RESPONDERS, 0]
    assert joined(made) == as_dealt(items)


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("key_bytes", [1, 4047, 4048, 4049, 8144, 8145, 100_000])
def test_large_shares_travel_in_pieces(key_bytes: int, number: int) -> None:
    items = [new_item(number, key_bytes), new_item(1, key_bytes)]
    made = frames(items, MIN_FRAME_PAD_BYTES)
    assert joined(made) == as_dealt(items)
    per_key = -(-(key_bytes + items[0].code_bytes) // MIN_FRAME_PAD_BYTES)
    assert len(made) <= (number + 1) * per_key


def test_the_largest_key() -> None:
    items = [new_item(1, 2 * 1024 * 1024)]
    made = frames(items)
    assert len(made) == 9
    assert [in_flight[0][1] for _, in_flight in made] == [False] * 8 + [True]
    assert joined(made) == as_dealt(items)


def test_a_dealing_that_does_not_fit_into_one_frame_is_cut_between_keys() -> None:
    items = [new_item(100, 100)]
    made = frames(items, MIN_FRAME_PAD_BYTES)
    fitting = MIN_FRAME_PAD_BYTES // 132
    assert [(sent.start, sent.number) for _, [(sent, _)] in made] == [
        (start, min(fitting, 100 - start)) for start in range(0, 100, fitting)
    ]
    assert joined(made) == as_dealt(items)


def test_what_has_not_been_acknowledged_is_sent_again_from_the_middle_of_a_dealing() -> None:
    (_, [(_, _)]), (_, [(second, _)]), *_ = frames([new_item(100, 100)], MIN_FRAME_PAD_BYTES)
    assert joined(frames([second])) == as_dealt([second])


def test_more_keys_than_a_frame_holds() -> None:
    items = [new_item(MAX_KEYS_PER_FRAME + 1, 4)]
    made = frames(items)
    assert [in_flight[0][0].number for _, in_flight in made] == [MAX_KEYS_PER_FRAME, 1]
    assert joined(made) == as_dealt(items)


def test_many_groups_with_long_names_are_cut_by_their_metadata() -> None:
    name = "é" * (MAX_ENCRYPTOR_NAME_BYTES // 2 - 2)
    items = [new_item(responders=MAX_RESPONDERS, encryptor=f"{name}{i:04}") for i in range(200)]
    made = frames(items)
    assert len(made) > 1
    assert joined(made) == as_dealt(items)


def test_whatever_is_left_in_a_frame_nothing_is_lost() -> None:
    for first in range(MIN_FRAME_PAD_BYTES - 150, MIN_FRAME_PAD_BYTES - 47):
        items = [new_item(1, first), new_item(responders=3)]
        assert joined(frames(items, MIN_FRAME_PAD_BYTES)) == as_dealt(items)


def test_an_items_pads_are_those_of_a_frame_of_its_own() -> None:
    sent = new_item(3, responders=2)
    [(message, _)] = frames([sent])
    assert sent.pad_bytes == 16 + sum(map(len, message.secrets())) == 16 + 3 * (32 + 2 * 32)


def test_nothing_secret_is_shown() -> None:
    assert repr(new_item(3)) == "PutItem(3 keys from 0 on)"

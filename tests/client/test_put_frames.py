from __future__ import annotations

import itertools

import pytest

from dsked.client.deal import Deal
from dsked.client.put_frames import InFlight, PutItem, put_frames
from dsked.limits import (
    MAX_ENCRYPTOR_NAME_BYTES,
    MAX_FRAME_BYTES,
    MAX_FRAME_PAD_BYTES,
    MAX_KEYS_PER_FRAME,
    MAX_RESPONDERS,
    MIN_FRAME_PAD_BYTES,
)
from dsked.sharing.shares import HubShare
from dsked.sharing.terms import Party, Terms, responder_clients, sort_parties
from dsked.wire.frame import OVERHEAD_BYTES
from dsked.wire.messages import PutShares, decode_body, encode_body
from dsked.wire.terms import put_codes_fit, put_terms

NOW = 1000.0
_numbers = itertools.count()


def new_deal(
    key_bytes: int = 32, *, responders: int = 1, encryptor: str = "sam", ttl_s: float = 60.0
) -> Deal:
    named = sort_parties({Party(f"client{number}", "sunny") for number in range(responders)})
    deal = Deal(Terms(1, 5, 3, Party("carol", encryptor), named, key_bytes), [], lambda outcome: None)
    deal.expires_at = NOW + ttl_s
    return deal


def item(deal: Deal) -> PutItem:
    number = next(_numbers)
    code_bytes = 48 if deal.terms.key_bytes > 1024 else 32
    codes = tuple(
        bytes([number % 256, i]) * (code_bytes // 2) for i in range(len(responder_clients(deal.terms)))
    )
    share = bytes((number + i) % 251 for i in range(deal.terms.key_bytes))
    return PutItem(deal, number.to_bytes(16, "big"), HubShare(share, codes))


def frames(items: list[PutItem], max_pads: int = MAX_FRAME_PAD_BYTES) -> list[tuple[PutShares, InFlight]]:
    """The frames, each held to what a frame may be and to what a hub takes."""
    made = list(put_frames(items, max_pads, NOW))
    for message, in_flight in made:
        body = encode_body(message)
        assert decode_body(PutShares.type, body) == message
        assert len(body) + OVERHEAD_BYTES <= MAX_FRAME_BYTES
        assert sum(map(len, message.secrets())) <= max_pads
        keys = [key for group in message.groups for key in group.keys]
        assert len(keys) == len(in_flight) <= MAX_KEYS_PER_FRAME
        assert [key.key_id for key in keys] == [sent.key_id for sent, _ in in_flight], "acks come in order"
        for group in message.groups:
            terms = put_terms("carol", group)
            assert terms is not None
            assert all(put_codes_fit(terms, key) for key in group.keys)
    return made


def joined(made: list[tuple[PutShares, InFlight]]) -> dict[bytes, HubShare]:
    whole: dict[bytes, HubShare] = {}
    for message, in_flight in made:
        keys = [key for group in message.groups for key in group.keys]
        for key, (sent, last) in zip(keys, in_flight, strict=True):
            share, codes = whole.get(key.key_id, HubShare(b"", ()))
            assert key.offset == len(share)
            whole[key.key_id] = HubShare(share + key.share, codes + tuple(key.codes))
            assert last is (len(share) + len(key.share) == len(sent.share.share))
    return whole


def as_dealt(items: list[PutItem]) -> dict[bytes, HubShare]:
    return {sent.key_id: sent.share for sent in items}


def test_nothing_to_send_is_no_frame() -> None:
    assert frames([]) == []


def test_keys_of_one_deal_travel_in_one_group() -> None:
    deal = new_deal()
    items = [item(deal) for _ in range(128)]
    made = frames(items)
    [(message, _)] = made
    [group] = message.groups
    assert (group.initiator, group.n, group.k, group.ttl_ms, group.key_bytes) == ("sam", 5, 3, 60_000, 32)
    assert joined(made) == as_dealt(items)


def test_deals_with_the_same_terms_and_time_share_a_group_others_do_not() -> None:
    deals = [new_deal(), new_deal(), new_deal(ttl_s=30), new_deal(encryptor="sue", ttl_s=30), new_deal()]
    items = [item(deal) for deal in deals]
    made = frames(items)
    [(message, _)] = made
    told = [(group.initiator, group.ttl_ms, len(group.keys)) for group in message.groups]
    assert told == [("sam", 60_000, 2), ("sam", 30_000, 1), ("sue", 30_000, 1), ("sam", 60_000, 1)]
    assert joined(made) == as_dealt(items)


def test_a_time_to_live_is_never_negative() -> None:
    [(message, _)] = frames([item(new_deal(ttl_s=-1))])
    assert message.groups[0].ttl_ms == 0


def test_one_code_for_each_responder_client_in_the_first_piece() -> None:
    items = [item(new_deal(5000, responders=MAX_RESPONDERS))]
    made = frames(items, MIN_FRAME_PAD_BYTES)
    keys = [message.groups[0].keys[0] for message, _ in made]
    assert [len(key.codes) for key in keys] == [MAX_RESPONDERS, 0]
    assert joined(made) == as_dealt(items)


@pytest.mark.parametrize("key_bytes", [1, 4047, 4048, 4049, 8144, 8145, 100_000])
def test_large_shares_travel_in_pieces(key_bytes: int) -> None:
    items = [item(new_deal(key_bytes)) for _ in range(2)]
    made = frames(items, MIN_FRAME_PAD_BYTES)
    assert joined(made) == as_dealt(items)
    pads = sum(sent.pad_bytes - 16 for sent in items)
    assert len(made) == -(-pads // MIN_FRAME_PAD_BYTES), "no frame is left half empty"


def test_the_largest_key() -> None:
    items = [item(new_deal(2 * 1024 * 1024))]
    made = frames(items)
    assert len(made) == 9
    assert [in_flight[0][1] for _, in_flight in made] == [False] * 8 + [True]
    assert joined(made) == as_dealt(items)


def test_small_keys_fill_the_frame_after_a_large_one() -> None:
    items = [item(new_deal(5000)), *(item(new_deal()) for _ in range(5))]
    made = frames(items, MIN_FRAME_PAD_BYTES)
    assert [len(in_flight) for _, in_flight in made] == [1, 6]
    assert joined(made) == as_dealt(items)


def test_more_keys_than_a_frame_holds() -> None:
    deal = new_deal(4)
    items = [item(deal) for _ in range(MAX_KEYS_PER_FRAME + 1)]
    made = frames(items)
    assert [len(in_flight) for _, in_flight in made] == [MAX_KEYS_PER_FRAME, 1]
    assert joined(made) == as_dealt(items)


def test_many_groups_with_long_names_are_cut_by_their_metadata() -> None:
    name = "é" * (MAX_ENCRYPTOR_NAME_BYTES // 2 - 2)
    items = [item(new_deal(responders=MAX_RESPONDERS, encryptor=f"{name}{i:04}")) for i in range(200)]
    made = frames(items)
    assert len(made) > 1
    assert joined(made) == as_dealt(items)


def test_whatever_is_left_in_a_frame_a_piece_has_all_its_codes_and_a_byte() -> None:
    for first in range(MIN_FRAME_PAD_BYTES - 150, MIN_FRAME_PAD_BYTES - 47):
        items = [item(new_deal(first)), item(new_deal(responders=3))]
        assert joined(frames(items, MIN_FRAME_PAD_BYTES)) == as_dealt(items)


def test_an_items_pads_are_those_of_a_frame_of_its_own() -> None:
    sent = item(new_deal(responders=2))
    [(message, _)] = frames([sent])
    assert sent.pad_bytes == 16 + sum(map(len, message.secrets())) == 16 + 32 + 2 * 32

"""The handshake: both roles, over media and simulated pools, and every way in which it is refused."""

from __future__ import annotations

import pytest

from dsked.errors import FrameError
from dsked.limits import MAX_HANDSHAKE_BYTES, NONCE_BYTES
from dsked.wire.handshake import M0, MAGIC, decode_part, encode_part
from dsked.wire.messages import Error

from .handshakes import (
    both,
)
from .sides import GATE, WIN, Ends


@pytest.mark.parametrize("simulated", [False, True])
def test_both_ends_have_the_same_keys_and_streams(simulated: bool) -> None:
    ends = Ends(simulated=simulated)
    parts = ends.proof()
    m4, hub_keys = parts.far.verify(parts.m3)
    client_keys = parts.near.finish(m4)
    assert (client_keys.send_nonce, client_keys.send_hash_key) == (
        hub_keys.receive_nonce,
        hub_keys.receive_hash_key,
    )
    assert (hub_keys.send_nonce, hub_keys.send_hash_key) == (
        client_keys.receive_nonce,
        client_keys.receive_hash_key,
    )
    assert client_keys.send_hash_key != hub_keys.send_hash_key
    near, far = both(ends)
    assert (near.local.stream_id, near.peer.stream_id) == (far.peer.stream_id, far.local.stream_id)
    assert near.local.next == far.peer.mark
    assert far.local.next == near.peer.mark
    assert near.local.held_end == far.peer.end
    assert ends.client.had_session and ends.hub.had_session
    assert parts.far.client_boot_id == ends.boot_id
    assert (ends.client.proved_boot, ends.hub.proved_boot) == (ends.hub_boot_id, ends.boot_id)
    assert max(map(len, (parts.m0, parts.m1, parts.m2, parts.m3, m4))) <= MAX_HANDSHAKE_BYTES + 4


def test_names_of_64_bytes_fit_into_m1() -> None:
    ends = Ends()
    ends.client.client, ends.client.hub = "c" * 64, "h" * 64
    parts = ends.machines()
    assert len(parts.near.greet(parts.far.greeting())) <= MAX_HANDSHAKE_BYTES + 4


def test_keys_are_not_shown() -> None:
    ends = Ends()
    parts = ends.proof()
    _, keys = parts.far.verify(parts.m3)
    shown = repr(keys) + repr(parts.near) + repr(parts.far)
    for secret in (GATE, keys.send_hash_key, keys.receive_hash_key, ends.dummy_key):
        assert repr(secret)[2:-1] not in shown


def test_media_sessions_begin_where_the_rule_says() -> None:
    """First a window beyond the mark that the peer tells; then, by two that know each other, at the next."""
    ends = Ends()
    near, far = both(ends)
    ends.sessions()
    assert (near.local.next, far.local.next) == (48 + WIN + 48, 48 + WIN + 48)
    client, hub = ends.sessions()
    assert near.local.next == 48 + WIN + 2 * 48
    client.send(1, Error(0, ""))
    for frame in client.seal_ready():
        hub.open(frame)
    before = far.local.next
    ends.sessions()
    assert far.local.next == before + 48


def test_simulated_sessions_begin_at_the_next_position_once_streams_are_there() -> None:
    ends = Ends(simulated=True)
    ends.sessions()
    near, far = both(ends)
    assert (near.local.next, far.local.next) == (48, 48)
    ends.sessions()
    assert both(ends) == (near, far)
    assert (near.local.next, far.local.next) == (96, 96)


def test_only_the_canonical_form_of_a_message_is_read() -> None:
    """A number in more bytes than it needs, and a MAC that fits: two forms of one message there are not."""
    raw = encode_part(M0(MAGIC, [1], bytes(NONCE_BYTES)))
    assert decode_part(M0, raw).versions == [1]
    at = raw.index(b"\x91\x01") + 1
    longer = raw[4:at] + b"\xcc" + raw[at:]
    with pytest.raises(FrameError, match="M0 is not in canonical form"):
        decode_part(M0, len(longer).to_bytes(4, "big") + longer)

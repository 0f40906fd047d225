"""Downgrade: whoever stands on the path, and has the gate key, cannot talk two ends out of message wrapping.

What is sent into a wrapped session (forged, replayed, reordered, reflected, in clear) is attacked in
tests/wire/test_wrapping.py, by `scripts/attacks.py tags` and in the simulation.
"""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from dsked.auth.tags import GATE_MAC_BYTES, gate_mac
from dsked.client.engine import ClientEngine
from dsked.errors import FrameError, HandshakeRefusedError, PeerError, TagError
from dsked.hub.engine import HubEngine
from dsked.psrd.pair import Side
from dsked.wire.additions import WRAPPING, Wrapping
from dsked.wire.connection import ClientConnection, HubConnection
from dsked.wire.handshake import M1, M2, decode_part, encode_part
from tests.engines import world as world_module
from tests.engines.world import World
from tests.wire.sides import GATE, Ends, Parts

CIPHER = b"\x01"


class OnThePath:
    """Has the gate key: changes what M1 and M2 say of wrapping, and makes their MACs right again."""

    def __init__(self, near: Wrapping, far: Wrapping) -> None:
        self.ends = Ends()
        self.ends.wrapping = near, far
        self.parts: Parts = self.ends.machines()

    def hello(self, *, m1: bytes | None, m2: bytes | None) -> None:
        """M0 to M2; `m1` and `m2` are the cipher that stands there in the end, or None."""
        parts = self.parts
        parts.m0 = parts.far.greeting()
        own_m1 = parts.near.greet(parts.m0)
        parts.m1 = self._changed(M1, b"M1", own_m1, parts.m0, m1)
        own_m2 = parts.far.answer(parts.m1)
        parts.m2 = self._changed(M2, b"M2", own_m2, parts.m0 + own_m1, m2)
        parts.near.answer(parts.m2)

    @staticmethod
    def _changed(
        kind: type[M1] | type[M2], label: bytes, raw: bytes, before: bytes, cipher: bytes | None
    ) -> bytes:
        part = decode_part(kind, raw)
        optional = {number: value for number, value in part.optional.items() if number != WRAPPING}
        if cipher is not None:
            optional[WRAPPING] = cipher
        part.optional.clear()
        part.optional.update(sorted(optional.items()))
        unsigned = encode_part(part)[:-GATE_MAC_BYTES]
        return unsigned + gate_mac(GATE, label, before + unsigned)

    def assert_no_session(self) -> None:
        """The hub does not take M3, and nothing of its pools has moved."""
        streams = self.ends.hub.streams
        assert streams is not None
        before = streams.peer.mark, streams.local.next
        with pytest.raises(TagError):
            self.parts.far.verify(self.parts.near.prove())
        assert (streams.peer.mark, streams.local.next) == before


@pytest.mark.parametrize(
    ("near", "far", "m1", "m2"),
    [
        (Wrapping.ON, Wrapping.ON, None, None),  # both believe that the other has it off
        (Wrapping.ON, Wrapping.ON, CIPHER, None),  # only the client believes so
        (Wrapping.ON, Wrapping.ON, None, CIPHER),  # only the hub believes so
        (Wrapping.ON, Wrapping.OFF, CIPHER, CIPHER),  # the client believes that the hub has it on
        (
            Wrapping.OFF,
            Wrapping.REQUIRED,
            CIPHER,
            None,
        ),  # a hub that requires it is told that the client offers it
    ],
)
def test_who_has_the_gate_key_gets_no_session_that_one_end_believes_to_be_another(
    near: Wrapping, far: Wrapping, m1: bytes | None, m2: bytes | None
) -> None:
    path = OnThePath(near, far)
    path.hello(m1=m1, m2=m2)
    path.assert_no_session()


def test_a_client_that_requires_it_spends_nothing_on_an_m2_without_it() -> None:
    path = OnThePath(Wrapping.REQUIRED, Wrapping.ON)
    with pytest.raises(HandshakeRefusedError, match="required here"):
        path.hello(m1=CIPHER, m2=None)
    assert path.ends.client.streams is not None and path.ends.client.streams.local.next == 0


def test_a_client_that_has_it_off_takes_none() -> None:
    path = OnThePath(Wrapping.OFF, Wrapping.ON)
    with pytest.raises(FrameError, match="not offered"):
        path.hello(m1=None, m2=CIPHER)


def recorded() -> tuple[Ends, dict[Side, list[bytes]]]:
    """A wrapped session that is over, and all that was said in it, from WRAP on."""
    ends = Ends()
    ends.wrapping = Wrapping.ON, Wrapping.ON
    near, far = ends.open_connections()
    said: dict[Side, list[bytes]] = {side: [] for side in Side}
    for _ in range(3):
        for sender, receiver, side in ((near, far, Side.CLIENT), (far, near, Side.HUB)):
            assert sender.session is not None
            sender.tell_ends()
            data = sender.data_to_send()
            said[side].append(data)
            list(receiver.receive_data(data))
    assert all(map(all, said.values()))
    return ends, said


@pytest.mark.parametrize("side", list(Side))
def test_what_was_recorded_is_refused_in_every_later_session(side: Side) -> None:
    ends, said = recorded()
    for with_own_wrap in (False, True):
        for old in (b"".join(said[side]), *said[side]):
            near, far = ends.open_connections()
            sender, receiver = (near, far) if side is Side.CLIENT else (far, near)
            _hear_wrap(near, far, sender, with_own_wrap)
            assert receiver.streams is not None
            before = receiver.streams.peer.mark
            with pytest.raises(PeerError):
                list(receiver.receive_data(old))
            assert receiver.streams.peer.mark == before


def _hear_wrap(
    near: ClientConnection, far: HubConnection, sender: ClientConnection | HubConnection, hear: bool
) -> None:
    """The true WRAP of the sender has been heard, or has not."""
    if hear and sender is far:
        list(far.receive_data(near.data_to_send()))  # before that its window may not let it speak
    if hear:
        list((near if sender is far else far).receive_data(sender.data_to_send()))


class _WrappingHub(HubEngine):
    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings, wrapping=Wrapping.ON)


class _WrappingClient(ClientEngine):
    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings, wrapping=Wrapping.ON)


def test_who_cuts_every_session_behind_wrap_makes_the_client_wait_ever_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A hub says WRAP with M4: that it has verified is no sign of a session that works."""
    monkeypatch.setattr(world_module, "HubEngine", _WrappingHub)
    monkeypatch.setattr(world_module, "ClientEngine", _WrappingClient)
    world = World(n=2, k=2, clients={"carol": ("sam",)})
    cut_at: list[float] = []

    def cut_behind_wrap() -> bool:
        for link in world.links:
            if link.hub == "hub1" and link.near._wrapper is not None and link.near._wrapper.opens:
                cut_at.append(world.now)
                link.close("the connection was lost")
        return len(cut_at) == 6

    world.run_until(cut_behind_wrap, limit_s=120.0)
    waits = [later - earlier for earlier, later in itertools.pairwise(cut_at)]
    assert all(second > 1.3 * first for first, second in itertools.pairwise(waits)), waits

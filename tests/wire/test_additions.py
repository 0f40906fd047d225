"""Which additions are in force: both sides must have named them, and what is known must be well-formed."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from dsked.errors import ErrorCode, FrameError, HandshakeRefusedError
from dsked.wire import additions
from dsked.wire.additions import NOTHING, Additions, Cipher, Wrapping

from .sides import Ends

OFF, ON, REQUIRED = Wrapping.OFF, Wrapping.ON, Wrapping.REQUIRED
WRAPPED = Additions(Cipher.CHACHA20_POLY1305, True)
PLAIN = Additions(None, True)


@pytest.mark.parametrize(
    ("client", "hub", "in_force"),
    [(OFF, OFF, PLAIN), (OFF, ON, PLAIN), (ON, OFF, PLAIN), (ON, ON, WRAPPED), (ON, REQUIRED, WRAPPED),
     (REQUIRED, ON, WRAPPED), (REQUIRED, REQUIRED, WRAPPED)],
)  # fmt: skip
def test_what_both_sides_have_is_in_force(client: Wrapping, hub: Wrapping, in_force: Additions) -> None:
    ends = Ends()
    ends.wrapping = client, hub
    near, far = ends.open_connections()
    assert near.session is not None and far.session is not None
    assert near.session.additions == far.session.additions == in_force


def test_a_hub_that_requires_wrapping_refuses_a_client_without_it() -> None:
    ends = Ends()
    ends.wrapping = OFF, REQUIRED
    parts = ends.machines()
    m2 = parts.far.answer(parts.near.greet(parts.far.greeting()))
    assert parts.far.refusal is ErrorCode.WRAPPING
    with pytest.raises(HandshakeRefusedError) as refused:
        parts.near.answer(m2)
    assert refused.value.refusal == ErrorCode.WRAPPING


def test_a_client_that_requires_wrapping_refuses_a_hub_without_it() -> None:
    ends = Ends()
    ends.wrapping = REQUIRED, OFF
    parts = ends.machines()
    m2 = parts.far.answer(parts.near.greet(parts.far.greeting()))
    with pytest.raises(HandshakeRefusedError) as refused:
        parts.near.answer(m2)
    assert refused.value.refusal == ErrorCode.WRAPPING
    assert "the hub does not take it" in str(refused.value)


@pytest.mark.parametrize(
    ("offered", "in_force"),
    [
        ({}, NOTHING),
        ({1: bytes(8), 4: b"later"}, NOTHING),
        ({2: b"\x01"}, Additions(Cipher.CHACHA20_POLY1305)),
        ({2: b"\x63\x01\x02"}, Additions(Cipher.CHACHA20_POLY1305)),
        ({2: b"\x63\x02"}, NOTHING),
        ({2: b"\x01" * 16, 3: b""}, WRAPPED),
    ],
)
def test_the_hub_takes_what_it_knows(offered: Mapping[int, bytes], in_force: Additions) -> None:
    assert additions.accept(offered, ON) == in_force
    assert additions.accepted(additions.fields(in_force), offered) == in_force


@pytest.mark.parametrize("offered", [{2: b""}, {2: b"\x01" * 17}, {3: b"\x01"}, {2: b"\x01", 3: b"\0"}])
@pytest.mark.parametrize("wrapping", list(Wrapping))
def test_the_hub_closes_on_what_is_malformed(offered: Mapping[int, bytes], wrapping: Wrapping) -> None:
    with pytest.raises(FrameError):
        additions.accept(offered, wrapping)


@pytest.mark.parametrize(
    "named", [{2: b""}, {2: b"\x01\x01"}, {2: b"\x02"}, {2: b"\x63"}, {3: b"\0"}, {2: b"\x01", 3: b"x"}]
)
def test_the_client_closes_on_what_is_malformed(named: Mapping[int, bytes]) -> None:
    with pytest.raises(FrameError):
        additions.accepted(named, additions.offer(ON))


def test_the_client_closes_on_what_it_has_not_offered() -> None:
    with pytest.raises(FrameError, match="was not offered"):
        additions.accepted({2: b"\x01"}, additions.offer(OFF))
    with pytest.raises(FrameError, match="was not offered"):
        additions.accepted({3: b""}, {})


def test_numbers_stand_in_ascending_order() -> None:
    ends = Ends()
    parts = ends.machines()
    m1 = parts.near.greet(parts.far.greeting())
    at = m1.index(b"\x82\x01\xc4\x08")
    first, second = m1[at + 1 : at + 12], m1[at + 12 : at + 15]
    with pytest.raises(FrameError, match="malformed"):
        parts.far.answer(m1[: at + 1] + second + first + m1[at + 15 :])

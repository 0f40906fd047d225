"""Identifiers in place of names: every place of every message, and what is no table of identifiers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_type_hints

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsked.errors import FrameError
from dsked.wire import local_identifiers
from dsked.wire import messages as ms
from dsked.wire.local_identifiers import Definitions, LocalIdentifiers

from .test_messages import ANY_MESSAGE

#: The type of such a field, without its limits.
_CLIENT = get_type_hints(ms.PartyBody)["client"]


def table(*pairs: tuple[int, str]) -> LocalIdentifiers:
    made = LocalIdentifiers()
    made.define(ms.Names(list(pairs)))
    return made


def clients_in(body: Any) -> Iterator[Any]:
    """What stands in a message for clients, found by the types of its fields alone."""
    if isinstance(body, list):
        for item in body:
            yield from clients_in(item)
    if not isinstance(body, msgspec.Struct):
        return
    for name, hint in get_type_hints(type(body)).items():
        if name not in body.__struct_fields__:
            continue
        value = getattr(body, name)
        if hint == _CLIENT:
            yield value
        elif hint == list[_CLIENT | None]:
            yield from [client for client in value if client is not None]
        else:
            yield from clients_in(value)


def table_for(message: ms.Message) -> LocalIdentifiers:
    """One in which every number that stands in the message has a name."""
    numbers = {client for client in clients_in(message) if isinstance(client, int)}
    identifiers = LocalIdentifiers()
    if numbers:
        identifiers.define(ms.Names([(number, f"client {number}") for number in numbers]))
    return identifiers


def test_the_places_are_found() -> None:
    party, column = ms.PartyBody("a", "x"), bytes(16)
    put = ms.PutGroup("x", [party, ms.PartyBody("b", "y")], 5, 3, 1, 1, column, 0, b"", b"")
    share = ms.ShareGroup(ms.PartyBody("c", "z"), [party], 5, 3, 1, column, 0, b"", b"")
    done = [ms.Confirmed("d", column)]
    assert list(clients_in(ms.PutShares([put]))) == ["a", "b"]
    assert list(clients_in(ms.Shares([share], [ms.Missing("e", 6, column)]))) == ["c", "a", "e"]
    assert list(clients_in(ms.GetShares([ms.GetGroup("f", column, 0)], 0, done))) == ["f", "d"]
    assert list(clients_in(ms.Ping(False, 0, 0, done))) == ["d"]
    assert list(clients_in(ms.Located(["g", None, "h"]))) == ["g", "h"]


@pytest.mark.parametrize("kind", ms.MESSAGES)
@settings(max_examples=40)
@given(st.data())
def test_every_place_is_put_right_and_shortened_again(kind: type[ms.Message], data: st.DataObject) -> None:
    message = data.draw(ANY_MESSAGE[kind])
    sent, said = ms.encode_body(message), list(clients_in(message))
    identifiers = table_for(message)
    identifiers.resolve(message)
    assert list(clients_in(message)) == [f"client {one}" if isinstance(one, int) else one for one in said]
    plain = ms.encode_body(message)
    assert ms.encode_body(identifiers.shorten(message)) == sent
    assert ms.encode_body(message) == plain, "the message itself may be another session's, too"


@pytest.mark.parametrize("kind", ms.MESSAGES)
@settings(max_examples=40)
@given(st.data())
def test_a_number_that_was_not_defined_is_refused(kind: type[ms.Message], data: st.DataObject) -> None:
    message = data.draw(ANY_MESSAGE[kind])
    numbers = [client for client in clients_in(message) if isinstance(client, int)]
    identifiers = table_for(message)
    if numbers:
        identifiers._names.pop(numbers[-1])
        with pytest.raises(FrameError, match="has not been defined"):
            identifiers.resolve(message)
    else:
        identifiers.resolve(message)


def test_names_without_a_number_stay() -> None:
    message = ms.Located(["mallory", "carol", None])
    short: Any = table((0, "carol")).shorten(message)
    assert short.clients == ["mallory", 0, None]
    assert LocalIdentifiers().shorten(message) is message


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ([(1, "carol")], [(1, "celia")]),
        ([(1, "carol")], [(2, "carol")]),
        ([(1, "carol"), (1, "celia")], []),
        ([(1, "carol"), (2, "carol")], []),
        ([(1, "carol"), (2, "celia")], [(1, "celia")]),
    ],
)
def test_no_number_has_two_names_and_no_name_two_numbers(
    first: list[tuple[int, str]], second: list[tuple[int, str]]
) -> None:
    identifiers = LocalIdentifiers()
    with pytest.raises(FrameError, match="belong to each other alone"):
        for pairs in (first, second):
            identifiers.define(ms.Names(pairs))


def test_the_same_pair_again_changes_nothing() -> None:
    identifiers = table((1, "carol"))
    identifiers.define(ms.Names([(1, "carol"), (1, "carol"), (2, "celia")]))
    located: Any = ms.Located([1, 2])
    identifiers.resolve(located)
    assert located.clients == ["carol", "celia"]


def test_there_are_so_many_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_identifiers, "MAX_LOCAL_IDENTIFIERS", 3)
    identifiers = table(*((number, f"c{number}") for number in range(3)))
    identifiers.define(ms.Names([(2, "c2")]))
    with pytest.raises(FrameError, match="more than 3"):
        identifiers.define(ms.Names([(3, "c3")]))


# --- what a hub says ----------------------------------------------------------------------------------------


def own_clients(name: str) -> int | None:
    """Those of a hub: c0, c1 and so on."""
    return int(name[1:]) if name[:1] == "c" and name[1:].isdigit() else None


def said(definitions: Definitions, message: ms.Message) -> list[list[tuple[int, str]]]:
    return [names.names for names in definitions.give(definitions.wanted(message))]


def test_each_client_is_told_of_once_and_a_stranger_never() -> None:
    definitions = Definitions(own_clients)
    column = bytes(16)
    group = ms.ShareGroup(
        ms.PartyBody("c1", "x"), [ms.PartyBody("c2", "y"), ms.PartyBody("mallory", "z")],
        5, 3, 1, column, 0, b"", b"",
    )  # fmt: skip
    shares = ms.Shares([group], [ms.Missing("c3", 6, column), ms.Missing("c1", 6, column)])
    assert said(definitions, shares) == [[(1, "c1"), (2, "c2"), (3, "c3")]]
    assert said(definitions, shares) == []
    assert said(definitions, ms.Located(["c4", None, "c1", "mallory"])) == [[(4, "c4")]]
    assert said(Definitions(own_clients), ms.Located(["c1"])) == [[(1, "c1")]], (
        "another session knows nothing"
    )


def test_messages_that_name_nobody_need_nothing() -> None:
    definitions = Definitions(own_clients)
    for message in (ms.Ping(False, 0, 0, []), ms.Registered(0, ["c1"], 60), ms.PutSharesAck(b"")):
        assert definitions.wanted(message) == set()


def test_many_are_told_of_in_several_messages() -> None:
    names = [f"c{number}" for number in range(1024)]
    definitions = Definitions(own_clients)
    assert said(definitions, ms.Located(names[:1000])) != []
    column = bytes(16)
    missing = [ms.Missing(f"c{number}", 6, column) for number in range(2000, 3200)]
    told = said(definitions, ms.Shares([], missing))
    assert [len(names) for names in told] == [1024, 176]


def test_a_hub_says_no_more_than_there_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_identifiers, "MAX_LOCAL_IDENTIFIERS", 3)
    definitions = Definitions(own_clients)
    told = [pair for names in said(definitions, ms.Located(["c1", "c2"])) for pair in names]
    told += [pair for names in said(definitions, ms.Located(["c3", "c4", "c5"])) for pair in names]
    assert told == [(1, "c1"), (2, "c2"), (3, "c3")]
    assert said(definitions, ms.Located(["c6"])) == []

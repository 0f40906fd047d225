"""The numbers that a hub gives its clients: its own clients' alone, one each, and none twice."""

from __future__ import annotations

from dsked.hub.client_identifiers import ClientIdentifiers


def test_a_client_has_one_number_and_no_other_has_it() -> None:
    identifiers = ClientIdentifiers({"carol", "celia", "curtis"})
    given = {client: identifiers.of(client) for client in ("curtis", "carol", "celia")}
    assert len(set(given.values())) == 3
    assert {client: identifiers.of(client) for client in given} == given


def test_the_first_numbers_are_the_shortest() -> None:
    identifiers = ClientIdentifiers({"carol", "celia"})
    assert [identifiers.of("celia"), identifiers.of("carol")] == [0, 1]


def test_a_stranger_has_none_and_takes_none() -> None:
    clients = {"carol"}
    identifiers = ClientIdentifiers(clients)
    assert [identifiers.of(f"made up {number}") for number in range(100)] == [None] * 100
    assert identifiers.of("carol") == 0
    clients.add("celia")  # provisioned later
    assert identifiers.of("celia") == 1


def test_the_number_of_a_client_that_was_removed_is_not_given_again() -> None:
    clients = {"carol", "celia"}
    identifiers = ClientIdentifiers(clients)
    assert identifiers.of("carol") == 0
    clients.remove("carol")
    identifiers.forget("carol")
    assert identifiers.of("carol") is None
    assert identifiers.of("celia") == 1
    clients.add("carol")
    assert identifiers.of("carol") == 2
    identifiers.forget("nobody")

from __future__ import annotations

from dsked.hub.encryptors import EncryptorDirectory

OWNERS = {"carol": ("sam",), "curtis": ("sunny", "susan"), "cindy": ()}


def test_provisioned_owners_stand_without_registration() -> None:
    directory = EncryptorDirectory(OWNERS)
    assert directory.owner("sunny") == "curtis"
    assert directory.owner("nobody") is None
    assert not directory.is_registered("curtis")


def test_a_client_registers_what_it_owns_or_less() -> None:
    directory = EncryptorDirectory(OWNERS)
    assert directory.register("curtis", ["susan"]) == []
    assert directory.registered("curtis") == {"susan"}
    assert directory.register("curtis", ["sunny", "susan"]) == []
    assert directory.registered("curtis") == {"sunny", "susan"}


def test_a_client_that_claims_more_gets_nothing_and_keeps_what_it_had() -> None:
    directory = EncryptorDirectory(OWNERS)
    directory.register("carol", ["sam"])
    assert directory.register("carol", ["sam", "sunny", "nobody"]) == ["nobody", "sunny"]
    assert directory.registered("carol") == {"sam"}
    assert directory.owner("sunny") == "curtis"
    assert directory.owner("nobody") is None


def test_a_client_without_encryptors_registers() -> None:
    directory = EncryptorDirectory(OWNERS)
    assert not directory.is_registered("cindy")
    assert directory.register("cindy", []) == []
    assert directory.is_registered("cindy")


def test_a_clean_stop_leaves_provisioned_owners_in_place() -> None:
    directory = EncryptorDirectory(OWNERS)
    directory.register("curtis", ["sunny"])
    directory.unregister("curtis")
    assert not directory.is_registered("curtis")
    assert directory.registered("curtis") == frozenset()
    assert directory.owner("sunny") == "curtis"
    directory.unregister("curtis")


def test_an_empty_provisioning_is_not_first_come() -> None:
    assert EncryptorDirectory({}).register("carol", ["sam"]) == ["sam"]


def test_first_come_first_served_and_the_second_claim_is_refused() -> None:
    directory = EncryptorDirectory(None)
    assert directory.owner("sam") is None
    assert directory.register("carol", ["sam"]) == []
    assert directory.register("mallory", ["sam", "max"]) == ["sam"]
    assert directory.owner("sam") == "carol"
    assert directory.owner("max") is None
    assert not directory.is_registered("mallory")
    assert directory.register("carol", ["sam"]) == [], "again, after a reconnect"


def test_first_come_names_that_are_given_up_are_free_again() -> None:
    directory = EncryptorDirectory(None)
    directory.register("carol", ["sam", "sue"])
    assert directory.register("carol", ["sue"]) == []
    assert directory.register("curtis", ["sam"]) == []
    assert directory.register("curtis", ["sue"]) == ["sue"]
    directory.unregister("carol")
    assert directory.owner("sue") is None
    assert directory.owner("sam") == "curtis"
    directory.unregister("nobody")
    assert directory.register("curtis", ["sam", "sue"]) == []

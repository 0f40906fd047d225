"""Which interface of a client takes a certificate, and what this computer can tell of it."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dsked.certs import inspection, verdict
from dsked.config.interfaces import Etsi
from dsked.config.node import SkipSettings, TlsSettings
from dsked.config.topology import Client, Encryptor
from tests.delivery.pki import Pki


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    return Pki(tmp_path)


def client(name: str, etsi: TlsSettings | None, skip: TlsSettings | None) -> Client:
    """One that serves sam; None: plain HTTP for ETSI, no SKIP."""
    own = SkipSettings(host="127.0.0.1", port=1, tls=skip, psk_file=None, plain_http=None, system_ids={})
    return Client(name, "127.0.0.1", 8100, (Encryptor("sam"),), (), Etsi(tls=etsi), own if skip else None)


def at(pki: Pki, *clients: Client) -> list[dict[str, Any]]:
    """What is said of sam's certificate."""
    return inspection.at_clients(inspection.read(pki.encryptor("sam").certificate), clients)


def test_each_interface_with_tls_of_its_own_is_looked_at(pki: Pki) -> None:
    tls = pki.settings()
    other = replace(tls, sae_id_from="san-uri")
    found = at(
        pki, client("both", tls, tls), client("neither", None, None), client("skip", None, tls),
        client("two", tls, other),
    )  # fmt: skip
    assert [(one["client"], one["interfaces"], bool(one["faults"])) for one in found] == [
        ("both", ["etsi", "skip"], False),
        ("skip", ["skip"], False),
        ("two", ["etsi"], False),
        ("two", ["skip"], True),
    ]


def test_clients_with_the_same_files_are_looked_at_with_one_context(
    pki: Pki, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []

    class Counted(verdict.Verifier):
        def __init__(self, settings: TlsSettings) -> None:
            made.append(settings.crl)
            super().__init__(settings)

    monkeypatch.setattr(verdict, "Verifier", Counted)
    same, other = pki.settings(), pki.settings(crl=None)
    found = at(pki, client("a", same, None), client("b", same, None), client("c", other, None))
    assert [one["faults"] for one in found] == [[], [], []]
    assert made == [pki.crl, None]


def test_what_is_elsewhere_or_closed_is_not_judged(pki: Pki, monkeypatch: pytest.MonkeyPatch) -> None:
    tls = pki.settings(crl=None)
    elsewhere = TlsSettings(certificate=Path("/no/a"), private_key=Path("/no/b"), client_ca=Path("/no/c"))
    [there, not_here] = at(pki, client("here", tls, None), client("elsewhere", elsewhere, None))
    assert (there["faults"], there["unchecked"]) == ([], None)
    assert not_here["faults"] == []
    assert not_here["unchecked"] == "its files are not on this computer, or closed to this user"
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.R_OK)  # as for another user than root
    [closed] = at(pki, client("closed", tls, None))
    assert (closed["faults"], closed["unchecked"]) == ([], f"{pki.ca.path} is closed to this user")
    monkeypatch.undo()
    for path in (tls.private_key, tls.client_ca):
        path.unlink()
    [broken] = at(pki, client("broken", tls, None))  # its certificate is here, and so should be the CAs
    assert broken["unchecked"] is None
    assert broken["faults"] == [
        f"its configuration cannot be used: {tls.client_ca} cannot be read: No such file or directory"
    ]

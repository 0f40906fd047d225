"""The package etsi-qkd-014-client as it comes from the registry, against real daemons over mutual TLS.

It opens a connection for every call, and takes every reply for JSON with a message, a 401 too.
"""

from __future__ import annotations

import base64
import subprocess
import sys
from pathlib import Path

import pytest
from etsi_qkd_014_client import QKD014Client
from etsi_qkd_014_client.data import DataError, DataKeyContainer, DataStatus

from scripts.laboratory import Laboratory

from .conftest import Certificates

PROGRAM = Path(sys.executable).with_name("qkd014-client")


@pytest.fixture
def sam(lab: Laboratory, certificates: Certificates) -> QKD014Client:
    return at(lab, certificates, "carol", "sam")


@pytest.fixture
def sunny(lab: Laboratory, certificates: Certificates) -> QKD014Client:
    return at(lab, certificates, "curtis", "sunny")


def at(lab: Laboratory, certificates: Certificates, client: str, sae: str) -> QKD014Client:
    certificate, private_key = certificates.pair(sae)
    return QKD014Client(f"127.0.0.1:{lab.port(client)}", certificate, private_key, certificates.ca)


def keys_of(reply: tuple[int, object]) -> dict[str, str]:
    code, container = reply
    assert isinstance(container, DataKeyContainer), container
    assert code == 200
    return {key.key_id: key.key for key in container.keys}


def test_status(sam: QKD014Client) -> None:
    code, status = sam.get_status("sunny")
    assert code == 200
    assert isinstance(status, DataStatus)
    assert (status.source_kme_id, status.target_kme_id) == ("carol", "curtis")
    assert (status.master_sae_id, status.slave_sae_id) == ("sam", "sunny")
    assert status.min_key_size <= status.key_size <= status.max_key_size


def test_the_default_key_at_both_ends(sam: QKD014Client, sunny: QKD014Client) -> None:
    made = keys_of(sam.get_key("sunny"))
    assert len(made) == 1
    assert keys_of(sunny.get_key_with_key_IDs("sam", list(made))) == made


def test_several_keys_of_a_size_at_both_ends(sam: QKD014Client, sunny: QKD014Client) -> None:
    made = keys_of(sam.get_key("sunny", number=3, size=256))
    assert [len(base64.b64decode(key)) for key in made.values()] == [32, 32, 32]
    assert keys_of(sunny.get_key_with_key_IDs("sam", list(made))) == made


def test_one_key_for_two_slaves(
    sam: QKD014Client, sunny: QKD014Client, lab: Laboratory, certificates: Certificates
) -> None:
    made = keys_of(sam.get_key("sunny", additional_slave_sae_ids=["serena"]))
    serena = at(lab, certificates, "celia", "serena")
    assert keys_of(sunny.get_key_with_key_IDs("sam", list(made))) == made
    assert keys_of(serena.get_key_with_key_IDs("sam", list(made))) == made


def test_extensions(sam: QKD014Client) -> None:
    keys_of(sam.get_key("sunny", extension_optional=[{"route": "any"}]))
    code, error = sam.get_key("sunny", extension_mandatory=[{"route": "any"}])
    assert code == 400
    assert isinstance(error, DataError)
    assert error.message == "not all extension_mandatory parameters are supported"


def test_errors_arrive_with_their_messages(
    sam: QKD014Client, sunny: QKD014Client, lab: Laboratory, certificates: Certificates
) -> None:
    code, error = sam.get_key("sunny", size=129)
    assert (code, error.message) == (400, "size shall be a multiple of 8")

    made = keys_of(sam.get_key("sunny"))
    for caller in (sam, at(lab, certificates, "curtis", "susan")):  # the master itself, and one not named
        code, error = caller.get_key_with_key_IDs("sam", list(made))
        assert code == 401
        assert isinstance(error, DataError)
        assert error.message
    keys_of(sunny.get_key_with_key_IDs("sam", list(made)))
    code, error = sunny.get_key_with_key_IDs("sam", list(made))
    assert (code, error.message) == (400, "one or more keys specified are not found on KME")


def test_its_program(lab: Laboratory, certificates: Certificates) -> None:
    made = program(lab, certificates, "carol", "sam", "get_key", "sunny")
    key_id = made.partition("Key id : ")[2].split()[0]
    assert program(lab, certificates, "curtis", "sunny", "get_key_with_id", key_id, "sam") == made


def program(lab: Laboratory, certificates: Certificates, client: str, sae: str, *words: str) -> str:
    certificate, private_key = certificates.pair(sae)
    options = ["-H", f"127.0.0.1:{lab.port(client)}", "-c", certificate, "-k", private_key]
    command = [str(PROGRAM), *options, "-r", certificates.ca, *words]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ran.stdout.startswith("Response code : 200\n"), ran.stdout
    return ran.stdout

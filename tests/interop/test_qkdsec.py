"""The package qkdsec as it comes from the registry, against real daemons over mutual TLS.

Its blocking client keeps its connection, and its asyncio client is httpx. Its doctor runs in
test_encryptors_document.py.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from qkdsec.client import ETSI014Client, KMEHTTPError
from qkdsec.client.aio import AsyncETSI014Client

from scripts.laboratory import Laboratory

from .conftest import Certificates

OF = {"sam": "carol", "serena": "celia", "sunny": "curtis", "susan": "curtis"}


def url(lab: Laboratory, sae: str) -> str:
    return f"https://127.0.0.1:{lab.port(OF[sae])}"


@pytest.fixture
def saes(lab: Laboratory, certificates: Certificates) -> Iterator[dict[str, ETSI014Client]]:
    with ExitStack() as stack:
        clients = {
            sae: ETSI014Client(url(lab, sae), client_cert=certificates.pair(sae), verify=certificates.ca)
            for sae in OF
        }
        for client in clients.values():
            stack.enter_context(client)
        yield clients


def test_status(saes: dict[str, ETSI014Client]) -> None:
    status = saes["sam"].status("sunny")
    assert (status.source_kme_id, status.target_kme_id) == ("carol", "curtis")
    assert (status.master_sae_id, status.slave_sae_id) == ("sam", "sunny")


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_keys_at_both_ends(saes: dict[str, ETSI014Client], method: str) -> None:
    made = saes["sam"].get_enc_keys("sunny", number=2, size=384, method=method)
    assert [key.size_bits for key in made] == [384, 384]
    assert saes["sunny"].get_dec_keys("sam", key_ids=[key.key_id for key in made]) == made


def test_one_key_for_three_slaves(saes: dict[str, ETSI014Client]) -> None:
    made = saes["sam"].get_enc_keys("sunny", additional_slave_sae_ids=["susan", "serena"])
    for slave in ("sunny", "susan", "serena"):
        assert saes[slave].get_dec_keys("sam", key_ids=[made[0].key_id]) == made


def test_extensions_of_key_ids(saes: dict[str, ETSI014Client]) -> None:
    made = saes["sam"].get_enc_keys("sunny", extension_optional=[{"route": "any"}])
    key_id = made[0].key_id
    extended = {"key_id_extensions": {key_id: {"note": 1}}, "key_ids_extension": {"note": 2}}
    assert saes["sunny"].get_dec_keys("sam", key_ids=[key_id], **extended) == made


def test_errors(saes: dict[str, ETSI014Client]) -> None:
    made = saes["sam"].get_enc_keys("sunny")
    ids = [key.key_id for key in made]
    for sae, status in (("sam", 401), ("susan", 401), ("serena", 401), ("sunny", 200), ("sunny", 400)):
        assert fetched(saes[sae], ids) == status, sae
    with pytest.raises(KMEHTTPError, match="not all extension_mandatory parameters are supported") as refused:
        saes["sam"].get_enc_keys("sunny", extension_mandatory=[{"route": "any"}])
    assert refused.value.status_code == 400


def fetched(client: ETSI014Client, key_ids: list[str]) -> int:
    try:
        client.get_dec_keys("sam", key_ids=key_ids)
    except KMEHTTPError as error:
        return error.status_code
    return 200


async def test_asyncio(lab: Laboratory, certificates: Certificates) -> None:
    """With a context: of a CA's path and a certificate's, httpx 0.28 forgets the certificate."""

    def client(sae: str) -> AsyncETSI014Client:
        context = ssl.create_default_context(cafile=certificates.ca)
        context.load_cert_chain(*certificates.pair(sae))
        return AsyncETSI014Client(url(lab, sae), verify=context)

    async with client("sam") as sam, client("sunny") as sunny:
        made = await sam.get_enc_keys("sunny", number=4, method="POST")
        assert await sunny.get_dec_keys("sam", key_ids=[key.key_id for key in made]) == made

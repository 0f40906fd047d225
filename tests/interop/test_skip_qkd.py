"""The package skip-qkd as it comes from the registry, against SKIP of real daemons over mutual TLS.

It makes a connection for each request, and names a system, not the host, in the `Host` header.
"""

from __future__ import annotations

import pytest
from skip_qkd import MTLSConfig, SkipQKDClient

from scripts.laboratory import Laboratory

from .conftest import CLIENTS, Certificates


class System:
    """An encryptor's side of the package."""

    def __init__(self, lab: Laboratory, certificates: Certificates, client: str, system: str) -> None:
        port = lab.content["skip"]["base_port"] + list(CLIENTS).index(client)
        files = MTLSConfig(certificates.ca, *certificates.pair(system))
        self._client = SkipQKDClient(f"127.0.0.1:{port}", client, files)

    def __call__(self) -> SkipQKDClient:
        """The client, ready for one request."""
        self._client.close()
        return self._client


@pytest.fixture
def sam(lab: Laboratory, certificates: Certificates) -> System:
    return System(lab, certificates, "carol", "sam")


@pytest.fixture
def sunny(lab: Laboratory, certificates: Certificates) -> System:
    return System(lab, certificates, "curtis", "sunny")


def test_capabilities(sunny: System) -> None:
    found = sunny().capabilities()
    assert found["key"] is True
    assert found["entropy"] is True
    assert found["localSystemID"] == "sunny"
    assert "sam" in found["remoteSystemID"]


@pytest.mark.parametrize("bits", [None, 128, 1024])
def test_a_key_at_both_ends(sam: System, sunny: System, bits: int | None) -> None:
    made = sam().request_key("sunny", size=bits)
    assert len(bytes.fromhex(made["keyId"])) == 16
    assert 8 * len(bytes.fromhex(made["key"])) == (bits or 256)
    assert sunny().fetch_key_by_id(made["keyId"], "sam") == made
    with pytest.raises(RuntimeError, match=r"HTTP/1\.1 400 "):
        sunny().fetch_key_by_id(made["keyId"], "sam")


def test_a_key_is_for_the_named_system_only(sam: System, lab: Laboratory, certificates: Certificates) -> None:
    made = sam().request_key("sunny")
    with pytest.raises(RuntimeError, match=r"HTTP/1\.1 4"):
        System(lab, certificates, "curtis", "susan")().fetch_key_by_id(made["keyId"], "sam")


def test_entropy(sam: System) -> None:
    first, second = (sam().entropy(minentropy=512) for _ in range(2))
    assert first["minentropy"] == 512
    assert len(bytes.fromhex(first["randomStr"])) == 64
    assert first != second

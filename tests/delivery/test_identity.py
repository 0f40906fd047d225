"""Which SAE ID a certificate gives, by each rule."""

from __future__ import annotations

import asyncio

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

from dsked.delivery import identity
from dsked.delivery.identity import SaeIdRule
from dsked.errors import ConfigurationError, NotAllowedError
from dsked.limits import MAX_SHOWN_SUBJECT

from .fakes import FakeKeys
from .pki import Authority, name


@pytest.fixture(scope="module")
def ca(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def issue(ca):
    def issue(*common_names, organization=None, dns=(), uris=()):
        names = [*map(x509.DNSName, dns), *map(x509.UniformResourceIdentifier, uris)]
        return ca.issue(name(*common_names, organization=organization), "x", names=names).x509

    return issue


def test_the_common_name(issue):
    assert SaeIdRule("subject-cn", {}).sae_id(issue("sam", dns=["other"], uris=["urn:x"])) == "sam"


def test_the_distinguished_name_as_rfc_4514_writes_it(issue):
    assert SaeIdRule("subject-dn", {}).sae_id(issue("s,am", organization="Y")) == "CN=s\\,am,O=Y"


def test_alternative_names(issue):
    certificate = issue("sam", dns=["enc.example"], uris=["urn:sae:1"])
    assert SaeIdRule("san-dns", {}).sae_id(certificate) == "enc.example"
    assert SaeIdRule("san-uri", {}).sae_id(certificate) == "urn:sae:1"


@pytest.mark.parametrize(
    ("rule", "certificate", "message"),
    [
        ("subject-cn", {}, r"expected one common name \(CN\) of the subject .*, found none"),
        ("subject-cn", {"common_names": "ab"}, "found 2: a, b"),
        ("subject-dn", {}, "expected one subject in the certificate, found none"),
        ("san-dns", {"common_names": "a"}, r"expected one DNS name \(SAN\) .*, found none"),
        ("san-dns", {"dns": ["a.example", "b.example"]}, "found 2: a.example, b.example"),
        ("san-uri", {"dns": ["urn"]}, r"expected one URI \(SAN\) in the certificate, found none"),
        ("san-uri", {"uris": ["urn:a", "urn:b"]}, "found 2: urn:a, urn:b"),
    ],
)
def test_none_and_several_are_refused(issue, rule, certificate, message):
    certificate = issue(*certificate.pop("common_names", ""), **certificate)
    with pytest.raises(NotAllowedError, match=message):
        SaeIdRule(rule, {}).sae_id(certificate)


def test_the_same_name_twice_is_one_name(issue):
    assert SaeIdRule("subject-cn", {}).sae_id(issue("sam", "sam")) == "sam"


def test_a_map_of_every_kind_of_identity(issue):
    certificate = issue("x", organization="y", dns=["enc.example"], uris=["urn:sae:1"])
    fingerprint = certificate.fingerprint(hashes.SHA256()).hex()
    colons = ":".join(fingerprint[at : at + 2] for at in range(0, 64, 2)).upper()
    for key in (
        "CN=x,O=y", "DNS:enc.example", "URI:urn:sae:1", f"SHA256:{fingerprint}", f"SHA256:{colons}",
    ):  # fmt: skip
        assert SaeIdRule("map", {key: "sam", "CN=other": "sunny"}).sae_id(certificate) == "sam"


def test_a_map_is_exact(issue):
    """Neither a part of a name, nor its attributes in another order, nor one kind of name for another."""
    certificate = issue("x", organization="y", dns=["enc.example"])
    for key in ("CN=x", "O=y,CN=x", "DNS:example", "URI:enc.example", "DNS:x", f"SHA256:{64 * '0'}"):
        with pytest.raises(NotAllowedError, match=r"map to no SAE ID .*CN=x,O=y, DNS:enc.example, SHA256:"):
            SaeIdRule("map", {key: "sam"}).sae_id(certificate)


def test_a_map_that_gives_two_sae_ids_gives_none(issue):
    certificate = issue("x", dns=["enc.example"])
    with pytest.raises(NotAllowedError, match="map to several SAE IDs: sam, sunny"):
        SaeIdRule("map", {"CN=x": "sunny", "DNS:enc.example": "sam"}).sae_id(certificate)
    assert SaeIdRule("map", {"CN=x": "sam", "DNS:enc.example": "sam"}).sae_id(certificate) == "sam"


@pytest.mark.parametrize("key", ["sam", "SHA256:12", f"SHA256:{64 * 'x'}", "", "CN", "CN=x,,"])
def test_a_map_of_what_is_no_identity(key):
    with pytest.raises(ConfigurationError, match=r"^sae_ids: "):
        SaeIdRule("map", {key: "sam"})


def test_one_identity_in_two_spellings(issue):
    fingerprint = "ab" * 32
    with pytest.raises(ConfigurationError, match="is mapped to sam and to sunny"):
        SaeIdRule("map", {f"SHA256:{fingerprint}": "sam", f"SHA256:{fingerprint.upper()}": "sunny"})


def test_an_unknown_rule():
    with pytest.raises(ConfigurationError, match=r"sae_id_from: expected one of subject-cn, .*, not email"):
        SaeIdRule("email", {})


def test_a_subject_takes_one_short_line_of_the_log(issue):
    assert identity.subject(issue()) == "an empty subject"
    assert identity.subject(issue("a\nWARNING: b\x1b[2J\u202e")) == "CN=a?WARNING: b?[2J?"
    long = identity.subject(issue("x" * 60, organization="y" * 64, dns=["z"]))
    assert len(long) < MAX_SHOWN_SUBJECT


def test_a_long_subject_is_cut(ca):
    units = [x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, f"{at}" * 60) for at in range(9)]
    shown = identity.subject(ca.issue(x509.Name(units), "long").x509)
    assert (len(shown), shown[-3:]) == (MAX_SHOWN_SUBJECT + 3, "...")


class Request:
    """A request whose connection has gone, or was made without TLS."""

    def __init__(self, transport):
        self.transport = transport


def test_without_tls_nobody_is_calling():
    identify = identity.caller_of_certificate(FakeKeys())
    for transport in (None, asyncio.Transport()):
        with pytest.raises(NotAllowedError, match="expected a client certificate"):
            identify(Request(transport))

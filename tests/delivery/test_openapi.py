from __future__ import annotations

import json
import re

import msgspec
import pytest

from dsked.delivery import etsi_messages as messages
from dsked.delivery import openapi
from dsked.errors import HTTP_STATUS
from dsked.limits import MAX_REQUEST_KEY_BYTES

from .fakes import LIMITS, FakeKeys


@pytest.fixture
def described(keys):
    return openapi.document(keys, LIMITS, tls=False)


def schema(document, name):
    return document["components"]["schemas"][name]


def test_every_reference_leads_somewhere(described):
    references = re.findall(r'"\$ref": "([^"]+)"', json.dumps(described))
    assert len(references) > 10
    for reference in references:
        found = described
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]
        assert found


def test_it_says_what_limits_hold():
    limits = LIMITS._replace(
        key_size_bits=512, max_key_size_bits=4096, max_keys_per_request=7, max_additional_responders=3
    )
    document = openapi.document(FakeKeys(), limits, tls=False)
    asked = schema(document, "KeyRequest")["properties"]
    query = document["paths"]["/api/v1/keys/{slave_SAE_ID}/enc_keys"]["get"]["parameters"]
    for number in (asked["number"], query[0]["schema"]):
        assert (number["minimum"], number["maximum"], number["default"]) == (1, 7, 1)
    for size in (asked["size"], query[1]["schema"]):
        assert (size["minimum"], size["maximum"], size["multipleOf"], size["default"]) == (32, 4096, 8, 512)
        assert f"{8 * MAX_REQUEST_KEY_BYTES:,} bits" in json.dumps(asked["size"] | query[1])
    assert asked["additional_slave_SAE_IDs"]["maxItems"] == 3
    assert schema(document, "KeyIDs")["properties"]["key_IDs"]["maxItems"] == 7
    example = document["paths"]["/api/v1/keys/{slave_SAE_ID}/enc_keys"]["post"]["requestBody"]["content"]
    assert example["application/json"]["example"] == {"number": 1, "size": 512}


@pytest.mark.parametrize(
    ("name", "decoder"),
    [("KeyRequest", messages._key_request_body), ("KeyIDs", messages._key_ids_body)],
)
def test_a_body_has_the_fields_that_are_read(described, name, decoder):
    assert list(schema(described, name)["properties"]) == list(decoder.type.__struct_fields__)


def test_a_status_has_the_fields_that_are_told(described):
    status = json.loads(messages.status_document("carol", "curtis", "sam", "sunny", LIMITS))
    assert list(schema(described, "Status")["properties"]) == list(status)
    assert schema(described, "Status")["required"] == list(status)


def test_every_status_code_is_described(described):
    told = {200, 403, *HTTP_STATUS.values()}
    for path in described["paths"].values():
        for method in path.keys() - {"parameters"}:
            assert set(map(int, path[method]["responses"])) == told


@pytest.mark.parametrize(
    ("encryptors", "tls", "security"),
    [
        (("sam",), False, [{}, {"SAE-ID": []}]),
        (("sam", "sue"), False, [{"SAE-ID": []}]),
        ((), False, [{"SAE-ID": []}]),
        (("sam",), True, [{"certificate": []}]),
    ],
)
def test_how_callers_say_who_they_are(encryptors, tls, security):
    document = openapi.document(FakeKeys(encryptors=encryptors), LIMITS, tls)
    assert document["security"] == security
    (scheme,) = document["components"]["securitySchemes"].values()
    assert scheme["type"] == ("mutualTLS" if tls else "apiKey")


def test_a_name_of_any_letters_makes_an_address():
    document = openapi.document(FakeKeys(name="käthe"), LIMITS, tls=True)
    assert document["servers"][1]["url"] == "/client/k%C3%A4the/etsi"
    assert json.loads(msgspec.json.encode(document)) == document

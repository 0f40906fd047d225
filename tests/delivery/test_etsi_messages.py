from __future__ import annotations

import json
import uuid

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsked import errors
from dsked.delivery import etsi_messages as messages
from dsked.errors import BadKeyIdError, BadKeySizeError, BadNumberError, RequestError
from dsked.keys import Key

from .fakes import LIMITS

KEY_ID = "f1f2cf55-9569-4e8f-8805-f80c8f600d48"


# --- in ---


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, (1, None, ())),
        ({"number": ["3"]}, (3, None, ())),
        ({"size": ["256"]}, (1, 256, ())),
        ({"number": ["3"], "size": ["256"], "key_size": ["x"], "extra": ["1", "2"]}, (3, 256, ())),
        ({"number": ["-1"], "size": ["0"]}, (-1, 0, ())),
    ],
)
def test_key_request_of_a_query(query, expected):
    assert messages.key_request_of_query(query) == expected


@pytest.mark.parametrize(
    "value", ["", " 1", "1 ", "+1", "1_0", "1.0", "1e3", "true", "٣", "9" * 19, "--1", "0x10"]
)
def test_what_is_no_integer_in_a_query(value):
    with pytest.raises(BadNumberError, match=r"^number: expected an integer of at most 18 digits, not '"):
        messages.key_request_of_query({"number": [value]})
    with pytest.raises(BadKeySizeError, match=r"^size: expected an integer of at most 18 digits, not '"):
        messages.key_request_of_query({"size": [value]})


def test_a_parameter_twice():
    with pytest.raises(BadNumberError, match="number: expected once, not 2 times"):
        messages.key_request_of_query({"number": ["1", "1"]})


MAX = LIMITS.max_additional_responders


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", (1, None, ())),
        (b"{}", (1, None, ())),
        (b'{"number": 3, "size": 256}', (3, 256, ())),
        (b'{"number": null, "size": null, "extension_mandatory": null}', (1, None, ())),
        (b'{"additional_slave_SAE_IDs": [], "extension_mandatory": []}', (1, None, ())),
        (b'{"additional_slave_SAE_IDs": null}', (1, None, ())),
        (b'{"additional_slave_SAE_IDs": ["sue", "a:b"], "size": 256}', (1, 256, ("sue", "a:b"))),
        (b'{"extension_mandatory": {}, "extension_optional": [{"a": 1}], "more": {"b": [2]}}', (1, None, ())),
        (b'{"extension_mandatory": [{}], "extension_optional": {"a": {"b": 1}}}', (1, None, ())),
        (b'{"extension_optional": [{"number": 5}, {"number": "number"}], "number": 2}', (2, None, ())),
        (b'{"number": -3}', (-3, None, ())),
        (b'{"more": 1e999, "and": 1' + b"0" * 5000 + b"}", (1, None, ())),
    ],
)
def test_key_request_of_a_body(body, expected):
    assert messages.key_request_of_body(body, MAX) == expected


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b'{"number": true}', r"\$\.number"),
        (b'{"number": 1.0}', r"\$\.number"),
        (b'{"number": 1.5}', r"\$\.number"),
        (b'{"number": "1"}', r"\$\.number"),
        (b'{"number": 1e999}', r"\$\.number"),
        (b'{"number": 9223372036854775808}', r"\$\.number"),
        (b'{"size": -9223372036854775809}', r"\$\.size"),
        (b'{"size": false}', r"\$\.size"),
        (b'{"size": 1e3}', r"\$\.size"),
        (b'{"size": [128]}', r"\$\.size"),
        (b'{"number": 1' + b"0" * 5000 + b"}", r"\$\.number"),
        (b'{"additional_slave_SAE_IDs": "sunny"}', r"\$\.additional_slave_SAE_IDs"),
        (b'{"additional_slave_SAE_IDs": {"0": "sunny"}}', r"\$\.additional_slave_SAE_IDs"),
        (b'{"additional_slave_SAE_IDs": [1]}', r"\$\.additional_slave_SAE_IDs"),
        (b'{"additional_slave_SAE_IDs": [null]}', r"\$\.additional_slave_SAE_IDs"),
        (b'{"additional_slave_SAE_IDs": [""]}', "^additional_slave_SAE_IDs: expected 1 to 128 bytes"),
        (b'{"additional_slave_SAE_IDs": ["a\\n"]}', "^additional_slave_SAE_IDs: expected 1 to 128 bytes"),
        (b'{"extension_mandatory": [{"a": 1}]}', f"^{messages.MANDATORY_UNSUPPORTED}$"),
        (b'{"extension_mandatory": {"a": 1}}', f"^{messages.MANDATORY_UNSUPPORTED}$"),
        (b'{"extension_mandatory": [{}, {"a": null}], "size": 1}', f"^{messages.MANDATORY_UNSUPPORTED}$"),
        (b'{"extension_mandatory": [1]}', r"\$\.extension_mandatory"),
        (b'{"extension_mandatory": "a"}', r"\$\.extension_mandatory"),
        (b'{"extension_optional": [["a"]]}', r"\$\.extension_optional"),
        (b'{"extension_optional": 1}', r"\$\.extension_optional"),
        (b'{"size": 129}', f"^{messages.SIZE_NOT_BYTES}$"),
        (b"[]", "the body is not as ETSI"),
        (b"null", "the body is not as ETSI"),
        (b"{", "not JSON: it breaks off"),
        (b"number=1", "not JSON: invalid character .byte"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        ('{"number": 1}'.encode("utf-16"), "not JSON"),
        (b'{"additional_slave_SAE_IDs": ["\xff"]}', "not JSON"),
        (b'{"more": "\xff"}', "not JSON"),
        (b'{"more": NaN}', "not JSON"),
        (b'{"more": ' + b"[" * 30_000 + b"]" * 30_000 + b"}", "nested too deeply"),
    ],
)
def test_a_bad_body(body, says):
    with pytest.raises(RequestError, match=says) as caught:
        messages.key_request_of_body(body, MAX)
    assert len(str(caught.value)) < 200


def test_as_many_additional_slaves_as_status_tells_and_no_more():
    names = [f"sae{i}" for i in range(MAX + 1)]
    body = json.dumps({"additional_slave_SAE_IDs": names[:MAX]}).encode()
    assert messages.key_request_of_body(body, MAX).additional == tuple(names[:MAX])
    body = json.dumps({"additional_slave_SAE_IDs": names}).encode()
    with pytest.raises(RequestError, match=r"^additional_slave_SAE_IDs: expected at most 31 .*, not 32$"):
        messages.key_request_of_body(body, MAX)


@pytest.mark.parametrize("field", ["additional_slave_SAE_IDs", "extension_mandatory"])
def test_what_a_get_cannot_carry_is_not_dropped_in_silence(field):
    with pytest.raises(RequestError, match=f"^{field}: expected in the body of a POST"):
        messages.key_request_of_query({"number": ["1"], field: ["", "x"]})
    assert messages.key_request_of_query({field: [""], "extension_optional": ["x"]}) == (1, None, ())


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b'{"number": 1, "number": 1}', "number"),
        (b'{"size":128,"number":1,"size":256}', "size"),
        (b'{"number": 1, "\\u006eumber": 2}', "number"),
        (b'{"number": null, "number": 2}', "number"),
        (
            b'{"additional_slave_SAE_IDs": ["sue"], "additional_slave_SAE_IDs": []}',
            "additional_slave_SAE_IDs",
        ),
        (b'{"extension_mandatory": [], "extension_mandatory": [{"a": 1}]}', "extension_mandatory"),
        (b'{"extension_mandatory": [{"a": 1}], "extension_mandatory": []}', "extension_mandatory"),
        (b'{"extension_optional": [{"a": 1, "a": 2}]}', "a"),
        (b'{"more": 1, "more": 2}', "more"),
        (b'{"more": {"in": [{"x": 1, "x": 1}]}}', "x"),
        (b'{"":1,"":2}', ""),
        (b'{"more": {"' + b"y" * 500 + b'": 1, "' + b"y" * 500 + b'": 2}}', "y" * 64 + "..."),
    ],
)
def test_a_name_that_stands_twice_is_refused(body, named):
    with pytest.raises(RequestError) as caught:
        messages.key_request_of_body(body, MAX)
    assert str(caught.value) == f"the body has {named!r} twice in one object: expected once"


@pytest.mark.parametrize(
    "body",
    [
        b'{"key_IDs": [{"key_ID": "%b"}], "key_IDs": [{"key_ID": "%b"}]}',
        b'{"key_IDs": [{"key_ID": "%b", "key_ID": "%b"}]}',
        b'{"key_IDs": [{"key_ID": "%b", "\\u006bey_ID": "%b"}]}',
    ],
)
def test_a_key_id_that_stands_twice_in_one_object_is_refused(body):
    one, other = KEY_ID.encode(), str(uuid.UUID(int=7)).encode()
    with pytest.raises(RequestError, match="twice in one object"):
        messages.key_ids_of_body(body % (one, other))


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=4,
)
FIELDS = {
    "number": st.integers(1, 9) | st.none(),
    "size": st.sampled_from([128, 256]) | st.none(),
    "additional_slave_SAE_IDs": st.lists(st.sampled_from(["sue", "a:b", 'c":"d'])) | st.none(),
    "extension_optional": st.lists(st.dictionaries(st.text(), JSON_VALUES, max_size=3)),
    "more": JSON_VALUES,
}


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from(sorted(FIELDS)), max_size=6), st.data())
def test_exactly_the_bodies_without_a_repetition_are_taken(names, data):
    members = [f"{json.dumps(name)}:{json.dumps(data.draw(FIELDS[name]))}" for name in names]
    body = ("{" + ", ".join(members) + "}").encode()
    if len(set(names)) == len(names):
        messages.key_request_of_body(body, MAX)
    else:
        with pytest.raises(RequestError, match="twice in one object"):
            messages.key_request_of_body(body, MAX)


def test_what_is_demanded_and_not_there_is_named():
    body = json.dumps({"extension_mandatory": [{f"x{i}": i, "y" * 500: 1} for i in range(9)]}).encode()
    with pytest.raises(RequestError) as caught:
        messages.key_request_of_body(body, MAX)
    status, reply = messages.error_reply(caught.value)
    assert status == 400
    details = json.loads(reply)["details"]
    assert details[0] == {"extension_mandatory_unsupported": "'x0' is not supported"}
    assert len(details) == 8
    assert len(reply) < 1000


@pytest.mark.parametrize("size", [1, 129, -1, 7])
def test_a_size_that_is_no_multiple_of_8_gets_the_standards_words(size):
    with pytest.raises(BadKeySizeError, match=f"^{messages.SIZE_NOT_BYTES}$"):
        messages.key_request_of_query({"size": [str(size)]})


def test_key_ids():
    expected = uuid.UUID(KEY_ID).bytes
    assert messages.key_ids_of_query({"key_ID": [KEY_ID.upper()], "other": []}) == [expected]
    body = {"key_IDs": [{"key_ID": KEY_ID, "key_ID_extension": {}}], "key_IDs_extension": 1}
    assert messages.key_ids_of_body(json.dumps(body).encode()) == [expected]
    assert messages.key_ids_of_body(b'{"key_IDs": []}') == []


@pytest.mark.parametrize("values", [[], [KEY_ID, KEY_ID]])
def test_a_get_names_exactly_one_key_id(values):
    with pytest.raises(BadKeyIdError, match=f"expected exactly one, not {len(values)}"):
        messages.key_ids_of_query({"key_ID": values})


@pytest.mark.parametrize(
    "text",
    ["", "x", KEY_ID[:-1], KEY_ID + "0", KEY_ID + "\n", "{" + KEY_ID + "}", KEY_ID.replace("-", ""),
     "urn:uuid:" + KEY_ID, "g" + KEY_ID[1:], "x" * 100_000, "\ud800"],
)  # fmt: skip
def test_what_is_no_key_id(text):
    with pytest.raises(BadKeyIdError, match=r"^key_ID: expected a UUID, not '") as caught:
        messages.key_ids_of_query({"key_ID": [text]})
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "the body is empty: expected JSON with key_IDs"),
        (b"{", "not JSON"),
        (b"{}", "key_IDs"),
        (b'{"key_IDs": null}', r"\$\.key_IDs"),
        (b'{"key_IDs": [{"key_ID": null}]}', "key_ID"),
        (b'{"key_IDs": "x"}', r"\$\.key_IDs"),
        (b'{"key_IDs": ["x"]}', r"\$\.key_IDs"),
        (b'{"key_IDs": [{}]}', "key_ID"),
        (b'{"key_IDs": [{"key_ID": 1}]}', "key_ID"),
        (b'{"key_IDs": [{"key_ID": "x"}]}', "expected a UUID"),
    ],
)
def test_a_bad_body_with_key_ids(body, says):
    with pytest.raises(RequestError, match=says):
        messages.key_ids_of_body(body)


@pytest.mark.parametrize("text", ["sam", "a/b", "sömmer", "C=CH, CN=sam", "x" * 128])
def test_sae_ids(text):
    assert messages.sae_id(text, "slave_SAE_ID") == text


@pytest.mark.parametrize("text", ["", "x" * 129, "ö" * 65, "a\nb", "a\x00", "\x7f", "\x85", "\udcff"])
def test_what_is_no_sae_id(text):
    with pytest.raises(RequestError, match=r"^slave_SAE_ID: expected"):
        messages.sae_id(text, "slave_SAE_ID")


# --- out ---


def test_status_has_the_standards_fields():
    assert json.loads(messages.status_document("carol", "curtis", "sam", "sunny", LIMITS)) == {
        "source_KME_ID": "carol",
        "target_KME_ID": "curtis",
        "master_SAE_ID": "sam",
        "slave_SAE_ID": "sunny",
        "key_size": 128,
        "stored_key_count": 0,
        "max_key_count": 1000,
        "max_key_per_request": 128,
        "max_key_size": 16_777_216,
        "min_key_size": 32,
        "max_SAE_ID_count": 31,
    }


def test_a_key_container_byte_by_byte():
    keys = [Key(uuid.UUID(KEY_ID).bytes, bytes(range(0xF0, 0x100)))]
    expected = f'{{"keys":[{{"key_ID":"{KEY_ID}","key":"8PHy8/T19vf4+fr7/P3+/w=="}}]}}'
    assert messages.key_container(keys) == expected.encode()


@pytest.mark.parametrize(
    ("error", "status", "document"),
    [
        (errors.UnknownKeyError("no key 1"), 400,
         {"message": messages.KEYS_NOT_FOUND, "details": [{"reason": "no key 1"}]}),
        (errors.UnknownKeyError(messages.KEYS_NOT_FOUND), 400,
         {"message": messages.KEYS_NOT_FOUND, "details": [{"reason": "a key ID is wrong, or is that of a key "
          "which another master SAE made, or which has expired"}]}),
        (errors.AlreadyDeliveredError("gone"), 400,
         {"message": messages.KEYS_NOT_FOUND, "details": [{"reason": "gone"}]}),
        (errors.NotNamedError("not named"), 401, {"message": messages.NOT_AUTHORISED}),
        (errors.NotOwnerError("not served"), 401, {"message": "not served"}),
        (errors.UnknownEncryptorError("who?"), 400, {"message": "who?"}),
        (errors.TooFewHubsError("2 of 5"), 503, {"message": "2 of 5"}),
        (errors.PoolExhaustedError("empty"), 503, {"message": "empty"}),
        (errors.StorageError("disk full"), 503, {"message": "disk full"}),
        (errors.DskedError("?"), 503, {"message": "?"}),
    ],
)  # fmt: skip
def test_error_replies(error, status, document):
    answered, body = messages.error_reply(error)
    assert (answered, json.loads(body)) == (status, document)

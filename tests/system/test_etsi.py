"""ETSI GS QKD 014 of real daemons: what status tells is what is enforced, and errors that only they have."""

from __future__ import annotations

import base64
import uuid
from typing import Any

import pytest

from scripts.laboratory import Laboratory

from .support import etsi, small, started, wait_for_hubs


def test_what_status_tells_is_enforced_exactly(lab: Laboratory) -> None:
    told = etsi(lab, "carol", "sunny/status").document
    largest, smallest, most = told["max_key_size"], told["min_key_size"], told["max_key_per_request"]
    for number, bits in ((1, largest), (most, smallest), (most, None)):
        fields = {"number": number} | ({} if bits is None else {"size": bits})
        made = etsi(lab, "carol", "sunny/enc_keys", body=fields)
        assert made.status == 200
        sizes = {8 * len(base64.b64decode(key["key"])) for key in made.document["keys"]}
        assert (len(made.document["keys"]), sizes) == (number, {bits or told["key_size"]})
    wrong: list[dict[str, Any]] = [
        {"number": most + 1}, {"number": 0}, {"size": largest + 8}, {"size": smallest - 8}
    ]  # fmt: skip
    for fields in wrong:
        refused = etsi(lab, "carol", "sunny/enc_keys", body=fields)
        assert refused.status == 400
        assert refused.message.startswith(next(iter(fields)))


@pytest.mark.parametrize("known", [True, False])
def test_a_master_that_asks_for_its_own_key_back(lab: Laboratory, known: bool) -> None:
    (key,) = etsi(lab, "carol", "serena/enc_keys").document["keys"]
    key_id = key["key_ID"] if known else uuid.uuid4()
    refused = etsi(lab, "carol", f"sam/dec_keys?key_ID={key_id}")
    assert refused.status == 401
    assert refused.document == {
        "message": "the calling SAE is not authorised to have one or more of the keys"
    }
    if known:
        assert etsi(lab, "celia", f"sam/dec_keys?key_ID={key_id}").document == {"keys": [key]}


def test_too_few_hubs_are_a_503_with_a_time_to_come_back() -> None:
    with started(small(["hank", "helen"], k=2)) as lab:
        wait_for_hubs(lab, "carol", "curtis")
        (key,) = etsi(lab, "carol", "sunny/enc_keys").document["keys"]
        lab.stop("helen")
        wait_for_hubs(lab, "carol", "curtis", down=("helen",))
        for client, path, sae in (
            ("carol", "susan/enc_keys", "sam"),
            ("curtis", f"sam/dec_keys?key_ID={key['key_ID']}", "sunny"),
        ):
            refused = etsi(lab, client, path, sae=sae)
            assert (refused.status, refused.headers["Retry-After"]) == (503, "1")
            assert list(refused.document) == ["message"]

"""The conformance table of docs/etsi-qkd-014.md: every clause stands there, with tests that there are."""

from __future__ import annotations

from .conformance import ROOT, assert_files_exist, assert_shown, rows

DOCUMENT = ROOT / "docs" / "etsi-qkd-014.md"
#: The clauses of V1.1.1 that ask for something.
CLAUSES = ["5.1", "5.2", "5.3", "5.4", "6.1", "6.2", "6.3", "6.4", "6.5"]
#: The fields of clauses 6.1 to 6.5.
FIELDS = [
    "source_KME_ID", "target_KME_ID", "master_SAE_ID", "slave_SAE_ID", "key_size", "stored_key_count",
    "max_key_count", "max_key_per_request", "max_key_size", "min_key_size", "max_SAE_ID_count",
    "status_extension", "number", "size", "additional_slave_SAE_IDs", "extension_mandatory",
    "extension_optional", "keys", "key_ID", "key", "key_IDs", "message", "details",
]  # fmt: skip


def test_every_clause_is_there_in_order():
    found = [row.clause for row in rows(DOCUMENT, "clause")]
    assert list(dict.fromkeys(found)) == CLAUSES
    assert found == sorted(found)


def test_every_requirement_has_a_test_and_every_test_exists():
    assert_shown(rows(DOCUMENT, "clause"))


def test_every_field_is_there():
    told = " ".join(row.requirement for row in rows(DOCUMENT, "clause"))
    assert [field for field in FIELDS if f"`{field}`" not in told] == []


def test_files_that_the_document_names_exist():
    assert_files_exist(DOCUMENT)

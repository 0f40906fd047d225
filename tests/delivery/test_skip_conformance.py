"""The conformance table of docs/skip.md: every section of the draft stands there, with tests that exist."""

from __future__ import annotations

from .conformance import ROOT, assert_files_exist, assert_shown, rows

DOCUMENT = ROOT / "docs" / "skip.md"
#: The sections of draft-cisco-skip-02 that ask for something of a key provider.
SECTIONS = ["3", "4", "4.1", "4.1.1", "4.1.2", "4.2", "4.2.1", "4.2.2", "4.3", "5", "8"]
FIELDS = [
    "entropy", "key", "algorithm", "localSystemID", "remoteSystemID", "keyId", "size", "randomStr",
    "minentropy",
]  # fmt: skip


def test_every_section_is_there_in_order():
    assert list(dict.fromkeys(row.clause for row in rows(DOCUMENT, "section"))) == SECTIONS


def test_every_requirement_has_a_test_and_every_test_exists():
    assert_shown(rows(DOCUMENT, "section"))


def test_every_field_is_there():
    told = " ".join(row.requirement for row in rows(DOCUMENT, "section"))
    assert [field for field in FIELDS if f"`{field}`" not in told] == []


def test_files_that_the_document_names_exist():
    assert_files_exist(DOCUMENT)

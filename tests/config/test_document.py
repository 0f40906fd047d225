"""YAML with lines: what is refused before a value is looked at."""

from pathlib import Path

import pytest

from dsked.config import document
from dsked.errors import ConfigurationError


def load(path: Path, text: str | bytes) -> document.Document:
    file = path / "t.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return document.load(file)


def test_every_place_has_the_line_where_it_is_written(tmp_path: Path) -> None:
    found = load(tmp_path, "# comment\nhubs:\n  - name: hank\n  - name: helen\n    port: 5\nbase_port: 1\n")
    assert found.data == {"hubs": [{"name": "hank"}, {"name": "helen", "port": 5}], "base_port": 1}
    assert found.lines["hubs",] == 2
    assert found.lines["hubs", 1] == 4
    assert found.lines["hubs", 1, "port"] == 5
    assert found.lines["base_port",] == 6


def test_an_error_names_file_line_and_place(tmp_path: Path) -> None:
    found = load(tmp_path, "hubs:\n  - name: hank\n")
    assert str(found.error(("hubs", 0, "name"), "bad")) == f"{tmp_path}/t.yaml:2: hubs[0].name: bad"


def test_an_error_at_a_place_that_is_not_written_names_the_nearest_line(tmp_path: Path) -> None:
    found = load(tmp_path, "a: 1\nhubs:\n  - name: hank\n")
    assert str(found.error(("hubs", 0, "port"), "bad")) == f"{tmp_path}/t.yaml:3: hubs[0].port: bad"
    assert str(found.error(("psrd",), "bad")) == f"{tmp_path}/t.yaml:1: psrd: bad"


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("", 1, "empty"),
        ("# only a comment\n", 1, "empty"),
        ("a: 1\nb: 2\na: 3\n", 3, "a: written twice"),
        ("hubs:\n  - name: x\n    name: y\n", 3, "hubs[0].name: written twice"),
        ("a: [1\nb: 2\n", 2, "not YAML"),
        ("a: 1\n\tb: 2\n", 2, "with spaces, not with tabs"),
        ("a: 1\nlisten: *:7100\n", 2, r"needs quotation marks: "),
        ("a: {listen: [::1]:7100}\n", 1, r"needs quotation marks: "),
        ("a: 1\n---\nb: 2\n", 2, "not YAML"),
        ("a: !!python/object/apply:os.system [id]\n", 1, "not YAML"),
        ("a: &x 1\nb: *x\n", 1, "aliases"),
        ("a: &x [1, *x]\n", 1, "aliases"),
        ("[1, 2]: 3\n", 1, "a key is expected to be a word"),
        ("a: 1\n7: 2\n", 2, "the key '7' is no text for YAML; quote it if it is meant"),
        ("a:\n  yes: 2\n", 2, "a: the key 'yes' is no text for YAML"),
        ("a: 1\n~: 2\n", 2, "the key '~' is no text for YAML"),
        ("a: 1\n2001-01-01: 2\n", 2, "the key '2001-01-01' is no text"),
        (b"a: 1\nb: \xff\n", 2, "not UTF-8"),
    ],
)
def test_what_is_no_plain_document_is_refused_with_its_line(
    tmp_path: Path, text: str | bytes, line: int, says: str
) -> None:
    with pytest.raises(ConfigurationError) as error:
        load(tmp_path, text)
    assert str(error.value).startswith(f"{tmp_path}/t.yaml:{line}: ")
    assert says in str(error.value)
    assert "\n" not in str(error.value)


#: The parser itself would crash on so many brackets.
_BRACKETS = "a: " + "[" * 1_000_000


@pytest.mark.parametrize(
    "text",
    ["a: \x01\n", _BRACKETS, "day: 2024-13-45\n", "a: !!bool x", "a: !!int ''", "a: 0x" + "f" * 5000],
    ids=["control", "brackets", "date", "bool", "int", "long-int"],
)
def test_hostile_text_is_a_configuration_error(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        load(tmp_path, text)
    assert "\n" not in str(error.value)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        document.load(tmp_path / "missing.yaml")
    with pytest.raises(ConfigurationError, match="is a directory"):
        document.load(tmp_path)


def test_a_huge_file_is_not_read_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document, "MAX_FILE_BYTES", 10)
    with pytest.raises(ConfigurationError, match="larger than 10 bytes"):
        load(tmp_path, "aaaaaaaaaa: 1\n")


def test_too_many_values_are_not_composed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document, "MAX_VALUES", 10)
    with pytest.raises(ConfigurationError, match="more than 10 values"):
        load(tmp_path, "a: [1, 2, 3, 4, 5, 6, 7, 8]\n")

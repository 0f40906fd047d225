"""The decoder in scripts/decoding, written from the specification alone, agrees with every vector."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from decoding import checking, ciphers
from decoding.packed import MalformedError, unpacked
from decoding.writing import packed

from tests.proto.files import PROJECT, VECTORS, load

DECODER = [PROJECT / "scripts" / "decode.py", *(PROJECT / "scripts" / "decoding").glob("*.py")]
NAMES = sorted(path.stem for path in VECTORS.glob("*.json"))


@pytest.mark.parametrize("name", NAMES)
def test_it_agrees(name: str) -> None:
    verdicts = list(checking.CHECKS[name](load(name)))
    assert len(verdicts) > 1
    assert [(case, problem) for case, problem in verdicts if problem] == []


def test_poly1305_of_rfc_8439() -> None:
    key = bytes.fromhex("85d6be7857556d337f4452fe42d506a80103808afb0db2fd4abff6af4149f51b")
    tag = ciphers.poly1305(key, b"Cryptographic Forum Research Group")
    assert tag.hex() == "a8061dc1305136c6c22b8baf0c0127a9"


def test_chacha20_of_rfc_8439() -> None:
    key, nonce = bytes(range(32)), bytes.fromhex("000000090000004a00000000")
    assert ciphers.chacha20(key, 1, nonce, 16).hex() == "10f1e7e4d13b5915500fdd1fa32071c4"


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, wherever the statement stands."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level
            yield node.module or ""


@pytest.mark.parametrize("path", DECODER, ids=lambda path: path.name)
def test_it_shares_no_code(path: Path) -> None:
    """Nothing of dsked, nor any package: Python's own library and the decoder's modules."""
    roots = {name.split(".")[0] for name in imports(path)}
    assert roots <= {"decoding", *sys.stdlib_module_names}


def test_it_runs_without_any_package() -> None:
    script = PROJECT / "scripts" / "decode.py"
    command = [sys.executable, "-E", "-S", str(script), "vectors", str(VECTORS / "frames.json")]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "no disagreements" in done.stdout


@pytest.mark.parametrize(
    "body",
    ["", "91", "9100ff", "cc7f", "cd00ff", "ce0000ffff", "cf00000000ffffffff", "d905736f666961", "c50000",
     "dc0000", "de0000", "d0ff", "ff", "ca00000000", "c7010000", "a1ff", "820100", "8202000100", "8201000100",
     "81a0c0", "ddffffffff", "91" * 20 + "00"],
)  # fmt: skip
def test_the_reader_takes_one_form_alone(body: str) -> None:
    with pytest.raises(MalformedError):
        unpacked(bytes.fromhex(body))


def test_the_reader_takes_what_the_writer_gives() -> None:
    numbers = [n + d for n in (0, 1 << 7, 1 << 8, 1 << 16, 1 << 32, (1 << 64) - 2) for d in (0, 1)]
    texts = ["x" * n for n in (0, 31, 32, 255, 256, 65536)]
    value = [*numbers, *texts, *[text.encode() for text in texts], [None] * 16, {1: True, 9: False}]
    assert unpacked(packed(value)) == value

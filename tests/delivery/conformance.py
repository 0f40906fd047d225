"""A document's table of what a standard asks for, and of the tests that show it."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]


class Row(NamedTuple):
    """One requirement."""

    clause: str
    requirement: str
    tests: list[tuple[str, str]]  # file, name


def rows(document: Path, heading: str) -> list[Row]:
    """The rows of the table whose first column has this heading."""
    lines = document.read_text().partition(f"| {heading} |")[2].splitlines()[2:]
    end = next((number for number, line in enumerate(lines) if not line.startswith("|")), len(lines))
    cells = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines[:end])
    return [Row(clause, asked, _tests(shown_by)) for clause, asked, shown_by in cells]


def _tests(cell: str) -> list[tuple[str, str]]:
    return re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", cell)


@cache
def _names(path: str) -> set[str]:
    functions = ast.FunctionDef, ast.AsyncFunctionDef
    tree = ast.parse((ROOT / path).read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, functions) and node.name[:5] == "test_"}


def assert_shown(found: list[Row]) -> None:
    """Every requirement has a test, and every test exists."""
    for row in found:
        assert row.tests, row
        for path, name in row.tests:
            assert name in _names(path), f"{row.clause}: {path} has no {name}"


def assert_files_exist(document: Path) -> None:
    """The files and pages that the document names are there."""
    text = document.read_text()
    for path in re.findall(r"`(tests/[\w/.]+\.py)`", text):
        assert (ROOT / path).exists(), path
    for path in re.findall(r"\]\(([\w./-]+\.md)", text):
        assert (document.parent / path).exists(), path

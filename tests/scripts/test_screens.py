"""The pictures of status and top are drawn out of real nodes, and ask nobody for anything."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
import screens


def words(svg: Path) -> str:
    """All text of a picture."""
    return " ".join("".join(ElementTree.parse(svg).getroot().itertext()).replace("\xa0", " ").split())


@pytest.mark.full
def test_pictures_are_drawn_of_nodes_that_run(tmp_path: Path) -> None:
    screens.draw(tmp_path)
    for name in ("status", "top"):
        text = words(tmp_path / f"{name}.svg")
        assert "8 nodes, 7 running, 7 ready" in text
        assert "hub hugo on port" in text
    assert "1 unknown encryptor" in words(tmp_path / "status.svg")
    assert re.search(r"keys made [1-9]", words(tmp_path / "top.svg"))


@pytest.mark.parametrize("name", ["status", "top"])
def test_the_documents_have_pictures_that_load_nothing(name: str) -> None:
    path = screens._FIGURES / f"{name}.svg"
    assert "dske-config.yaml: 8 nodes, 7 running, 7 ready" in words(path)
    addresses = set(re.findall(r"https?://[^\s\"'<)]+", path.read_text()))
    assert addresses <= {"http://www.w3.org/2000/svg", "https://www.textualize.io"}
    assert "url(http" not in path.read_text()

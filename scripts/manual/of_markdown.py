"""Pages, or parts of them, out of the documents in docs/.

Headings become sections, tables lists of words with explanations. markdown-it-py comes with rich.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

from manual.roff import Page, bold, escaped, italic


def document(page: Page, path: Path) -> None:
    """The whole document; what stands before its first section is the page's DESCRIPTION."""
    page.section("DESCRIPTION")
    for node in _parsed(path):
        _block(page, node)


def table(page: Page, path: Path, first_heading: str) -> None:
    """The one table of the document whose first column has this heading. Raises ValueError."""
    [found] = [node for node in _parsed(path) if node.type == "table" and _headings(node)[0] == first_heading]
    _table(page, found)


def _parsed(path: Path) -> Sequence[SyntaxTreeNode]:
    parser = MarkdownIt("commonmark").enable("table")
    return SyntaxTreeNode(parser.parse(path.read_text(encoding="utf-8"))).children


def _block(page: Page, node: SyntaxTreeNode) -> None:
    if node.type == "heading":
        _heading(page, node)
    elif node.type == "paragraph":
        text = _inline(node)
        if text:
            page.paragraph(text)
    elif node.type in ("fence", "code_block"):
        page.literal(node.content)
    elif node.type in ("bullet_list", "ordered_list"):
        _list(page, node)
    elif node.type == "table":
        _table(page, node)
    elif node.type == "blockquote":
        for child in node.children:
            _block(page, child)
    elif node.type not in ("html_block", "hr"):
        raise ValueError(f"no manual page can show {node.type}")


def _heading(page: Page, node: SyntaxTreeNode) -> None:
    if node.tag == "h2":
        page.section(_plain(node))
    elif node.tag != "h1":  # that is the page's own name
        page.subsection(_plain(node))


def _list(page: Page, node: SyntaxTreeNode) -> None:
    for number, entry in enumerate(node.children, 1):
        first, *others = entry.children
        sign = "\\(bu" if node.type == "bullet_list" else f"{number}."
        page.bullet(_inline(first), sign)
        for child in others:
            _block(page, child)


def _table(page: Page, node: SyntaxTreeNode) -> None:
    """The first column is what is explained, the last says it; those between are named.

    Where the first has no heading, the others are compared, and all are named.
    """
    headings = _headings(node)
    for row in node.children[1].children if len(node.children) > 1 else ():
        tag, *cells = map(_inline, row.children)
        named = len(cells) if not headings[0] else len(cells) - 1
        texts = [
            f"{escaped(heading)}: {cell}." if place < named and heading else cell
            for place, (heading, cell) in enumerate(zip(headings[1:], cells, strict=True))
            if cell
        ]
        page.item(tag or "\\&", " ".join(texts))


def _headings(node: SyntaxTreeNode) -> list[str]:
    return [_plain(cell) for cell in node.children[0].children[0].children]


def _plain(node: SyntaxTreeNode) -> str:
    """Text without any markup, not escaped."""
    if node.type in ("text", "code_inline"):
        return node.content
    if node.type in ("softbreak", "hardbreak"):
        return " "
    return "".join(map(_plain, node.children))


def _inline(node: SyntaxTreeNode) -> str:
    return "".join(_words(node))


def _words(node: SyntaxTreeNode) -> Iterator[str]:
    if node.type == "text":
        yield escaped(node.content)
    elif node.type == "code_inline":
        yield bold(node.content)
    elif node.type in ("em", "strong"):
        yield (italic if node.type == "em" else bold)(_plain(node))
    elif node.type in ("softbreak", "hardbreak"):
        yield " "
    elif node.type == "link":
        yield from _link(node)
    elif node.type not in ("image", "html_inline"):
        for child in node.children:
            yield from _words(child)


def _link(node: SyntaxTreeNode) -> Iterator[str]:
    """What is elsewhere in docs/ is called by its name there; the web's addresses are shown."""
    text, target = "".join(map(_inline, node.children)), str(node.attrs.get("href", ""))
    yield text
    if target.startswith("http") and _plain(node) != target:
        yield f" ({escaped(target)})"

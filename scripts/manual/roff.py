"""A manual page in the macros of man(7), which groff and mandoc read."""

from __future__ import annotations

import re
import textwrap

#: What groff would otherwise show as a typographer's sign, so that what is copied from a page can be typed.
_SIGNS = {
    "\\": "\\e", "-": "\\-", "~": "\\(ti", "^": "\\(ha", "`": "\\(ga", "'": "\\(aq", '"': "\\(dq",
}  # fmt: skip
_WIDTH = 78
_SPECIAL = re.compile("[" + re.escape("".join(_SIGNS)) + "]")


def escaped(text: str) -> str:
    """Text of which nothing is a request or an escape of roff."""
    return _SPECIAL.sub(lambda found: _SIGNS[found[0]], text)


def bold(text: str) -> str:
    """Something to be typed as it stands; `text` is not escaped yet."""
    return f"\\fB{escaped(text)}\\fR"


def italic(text: str) -> str:
    """Something to be replaced; `text` is not escaped yet."""
    return f"\\fI{escaped(text)}\\fR"


class Page:
    """Collects a page. Texts that it is given are escaped already."""

    def __init__(self, name: str, section: int, date: str, version: str, summary: str) -> None:
        """`summary` is the line of NAME, which `apropos` shows."""
        self._lines = [
            f'.TH {escaped(name.upper())} {section} {date} "dsked {escaped(version)}"',
            ".nh",  # words of commands are not to be broken
            ".ad l",
        ]
        self.section("NAME")
        self._text(f"{escaped(name)} \\- {escaped(summary)}")

    def section(self, title: str) -> None:
        """Begins one."""
        self._lines.append(f'.SH "{escaped(title.upper())}"')

    def subsection(self, title: str) -> None:
        """Begins one within the section."""
        self._lines.append(f'.SS "{escaped(title)}"')

    def paragraph(self, text: str) -> None:
        """A paragraph."""
        self._begin()
        self._text(text)

    def item(self, tag: str, text: str) -> None:
        """An entry of a list of words with explanations."""
        self._lines.append(".TP")
        self._text(tag)
        self._text(text)

    def bullet(self, text: str, sign: str = "\\(bu") -> None:
        """An entry of a list."""
        self._lines.append(f".IP {sign} 4")
        self._text(text)

    def literal(self, text: str) -> None:
        """Lines as they stand; they are escaped here."""
        self._begin()
        self._lines += [".RS 4", ".nf"]
        self._lines += [_no_request(escaped(line)) for line in text.splitlines()]
        self._lines += [".fi", ".RE"]

    def text(self) -> str:
        """The whole page."""
        return "\n".join(self._lines) + "\n"

    def _begin(self) -> None:
        """A paragraph, which a heading has begun already."""
        if not self._lines[-1].startswith((".SH", ".SS")):
            self._lines.append(".PP")

    def _text(self, text: str) -> None:
        """Words, on lines that an editor shows as a whole."""
        lines = textwrap.wrap(text, _WIDTH, break_long_words=False, break_on_hyphens=False)
        self._lines += map(_no_request, lines or [""])


def _no_request(line: str) -> str:
    """The line as text, also where it is empty or begins like a request."""
    return f"\\&{line}" if line[:1] in ("", ".", "'", " ") else line

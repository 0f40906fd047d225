#!/usr/bin/env python3
"""Writes the worked examples of proto/examples.md: what stands between its marks, to the byte.

python scripts/protocol_examples.py     # a test holds the page to it
"""

from __future__ import annotations

import re

from worked import dealing, frame, handshake
from worked.common import PROTO

PAGE = PROTO / "examples.md"

MAKERS = {
    "sharing": dealing.sharing, "message": dealing.message, "tag": dealing.tag,
    "plain body": frame.plain_body, "pool": frame.pool, "frame": frame.frame, "frame tag": frame.frame_tag,
    "macs": handshake.macs,
}  # fmt: skip


def written(page: str) -> str:
    """The page with every example between its marks as it has to be."""

    def block(found: re.Match[str]) -> str:
        name = found[1]
        made = handshake.message(int(name[1])) if re.fullmatch(r"M\d", name) else MAKERS[name]()
        return f"<!-- {name} -->\n```text\n" + "\n".join(made) + "\n```\n"

    return re.sub(r"<!-- ([\w ]+) -->\n```text\n.*?```\n", block, page, flags=re.DOTALL)


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")

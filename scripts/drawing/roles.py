"""Who takes part, and what each pair of them has in common."""

from __future__ import annotations

from drawing.svg import Page

_HUBS = ("hank  x = 1", "helen  x = 2", "hilary  x = 3", "holly  x = 4", "hugo  x = 5")
_LEFT, _MIDDLE, _RIGHT = 250.0, 480.0, 710.0


def draw() -> str:
    """The SVG."""
    page = Page(960, 400, "Roles")
    page.words((14, 24), "Roles: n = 5 hubs, k = 3 shares rebuild a key", "strong")
    for number, hub in enumerate(_HUBS):
        y = 72.0 + 66 * number
        for x in (_LEFT, _RIGHT):
            inner = x + 62 if x < _MIDDLE else x - 62
            page.path([(inner, 204), (_MIDDLE - 64 if x < _MIDDLE else _MIDDLE + 64, y)], arrow=False)
        page.box((_MIDDLE, y), (128, 34), [hub])
    page.box((_LEFT, 204), (124, 50), ["client carol", "serves sam"])
    page.box((_RIGHT, 204), (124, 50), ["client connie", "serves sofia"])
    for x, client, name, kind in ((76.0, _LEFT, "encryptor sam", "initiator"),
                                  (884.0, _RIGHT, "encryptor sofia", "responder")):  # fmt: skip
        page.box((x, 204), (120, 50), [name, kind], kind="end")
        edge = 60 if x < _MIDDLE else -60
        page.path([(x + edge, 204), (client - edge - (2 if edge > 0 else -2), 204)], arrow=False, dashed=True)
    page.words((_MIDDLE - 190, 388), "lines: gate key G, client pool, hub pool, one TCP connection", "small")
    page.words((20, 262), "local, out of scope", "small faint")
    return page.text

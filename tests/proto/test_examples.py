"""The worked examples are as the script computes them, and this implementation agrees with them."""

from __future__ import annotations

from protocol_examples import PAGE, written
from worked import dealing, frame
from worked.common import first_handshake

from dsked.auth.tags import verify_one_time_tag
from dsked.sharing import amd, gfp, shamir
from dsked.sharing.terms import Party, Terms, message_frame
from dsked.wire.frame import body_of, decode_header
from dsked.wire.messages import PutShares, decode_body
from dsked.wire.terms import columns_fit, put_terms

TERMS = Terms(1, 3, 2, Party("carol", "sam"), (Party("connie", "sofia"),), 16)


def test_the_page_is_current() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert written(page) == page, "python scripts/protocol_examples.py writes it"
    assert page.count("<!-- ") == 13


def test_the_key_is_rebuilt() -> None:
    for xs in ((1, 2), (1, 3), (2, 3)):
        assert shamir.join([(x, dealing.key_share(x)) for x in xs]) == dealing.KEY


def test_the_secret_tag() -> None:
    before, after = message_frame(TERMS)
    said = b"".join(data for data, _ in dealing.tagged_message())
    assert said == before + dealing.KEY_ID + after + dealing.KEY
    assert amd.tag(dealing.TAG_X, said) == dealing.secret_tag()
    rebuilt = gfp.join([(x, dealing.code_share(x)) for x in (1, 3)])
    assert rebuilt == dealing.element(dealing.TAG_X) + dealing.element(dealing.secret_tag())


def test_the_frame() -> None:
    raw = b"".join(data for data, _ in frame.frame_parts())
    header = decode_header(raw)
    covered = frame.tag_prefix() + raw[:-16]
    verify_one_time_tag(frame.hash_key() + frame.POOL[:16], covered, raw[-16:])
    message = decode_body(header.type, body_of(raw))
    assert isinstance(message, PutShares)
    pads = iter((frame.POOL[16:32], frame.POOL[32:]))
    message.replace_secrets(iter([frame.xored(one, next(pads)) for one in list(message.secrets())]))
    [group] = message.groups
    assert put_terms("carol", group) == TERMS
    assert columns_fit(TERMS, group, 1)
    assert (group.shares, group.codes) == (dealing.key_share(1), dealing.code_share(1))
    assert header.position == first_handshake()["client_state"]["pool_position"] + 48 + 16

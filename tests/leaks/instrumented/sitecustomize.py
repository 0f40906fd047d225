"""Daemons that write down what they deal, and break where they are told to.

LEAKS_DEALT: the file to which keys and shares go, in hexadecimal. LEAKS_FAULT: a file; while it is there its
text names the place where every call fails, or "leak", where a pad is logged. What the service manager is
told goes to the file `manager` beside the first.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dsked.client import initiator
from dsked.client.responder import Responder
from dsked.delivery import etsi_messages, sd_notify
from dsked.hub.share_desk import ShareDesk
from dsked.net.client_node import ClientNode
from dsked.sharing.shares import code_bytes, cut
from dsked.sharing.terms import Terms
from dsked.wire.session import Session

_DEALT = Path(os.environ["LEAKS_DEALT"])
_FAULT = Path(os.environ["LEAKS_FAULT"])
_deal = initiator.deal_columns
_seal = Session._seal
_notify = sd_notify.notify


def _dealt(key_ids: bytes, keys: bytes, terms: Terms, *more: Any) -> Any:
    columns = _deal(key_ids, keys, terms, *more)
    secrets = cut(keys, terms.key_bytes)
    for of_hub in columns:
        secrets += cut(of_hub.shares, terms.key_bytes) + cut(of_hub.codes, code_bytes(terms))
    with _DEALT.open("a") as file:
        file.writelines(f"{secret.hex()}\n" for secret in secrets)
    return columns


def _wanted() -> str:
    try:
        return _FAULT.read_text()
    except FileNotFoundError:
        return ""


def _breaks(owner: Any, name: str) -> None:
    real: Callable[..., Any] = getattr(owner, name)

    def broken(*arguments: Any, **settings: Any) -> Any:
        result = real(*arguments, **settings)
        if _wanted() == name:
            raise ZeroDivisionError(f"a fault of ours in {name}")
        return result

    setattr(owner, name, broken)


def _leaking_seal(self: Session, *message: Any, **settings: Any) -> bytes | None:
    if _wanted() == "leak":
        logging.getLogger("dsked").warning("the pool goes on with %r", self._send_hash_key)
    return _seal(self, *message, **settings)


def _told_manager(state: str) -> bool:
    with _DEALT.with_name("manager").open("a") as file:
        file.write(f"{state}\n")
    return _notify(state)


sd_notify.notify = _told_manager  # type: ignore[assignment]
initiator.deal_columns = _dealt  # type: ignore[attr-defined]
Session._seal = _leaking_seal  # type: ignore[method-assign]
_breaks(ShareDesk, "_put_group")
_breaks(ShareDesk, "_get")
_breaks(Responder, "_hand_out")
_breaks(Session, "open")
_breaks(ClientNode, "get_keys_by_id")
_breaks(etsi_messages, "key_container")

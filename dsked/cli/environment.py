"""Variables that begin as ours do, and are none: a mistyped name would have no effect, and tell nobody.

A warning, no error: who sets such variables may be Kubernetes, or another release's unit.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator

import click

_OURS = "DSKED_"
#: Those of dsked's options, of both programs' directories, and of the single file that unpacks itself.
_KNOWN = """
    AUDIT_LOG CHECK_CONFIG CONFIG ENCRYPTORS ETSI ETSI_CERTIFICATE ETSI_CLIENT_CA ETSI_CRL ETSI_MINIMUM_TLS
    ETSI_PLAIN_HTTP_INSECURE_OVER_THE_NETWORK ETSI_PRIVATE_KEY ETSI_SAE_ID ETSI_SAE_ID_FROM GATE_KEYS
    GET_PSRD_BLOCK_SIZE HOST HUBS LIMIT LOG_FORMAT LOG_LEVEL METRICS METRICS_BEYOND_LOOPBACK MIN_NR_SHARES
    NAME PORT PSRD ROLE RUNTIME_DIR SHARE_TIMEOUT_SECS SKIP_PORT SKIP_PSK_FILE SKIP_SYSTEM_ID
    START_REQUEST_PSRD_THRESHOLD STATE_DIR STOP_REQUEST_PSRD_THRESHOLD STORED_KEYS UNPACK_DIR
    WRAPPING
"""
NAMES = frozenset(_OURS + word for word in _KNOWN.split())
#: What Kubernetes sets in every container for a service that is named dsked, or dsked-something.
_SERVICE_LINK = re.compile(
    r".*_(?:SERVICE_HOST|SERVICE_PORT(?:_[A-Z0-9_]+)?|PORT_[0-9]+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)"
)
_LINK = re.compile(r"(?:tcp|udp|sctp)://.+")  # the value of NAME_PORT


def warn(program: str) -> None:
    """Tell of each on standard error."""
    for name in unknown(os.environ.items()):
        text = f"the environment's {name} is no variable of dsked, and has no effect"
        click.echo(f"{program}: warning: {text}{_hint(name)}", err=True)


def unknown(environment: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Names that look like ours, and that nothing here reads."""
    for name, value in environment:
        if name.startswith(_OURS) and name.isprintable() and name not in NAMES and not _is_link(name, value):
            yield name


def _is_link(name: str, value: str) -> bool:
    return bool(_SERVICE_LINK.fullmatch(name) or (name.endswith("_PORT") and _LINK.fullmatch(value)))


def _hint(name: str) -> str:
    import difflib  # where there is something to tell

    near = difflib.get_close_matches(name, NAMES, 1, 0.8)
    return f"; is {near[0]} meant?" if near else ""

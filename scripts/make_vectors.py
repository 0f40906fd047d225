"""Make the test vectors of proto/vectors: deterministic, from fixed pools and fixed randomness.

    python scripts/make_vectors.py [DIRECTORY]

Every random byte is SHAKE-256 of a label, so that the files come out the same on every run. Frames and
handshakes are put together step by step, as proto/ says, and not by the machines that the tests hold
to them. proto/vectors/README.md describes the files.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vectors.bundles import bundle_vectors
from vectors.frames import frame_vectors
from vectors.handshake import handshake_vectors, sealed_vectors
from vectors.hub import hub_vectors
from vectors.refused_bodies import refused_body_vectors
from vectors.refused_frames import refused_vectors
from vectors.refused_handshakes import refused_handshake_vectors
from vectors.responders import responder_vectors
from vectors.session_cases import session_vectors
from vectors.sharing import amd_vectors, dealing_vectors, gfp_vectors, shamir_vectors
from vectors.wrapped import wrapped_vectors

VECTORS = Path(__file__).resolve().parent.parent / "proto" / "vectors"
MAKERS: dict[str, Callable[[], dict[str, Any]]] = {
    "shamir": shamir_vectors,
    "gfp": gfp_vectors,
    "secret_tags": amd_vectors,
    "dealings": dealing_vectors,
    "responders": responder_vectors,
    "hub": hub_vectors,
    "frames": frame_vectors,
    "refused_frames": refused_vectors,
    "refused_bodies": refused_body_vectors,
    "handshakes": handshake_vectors,
    "refused_handshakes": refused_handshake_vectors,
    "sealed": sealed_vectors,
    "wrapped": wrapped_vectors,
    "sessions": session_vectors,
    "bundles": bundle_vectors,
}


def main(directory: Path) -> None:
    """Write all files of vectors to `directory`."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, make in MAKERS.items():
        document = {"protocol": "DSKE", "version": 1, **make()}
        text = json.dumps(document, indent=1, ensure_ascii=True)
        (directory / f"{name}.json").write_text(text + "\n", encoding="ascii")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else VECTORS)

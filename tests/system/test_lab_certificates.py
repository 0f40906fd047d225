"""A laboratory's certificates: made, used for keys over mutual TLS, and one of them revoked."""

from __future__ import annotations

import os
import signal

from scripts.laboratory import Laboratory, wait_until

from .support import assert_no_fault, small

PAIR = ("etsi-qkd", "sam", "sunny", "get-key-pair")
SERVES = "client carol serves ETSI GS QKD 014 over mutual TLS on 127.0.0.1 port"
READ_AGAIN = "has read its certificates again"
INSPECT = ("certs", "inspect", "certs/sam.pem")


def hang_up(lab: Laboratory, times: int) -> None:
    """Have carol read its files again, so many times in all."""
    os.kill(lab.pid("carol"), signal.SIGHUP)
    wait_until(lambda: lab.log("carol").count(READ_AGAIN) == times, READ_AGAIN)


def test_keys_over_mutual_tls_but_while_the_certificate_is_revoked() -> None:
    with Laboratory(small(["hank", "helen"], k=2)).prepared() as lab:
        lines = lab.dskectl("certs", "create-lab").partition("\n\n")[2]
        lab.config.write_text(lab.config.read_text().replace("etsi: plain-http-on-loopback\n", lines))
        lab.start()
        assert lab.dskectl(*PAIR).endswith("Key values match\n")
        assert SERVES in lab.log("carol")

        lab.dskectl("certs", "revoke-lab", "sam")
        assert lab.dskectl(*PAIR)  # until carol is told
        hang_up(lab, 1)
        refused = lab.run(*PAIR)
        assert refused.returncode == 4
        where = f"client carol on 127.0.0.1 port {lab.port('carol')}"
        assert refused.stderr == f"dskectl: {where}: it refuses us: certificate revoked\n"
        assert lab.run(*INSPECT).returncode == 4
        assert lab.dskectl("etsi-qkd", "sunny", "susan", "get-status")

        lab.dskectl("certs", "revoke-lab", "sam", "--undo")
        hang_up(lab, 2)
        assert lab.dskectl(*PAIR).endswith("Key values match\n")
        assert "  carol: encryptor sam\n" in lab.dskectl(*INSPECT)
        lab.stop()
        for _, name in lab.nodes():
            assert_no_fault(lab.log(name), name)

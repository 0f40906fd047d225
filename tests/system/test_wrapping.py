"""Real daemons whose messages are wrapped: in force by the file, refused by the environment of one node."""

from __future__ import annotations

import pytest

from scripts.laboratory import Laboratory, wait_until

from .support import key_pair, started
from .test_common_hubs import content

HUBS = [f"hub{number}" for number in range(1, 6)]
pytestmark = pytest.mark.full


def hubs_of(lab: Laboratory, client: str) -> dict[str, dict[str, object]]:
    return {hub["hub_name"]: hub for hub in lab.status(client)["peer_hubs"]}


def test_a_network_with_wrapping_and_a_node_without_it() -> None:
    with started(content({"carol": HUBS, "curtis": HUBS}, wrapping="required")) as lab:
        wait_until(lambda: all(hub["registered"] for hub in hubs_of(lab, "carol").values()), "all hubs")
        key_pair(lab)
        assert all(hub["wrapped"] for hub in hubs_of(lab, "carol").values())
        assert all(client["wrapped"] for client in lab.status("hub1")["peer_clients"])
        lab.stop("hub5")
        with lab.changed({"DSKED_WRAPPING": "off"}):
            lab.start("hub5")
        wait_until(lambda: "message wrapping" in str(hubs_of(lab, "carol")["hub5"]["problem"]), "a refusal")
        assert "message wrapping is required here" in lab.log("carol")
        assert "wrapped" in lab.dskectl("--client", "carol", "status")
        key_pair(lab)

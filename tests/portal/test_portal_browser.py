"""The whole way in headless Chromium: cohort, assignment, desktop, verdicts, board, decision, badge; axe-core on every page."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from scripts.portal_tour import chromium, tour_of

WHY = "needs a Chromium, playwright and axe-core-python, and the extra `portal`"
HAVE = chromium() and all(find_spec(name) for name in ("playwright", "axe_core_python", "allauth", "waitress"))


@pytest.mark.skipif(not HAVE, reason=WHY)
@pytest.mark.slow
def test_from_an_empty_server_to_a_revoked_badge():
    from datetime import UTC, datetime, timedelta

    from tests.portal.toy import SCENARIO, handed

    def play(folder, who, careless):
        now = datetime.now(UTC) + timedelta(seconds=careless)  # the careless one is the later one, and counts for nothing
        return handed(folder, who, clumsy=careless, mode="assessment", started=now.strftime("%Y-%m-%dT%H:%M:%SZ"))

    tour = tour_of(None, play, SCENARIO, "toy procedure", {"SCOTTIE_PORTAL_DESK": "tests.portal.toy.ToyDesk"})
    assert tour.complaints == []
    assert len(tour.seen) >= 29

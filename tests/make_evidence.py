"""A synthetic cohort with standard, battery and root, for the tests of the documents."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from PIL import Image

from scoring.cohort import Cohort, Row
from scoring.reports.facts import Facts, Moment
from scoring.reports.packet import BatteryFacts, BatteryItem, Files
from scoring.standard import Standard
from scoring.trust.roots import Root, make_root, parse_root
from tests.make_rows import SCENARIOS, cohort

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
NOW = "2026-03-01T00:00:00Z"


@lru_cache(maxsize=4)
def people(learners: int = 24) -> Cohort:
    return cohort(learners)


def standard(**changes: Any) -> Standard:
    base: dict[str, Any] = {
        "procedure": "lumbar-tfesi",
        "rubric_hash": "",
        "scale": "points_verified_percent",
        "items": 10,
        "critical_allowed": 0,
        "method": "contrasting-groups",
        "cut": 74.0,
        "interval": (71.0, 78.0),
        "level": 0.95,
        "groups": {"novices": 16, "experts": 15},
        "rates": {"false_positive": 0.04, "false_negative": 0.07},
        "consistency": {"agreement": 0.91, "kappa": 0.7},
        "sem": 2.4,
        "who": "Committee of X",
        "decided": "2026-01-10T12:00:00Z",
        "expires": "2028-01-10T12:00:00Z",
        "provisional": False,
        "data_digest": "d" * 64,
        "data": "31 record ids",
        "detail": {},
        "signer": "0" * 32,
    }
    return Standard(**{**base, **changes})


def facts(learners: int = 24, set_: Standard | None = None) -> Facts:
    rows = people(learners)
    moments = {r.record_id: [Moment(e, 4711, "Contrast ran into a vessel.") for e in r.critical_errors] for r in rows.rows}
    return Facts(rows, set_, NOW, moments)


def root(rows: Cohort) -> Root:
    leaves = [row.record_id for row in rows.evidence]
    return parse_root(make_root("tfesi-2026", "b" * 64, leaves, "2026-02-20T12:00:00Z", KEY), "root")


def battery() -> BatteryFacts:
    items = tuple(
        BatteryItem(n + 1, SCENARIOS[n % len(SCENARIOS)], "1", 100 + n, f"{n:064x}", f"{n + 50:064x}") for n in range(12)
    )
    odd = ("L-02: item 3 was attempted twice", "L-03: item 5 was interrupted")
    return BatteryFacts(
        "tfesi-2026", "Transforaminal injection, spring 2026", "b" * 64, "2026-01-20T12:00:00Z", "0" * 32, items, odd
    )


def picture(row: Row, tick: int) -> tuple[bytes, str] | None:
    if row.battery_item == 5:
        return None
    out = io.BytesIO()
    Image.linear_gradient("L").save(out, "PNG")
    return out.getvalue(), f"AP (0/0 deg), single shot, at {tick / 100:.1f} s"


def files(rows: Cohort, **changes: Any) -> Files:
    base: dict[str, Any] = {"battery": battery(), "root": root(rows), "standard_sha256": "5" * 64, "picture": picture}
    return Files(**{**base, **changes})

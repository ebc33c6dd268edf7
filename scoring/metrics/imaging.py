"""X-rays: the view in which the needle was placed, the confirming views, exposures and dose."""

from __future__ import annotations

from scoring.metrics.base import Measure, Moment, metric

PAIR = frozenset(("ap", "lateral"))


@metric("placement_oblique_mdeg", "mdeg")
def placement_oblique_mdeg(m: Measure, now: Moment) -> Measure:
    """Measure the ipsilateral obliquity of the last exposure before the first needle placement.

    The size of its primary angle, negative when the view was oblique to the other side, 0 for any other view.
    """
    if now.kind != "needle_placed" or now.before.placed:
        return m
    picture = now.before.last_picture
    if picture is None:
        return m.set(None, now, "No picture was taken before the needle was placed.")
    sign = {f"oblique_{now.before.side}": 1}.get(picture.view, -1 if picture.view.startswith("oblique_") else 0)
    seen = picture.view.replace("_", " ")
    degrees = abs(picture.primary_mdeg)
    return m.set(sign * degrees, now, f"Placed in the {seen} view at {degrees / 1000:.1f} degrees.")


@metric("placement_square_mdeg", "mdeg")
def placement_square_mdeg(m: Measure, now: Moment) -> Measure:
    """Measure beam against target endplate (0 = square) in the last exposure before the first needle placement."""
    if now.kind != "needle_placed" or now.before.placed:
        return m
    picture = now.before.last_picture
    if picture is None:
        return m.set(None, now, "No picture was taken before the needle was placed.")
    return m.set(abs(picture.square_mdeg), now, f"Endplate {abs(picture.square_mdeg) / 1000:.1f} degrees from square.")


@metric("treated_without_views", "count", 0)
def treated_without_views(m: Measure, now: Moment) -> Measure:
    """Count therapeutic injections before which the needle had not been seen in AP and in lateral since it was placed."""
    if not now.treatment_starts or now.before.views_placement >= PAIR:
        return m
    return m.count(now, f"Treatment injected without {_missing(now.before.views_placement)} of the needle.")


@metric("views_at_position", "bool")
def views_at_position(m: Measure, now: Moment) -> Measure:
    """Tell whether every therapeutic injection had an AP and a lateral picture of the needle at that very position."""
    if not now.treatment_starts or m.value is False:
        return m
    if now.before.views_here >= PAIR:
        return m.set(True, now, "AP and lateral pictures show the needle where the treatment was given.")
    return m.set(False, now, f"Treatment given without {_missing(now.before.views_here)} at the final position.")


def _missing(seen: frozenset[str]) -> str:
    gone = [name for name in ("AP", "lateral") if name.lower() not in seen]
    return " and ".join(f"{'an' if name == 'AP' else 'a'} {name} picture" for name in gone)


@metric("exposures", "count", 0)
def exposures(m: Measure, now: Moment) -> Measure:
    """Count how often X-rays were switched on: a single shot, a live run and a DSA run each count one."""
    return m.count(now) if now.kind == "exposed" else m


@metric("pulses", "count", 0)
def pulses(m: Measure, now: Moment) -> Measure:
    """Count X-ray pulses of all exposures."""
    return m.add(now["pulses"], now) if now.kind == "exposed" else m


@metric("fluoro_ms", "ms", 0)
def fluoro_ms(m: Measure, now: Moment) -> Measure:
    """Sum the durations of all exposures, shots included."""
    return m.add(now["duration_ms"], now) if now.kind == "exposed" else m


@metric("dap_pgy_m2", "pgy_m2", 0)
def dap_pgy_m2(m: Measure, now: Moment) -> Measure:
    """Sum the dose-area product of all exposures."""
    return m.add(now["dap_pgy_m2"], now) if now.kind == "exposed" else m


@metric("air_kerma_ngy", "ngy", 0)
def air_kerma_ngy(m: Measure, now: Moment) -> Measure:
    """Sum the air kerma at the reference point of all exposures."""
    return m.add(now["air_kerma_ngy"], now) if now.kind == "exposed" else m


@metric("collimated_permille", "permille")
def collimated_permille(m: Measure, now: Moment) -> Measure:
    """Measure the share of exposures that were made with a field smaller than the full one."""
    if now.kind != "exposed":
        return m
    done, of = m.memo or (0, 0)
    done, of = done + (now["field_permille"] < 1000), of + 1
    return Measure(1000 * done // of, (*m.ticks, now.tick), f"{done} of {of} exposures were collimated.", (done, of))

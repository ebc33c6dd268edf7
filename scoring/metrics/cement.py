"""Bone cement: how much, where it leaked, how near the posterior wall. No value in an attempt without cement."""

from __future__ import annotations

from scoring.metrics.base import Measure, Moment, metric


def _none_yet(m: Measure, now: Moment) -> Measure:
    """Return a count that starts at 0 once cement is mixed."""
    return m.set(0, now) if now.kind == "cement_mixed" and m.value is None else m


def _leak(name: str, places: tuple[str, ...], words: str) -> None:
    """Register the metric of cement that left the bone for some places: the largest amount told for each vertebra, summed."""

    def step(m: Measure, now: Moment) -> Measure:
        if now.kind != "cement_stopped":
            return m
        of = {**(m.memo or {}), now["bone"]: sum(now[place] for place in places)}
        total = sum(of.values())
        if total == m.value:
            return Measure(m.value, m.ticks, m.why, of)
        return Measure(total, (*m.ticks, now.tick), f"{total / 1000:.2f} mL of cement lay {words}.", of)

    step.__doc__ = f"Sum over vertebrae the cement {words} when its last injection there stopped."
    metric(name, "ul")(step)


_leak("cement_in_disc_ul", ("disc_ul",), "in a disc")
_leak("cement_in_canal_ul", ("canal_ul", "foramen_ul"), "in the spinal canal or a foramen")
_leak("cement_paravertebral_ul", ("paravertebral_ul",), "beside the vertebra")
_leak("cement_in_veins_ul", ("vein_ul", "cava_ul"), "in veins outside the vertebra")
_leak("cement_in_bone_ul", ("bone_ul",), "in bone")


@metric("cement_ul", "ul")
def cement_ul(m: Measure, now: Moment) -> Measure:
    """Sum the cement pushed out of the syringe, what stayed in the cannula included. More is not better."""
    return m.add(now["volume_ul"], now) if now.kind == "cement_stopped" else m


@metric("cement_live_permille", "permille")
def cement_live_permille(m: Measure, now: Moment) -> Measure:
    """Tell the part of all cement that went in under live X-rays."""
    if now.kind != "cement_stopped" or now["volume_ul"] <= 0:
        return m
    live, of = (a + b for a, b in zip(m.memo or (0, 0), (now["live_ul"], now["volume_ul"]), strict=True))
    why = f"{live / 1000:.2f} of {of / 1000:.2f} mL of cement went in under live X-rays."
    return Measure(live * 1000 // of, (*m.ticks, now.tick), why, (live, of))


@metric("cement_posterior_um", "um")
def cement_posterior_um(m: Measure, now: Moment) -> Measure:
    """Tell the least distance of cement in bone to the plane of the posterior wall (negative: beyond it)."""
    if now.kind not in ("cement_stopped", "cement_reached"):
        return m
    gap = now["posterior_wall_um"]
    if m.value is not None and gap >= m.value:
        return m
    return m.set(gap, now, f"Cement came within {gap / 1000:.1f} mm of the posterior wall.")


@metric("cement_after_posterior_quarter", "count")
def cement_after_posterior_quarter(m: Measure, now: Moment) -> Measure:
    """Count injections started into a vertebra whose cement had reached the posterior quarter."""
    reached = m.memo or frozenset()
    if now.kind == "cement_reached" and now["zone"] == "posterior_quarter":
        return Measure(m.value, m.ticks, m.why, reached | {now["bone"]})
    if now.kind != "cement_started" or now["bone"] not in reached:
        return _none_yet(m, now)
    return m.count(now, f"Cement was injected again into {now['bone']} after it had reached the posterior quarter.")


@metric("cement_leaks", "count")
def cement_leaks(m: Measure, now: Moment) -> Measure:
    """Count the ways by which cement was seen to leave a vertebra (the thread behind a removed needle included)."""
    if now.kind != "cement_leaked":
        return _none_yet(m, now)
    return m.count(now, f"Cement left {now['bone']} by {now['by']} into {now['where']}.")


@metric("cement_leaks_unseen", "count")
def cement_leaks_unseen(m: Measure, now: Moment) -> Measure:
    """Count leaks that began while no X-rays were on."""
    if now.kind != "cement_leaked" or now["live"]:
        return _none_yet(m, now)
    return m.count(now, f"A leak into {now['where']} began while no X-rays were on.")

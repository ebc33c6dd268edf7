"""A needle on its way into a vertebral body, and the body that is filled: the rules of vertebroplasty.

Facts carry a tip's place against the body (sim/tip.py, body_facts) only where a body is planned to be filled; elsewhere nothing
here has a value or counts.
"""

from __future__ import annotations

from scoring.metrics.base import Measure, Moment, metric

BONE = ("bone_cortex", "bone_cancellous")
FILLING = ("transpedicular", "parapedicular")
CANAL = ("canal", "foramen")
TWICE = 2
"""Cement in the canal that has grown to so many times what was first seen there went on after it could be seen."""


def _none_yet(m: Measure, now: Moment) -> Measure:
    """Return a count that begins at 0 where a body is planned to be filled."""
    return m.set(0, now) if now.kind == "began" and now["approach"] in FILLING else m


def _inside(m: Measure, now: Moment, inside: bool, why: str) -> Measure:
    """Count going in once: memo holds whether the tip was inside."""
    if inside == bool(m.memo):
        return m
    if not inside:
        return Measure(m.value, m.ticks, m.why, False)
    counted = m.count(now, why)
    return Measure(counted.value, counted.ticks, counted.why, True)


@metric("medial_breaches", "count")
def medial_breaches(m: Measure, now: Moment) -> Measure:
    """Count how often the tip, in bone or canal, went medial of the pedicle's inner border while dorsal of the posterior wall."""
    if not now.has("past_medial_um"):
        return _none_yet(m, now)
    where = now["tissue"].lower()
    held = where in BONE or where in now.settings.canal_tissues
    past, dorsal = now["past_medial_um"], now["to_wall_um"]
    why = f"The tip was {past / 1000:.1f} mm past the pedicle's inner border, {dorsal / 1000:.1f} mm behind the posterior wall."
    return _inside(m, now, held and past > 0 and dorsal > 0, why)


@metric("canal_breaches", "count")
def canal_breaches(m: Measure, now: Moment) -> Measure:
    """Count how often the tip went into a tissue of the canal on a way into a vertebral body."""
    if not now.has("past_medial_um"):
        return _none_yet(m, now)
    where = now["tissue"].lower()
    why = f"The tip was in the spinal canal ({where.replace('_', ' ')})."
    return _inside(m, now, where in now.settings.canal_tissues and now["past_medial_um"] > 0, why)


@metric("wall_breaches", "count")
def wall_breaches(m: Measure, now: Moment) -> Measure:
    """Count how often the tip left the bone of a body in front of its posterior wall while it was pushed on.

    Through the anterior or a lateral wall, or an end plate into the disc. A withdrawal is none: the tip has been deeper.
    """
    if now.kind == "needle_placed":
        return Measure(m.value, m.ticks, m.why, 0)
    if not now.has("to_wall_um"):
        return _none_yet(m, now)
    deepest = int(m.memo or 0)
    deeper = Measure(m.value, m.ticks, m.why, max(deepest, now["depth_um"]))
    if now.kind != "tissue_entered" or now["from_tissue"].lower() not in BONE or now["depth_um"] < deepest:
        return deeper
    where = now["tissue"].lower()
    if where in BONE or now["to_wall_um"] >= 0:
        return deeper
    counted = deeper.count(now, f"The tip went through the wall of {now['body']} into {where.replace('_', ' ')}.")
    return Measure(counted.value, counted.ticks, counted.why, deeper.memo)


@metric("tip_depth_permille", "permille")
def tip_depth_permille(m: Measure, now: Moment) -> Measure:
    """Tell the least depth of the tip in the body at a start of cement: 0 posterior wall, 1000 anterior wall."""
    if now.kind != "cement_started" or not now.has("body_depth_permille"):
        return m
    deep = now["body_depth_permille"]
    if m.value is not None and deep >= m.value:
        return m
    return m.set(deep, now, f"Cement was started with the tip {deep / 10:.0f} % of the way to the anterior wall.")


@metric("cement_outside_body", "count")
def cement_outside_body(m: Measure, now: Moment) -> Measure:
    """Count the starts of cement with the tip not in bone of a planned body in front of its posterior wall."""
    if now.kind != "cement_started" or not now.has("to_wall_um"):
        return _none_yet(m, now)
    where = now["tissue"].lower()
    levels = {level for level, _ in now.before.goals}
    if where in BONE and now["to_wall_um"] <= 0 and now["body"] in levels:
        return m
    behind = f", {now['to_wall_um'] / 1000:.1f} mm behind the posterior wall" if now["to_wall_um"] > 0 else ""
    return m.count(now, f"Cement was started with the tip in {where.replace('_', ' ')} at {now['body']}{behind}.")


@metric("bodies_unfilled", "count")
def bodies_unfilled(m: Measure, now: Moment) -> Measure:
    """Count the planned entries through which no cement has been put into the planned body; none without such a plan."""
    if now.kind == "began":
        return m.set(1, now, "No cement was put into the planned body.") if now["approach"] in FILLING else m
    if m.value is None:
        return m
    if now.kind == "planned":
        return m.set(int(m.value) + 1, now, m.why)
    if now.kind != "cement_started" or not now.has("goal"):
        return m
    level, side = now.before.goals[now["goal"]]
    done = frozenset(m.memo or ()) | ({now["goal"]} if now["bone"] == level else frozenset())
    left = len(now.before.goals) - len(done)
    why = (
        f"Cement was put into {level} from the {side}."
        if left == 0
        else f"{left} of {len(now.before.goals)} entries without cement."
    )
    return Measure(left, (now.tick,), why, done)


@metric("cement_blind", "count")
def cement_blind(m: Measure, now: Moment) -> Measure:
    """Count injections of cement of which nothing ran under live X-rays."""
    if now.kind == "cement_mixed" and m.value is None:
        return m.set(0, now)
    if now.kind != "cement_stopped" or now["volume_ul"] <= 0 or now["live_ul"] > 0:
        return m
    return m.count(now, f"{now['volume_ul'] / 1000:.2f} mL of cement went in without live X-rays.")


@metric("cement_after_canal_leak", "count")
def cement_after_canal_leak(m: Measure, now: Moment) -> Measure:
    """Count injections that went on after cement had been seen in the canal or a foramen.

    One that was started into that vertebra later, or one that stopped only when at least twice what was first seen lay there.
    """
    if now.kind == "cement_mixed" and m.value is None:
        return m.set(0, now)
    seen: dict[str, int] = dict(m.memo or {})
    if now.kind == "cement_leaked" and now["where"] in CANAL and now["by"] != "tail":
        return Measure(m.value, m.ticks, m.why, {**seen, now["bone"]: seen.get(now["bone"], 0) + now["volume_ul"]})
    if now.kind not in ("cement_started", "cement_stopped") or now["bone"] not in seen:
        return m
    if now.kind == "cement_started":
        return m.count(now, f"Cement was injected again into {now['bone']} after it had been seen in the canal.")
    lies = now["canal_ul"] + now["foramen_ul"]
    if lies < TWICE * seen[now["bone"]]:
        return m
    counted = m.count(now, f"Cement was injected on until {lies / 1000:.2f} mL lay in the canal.")
    return Measure(counted.value, counted.ticks, counted.why, {**seen, now["bone"]: lies})


@metric("cement_tails", "count")
def cement_tails(m: Measure, now: Moment) -> Measure:
    """Count needles that were taken out with soft cement in them and left a thread behind."""
    if now.kind == "cement_mixed" and m.value is None:
        return m.set(0, now)
    if now.kind != "cement_leaked" or now["by"] != "tail":
        return m
    return m.count(now, f"The needle left a thread of {now['volume_ul'] / 1000:.2f} mL of cement in its track.")


@metric("cement_thinnest_mpa_s", "mpa_s")
def cement_thinnest_mpa_s(m: Measure, now: Moment) -> Measure:
    """Tell the least viscosity of cement in the syringe at the start of any injection."""
    if now.kind != "cement_started" or (m.value is not None and now["mpa_s"] >= m.value):
        return m
    return m.set(now["mpa_s"], now, f"Cement was injected at {now['mpa_s'] / 1000:.0f} Pa.s.")


@metric("cement_fill_permille", "permille")
def cement_fill_permille(m: Measure, now: Moment) -> Measure:
    """Tell how much of the body cement fills when its last injection stopped (volume of an ellipse's prism about it)."""
    if now.kind != "cement_stopped":
        return m
    return m.set(now["fill_permille"], now, f"Cement filled {now['fill_permille'] / 10:.0f} % of {now['bone']}.")

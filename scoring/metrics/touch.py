"""What the needle touched and what the patient went through: contacts, loss of resistance, spread, effect of the drug.

The thresholds behind the patient's replies and the strength of a block are placeholders: such metrics may give feedback; none of
them may gate. Contacts, pictures of spread and doses are geometry and sums.
"""

from __future__ import annotations

from scoring.metrics.base import TICK_MS, Measure, Moment, metric

NERVES = ("root", "ganglion", "ramus", "cord", "cauda_equina")
ORGANS = ("bowel", "kidney", "liver", "spleen", "lung")
SPACE = ("epidural_fat", "foramen_fat")


def _touches(m: Measure, now: Moment, structures: tuple[str, ...]) -> Measure:
    if now.kind != "touched" or now["structure"] not in structures:
        return m
    speed, what = now["speed_um_s"] / 1000, now["structure"].replace("_", " ")
    return m.count(now, f"The tip met the {what} ({now['name'].replace('_', ' ')}) at {speed:.1f} mm/s.")


@metric("cord_contacts", "count", 0)
def cord_contacts(m: Measure, now: Moment) -> Measure:
    """Count contacts of the tip with the spinal cord."""
    return _touches(m, now, ("cord",))


@metric("facet_contacts", "count", 0)
def facet_contacts(m: Measure, now: Moment) -> Measure:
    """Count contacts of the tip with a facet joint or its capsule."""
    return _touches(m, now, ("facet_joint",))


@metric("pleura_contacts", "count", 0)
def pleura_contacts(m: Measure, now: Moment) -> Measure:
    """Count contacts of the tip with the pleura or the lung."""
    return _touches(m, now, ("pleura", "lung"))


@metric("organ_contacts", "count", 0)
def organ_contacts(m: Measure, now: Moment) -> Measure:
    """Count contacts of the tip with bowel, kidney, liver, spleen or lung."""
    return _touches(m, now, ORGANS)


@metric("nerve_fastest_um_s", "um_s")
def nerve_fastest_um_s(m: Measure, now: Moment) -> Measure:
    """Take the greatest speed of the tip against tissue at which it met a root, ganglion, ramus, cord or cauda; none without."""
    if now.kind != "touched" or now["structure"] not in NERVES or (m.value is not None and now["speed_um_s"] <= int(m.value)):
        return m
    return m.set(now["speed_um_s"], now, f"{now['name'].replace('_', ' ')} was met at {now['speed_um_s'] / 1000:.1f} mm/s.")


@metric("nerve_dwell_ms", "ms", 0)
def nerve_dwell_ms(m: Measure, now: Moment) -> Measure:
    """Sum the time that the tip lay in a root, ganglion, ramus, cord or cauda, over the contacts that ended."""
    return m.add(now["ticks"] * TICK_MS, now) if now.kind == "released" and now["structure"] in NERVES else m


@metric("nerve_deepest_um", "um")
def nerve_deepest_um(m: Measure, now: Moment) -> Measure:
    """Take the greatest depth of the tip below the wall of a root, ganglion, ramus, cord or cauda; none without."""
    if now.kind != "released" or now["structure"] not in NERVES or (m.value is not None and now["deepest_um"] <= int(m.value)):
        return m
    return m.set(now["deepest_um"], now, f"{now['deepest_um'] / 1000:.1f} mm deep in {now['name'].replace('_', ' ')}.")


@metric("paraesthesiae", "count", 0)
def paraesthesiae(m: Measure, now: Moment) -> Measure:
    """Count how often the patient told of paraesthesia or electric pain without being asked by the operator at that tick."""
    if now.kind != "patient_said" or now["what"] not in ("paraesthesia", "electric pain"):
        return m
    return m.count(now, f"{now['what'].capitalize()} {now['area']}".strip() + ".")


@metric("patient_movements", "count", 0)
def patient_movements(m: Measure, now: Moment) -> Measure:
    """Count how often pain made the patient move."""
    return m.count(now, f"The patient moved ({now['why']}).") if now.kind == "patient_moved" else m


@metric("cooperation_kept", "bool", True)
def cooperation_kept(m: Measure, now: Moment) -> Measure:
    """Tell whether the patient cooperated to the end of the attempt."""
    return m.set(False, now, "The patient asked to stop.") if now.kind == "cooperation_withdrawn" else m


@metric("vasovagal", "count", 0)
def vasovagal(m: Measure, now: Moment) -> Measure:
    """Count vasovagal reactions."""
    return m.count(now, "Vasovagal reaction.") if now.kind == "adverse" and now["what"] == "vasovagal" else m


@metric("lor_probes", "count", 0)
def lor_probes(m: Measure, now: Moment) -> Measure:
    """Count presses on a loss-of-resistance syringe."""
    return m.count(now) if now.kind == "probed" else m


@metric("lor_true", "bool")
def lor_true(m: Measure, now: Moment) -> Measure:
    """Tell whether every loss of resistance was felt in the epidural space or the foramen; none without a loss."""
    if now.kind != "probed" or now["result"] != "loss" or m.value is False:
        return m
    tissue = now["tissue"].lower()
    return m.set(tissue in SPACE, now, f"Loss of resistance in {tissue.replace('_', ' ')}.")


@metric("arterial_injections", "count", 0)
def arterial_injections(m: Measure, now: Moment) -> Measure:
    """Count injections of anything with an arterial part in their pattern."""
    return _shows(m, now, "arterial")


@metric("subdural_injections", "count", 0)
def subdural_injections(m: Measure, now: Moment) -> Measure:
    """Count injections of anything with a subdural part in their pattern."""
    return _shows(m, now, "subdural")


def _shows(m: Measure, now: Moment, name: str) -> Measure:
    if now.kind != "pattern" or name not in now["names"]:
        return m
    return m.count(now, f"{str(now['agent']).capitalize()}: {', '.join(now['names'])}.")


@metric("ventral_permille", "permille")
def ventral_permille(m: Measure, now: Moment) -> Measure:
    """Measure the ventral part of the epidural fluid of the last therapeutic injection that had any; none without."""
    if now.kind != "pattern" or now["kind"] not in now.settings.therapeutic:
        return m
    ventral, dorsal = now["epidural_ventral_ul"], now["epidural_dorsal_ul"]
    if ventral + dorsal <= 0:
        return m
    return m.set(1000 * ventral // (ventral + dorsal), now, f"{ventral / 1000:.2f} mL ventral, {dorsal / 1000:.2f} mL dorsal.")


@metric("local_anaesthetic_permille", "permille")
def local_anaesthetic_permille(m: Measure, now: Moment) -> Measure:
    """Take the local anaesthetic of the attempt as part of the largest single dose for this patient; none without."""
    if now.kind != "discharged":
        return m
    return m.set(now["dose_permille"], now, f"{now['dose_permille'] / 10:.0f} % of the largest single dose.")


@metric("motor_blocked", "count")
def motor_blocked(m: Measure, now: Moment) -> Measure:
    """Count nerves (level and side) with a motor block as the patient leaves; none without local anaesthetic."""
    if now.kind != "discharged":
        return m
    return m.set(len(now["motor"]), now, f"Weak: {', '.join(now['motor']) or 'none'}.")


@metric("high_spread", "bool")
def high_spread(m: Measure, now: Moment) -> Measure:
    """Tell whether drug in the sac rose to T4 or higher; none without local anaesthetic."""
    if now.kind == "adverse" and now["what"] == "high_spread":
        return m.set(True, now, "The block rose to T4 or higher.")
    return m.set(False, now, "The block did not rise to T4.") if now.kind == "discharged" and m.value is None else m

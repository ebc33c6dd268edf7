"""The needle: its tip at the treatment, what it touched, passes and times."""

from __future__ import annotations

from scoring.metrics.base import TICK_MS, Measure, Moment, metric


@metric("tip_error_um", "um")
def tip_error_um(m: Measure, now: Moment) -> Measure:
    """Measure the distance from the tip to the planned target when the first therapeutic injection starts."""
    if m.value is not None or not now.treatment_starts:
        return m
    return m.set(now["distance_um"], now, f"Tip {now['distance_um'] / 1000:.1f} mm from the planned target.")


def _offset(m: Measure, now: Moment, name: str, plus: str, minus: str) -> Measure:
    if m.value is not None or not now.treatment_starts:
        return m
    value = now[name]
    return m.set(value, now, f"{abs(value) / 1000:.1f} mm {plus if value >= 0 else minus} of the target")


@metric("tip_right_um", "um")
def tip_right_um(m: Measure, now: Moment) -> Measure:
    """Measure the offset of the tip along the patient's right when the first therapeutic injection starts."""
    return _offset(m, now, "off_right_um", "right", "left")


@metric("tip_dorsal_um", "um")
def tip_dorsal_um(m: Measure, now: Moment) -> Measure:
    """Measure the dorsal offset of the tip when the first therapeutic injection starts."""
    return _offset(m, now, "off_dorsal_um", "dorsal", "ventral")


@metric("tip_cranial_um", "um")
def tip_cranial_um(m: Measure, now: Moment) -> Measure:
    """Measure the cranial offset of the tip when the first therapeutic injection starts."""
    return _offset(m, now, "off_cranial_um", "cranial", "caudal")


@metric("canal_entries", "count", 0)
def canal_entries(m: Measure, now: Moment) -> Measure:
    """Count how often the tip went into the canal.

    It is in the canal when it lies medial of the medial pedicle line and either in a tissue of the canal or no
    more dorsal than the planned target. Every fact that carries the tip is looked at; going in counts once.
    """
    if not now.has("in_canal_um"):
        return m
    tissue = now["tissue"].lower()
    inside = now["in_canal_um"] > 0 and (tissue in now.settings.canal_tissues or now["off_dorsal_um"] <= 0)
    if inside == bool(m.memo):
        return m
    if not inside:
        return Measure(m.value, m.ticks, m.why, False)
    why = f"The tip was {now['in_canal_um'] / 1000:.1f} mm medial of the medial pedicle line, in {tissue.replace('_', ' ')}."
    counted = m.count(now, why)
    return Measure(counted.value, counted.ticks, counted.why, True)


def _entered(m: Measure, now: Moment, kinds: tuple[str, ...], what: str) -> Measure:
    if now.kind != "structure_entered" or now["kind"].lower() not in kinds:
        return m
    return m.count(now, f"The needle entered {what} ({now['name'].replace('_', ' ')}).")


@metric("sac_entries", "count", 0)
def sac_entries(m: Measure, now: Moment) -> Measure:
    """Count how often the needle entered the thecal sac."""
    return _entered(m, now, ("sac",), "the thecal sac")


@metric("nerve_entries", "count", 0)
def nerve_entries(m: Measure, now: Moment) -> Measure:
    """Count how often the needle entered a root or a ganglion."""
    return _entered(m, now, ("root", "ganglion"), "a nerve root or ganglion")


@metric("vessel_entries", "count", 0)
def vessel_entries(m: Measure, now: Moment) -> Measure:
    """Count how often the needle entered an artery or a vein."""
    return _entered(m, now, ("artery", "radicular_artery", "vein"), "a vessel")


@metric("disc_entries", "count", 0)
def disc_entries(m: Measure, now: Moment) -> Measure:
    """Count how often the tip entered a disc from outside it."""
    if now.kind != "tissue_entered" or not now["tissue"].lower().startswith("disc"):
        return m
    return m if now["from_tissue"].lower().startswith("disc") else m.count(now, "The needle entered the disc.")


@metric("bone_contacts", "count", 0)
def bone_contacts(m: Measure, now: Moment) -> Measure:
    """Count contacts of the tip with bone."""
    return m.count(now, f"Contact with {now['bone']}.") if now.kind == "bone_contact" else m


@metric("placements", "count", 0)
def placements(m: Measure, now: Moment) -> Measure:
    """Count how often a needle was placed on the skin."""
    return m.count(now) if now.kind == "needle_placed" else m


@metric("advances", "count", 0)
def advances(m: Measure, now: Moment) -> Measure:
    """Count how often the hand stopped the needle after moving it (bone included, turning and tilting not)."""
    return m.count(now) if now.kind == "needle_stopped" and now["reason"] != "held" else m


@metric("passes", "count")
def passes(m: Measure, now: Moment) -> Measure:
    """Take the needle passes of the attempt as the core counted them when the needle was removed last."""
    return m.set(now["passes"], now) if now.kind == "needle_removed" else m


@metric("needle_gauge", "gauge")
def needle_gauge(m: Measure, now: Moment) -> Measure:
    """Take the gauge of the needle that was placed last."""
    if now.kind == "needle_chosen":
        return Measure(m.value, m.ticks, m.why, (now["gauge"], now["name"]))
    if now.kind != "needle_placed" or m.memo is None:
        return m
    return m.set(m.memo[0], now, f"{m.memo[1]} placed.")


@metric("total_ms", "ms", 0)
def total_ms(m: Measure, now: Moment) -> Measure:
    """Measure the time from the start of the attempt to its last fact."""
    return Measure(now.tick * TICK_MS, (now.tick,))


@metric("needle_ms", "ms", 0)
def needle_ms(m: Measure, now: Moment) -> Measure:
    """Sum the time that a needle was in the patient, from each placement to its removal or the end of the attempt."""
    since = m.memo
    if now.kind == "needle_placed" and since is None:
        return Measure(m.value, (*m.ticks, now.tick), m.why, now.tick)
    if since is not None and now.kind in ("needle_removed", "finished"):
        return Measure(int(m.value or 0) + (now.tick - since) * TICK_MS, (*m.ticks, now.tick), m.why, None)
    return m


@metric("needle_out", "bool")
def needle_out(m: Measure, now: Moment) -> Measure:
    """Tell whether no needle was in the patient at the finish; none when none had been placed."""
    if now.kind != "finished" or not now.before.placed:
        return m
    out = not now.before.needle_in
    return m.set(out, now, "The needle was removed." if out else "The attempt ended with the needle in the patient.")


@metric("finished", "bool", False)
def finished(m: Measure, now: Moment) -> Measure:
    """Tell whether the operator ended the attempt (`finish`) or it was cut off."""
    return m.set(True, now, "The attempt was finished.") if now.kind == "finished" else m

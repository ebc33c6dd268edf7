"""Injections: where the treatment went, what had been checked there, and where drugs may not go."""

from __future__ import annotations

from scoring.metrics.base import Measure, Moment, metric

NO_CONTRAST = "The chart rules contrast out; none was given."


def _at_target(now: Moment) -> bool:
    return (now["level"], now["side"]) in now.before.goals


def _agent(now: Moment) -> str:
    name = str(now["product"] if now.kind == "cement_started" else now["agent"])
    return name[:1].upper() + name[1:]


def _level(now: Moment) -> str:
    """Return the level of a treatment: the vertebra that cement goes into, else the foramen nearest to the tip."""
    return str(now["bone"] if now.kind == "cement_started" else now["level"])


def _where(now: Moment) -> str:
    if now.kind == "cement_started":
        return _level(now)
    return f"{now['level']} {now['side']}".strip() or "far from any foramen"


@metric("treatments", "count", 0)
def treatments(m: Measure, now: Moment) -> Measure:
    """Count injections of a therapeutic agent that were started."""
    return m.count(now, f"{_agent(now)} given at {_where(now)}.") if now.treatment_starts else m


@metric("target_reached_ul", "ul")
def target_reached_ul(m: Measure, now: Moment) -> Measure:
    """Sum the therapeutic agent that reached foramen or epidural space from a tip at the planned level and side."""
    if not now.treats or now.kind != "injection_stopped":
        return m
    got = now["foraminal_ul"] + now["epidural_ul"] if _at_target(now) else 0
    total = int(m.value or 0) + got
    why = f"{total / 1000:.2f} mL reached the foramen or the epidural space at the planned level and side."
    return Measure(total, (*m.ticks, now.tick), why)


@metric("treated_wrong_level", "count", 0)
def treated_wrong_level(m: Measure, now: Moment) -> Measure:
    """Count therapeutic injections with the tip nearest to the foramen (cement: in the body) of a level that was not planned."""
    if not now.treatment_starts or _level(now) in ("", *(level for level, _ in now.before.goals)):
        return m
    return m.count(now, f"Treatment given at {_where(now)}; planned was {now.before.order}.")


@metric("treated_wrong_side", "count", 0)
def treated_wrong_side(m: Measure, now: Moment) -> Measure:
    """Count therapeutic injections with the tip on the other side than planned (cement: a body has no side)."""
    if not now.treatment_starts or now.kind == "cement_started" or now["side"] in ("", *(side for _, side in now.before.goals)):
        return m
    return m.count(now, f"Treatment given at {_where(now)}; planned was {now.before.order}.")


@metric("treated_without_contrast", "count", 0)
def treated_without_contrast(m: Measure, now: Moment) -> Measure:
    """Count therapeutic injections at a needle position where no contrast had been injected and seen under X-rays."""
    if not now.treatment_starts:
        return m
    contrast = now.before.contrast_here
    if contrast is None or contrast.volume_ul <= 0:
        moved = "" if not now.before.contrasts else " since the needle was last moved"
        return m.count(now, f"Treatment given; no contrast had been injected{moved}.")
    return m if contrast.seen else m.count(now, "Treatment given; no picture had shown the contrast.")


@metric("contrast_live", "bool")
def contrast_live(m: Measure, now: Moment) -> Measure:
    """Tell whether contrast ran under live X-rays where every therapeutic injection was given, or the chart rules it out."""
    if not now.treatment_starts or m.value is False:
        return m
    contrast = now.before.contrast_here
    if contrast is None and "contrast" in now.before.avoided:
        return m.set(True, now, NO_CONTRAST)
    if contrast is not None and contrast.live_ul > 0:
        live, of = contrast.live_ul / 1000, contrast.volume_ul / 1000
        return m.set(True, now, f"{live:.2f} of {of:.2f} mL contrast ran under live X-rays.")
    return m.set(False, now, "No contrast ran under live X-rays at the position of the treatment.")


@metric("contrast_clear", "bool")
def contrast_clear(m: Measure, now: Moment) -> Measure:
    """Tell whether contrast where every therapeutic injection was given spared vessels, sac and disc, or was ruled out."""
    if not now.treatment_starts or m.value is False:
        return m
    contrast = now.before.contrast_here
    if contrast is None and "contrast" in now.before.avoided:
        return m.set(True, now, NO_CONTRAST)
    if contrast is None or not contrast.patterns:
        return m.set(False, now, "No contrast pattern at the position of the treatment.")
    bad = [word for word in ("vascular", "intrathecal", "disc") if contrast.showed(word)]
    shown = ", ".join(contrast.patterns)
    return m.set(not bad, now, f"Contrast pattern where the treatment was given: {shown}.")


@metric("repositioned_after_vascular", "bool")
def repositioned_after_vascular(m: Measure, now: Moment) -> Measure:
    """Tell whether the needle was moved before a drug after contrast ran into a vessel; none when none did."""
    if not now.drugs or now.kind != "injection_started" or m.value is False:
        return m
    if not any(c.showed("vascular") for c in now.before.contrasts):
        return m
    here = now.before.contrast_here
    if here is not None and here.showed("vascular"):
        return m.set(False, now, "Contrast had run into a vessel and the needle was not moved.")
    return m.set(True, now, "Contrast ran into a vessel; the needle was moved before the drug.")


@metric("drug_after_vascular_contrast", "count", 0)
def drug_after_vascular_contrast(m: Measure, now: Moment) -> Measure:
    """Count drug injections at a needle position where contrast had run into a vessel."""
    here = now.before.contrast_here
    if not now.drugs or now.kind != "injection_started" or here is None or not here.showed("vascular"):
        return m
    return m.count(now, f"{_agent(now)} injected where contrast had run into a vessel.")


@metric("drug_in_vessel", "count", 0)
def drug_in_vessel(m: Measure, now: Moment) -> Measure:
    """Count drug injections whose own pattern was vascular, alone or together with another."""
    return _went(m, now, "vascular", "", "into a vessel")


@metric("drug_intrathecal", "count", 0)
def drug_intrathecal(m: Measure, now: Moment) -> Measure:
    """Count drug injections whose pattern was intrathecal or whose tip lay in cerebrospinal fluid."""
    return _went(m, now, "intrathecal", "csf", "into the thecal sac")


@metric("drug_in_disc", "count", 0)
def drug_in_disc(m: Measure, now: Moment) -> Measure:
    """Count drug injections whose pattern was intradiscal or whose tip lay in a disc."""
    return _went(m, now, "disc", "disc", "into the disc")


def _went(m: Measure, now: Moment, pattern: str, tissue: str, where: str) -> Measure:
    if not now.drugs or now.kind != "injection_stopped":
        return m
    in_tissue = bool(tissue) and now["tissue"].lower().startswith(tissue)
    if pattern not in now["pattern"] and not in_tissue:
        return m
    return m.count(now, f"{_agent(now)} went {where} ({now['pattern']}, {now['volume_ul'] / 1000:.2f} mL).")


@metric("particulate_steroid", "count", 0)
def particulate_steroid(m: Measure, now: Moment) -> Measure:
    """Count injections of a steroid with particles, wherever they were given."""
    if now.kind != "injection_started" or now["kind"] != "steroid" or not now["particulate"]:
        return m
    return m.count(now, f"{_agent(now)} contains particles.")


@metric("aspirated_first", "bool")
def aspirated_first(m: Measure, now: Moment) -> Measure:
    """Tell whether aspiration at the position of every therapeutic injection brought nothing back before it."""
    if not now.treatment_starts or m.value is False:
        return m
    got = now.before.aspirated_here
    if not got:
        return m.set(False, now, "Nobody aspirated at the position of the treatment.")
    bad = [result for result in got if result != "nothing"]
    return m.set(not bad, now, f"Aspiration returned {bad[0]}." if bad else "Aspirated: nothing came back.")


@metric("contrast_ul", "ul", 0)
def contrast_ul(m: Measure, now: Moment) -> Measure:
    """Sum the contrast injected in the attempt."""
    return m.add(now["volume_ul"], now) if now.kind == "injection_stopped" and now["kind"] == "contrast" else m


@metric("drug_ul", "ul")
def drug_ul(m: Measure, now: Moment) -> Measure:
    """Sum all drugs injected with the tip at the planned level and side (contrast not counted)."""
    if not now.drugs or now.kind != "injection_stopped" or not _at_target(now):
        return m
    total = int(m.value or 0) + now["volume_ul"]
    return Measure(total, (*m.ticks, now.tick), f"{total / 1000:.2f} mL of drugs at the target.")


@metric("treatment_ug", "ug")
def treatment_ug(m: Measure, now: Moment) -> Measure:
    """Sum the dose of therapeutic agent injected in the attempt; none when the rubric does not know its strength."""
    if not now.treats or now.kind != "injection_stopped":
        return m
    dose = now.settings.dose_ug(now["agent"], now["volume_ul"])
    if dose is None:
        return m
    total = int(m.value or 0) + dose
    return Measure(total, (*m.ticks, now.tick), f"{total / 1000:.1f} mg of {now['agent']}.")

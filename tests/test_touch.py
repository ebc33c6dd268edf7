"""Contacts of the tip: each structure once, with its beginning, end, depth, duration, speed, and what the patient says to it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from scenarios.toolbox import load_toolbox
from scoring.metrics import Settings, in_order, measure
from sim import patient, session, touch
from sim.command import IDLE, Command
from sim.dermatome import area, at_or_above, higher
from sim.event import Event
from sim.phantom import Phantom, Tissue, TubeKind
from sim.state import NeedleState, State, Study, TouchState
from tests.make_injection import study as injection_study
from tests.make_injection import toolbox
from tests.make_phantom import box_bone, simple_phantom, slab_phantom, study_of, tube

NO_WORDS = Settings(frozenset({"steroid"}), frozenset(), frozenset(), frozenset())


def layered(label: int) -> Phantom:
    """Return muscle with 12 mm of another tissue between y = 20 and y = 32 (28 mm below the skin)."""
    phantom = slab_phantom()
    labels = phantom.volume.labels.copy()
    y = phantom.volume.origin_mm[1] + phantom.volume.spacing_mm * np.arange(labels.shape[1])
    labels[:, (y > 20.0) & (y < 32.0), :] = label
    return replace(phantom, volume=replace(phantom.volume, labels=labels))


def holding(kind: TubeKind, name: str, level: str = "L4", side: str = "right", radius: float = 4.0) -> Phantom:
    """Return muscle with a tube along the body 30 mm below the skin."""
    wall = 0.3 if kind == TubeKind.SAC else 0.1 if kind in (TubeKind.ARTERY, TubeKind.VEIN) else 0.0
    points = [(0.0, 30.0, -35.0, radius), (0.0, 30.0, 35.0, radius)]
    return slab_phantom(tubes=(tube(name, kind, points, level, side, wall_mm=wall),))


def seed_of(fears: bool = False) -> int:
    return next(s for s in range(400) if patient.begin(injection_study(s)).fear == fears)


@cache
def made(phantom_key: tuple[str, ...]) -> Study:
    what, *rest = phantom_key
    if what == "tissue":
        phantom = layered(Tissue[rest[0]])
    elif what == "tube":
        phantom = holding(TubeKind[rest[0]], rest[1], *rest[2:])
    else:
        phantom = slab_phantom(bones=(box_bone("L4", (0.0, 25.0, 0.0), (12.0, 5.0, 12.0)),))
    return study_of(phantom, toolbox=toolbox(), seed=seed_of())


def walk(study: Study, moves: Iterable[tuple[int, int]], end: str = "needle.remove") -> tuple[list[Event], State]:
    """Push a needle straight in from above the origin by (um, um/s) steps, then end; return all events."""
    state, opening = session.begin(study)
    told = list(opening)
    todo = [Command("needle.choose", (0,)), Command("needle.place", (0, 0, 0, 0))]
    todo += [Command("needle.move", move) for move in moves] + [Command(end)]
    rest = 0
    while todo or rest < 3:
        ready = todo and not state.needle.moving
        state, new = session.advance(study, state, todo.pop(0) if ready else IDLE)
        told += new
        rest = 0 if todo else rest + 1
    return told, state


def of(told: Iterable[Event], kind: str) -> list[Event]:
    return [e for e in told if e.kind == kind]


TISSUES = {
    "FACET_JOINT": "facet_joint", "DISC_NUCLEUS": "disc", "PLEURA": "pleura", "LUNG": "lung", "ABDOMEN": "bowel",
    "BOWEL_GAS": "bowel", "KIDNEY": "kidney", "LIVER": "liver", "SPLEEN": "spleen",
}  # fmt: skip


@pytest.mark.parametrize("label", TISSUES)
def test_each_organ_is_touched_once_with_depth_and_duration(label):
    told, state = walk(made(("tissue", label)), [(36_000, 8_000), (-20_000, 10_000)])
    begun, ended = of(told, "touched"), of(told, "released")
    assert [e["structure"] for e in begun] == [TISSUES[label]] == [e["structure"] for e in ended]
    assert begun[0]["depth_um"] == pytest.approx(28_000, abs=700)
    assert ended[0]["deepest_um"] == pytest.approx(36_000 - begun[0]["depth_um"], abs=1500)  # tenting and friction
    assert ended[0]["ticks"] == ended[0].tick - begun[0].tick > 0
    assert begun[0]["speed_um_s"] > 0 and ended[0]["fastest_um_s"] >= begun[0]["speed_um_s"]
    assert state.touch == TouchState()


TUBES = {
    "SAC": "dura", "ROOT": "root", "GANGLION": "ganglion", "RAMUS": "ramus", "CORD": "cord", "ROOTLET": "cauda_equina",
    "ARTERY": "artery", "RADICULAR_ARTERY": "artery", "VEIN": "vein", "SYMPATHETIC": "sympathetic_trunk",
    "MEDIAL_BRANCH": "medial_branch", "DORSAL_RAMUS": "dorsal_ramus",
}  # fmt: skip


@pytest.mark.parametrize("kind", TUBES)
def test_each_tube_is_touched_once_at_the_speed_of_the_tip_and_left_with_its_depth(kind):
    told, _ = walk(made(("tube", kind, "it")), [(32_000, 4_000), (-20_000, 10_000)])
    begun, ended = of(told, "touched"), of(told, "released")
    assert [e["structure"] for e in begun] == [TUBES[kind]] == [e["structure"] for e in ended]
    left = of(told, "structure_left")
    assert ended[0]["deepest_um"] == left[0]["deepest_um"] > 2_000 and abs(ended[0]["ticks"] - left[0]["ticks"]) <= 1
    if kind not in ("SAC", "ARTERY", "RADICULAR_ARTERY", "VEIN"):  # a wall that tents gives way with a jump
        assert begun[0]["speed_um_s"] == pytest.approx(4_000, rel=0.15)
    felt = kind in ("ROOT", "GANGLION", "RAMUS", "CORD", "ROOTLET")
    assert begun[0]["dermatome"] == ("L4" if felt else "")
    assert begun[0]["side"] == ("" if kind in ("CORD", "ROOTLET") else "right")


def test_bone_is_periosteum_with_the_highest_force_until_the_tip_leaves_it():
    told, _ = walk(made(("bone",)), [(40_000, 5_000), (-10_000, 5_000)])
    begun, ended = of(told, "touched"), of(told, "released")
    assert [e["structure"] for e in begun] == ["periosteum"] == [e["structure"] for e in ended]
    assert begun[0]["name"] == "L4" and ended[0]["force_mn"] == max(e["force_mn"] for e in of(told, "bone_contact"))
    assert ended[0].tick < of(told, "needle_removed")[0].tick


@pytest.mark.parametrize("end", ["needle.remove", "finish"])
def test_a_contact_ends_with_the_needle_or_with_the_attempt(end):
    told, _ = walk(made(("tube", "ROOT", "it")), [(30_000, 4_000)], end)
    ended = of(told, "released")
    assert len(ended) == 1 and ended[0]["deepest_um"] > 2_000
    kidney, _ = walk(made(("tissue", "KIDNEY")), [(36_000, 4_000)], end)
    assert [e["structure"] for e in of(kidney, "released")] == ["kidney"]


def test_plain_tissue_raises_nothing_and_a_needle_at_rest_changes_nothing():
    study = study_of(slab_phantom(), toolbox=toolbox(), seed=seed_of())
    told, state = walk(study, [(36_000, 8_000)])
    assert not of(told, "touched") and not of(told, "released")
    calm = replace(State(), needle=NeedleState())
    assert touch.advance(study, calm, IDLE, ())[0] is calm.touch
    assert state.touch.quantised(1) == b""


# --- replies --------------------------------------------------------------------------------------


REPLIES = {
    ("tissue", "FACET_JOINT"): "pain in the back",
    ("tissue", "DISC_NUCLEUS"): "pain in the back",
    ("tissue", "PLEURA"): "cough",
    ("tissue", "LUNG"): "pain in the chest",
    ("tissue", "KIDNEY"): "pain in the flank",
    ("tube", "CORD", "it"): "electric pain",
    ("tube", "ROOT", "it"): "paraesthesia",
    ("bone",): "dull ache",
}


@pytest.mark.parametrize("key", REPLIES)
def test_the_patient_answers_a_contact_in_the_way_of_the_structure(key):
    said = [e["what"] for e in of(walk(made(key), [(32_000, 2_000)])[0], "patient_said")]
    assert REPLIES[key] in said


def test_paraesthesia_names_dermatome_area_and_side_of_the_nerve():
    for level, side, words in (("L4", "right", "inner ankle"), ("S1", "left", "little toe"), ("L2", "left", "the thigh")):
        told, _ = walk(made(("tube", "ROOT", f"root_{level}_{side}", level, side)), [(30_000, 2_000)])
        said = next(e for e in of(told, "patient_said") if e["what"] == "paraesthesia")
        assert (said["dermatome"], said["side"]) == (level, side) and words in said["area"]


def test_the_cord_makes_the_patient_move_and_pain_uses_up_patience():
    study = made(("tube", "CORD", "cord"))
    told, state = walk(study, [(30_000, 2_000), (-12_000, 10_000), *[(12_000, 10_000), (-12_000, 10_000)] * 6])
    assert of(told, "patient_moved")
    assert len(of(told, "cooperation_withdrawn")) == 1 and state.patient.patience_permille == 0
    assert [e["what"] for e in of(told, "patient_said")].count("please stop") == 1
    got = measure(NO_WORDS, [], told)
    assert got["cord_contacts"].value == len(of(told, "touched")) == 7
    assert got["cooperation_kept"].value is False and got["patient_movements"].value > 0
    assert got["nerve_dwell_ms"].value == sum(10 * e["ticks"] for e in of(told, "released"))


def test_a_lung_that_is_hit_collapses_in_time_and_saturation_falls():
    study = made(("tissue", "LUNG"))
    told, state = walk(study, [(32_000, 4_000)])
    before = state.patient.spo2_percent
    for _ in range(16_000):
        state, new = session.advance(study, state, IDLE)
        told += new
    assert [e["what"] for e in of(told, "adverse")] == ["pneumothorax"]
    assert state.patient.spo2_percent == before - 6


def test_a_patient_who_faints_does_so_once_as_an_event_with_vitals_that_recover():
    study = injection_study(seed_of(fears=True))  # a patient with skin
    told, state = walk(study, [(20_000, 4_000)], "needle.remove")
    for _ in range(30_000):
        state, new = session.advance(study, state, IDLE)
        told += new
    assert [e["what"] for e in of(told, "adverse")] == ["vasovagal"]
    rates = [e["heart_rate_bpm"] for e in of(told, "vitals")]
    assert min(rates) < 55 < rates[-1]
    assert measure(NO_WORDS, [], told)["vasovagal"].value == 1


@pytest.mark.parametrize(("approach", "share"), [("medial_branch", 0.051), ("subpedicular", 0.035)])
def test_patients_faint_as_often_as_published_for_the_procedure(approach, share):
    n = 500
    study = injection_study()
    study = replace(study, plan=replace(study.plan, approach=approach))
    hits = sum(patient.begin(replace(study, seed=seed)).fear for seed in range(n))
    assert abs(hits / n - share) < 1.96 * (share * (1.0 - share) / n) ** 0.5 + 1.0 / n


def test_dermatomes_are_in_order_and_every_root_has_words():
    box = load_toolbox()
    names = [name for name, _ in box.dermatomes]
    assert names[0] == "C2" and names[-1] == "S5" and len(names) == len(set(names)) == 29
    assert higher(box, "L3", 3) == "T12" and higher(box, "C2", 5) == "C2" and higher(box, "", 1) == ""
    assert at_or_above(box, "T4", "T4") and at_or_above(box, "T2", "T4") and not at_or_above(box, "T5", "T4")
    for one in simple_phantom().tubes:
        assert not one.level or area(box, one.level)


def test_metrics_of_contacts_take_speed_and_depth():
    told, _ = walk(made(("tube", "GANGLION", "it")), [(30_000, 6_000), (-15_000, 10_000)])
    got = measure(NO_WORDS, [], told)
    begun, ended = of(told, "touched")[0], of(told, "released")[0]
    assert got["nerve_fastest_um_s"].value == begun["speed_um_s"]
    assert got["nerve_deepest_um"].value == ended["deepest_um"] and got["cord_contacts"].value == 0
    assert list(in_order([], told))
    assert measure(NO_WORDS, [], walk(made(("tissue", "PLEURA")), [(34_000, 2_000)])[0])["pleura_contacts"].value == 1
    assert measure(NO_WORDS, [], walk(made(("tissue", "KIDNEY")), [(34_000, 2_000)])[0])["organ_contacts"].value == 1


def test_every_word_of_the_window_for_what_was_touched_and_felt_has_a_sentence():
    from sim.window.words import sentences

    told, _ = walk(made(("tissue", "PLEURA")), [(32_000, 2_000)])
    texts = [line.text for fact in told for line in sentences(fact, practice=True)]
    assert any("coughs" in text for text in texts) and "The tip is now in pleura." in texts
    root, _ = walk(made(("tube", "ROOT", "root_L5_left", "L5", "left")), [(30_000, 2_000)])
    assert any("big toe, on the left" in line.text for fact in root for line in sentences(fact, practice=False))

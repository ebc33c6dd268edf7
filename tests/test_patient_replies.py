"""The patient's replies: what a needle and an injectate feel like, when, and how often it is told."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from sim import patient
from sim.command import IDLE, Command
from sim.event import Event
from sim.state import NeedleState, State, Study
from tests.make_injection import CONTRAST, LIDOCAINE, TRIAMCINOLONE, needle_at, study

TIP: dict[str, Any] = {
    "x_um": 0, "y_um": 0, "z_um": 0, "off_right_um": 0, "off_dorsal_um": 0, "off_cranial_um": 0, "distance_um": 0,
    "tissue": "MUSCLE", "depth_um": 30_000, "level": "L4", "side": "right", "in_canal_um": 0,
}  # fmt: skip
IN_ROOT = (-11.5, -2.5, 9.0)
BESIDE = (-17.0, 1.0, 6.0)
ARTERY = (-20.0, -6.0, 5.0)


def calm_seed(fears: bool = False) -> int:
    return next(seed for seed in range(400) if patient.begin(study(seed)).fear == fears)


class Bed:
    """A patient driven through the patient engine alone."""

    def __init__(self, seed: int | None = None) -> None:
        self.study: Study = study(calm_seed() if seed is None else seed)
        self.state = State(patient=patient.begin(self.study))
        self.events: list[Event] = []

    def needle(self, point: tuple[float, float, float] | None) -> Bed:
        where = needle_at(self.study, point) if point is not None else NeedleState()
        self.state = replace(self.state, needle=where)
        return self

    def feel(self, *facts: Event, command: Command = IDLE) -> Bed:
        self.state = replace(self.state, tick=self.state.tick + 1)
        part, new = patient.advance(self.study, self.state, command, facts)
        self.state = replace(self.state, patient=part)
        self.events += new
        return self

    def wait(self, seconds: float) -> Bed:
        for _ in range(round(seconds * 100)):
            self.feel()
        return self

    def said(self) -> list[tuple[str, str, int]]:
        return [(e["what"], e["dermatome"], e["grade"]) for e in self.events if e.kind == "patient_said"]

    def asked(self) -> tuple[str, str, int]:
        return self.feel(command=Command("ask.pain")).said()[-1]


def skin(tick: int = 1) -> Event:
    return Event(tick, "tissue_entered", TIP | {"tissue": "SKIN", "from_tissue": "AIR"})


def bone(force: int) -> Event:
    return Event(1, "bone_contact", TIP | {"bone": "L4", "force_mn": force})


def nerve(speed: int, kind: str = "root", name: str = "root_L4_right") -> Event:
    return Event(1, "structure_entered", TIP | {"name": name, "kind": kind, "level": "L5", "side": "right", "speed_um_s": speed})


def started(agent: int, tissue: str, rate: int = 300) -> Event:
    a = study().toolbox.agents[agent]
    named = {"agent": a.name, "kind": a.kind, "particulate": a.particulate, "rate_ul_s": rate}
    return Event(1, "injection_started", TIP | named | {"tissue": tissue})


def stopped(agent: int, pattern: str, **volumes: int) -> Event:
    a = study().toolbox.agents[agent]
    parts = ("epidural", "foraminal", "vascular", "intrathecal", "disc", "muscle", "other")
    data = {f"{part}_ul": volumes.get(part, 0) for part in parts}
    told = {"agent": a.name, "kind": a.kind, "particulate": a.particulate, "volume_ul": sum(volumes.values())}
    return Event(1, "injection_stopped", TIP | data | told | {"pattern": pattern, "live_ul": 0, "levels": []})


def test_a_patient_at_rest_says_nothing_and_only_breathes():
    bed = Bed().wait(30)
    assert bed.events == [] and bed.asked() == ("nothing", "", 0)
    phases = set()
    for _ in range(400):
        phases.add(bed.feel().state.patient.breath_phase_permille)
    assert len(phases) == patient.BREATH_STEPS and min(phases) == 0 and max(phases) < 1000


def test_skin_is_sharp_unless_it_is_numb():
    assert Bed().feel(skin()).said() == [("sharp at the skin", "", 4)]
    bed = Bed().feel(stopped(LIDOCAINE, "subcutaneous", other=1000)).feel(skin())
    assert len(bed.said()) == 1  # too early
    bed = Bed().feel(stopped(LIDOCAINE, "subcutaneous", other=1000)).wait(40).feel(skin())
    assert bed.said() == []
    bed.state = replace(bed.state, needle=replace(bed.state.needle, entry_mm=bed.state.needle.entry_mm + 30.0))
    assert len(bed.feel(skin()).said()) == 1  # too far


def test_bone_aches_more_when_touched_hard():
    assert Bed().feel(bone(500)).said() == [("dull ache", "L4", 2)]
    assert Bed().feel(bone(3000)).said() == [("dull ache", "L4", 4)]


@pytest.mark.parametrize("kind", ["root", "ROOT", "ganglion", "ramus"])
def test_a_nerve_is_felt_in_its_own_dermatome_and_more_when_met_fast(kind):
    assert Bed().feel(nerve(500, kind)).said() == [("paraesthesia", "L4", 4)]
    assert Bed().feel(nerve(8000, kind)).said() == [("paraesthesia", "L4", 7)]


def test_other_structures_are_not_felt():
    assert Bed().feel(nerve(8000, "artery", "radicular_L4_right"), nerve(8000, "sac", "sac")).said() == []


def test_a_tip_deep_in_a_nerve_hurts_on_and_asking_tells_it():
    bed = Bed().needle(IN_ROOT).feel(nerve(500)).wait(20)
    assert ("electric pain", "L4", 9) in bed.said() or bed.state.patient.pain >= 4
    assert bed.asked()[:2] == ("paraesthesia", "L4")
    assert bed.needle(None).wait(30).asked() == ("nothing", "", 0)


def test_injecting_beside_a_nerve_presses_and_inside_it_is_electric():
    assert Bed().needle(BESIDE).feel(started(CONTRAST, "FORAMEN_FAT")).said() == [("pressure", "L4", 2)]
    assert Bed().needle(BESIDE).feel(started(CONTRAST, "EPIDURAL_FAT", 1500)).said() == [("pressure", "L4", 5)]
    assert Bed().needle(IN_ROOT).feel(started(CONTRAST, "NERVE")).said() == [("electric pain", "L4", 9)]
    assert Bed().feel(started(CONTRAST, "DISC_NUCLEUS")).said()[0][0] == "pain in the back"
    assert Bed().feel(started(CONTRAST, "MUSCLE")).said() == []


def test_the_same_is_not_said_again_at_once():
    bed = Bed()
    for _ in range(50):
        bed.feel(bone(500))
    assert len(bed.said()) == 1
    assert len(bed.wait(2).feel(bone(500)).said()) == 2
    assert len(bed.feel(bone(5000)).said()) == 3  # worse is told at once


def test_local_anaesthetic_in_the_sac_makes_legs_heavy_and_pressure_fall():
    bed = Bed().feel(stopped(LIDOCAINE, "intrathecal", intrathecal=2000))
    before = bed.state.patient.systolic_mmhg
    assert bed.wait(50).said() == []
    assert bed.wait(60).said() == [("legs heavy", "", 0)] and bed.asked()[0] == "legs heavy"
    assert bed.state.patient.systolic_mmhg <= before - 30
    times = [e.tick for e in bed.events if e.kind == "vitals"]
    assert times and all(b - a >= 1000 for a, b in pairwise(times))
    assert Bed().feel(stopped(CONTRAST, "intrathecal", intrathecal=2000)).wait(100).events == []


def test_local_anaesthetic_in_a_vessel_is_tasted_by_dose():
    lidocaine_2 = 2
    assert Bed().feel(stopped(lidocaine_2, "vascular", vascular=200)).wait(60).said() == []
    assert Bed().feel(stopped(lidocaine_2, "vascular", vascular=1000)).wait(60).said() == [("metallic taste", "", 0)]
    bed = Bed().feel(stopped(lidocaine_2, "vascular", vascular=4000)).wait(60)
    assert {what for what, _, _ in bed.said()} == {"metallic taste", "seizure"}
    assert bed.state.patient.spo2_percent < 95


def test_particles_in_a_radicular_artery_take_the_legs():
    bed = Bed().needle(ARTERY).feel(stopped(TRIAMCINOLONE, "vascular", vascular=500)).wait(130)
    assert bed.said() == [("legs will not move", "", 0)]
    assert Bed().needle(BESIDE).feel(stopped(TRIAMCINOLONE, "epidural", epidural=500)).wait(130).said() == []


def test_few_patients_faint_and_those_recover():
    n = 1500
    fearful = sum(patient.begin(replace(study(), seed=seed)).fear for seed in range(n))
    assert abs(fearful / n - 0.035) < 3.0 * (0.035 * 0.965 / n) ** 0.5
    bed = Bed(calm_seed(fears=True)).feel(skin()).wait(80)
    assert ("faint", "", 0) in bed.said() and bed.state.patient.heart_rate_bpm < 55
    assert bed.wait(180).state.patient.heart_rate_bpm > 58


def test_replies_repeat_and_the_state_is_whole_numbers():
    def run() -> tuple[list[Event], str]:
        bed = Bed(3).feel(skin()).wait(5).feel(bone(900)).needle(IN_ROOT).feel(nerve(4000)).wait(10)
        return bed.events, bed.state.digest()

    assert run() == run()
    me = Bed(3).feel(skin()).wait(5).state.patient
    for name in me.__dataclass_fields__:
        assert not isinstance(getattr(me, name), float), name


def test_everything_said_is_a_known_word():
    bed = Bed(calm_seed(fears=True)).needle(IN_ROOT)
    bed.feel(skin(), bone(3000), nerve(9000), started(CONTRAST, "DISC_NUCLEUS"))
    bed.feel(stopped(2, "vascular", vascular=4000)).wait(60)
    assert {what for what, _, _ in bed.said()} <= set(patient.WORDS)


def test_nothing_changes_between_breaths():
    bed = Bed().wait(1)
    same = 0
    for _ in range(100):
        before = bed.state.patient
        same += bed.feel().state.patient is before
    assert same >= 80

"""Vertebroplasty: metrics of the way and of cement, ways into a patient's own body, the body as cement meets it, cases."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from pydantic import ValidationError

from scenarios.operators import FAULTS
from scenarios.plan import make_plan
from scenarios.registry import all_scenarios, find_scenario
from scenarios.schema import FILLING, ScenarioFile, TargetTable
from scenarios.toml_file import load
from scenarios.toolbox import load_toolbox
from scenarios.vertebral import WALLS, vertebra, way_into, with_defects, with_ways
from scoring.metrics import Settings, measure
from scoring.rubric import assessment_blockers, read_rubric, set_aside
from sim.cement_body import CHANNEL, DEFECT, KINDS, make_body
from sim.event import Event, event
from sim.fields import bone_distance, tissue_at
from sim.frames import dot
from sim.phantom import Tissue, TubeKind
from sim.tip import body_facts
from tests.attempts import study_of
from tests.make_events import tip

FOLDER = Path(__file__).parents[1] / "scenarios" / "vp"
RUBRIC = read_rubric(FOLDER / "rubric.toml")
CASES = [s.id for s in all_scenarios()[0] if s.file.procedure == "vertebroplasty"]
SETTINGS = Settings(
    therapeutic=frozenset(("cement",)),
    drugs=frozenset(("steroid",)),
    canal_tissues=frozenset(("epidural_fat", "csf")),
    counting_landmarks=frozenset(("sacrum",)),
)
NO_PLACES = {f"{place}_ul": 0 for place in ("disc", "canal", "foramen", "paravertebral", "vein", "cava")}


class Facts:
    """Events of an attempt at L2 from the left, and the right where it is bipedicular."""

    def __init__(self, both: bool = False) -> None:
        self.tick = 0
        self.events = [event(0, "began", scenario="test", level="L2", side="left", approach="transpedicular")]
        if both:
            self.events.append(event(0, "planned", level="L2", side="right"))

    def tell(self, kind: str, **data) -> Facts:
        self.tick += 10
        self.events.append(Event(self.tick, kind, data))
        return self

    def at(self, past_mm: float, behind_mm: float, tissue: str = "BONE_CANCELLOUS", **more) -> dict:
        body = {"body": "L2", "past_medial_um": round(past_mm * 1000), "to_wall_um": round(behind_mm * 1000)}
        return {**tip("L2", "left"), "tissue": tissue, **body, "body_depth_permille": 750, "goal": 0, **more}

    def blow(self, past_mm: float, behind_mm: float, tissue: str = "BONE_CANCELLOUS") -> Facts:
        return self.tell("bone_driven", advanced_um=1000, in_bone_um=1, remaining_um=1, **self.at(past_mm, behind_mm, tissue))

    def enters(self, tissue: str, came_from: str, behind_mm: float, depth_mm: float) -> Facts:
        return self.tell(
            "tissue_entered", from_tissue=came_from, **self.at(-5.0, behind_mm, tissue, depth_um=round(depth_mm * 1000))
        )

    def start(self, bone: str = "L2", goal: int = 0, mpa_s: int = 600_000, depth: int = 750) -> Facts:
        told = {"product": "x", "viscosity": "high", "age_ms": 1, "mpa_s": mpa_s, "rate_ul_s": 25, "bone": bone}
        return self.tell("cement_started", **told, **self.at(0.0, -15.0, goal=goal, body_depth_permille=depth))

    def stop(self, bone: str = "L2", ul: int = 250, live: int = 250, **places: int) -> Facts:
        told = {"product": "x", "bone": bone, "reason": "done", "volume_ul": ul, "live_ul": live, "bone_ul": ul, "cannula_ul": 0}
        return self.tell(
            "cement_stopped",
            **told,
            fill_permille=20,
            posterior_wall_um=9000,
            pressure_kpa=1,
            age_ms=1,
            **{**NO_PLACES, **places},
        )

    def mix(self) -> Facts:
        return self.tell("cement_mixed", product="x", viscosity="high")

    def leak(self, where: str, by: str = "basivertebral", ul: int = 20) -> Facts:
        return self.tell("cement_leaked", bone="L2", where=where, by=by, volume_ul=ul, live=True)

    def value(self, name: str):
        return measure(SETTINGS, [], self.events, [name])[name].value


# --- the way --------------------------------------------------------------------------------------


def test_medial_of_the_border_counts_behind_the_posterior_wall_only_and_once():
    good = Facts().blow(-2.0, 12.0).blow(-0.1, 0.5).blow(0.4, -0.2).blow(3.0, -10.0)
    assert good.value("medial_breaches") == 0
    assert Facts().blow(-2.0, 12.0).blow(0.1, 6.0).blow(1.0, 4.0).value("medial_breaches") == 1
    assert Facts().blow(0.1, 6.0).blow(-0.1, 6.0).blow(0.1, 5.0).value("medial_breaches") == 2


def test_a_tip_in_muscle_over_the_lamina_is_no_breach():
    assert Facts().blow(6.0, 30.0, "MUSCLE").value("medial_breaches") == 0
    assert Facts().blow(6.0, 8.0, "EPIDURAL_FAT").value("canal_breaches") == 1
    assert Facts().blow(-6.0, 8.0, "EPIDURAL_FAT").value("canal_breaches") == 0, "fat beside the pedicle is no canal"


def test_a_wall_is_breached_forwards_never_by_withdrawing():
    through = Facts().enters("BONE_CANCELLOUS", "BONE_CORTEX", -10.0, 70.0).enters("RETROPERITONEUM", "BONE_CORTEX", -27.0, 87.0)
    assert through.value("wall_breaches") == 1
    back = Facts().enters("BONE_CANCELLOUS", "BONE_CORTEX", -1.0, 60.0).blow(0.0, -14.0)
    back.events[-1] = Event(back.tick, "bone_driven", {**back.events[-1].data, "depth_um": 75_000})
    assert back.enters("PSOAS", "BONE_CORTEX", -1.0, 58.0).value("wall_breaches") == 0
    assert Facts().enters("FORAMEN_FAT", "BONE_CORTEX", 4.0, 60.0).value("wall_breaches") == 0, "behind the wall is another error"


# --- cement ---------------------------------------------------------------------------------------


def test_cement_elsewhere_is_the_wrong_vertebra_and_fills_no_goal():
    assert Facts().start("L1").stop("L1").value("treated_wrong_level") == 1
    assert Facts().start("L2").stop("L2").value("treated_wrong_level") == 0
    assert Facts().start("L1").value("bodies_unfilled") == 1
    assert Facts(both=True).start(goal=0).value("bodies_unfilled") == 1
    assert Facts(both=True).start(goal=0).stop().start(goal=1).value("bodies_unfilled") == 0


def test_cement_counts_only_from_a_tip_in_bone_of_the_planned_body_in_front_of_its_posterior_wall():
    def start(past: float, behind: float, tissue: str, **more) -> Facts:
        told = {"product": "x", "viscosity": "high", "age_ms": 1, "mpa_s": 600_000, "rate_ul_s": 25, "bone": "L2"}
        facts = Facts()
        return facts.tell("cement_started", **told, **facts.at(past, behind, tissue, **more))

    assert Facts().value("cement_outside_body") == 0
    assert start(0.0, -15.0, "BONE_CANCELLOUS").value("cement_outside_body") == 0
    assert start(-9.0, 17.0, "BONE_CORTEX").value("cement_outside_body") == 1, "a needle that slid off and ended behind the body"
    assert start(-9.0, -5.0, "PSOAS").value("cement_outside_body") == 1, "beside the body"
    assert start(0.0, -15.0, "BONE_CANCELLOUS", body="L3").value("cement_outside_body") == 1, "the next vertebra"
    assert start(-9.0, 17.0, "BONE_CORTEX").value("bodies_unfilled") == 0, "which this rule alone would let pass"


def test_other_procedures_have_no_bodies_to_fill():
    other = [event(0, "began", scenario="test", level="L4", side="right", approach="subpedicular")]
    assert measure(SETTINGS, [], other, ["bodies_unfilled"])["bodies_unfilled"].value is None


def test_blind_is_an_injection_of_which_nothing_ran_live():
    assert Facts().mix().start().stop(live=0).value("cement_blind") == 1
    assert Facts().mix().start().stop(live=240).value("cement_blind") == 0
    assert Facts().mix().value("cement_blind") == 0
    assert Facts().value("cement_blind") is None


def test_going_on_after_cement_in_the_canal_counts():
    seen = Facts().mix().start().leak("canal")
    assert seen.stop(canal_ul=26).value("cement_after_canal_leak") == 0, "stopped within a reaction"
    assert seen.start().value("cement_after_canal_leak") == 1, "and started again"
    on = Facts().mix().start().leak("foramen").stop(foramen_ul=41)
    assert on.value("cement_after_canal_leak") == 1, "it doubled after it could be seen"
    assert Facts().mix().start().leak("disc").stop(disc_ul=300).start().value("cement_after_canal_leak") == 0
    assert Facts().mix().start().stop().leak("canal", by="tail").start().value("cement_after_canal_leak") == 0


def test_tip_depth_and_viscosity_are_the_least_of_all_starts():
    facts = Facts().start(depth=800, mpa_s=900_000).start(depth=610, mpa_s=40_000).start(depth=900)
    assert facts.value("tip_depth_permille") == 610
    assert facts.value("cement_thinnest_mpa_s") == 40_000


def test_a_thread_behind_the_needle_counts():
    assert Facts().mix().leak("paravertebral", by="tail").value("cement_tails") == 1
    assert Facts().mix().leak("paravertebral", by="segmental").value("cement_tails") == 0


# --- rubric and cases -----------------------------------------------------------------------------


def test_no_unread_number_gates_an_assessment():
    assert assessment_blockers(RUBRIC) == []
    unread = {"needle-gauge", "tip-in-zone", "cement-dough", "cement-live", "complication-answered"}
    assert unread == set(set_aside(RUBRIC))
    assert {item.id for item in RUBRIC.critical} == set(FAULTS["vertebroplasty"].values()) - {"", "went-on"}


def test_the_cases_span_levels_ways_sides_and_causes():
    files = [find_scenario(name).file for name in CASES]
    assert len(files) >= 12
    assert {f.target.level for f in files} >= {"T11", "T12", "L1", "L2", "L3", "L4"}
    assert {f.target.approach for f in files} == set(FILLING)
    assert {f.target.side for f in files} == {"left", "right"}
    assert {"osteoporotic", "metastatic", "unipedicular", "bipedicular"} <= {tag for f in files for tag in f.tags}
    assert any(d.wall == "posterior" for f in files for d in f.cortical_defect)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"target": {"level": "S1", "side": "left", "approach": "transpedicular"}}, "S1 has no body"),
        ({"target": {"level": "T12", "side": "left", "approach": "subpedicular"}}, "cement"),
        ({"demonstration": {"needle": "x", "contrast": "a", "drug": "b"}}, "cement"),
        ({"demonstration": {"needle": "x", "cement": "a", "contrast": "b", "drug": "c"}}, "cement with its volume"),
        ({"cortical_defect": [{"wall": "roof"}]}, "anterior"),
    ],
)
def test_a_wrong_case_is_told(changes, told):
    good = load(FOLDER / "l4-left-crush.toml", ScenarioFile).model_dump()
    with pytest.raises(ValidationError, match=told):
        ScenarioFile.model_validate({**good, **changes})


# --- on a patient ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def phantom():
    """The patient of vp-l3-right-haemangioma, who is also that of mbb-l4l5-right."""
    return study_of("mbb-l4l5-right", 2).phantom


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("level", ["T12", "L2", "L4"])
def test_a_transpedicular_way_keeps_the_rule_of_two_views(phantom, level, side):
    way = way_into(phantom, "transpedicular", level, side)
    goal = TargetTable(level=level, side=side, approach="transpedicular")
    plan = make_plan(with_ways(phantom, "transpedicular", [(level, side)]), goal)
    assert way is not None and way.wall_mm > 1.6, "room for an 11G needle (radius 1.5 mm)"
    for s in np.arange(0.0, 60.0, 0.5):
        p = way.target_mm + s * way.normal
        facts = body_facts(plan, *p)
        d, _ = bone_distance(phantom.fields, *p)
        if d < 0.0 and facts["to_wall_um"] > 0:
            assert facts["past_medial_um"] < 0
        assert tissue_at(phantom.fields, *p) not in (Tissue.EPIDURAL_FAT, Tissue.CSF)
    end = body_facts(plan, *way.target_mm)
    assert (end["body"], end["goal"]) == (level, 0)
    assert 667 <= end["body_depth_permille"] <= 850


@pytest.mark.parametrize("level", ["T12", "L3"])
def test_a_parapedicular_way_is_free_of_bone_until_it_enters_the_body(phantom, level):
    way = way_into(phantom, "parapedicular", level, "left")
    v = vertebra(phantom, level)
    assert way is not None
    behind = [way.target_mm + s * way.normal for s in np.arange(0.0, 100.0, 0.5)]
    behind = [p for p in behind if dot(p - v.centre_mm, v.axes[1]) > v.behind_mm + 6.0]
    assert min(bone_distance(phantom.fields, *p)[0] for p in behind) > 1.5


def test_a_body_without_pedicle_marks_has_no_way(phantom):
    assert way_into(phantom, "transpedicular", "T4", "left") is None


def test_cement_meets_the_whole_body_and_leaves_by_the_patients_own_vein(phantom):
    level = "L3"
    way = way_into(phantom, "transpedicular", level, "right")
    where = SimpleNamespace(phantom=phantom, toolbox=load_toolbox(), seed=2)
    body, v = make_body(where, level, way.target_mm, -way.normal), vertebra(phantom, level)
    assert body.behind_mm == pytest.approx(v.behind_mm, abs=1.5), "the basivertebral vein does not end the body"
    assert body.ahead_mm == pytest.approx(v.ahead_mm, abs=1.5)
    assert 15_000 < body.volume_ul < 60_000
    vein = next(t for t in phantom.tubes if t.kind is TubeKind.BASIVERTEBRAL and t.level == level)
    channel = np.argwhere((body.channel == 1) & (body.place == CHANNEL))
    mouth = max((body.origin_mm + body.spacing_mm * c for c in channel), key=lambda p: dot(p - v.centre_mm, v.axes[1]))
    ends = vein.nodes[[0, -1], :3]
    assert min(float(np.linalg.norm(end - mouth)) for end in ends) < 5.0
    assert abs(dot(mouth - v.centre_mm, v.axes[1]) - v.behind_mm) < 3.0


def test_defects_lie_on_the_patients_own_wall_and_become_ways_out(phantom):
    level = "L3"
    holed = with_defects(phantom, level, [(wall, 0.0, 0.0) for wall in WALLS])
    way = way_into(phantom, "transpedicular", level, "right")
    for n in range(len(WALLS)):
        p = holed.landmark(f"{level}.cortical_defect.{n}")
        assert abs(bone_distance(phantom.fields, *p)[0]) < 1.0
    body = make_body(SimpleNamespace(phantom=holed, toolbox=load_toolbox(), seed=2), level, way.target_mm, -way.normal)
    defects = [i for i, kind in enumerate(body.kind) if kind == DEFECT]
    assert len(defects) == len(WALLS) and KINDS[DEFECT] == "defect"
    assert all(((body.channel == i) & (body.place == CHANNEL)).any() for i in defects)

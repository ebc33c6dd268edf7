"""Decisions beside the needle: what the chart asks, what was decided, and what the rubrics make of it; the key pictures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import main
from commands.joints import check_assessable
from scenarios.chart import blockers, chart_lines, demands, taught
from scenarios.key_pictures import HALF_MM, PIXEL_MM, key_pictures, signals
from scenarios.operators import faults_of
from scenarios.registry import all_scenarios, find_scenario
from scoring.metrics import measure
from scoring.rubric import parse_rubric, read_rubric, set_aside
from scoring.score import score
from sim.clinic import CHECKS, COMPLICATIONS, MUSTS, REASONS, RESPONSES, RISKS, Demand
from sim.command import Command
from sim.errors import DataError, UsageError
from sim.event import event
from sim.phantom import Tissue
from sim.session import advance, begin
from tests.make_events import CONTRAST, Attempt
from tests.make_phantom import simple_study

SCENARIOS = Path(__file__).parents[1] / "scenarios"
POSTPONE, TFESI, MBB = (read_rubric(SCENARIOS / p) for p in ("tfesi/postpone.toml", "tfesi/rubric.toml", "mbb/rubric.toml"))
SAYS = "The INR is 2.6."
BLEEDS = Demand("warfarin", "postpone", "anticoagulant", SAYS)
NO_CONTRAST = Demand("allergy", "avoid", "contrast", "Shock after iohexol.")
USUAL = (
    Demand("", "risk", "bleeding"),
    Demand("", "risk", "infection"),
    Demand("", "discharge", "legs"),
    Demand("", "note", "note"),
)


class Case(Attempt):
    """An attempt on a patient whose chart asks for something."""

    def charted(self, *asked: Demand) -> Case:
        self.events += [event(0, "charted", finding=d.finding, must=d.must, what=d.what, says=d.says) for d in asked]
        return self

    def postpone(self, reason: str) -> Case:
        self.do("case.postpone", REASONS.index(reason)).tell("case_postponed", reason=reason)
        return self

    def note(self, complication: str = "none") -> Case:
        self.do("note.write", COMPLICATIONS.index(complication)).tell("note_written", complication=complication)
        return self

    def risk(self, word: str) -> Case:
        self.do("consent.risk", RISKS.index(word)).tell("risk_named", risk=word)
        return self

    def check(self, word: str) -> Case:
        self.do("discharge.check", CHECKS.index(word)).tell("discharge_checked", check=word)
        return self

    def out(self) -> Case:
        self.do("needle.remove").tell("needle_removed", passes=1)
        return self

    def finish(self) -> Case:
        self.do("finish").tell("finished")
        return self

    def value(self, name: str, rubric=TFESI):
        return measure(rubric.settings, self.commands, self.events)[name].value

    def judged(self, rubric):
        return score(self.events, self.commands, rubric)


# --- postponing -----------------------------------------------------------------------------------


def test_postponing_for_the_chart_s_reason_passes():
    case = Case().charted(BLEEDS, *USUAL).do("chart.review").tell("chart_reviewed").postpone("anticoagulant").note().finish()
    found = case.judged(POSTPONE)
    assert found.passed and found.critical_errors == []
    assert found.points() == (6, 6)
    assert SAYS in next(f.why for f in found.checklist if f.id == "right-reason")


def test_going_on_is_a_critical_error_even_when_postponed_afterwards():
    case = Case().charted(BLEEDS, *USUAL).prepare().place().out().postpone("anticoagulant").finish()
    found = case.judged(POSTPONE)
    assert not found.passed and found.critical_errors == ["went-on"]
    assert SAYS in next(f.why for f in found.critical if f.done)
    assert case.value("postponed_rightly") is False, "a decision after the needle comes too late"


@pytest.mark.parametrize("reason", [r for r in REASONS if r != "anticoagulant"])
def test_postponing_for_another_reason_fails_without_a_critical_error(reason):
    found = Case().charted(BLEEDS, *USUAL).postpone(reason).finish().judged(POSTPONE)
    assert not found.passed and found.critical_errors == []


def test_of_two_reasons_either_will_do():
    fever = Demand("fever", "postpone", "infection", "38.4 C.")
    for reason in ("anticoagulant", "infection"):
        assert Case().charted(BLEEDS, fever).postpone(reason).finish().judged(POSTPONE).passed


def test_postponing_a_fit_patient_fails():
    case = Case().charted(*USUAL).postpone("infection").note().finish()
    assert case.value("postponed_fit") == 1 and case.value("postponed_rightly") is None
    assert not case.judged(TFESI).passed and not case.judged(MBB).passed


def test_without_a_chart_nothing_is_measured_and_the_steps_do_not_arise():
    case = Case().prepare().place().out().finish()
    names = ("went_on", "postponed_rightly", "postponed_fit", "forbidden_agents", "risks_named", "discharge_done", "note_written")
    assert [case.value(name) for name in names] == [None] * 7
    steps = {f.id: f for f in case.judged(TFESI).checklist}
    assert not any(steps[i].applicable for i in ("risks-named", "complication-answered", "discharge", "note"))


# --- agents, talk, discharge, note -----------------------------------------------------------------


@pytest.mark.parametrize("what", ["contrast", CONTRAST])
def test_an_agent_that_the_chart_rules_out_is_counted_by_kind_and_by_name(what):
    case = Case().charted(replace(NO_CONTRAST, what=what)).prepare().place()
    assert case.value("forbidden_agents") == 0
    case.inject("lidocaine 2 %", "local_anaesthetic")
    assert case.value("forbidden_agents") == 0
    case.inject(CONTRAST, "contrast")
    found = case.judged(MBB)
    assert "forbidden-agent" in found.critical_errors
    assert "Shock after iohexol." in next(f.why for f in found.critical if f.id == "forbidden-agent")


def test_where_contrast_is_ruled_out_its_steps_are_done_without_it():
    plain, allergic = (Case().charted(*asked).prepare().place() for asked in ((), (NO_CONTRAST,)))
    for case, done in ((plain, False), (allergic, True)):
        case.inject("lidocaine 2 %", "local_anaesthetic", pattern="intramuscular")
        assert case.value("contrast_live", MBB) is done and case.value("contrast_clear", MBB) is done


def test_every_risk_has_to_be_named_before_the_needle():
    case = Case().charted(*USUAL).risk("bleeding")
    assert case.value("risks_named") is False
    case.risk("leg_weakness").risk("infection")
    assert case.value("risks_named") is True
    late = Case().charted(*USUAL).risk("bleeding").place().risk("infection")
    assert late.value("risks_named") is False


def test_discharge_and_note_count_only_when_the_needle_is_out():
    case = Case().charted(*USUAL).check("legs").note()
    assert case.value("discharge_done") is False, "before any needle there is nothing to check"
    case.place().check("legs").note()
    assert case.value("discharge_done") is False and case.value("note_written") is False
    case.out().check("legs").note()
    assert case.value("discharge_done") is True and case.value("note_written") is True
    case.place()
    assert case.value("discharge_done") is False and case.value("note_written") is False, "another needle: check again"


# --- complications ----------------------------------------------------------------------------------


def said(case: Case, what: str) -> Case:
    case.tick += 10
    case.tell("patient_said", what=what, dermatome="", side="", area="", grade=0)
    return case


def test_a_complication_has_to_be_named_and_answered_since_it_showed_itself():
    case = said(Case(), "faint")
    assert case.value("complications_answered") is False
    case.do("complication.name", 1).tell("complication_named", complication="vasovagal")
    for response in ("stop_injecting", "head_down", "oxygen"):
        assert case.value("complications_answered") is False
        case.do("response.give", RESPONSES.index(response)).tell("response_given", response=response)
    assert case.value("complications_answered") is True
    assert said(case, "faint").value("complications_answered") is True, "the same again is the same complication"
    assert said(case, "legs heavy").value("complications_answered") is False


def test_a_wrong_name_and_an_answer_before_the_sign_count_for_nothing():
    case = Case()
    for response in ("stop_injecting", "head_down", "oxygen"):
        case.do("response.give", RESPONSES.index(response)).tell("response_given", response=response)
    said(case, "faint").do("complication.name", 3).tell("complication_named", complication="high_spinal")
    assert case.value("complications_answered") is False
    assert Case().value("complications_answered") is None


def test_first_responses_that_nobody_read_are_for_practice():
    assert "complication-answered" in set_aside(TFESI) and "note" not in set_aside(TFESI)
    text = (SCENARIOS / "tfesi" / "rubric.toml").read_text()
    assert "complication-answered" not in set_aside(parse_rubric(text.replace('"recalled" }', '"verified" }').encode(), "r"))
    with pytest.raises(DataError, match="complications"):
        parse_rubric(text.replace('name = "vasovagal"', 'name = "vasovagel"').encode(), "r")


# --- the core and the data ---------------------------------------------------------------------------


def test_the_chart_opens_the_attempt_and_every_decision_becomes_its_event():
    study = replace(simple_study(), chart=(BLEEDS, *USUAL))
    state, opening = begin(study)
    told = [(f["finding"], f["must"], f["what"], f["says"]) for f in opening if f.kind == "charted"]
    assert told == [(d.finding, d.must, d.what, d.says) for d in study.chart]
    for op, words in (("case.postpone", REASONS), ("consent.risk", RISKS), ("complication.name", COMPLICATIONS),
                      ("response.give", RESPONSES), ("discharge.check", CHECKS), ("note.write", COMPLICATIONS)):  # fmt: skip
        before = state.digest(1)
        state, new = advance(study, state, Command(op, (len(words) - 1,)))
        assert [list(f.data.values()) for f in new if f.kind.endswith(("ed", "en"))] == [[words[-1]]]
        assert state.digest(1) != before


def test_a_study_without_a_chart_opens_as_ever():
    assert [fact.kind for fact in begin(simple_study())[1]] == ["began"]


CHARTS = [s.id for s in all_scenarios()[0] if s.file.chart]


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_shows_the_facts_and_keeps_what_follows_for_the_debrief(name):
    file = find_scenario(name).file
    shown = "\n".join(chart_lines(file))
    for row in (*file.chart.medication, *file.chart.lab):
        assert row.name in shown
    for finding in file.chart.finding:
        assert finding.says not in shown and finding.says in "\n".join(taught(file))
    assert {d.must for d in demands(file)} <= set(MUSTS)
    assert bool(file.postpones) == (find_scenario(name).rubric_path.name == "postpone.toml")


@pytest.mark.parametrize("procedure", ["tfesi", "mbb", "vertebroplasty"])
def test_each_procedure_has_two_traps_and_a_distractor(procedure):
    cases = [s for s in all_scenarios()[0] if s.file.procedure == procedure]
    traps = [s for s in cases if s.file.postpones]
    assert len(traps) >= 2 and {"goes-on", "wrong-reason"} <= set(faults_of(traps[0]))
    assert any(s.file.avoids for s in cases) or procedure == "vertebroplasty", "cement has no other agent to choose"
    assert procedure != "vertebroplasty" or all(s.file.chart for s in cases)
    assert any(not blockers(s.file) for s in traps), "one at least that an assessment may hold"
    for trap in traps:
        hints = " ".join((trap.id, trap.file.title, *trap.file.tags)).lower()
        assert not any(
            word in hints for word in ("trap", "warfarin", "contraindic", "postpone", "infect", "pregnan", "allerg", "heal")
        )


def test_a_finding_that_nobody_verified_is_never_assessed():
    held = find_scenario("tfesi-l5s1-left-2")
    assert blockers(held.file)
    with pytest.raises(UsageError, match="untreated-infection"):
        check_assessable(held)
    check_assessable(find_scenario("tfesi-l4l5-right-2"))


# --- key pictures --------------------------------------------------------------------------------------


def test_signals_are_in_the_order_of_a_t2_weighted_picture():
    s = signals()
    assert s[Tissue.CSF] == s.max() > s[Tissue.FORAMEN_FAT] > s[Tissue.NERVE] > s[Tissue.MUSCLE] > s[Tissue.BONE_CORTEX]
    assert s[Tissue.DISC_NUCLEUS] > s[Tissue.DISC_ANNULUS]
    assert s[Tissue.AIR] == s[Tissue.BOWEL_GAS] == 0


def test_every_tissue_has_a_look():
    from scenarios.key_pictures import MriFile
    from scenarios.toml_file import DATA, load

    assert set(load(DATA / "mri.toml", MriFile).looks_like) == {t.name for t in Tissue}


def test_key_pictures_show_the_patient_s_own_labels_the_right_way_round():
    from scenarios.study import make_phantom

    phantom = make_phantom(find_scenario("tfesi-l4l5-right"), 2)
    axial, middle, beside = (picture for _, picture in key_pictures(phantom, "L4", "right"))
    n = 2 * int(HALF_MM / PIXEL_MM)
    assert axial.shape == middle.shape == beside.shape == (n, n) and axial.dtype == np.uint8
    sac = next(t for t in phantom.tubes if t.name == "sac" or t.kind.name == "SAC")
    centre = phantom.landmark("L4.foramen.right.centre").copy()
    centre[0] = phantom.landmark("L4.body.centre")[0]
    node = sac.nodes[np.argmin(np.abs(sac.nodes[:, 2] - centre[2]))]
    row, column = n / 2 + (node[1] - centre[1]) / PIXEL_MM, n / 2 + (node[0] - centre[0]) / PIXEL_MM
    patch = axial[round(row) - 6 : round(row) + 7, round(column) - 6 : round(column) + 7]
    assert np.median(patch) > 200, "the sac is bright where the phantom has it"
    assert axial[:20].mean() > axial[-5:].mean(), "belly above, air behind the back below"
    labels = np.full_like(phantom.volume.labels, Tissue.AIR)
    middle_voxel = round((centre[0] - phantom.volume.origin_mm[0]) / phantom.volume.spacing_mm)
    labels[:middle_voxel] = Tissue.CSF  # +x is the patient's left: this is the right half
    halved = replace(phantom, volume=replace(phantom.volume, labels=labels), tubes=())
    shown = key_pictures(halved, "L4", "right")[0][1]
    assert shown[:, : n // 2 - 5].min() > 200 and shown[:, n // 2 + 5 :].max() == 0, "the patient's right is on the left"


def test_the_chart_command_writes_text_and_pictures(tmp_path):
    shown = CliRunner().invoke(main.app, ["chart", "tfesi-l4l5-right-2", "--out", str(tmp_path), "--seed", "2"])
    assert shown.exit_code == 0 and "INR 2.6" in shown.output and SAYS not in shown.output
    assert len(list(tmp_path.glob("*.png"))) == 3

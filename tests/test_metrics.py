"""Every metric, once as it should be and once as it should not."""

from __future__ import annotations

import pytest

from scoring.metrics import REGISTRY, Settings, begin, in_order, measure
from sim.command import Command
from sim.event import event
from tests.make_events import Attempt, expert, ready, tip

SETTINGS = Settings(
    therapeutic=frozenset(("steroid",)),
    drugs=frozenset(("steroid", "local_anaesthetic")),
    canal_tissues=frozenset(("epidural_fat", "csf")),
    counting_landmarks=frozenset(("sacrum", "S1")),
    ug_per_ul=(("dexamethasone 8 mg/mL", 8),),
)


def value(attempt: Attempt, name: str) -> object:
    return measure(SETTINGS, attempt.commands, attempt.events)[name].value


EXPERT = {
    "chart_reviewed": True,
    "consent_taken": True,
    "skin_prepped": True,
    "timeout_called": True,
    "timeout_correct": True,
    "placed_without_timeout": 0,
    "level_counted": True,
    "placement_oblique_mdeg": 24_000,
    "placement_square_mdeg": 1500,
    "treated_without_views": 0,
    "views_at_position": True,
    "exposures": 8,
    "pulses": 31,
    "fluoro_ms": 3910,
    "dap_pgy_m2": 44_000_000,
    "air_kerma_ngy": 720_000,
    "collimated_permille": 125,
    "treatments": 1,
    "target_reached_ul": 1000,
    "treated_wrong_level": 0,
    "treated_wrong_side": 0,
    "treated_without_contrast": 0,
    "contrast_live": True,
    "contrast_clear": True,
    "repositioned_after_vascular": None,
    "drug_after_vascular_contrast": 0,
    "drug_in_vessel": 0,
    "drug_intrathecal": 0,
    "drug_in_disc": 0,
    "particulate_steroid": 0,
    "aspirated_first": True,
    "contrast_ul": 1000,
    "drug_ul": 1000,
    "treatment_ug": 8000,
    "branches_missed": None,
    "branches_unplanned": 0,
    "block_ul": 1000,
    "unspecific_blocks": 1,  # it is no block of a medial branch
    "tip_error_um": 1400,
    "tip_right_um": 700,
    "tip_dorsal_um": 900,
    "tip_cranial_um": -400,
    "canal_entries": 0,
    "sac_entries": 0,
    "nerve_entries": 0,
    "vessel_entries": 0,
    "disc_entries": 0,
    "bone_contacts": 0,
    "placements": 1,
    "advances": 3,
    "passes": 1,
    "needle_gauge": 22,
    "needle_out": True,
    "finished": True,
}


def test_expert_values() -> None:
    got = measure(SETTINGS, expert().commands, expert().events)
    assert {name: got[name].value for name in EXPERT} == EXPERT
    unused = ("scoring.metrics.lesion", "scoring.metrics.cement", "scoring.metrics.drill")  # nothing of it here: no value
    unmet = {name for name, row in REGISTRY.items() if row.step.__module__ in unused}
    assert all(got[name].value is None for name in unmet)
    assert set(REGISTRY) - set(EXPERT) - unmet == {"total_ms", "needle_ms"}
    end = expert().events[-1].tick
    placed = next(fact.tick for fact in expert().events if fact.kind == "needle_placed")
    assert got["total_ms"].value == end * 10
    assert got["needle_ms"].value == (end - 40 - placed) * 10


def test_every_metric_has_unit_and_definition() -> None:
    for spec in REGISTRY.values():
        assert spec.unit
        assert len(spec.definition) > 20


def test_fold_is_pure_and_equal_live_and_afterwards() -> None:
    attempt = expert()
    board = start = begin(SETTINGS)
    before = dict(start.measures)
    for tick, fact in in_order(attempt.commands, attempt.events):
        board = board.step(tick, fact)
    assert dict(start.measures) == before
    assert board.measures == measure(SETTINGS, attempt.commands, attempt.events)


def test_commands_come_before_the_events_of_their_tick() -> None:
    facts = list(in_order([(5, Command("finish"))], [event(5, "finished"), event(2, "chart_reviewed")]))
    assert [type(fact).__name__ for _, fact in facts] == ["Event", "Command", "Event"]


@pytest.mark.parametrize(
    ("skip", "name"),
    [("chart", "chart_reviewed"), ("consent", "consent_taken"), ("prep", "skin_prepped"), ("timeout", "timeout_called")],
)
def test_a_step_left_out_or_late_is_not_done(skip: str, name: str) -> None:
    attempt = Attempt().prepare(skip=[skip]).count().place()
    assert value(attempt, name) is False
    kinds = {"chart": "chart_reviewed", "consent": "consent_taken", "prep": "skin_prepped"}
    late = attempt.timeout("L4", "right") if skip == "timeout" else attempt.tell(kinds[skip])
    assert value(late, name) is False


def test_timeout() -> None:
    wrong = Attempt().timeout("L5", "right")
    assert value(wrong, "timeout_correct") is False
    assert value(wrong, "timeout_called") is True
    assert value(wrong.timeout("L4", "right"), "timeout_correct") is True
    assert value(Attempt().timeout("L5", "right").place(), "placed_without_timeout") == 1
    assert value(Attempt().timeout("L4", "right").timeout("L4", "left").place(), "placed_without_timeout") == 1
    assert value(Attempt().place().timeout("L4", "right"), "placed_without_timeout") == 1


def test_level_counting_needs_the_sacrum_first() -> None:
    assert value(Attempt().count(in_field=["L4", "S1"]), "level_counted") is True
    assert value(Attempt().count(in_field=["L4", "L3"]), "level_counted") is False
    assert value(Attempt().count(level="L3"), "level_counted") is False
    lateral = Attempt().expose("lateral", in_field=["sacrum"]).tell("level_declared", level="L4")
    assert value(lateral, "level_counted") is False
    assert value(Attempt().place().count(), "level_counted") is False
    assert value(Attempt().count(level="L3").count(), "level_counted") is True


def test_view_of_the_placement_is_the_last_before_the_first_needle() -> None:
    assert value(Attempt().place(degrees=35), "placement_oblique_mdeg") == 35_000
    assert value(Attempt().place(view="oblique_left"), "placement_oblique_mdeg") == -24_000
    assert value(Attempt().place(view="ap", degrees=0), "placement_oblique_mdeg") == 0
    assert value(Attempt().place(square_mdeg=-9000), "placement_square_mdeg") == 9000
    assert value(Attempt().place(degrees=22).place(degrees=50), "placement_oblique_mdeg") == 22_000
    blind = Attempt().tell("needle_placed", yaw_mdeg=0, pitch_mdeg=0, x_um=0, y_um=0, z_um=0)
    assert value(blind, "placement_oblique_mdeg") is None


def test_views() -> None:
    only_ap = ready().contrast().views("ap")
    assert value(only_ap.steroid(), "views_at_position") is False
    none = Attempt().prepare().place().move().contrast(live=False).expose("ap").expose("lateral").steroid()
    assert value(none, "treated_without_views") == 1, "pictures without the needle prove nothing"
    moved = ready().contrast().views().move(1000).contrast().steroid()
    assert value(moved, "views_at_position") is False
    assert value(moved, "treated_without_views") == 0
    again = ready().contrast().views().do("needle.remove").tell("needle_removed", passes=1).place().move().contrast().steroid()
    assert value(again, "treated_without_views") == 1, "a new placement needs a new pair"


def test_contrast_belongs_to_the_position_of_the_needle() -> None:
    assert value(ready().steroid(), "treated_without_contrast") == 1
    assert value(ready().contrast(live=False).steroid(), "treated_without_contrast") == 1, "nobody saw it"
    assert value(ready().contrast(live=False).views("ap").steroid(), "treated_without_contrast") == 0
    for op, args in (("needle.move", (500, 1000)), ("needle.tilt", (0, 0)), ("needle.remove", ())):
        assert value(ready().contrast().do(op, *args).steroid(), "treated_without_contrast") == 1, op
    for op, args in (("needle.turn", (90_000,)), ("needle.stylet", (0,))):
        assert value(ready().contrast().do(op, *args).steroid(), "treated_without_contrast") == 0, op
    refused = ready().contrast().do("needle.move", 500, 1000).tell("refused", op="needle.move", why="test")
    assert value(refused.views().steroid(), "treated_without_contrast") == 0
    assert value(ready().contrast(volume_ul=0).steroid(), "treated_without_contrast") == 1


def test_contrast_quality() -> None:
    assert value(ready().contrast(live=False).views().steroid(), "contrast_live") is False
    for pattern in ("vascular", "epidural+vascular", "intrathecal", "intradiscal"):
        assert value(ready().contrast(pattern).steroid(), "contrast_clear") is False, pattern
    assert value(ready().steroid(), "contrast_clear") is False
    assert value(ready().contrast("vascular").contrast("epidural").steroid(), "contrast_clear") is False, (
        "a clean second run is no all-clear"
    )


def test_vessels() -> None:
    ignored = ready().contrast("epidural+vascular").views().steroid(pattern="epidural")
    assert value(ignored, "drug_after_vascular_contrast") == 1
    assert value(ignored, "repositioned_after_vascular") is False
    moved = ready().contrast("vascular").move(-3000).contrast().views().steroid()
    assert value(moved, "drug_after_vascular_contrast") == 0
    assert value(moved, "repositioned_after_vascular") is True
    assert value(ready().contrast().steroid(pattern="epidural+vascular"), "drug_in_vessel") == 1
    anaesthetic = ready().contrast("vascular").inject("lidocaine 1 %", "local_anaesthetic")
    assert value(anaesthetic, "drug_after_vascular_contrast") == 1
    saline = ready().contrast("vascular").inject("saline", "saline")
    assert value(saline, "drug_after_vascular_contrast") == 0


def test_drug_in_sac_and_disc() -> None:
    assert value(ready().contrast().steroid(pattern="intrathecal"), "drug_intrathecal") == 1
    assert value(ready(tissue="csf").contrast().steroid(), "drug_intrathecal") == 1
    assert value(ready().contrast("intrathecal"), "drug_intrathecal") == 0, "contrast alone is no drug"
    assert value(ready().contrast().steroid(pattern="intradiscal"), "drug_in_disc") == 1
    assert value(ready(tissue="disc_annulus").contrast().steroid(), "drug_in_disc") == 1


def test_level_and_side_of_the_treatment() -> None:
    assert value(ready(level="L3").steroid(), "treated_wrong_level") == 1
    assert value(ready(level="L3").steroid(), "target_reached_ul") == 0
    assert value(ready(side="left").steroid(), "treated_wrong_side") == 1
    assert value(ready(level="", side="").steroid(), "treated_wrong_level") == 0
    assert value(ready(level="", side="").steroid(), "treated_wrong_side") == 0
    assert value(ready().steroid(pattern="intramuscular"), "target_reached_ul") == 0
    assert value(ready(level="L3").contrast(), "treated_wrong_level") == 0, "contrast is no treatment"


def test_aspiration() -> None:
    assert value(Attempt().place().move().steroid(), "aspirated_first") is False
    assert value(ready().aspirate("blood").steroid(), "aspirated_first") is False
    assert value(ready().move(100).steroid(), "aspirated_first") is False
    assert value(ready().move(100).aspirate().steroid(), "aspirated_first") is True


def test_agents() -> None:
    assert value(ready().steroid(particulate=True), "particulate_steroid") == 1
    assert value(ready().steroid(agent="unknown"), "treatment_ug") is None
    assert value(ready().steroid(volume_ul=500).inject("lidocaine 1 %", "local_anaesthetic", 1000), "drug_ul") == 1500


def test_tip_is_measured_at_the_first_treatment() -> None:
    attempt = ready().steroid().move(distance_um=9000).steroid()
    assert value(attempt, "tip_error_um") == 1400
    assert value(ready(), "tip_error_um") is None


@pytest.mark.parametrize(
    ("changes", "entries"),
    [
        ({"in_canal_um": 1200, "tissue": "epidural_fat", "off_dorsal_um": 4000}, 1),
        ({"in_canal_um": 1200, "tissue": "bone_cortex", "off_dorsal_um": -2000}, 1),
        ({"in_canal_um": 1200, "tissue": "muscle", "off_dorsal_um": 20_000}, 0),
        ({"in_canal_um": -100, "tissue": "epidural_fat", "off_dorsal_um": -2000}, 0),
    ],
)
def test_canal(changes: dict[str, object], entries: int) -> None:
    assert value(ready().move(**changes), "canal_entries") == entries  # type: ignore[arg-type]


def test_canal_counts_each_entry_once() -> None:
    deep, back = {"in_canal_um": 500, "tissue": "csf"}, {"in_canal_um": -500, "tissue": "foramen_fat"}
    attempt = ready().move(**deep).move(**deep).move(**back).move(**deep)
    assert value(attempt, "canal_entries") == 2


@pytest.mark.parametrize(
    ("kind", "name"),
    [("sac", "sac_entries"), ("root", "nerve_entries"), ("ganglion", "nerve_entries"), ("radicular_artery", "vessel_entries"),
     ("vein", "vessel_entries")],
)  # fmt: skip
def test_structures(kind: str, name: str) -> None:
    attempt = ready().tell("structure_entered", name="x", kind=kind, speed_um_s=1000, **tip())
    assert value(attempt, name) == 1
    assert value(ready().tell("structure_entered", name="x", kind="medial_branch", speed_um_s=1000, **tip()), name) == 0


def test_disc_bone_and_end() -> None:
    disc = ready().tell("tissue_entered", from_tissue="foramen_fat", **tip(tissue="disc_annulus"))
    disc.tell("tissue_entered", from_tissue="disc_annulus", **tip(tissue="disc_nucleus"))
    assert value(disc, "disc_entries") == 1
    assert value(ready().tell("bone_contact", bone="L4", force_mn=900, **tip()), "bone_contacts") == 1
    turned = ready().tell("needle_stopped", reason="held", **tip())
    assert value(turned, "advances") == 3
    left_in = ready().do("finish").tell("finished")
    assert value(left_in, "needle_out") is False
    assert value(Attempt().do("finish").tell("finished"), "needle_out") is None
    assert value(ready(), "finished") is False

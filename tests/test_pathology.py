"""Findings: checked values, measured against asked on coarse bones, healthy people untouched, implants, what pictures show."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from anatomy_assets import disease, solve
from anatomy_assets.bake import joined, plain_bone, spinal_joints
from anatomy_assets.column import Column, stack
from anatomy_assets.hardware import bridged, implants, screw, walls
from anatomy_assets.measure import checks, findings
from anatomy_assets.measure.asked import against
from anatomy_assets.measure.grid import distance
from anatomy_assets.measure.segments import foramen_height
from anatomy_assets.parameters import SIDES, individual
from anatomy_assets.pathology import GRADES, NO_LESIONS, Pathology, check, lesions, preset, table
from anatomy_assets.patient import build
from anatomy_assets.population import PatientOptions
from sim.errors import UsageError
from sim.phantom import Tissue
from sim.scene import MATERIALS, NORMAL_DENSITY, cancellous

SPACING = 1.5
LOW = ("L3", "L4", "L5", "L5_arch", "S")


def bench(found: tuple[Pathology, ...], names: tuple[str, ...] = LOW, seed: int = 0) -> solve.Bench:
    """A few coarse bones of a person with findings, every finding settled."""
    column = stack(solve.sick(individual(seed), found))
    plain = {b.shape.name: plain_bone(column, i, SPACING) for i, b in enumerate(column.bones) if b.shape.name in names}
    return solve.settled(solve.Bench(column, plain, SPACING), found)


def part(column: Column, names: tuple[str, ...] = LOW) -> Column:
    return dataclasses.replace(column, bones=tuple(b for b in column.bones if b.shape.name in names))


@pytest.fixture(scope="module")
def healthy():
    return bench(())


# ---------------------------------------------------------------- values


@pytest.mark.parametrize("kind", list(table()))
def test_every_knob_has_unit_source_status_and_both_grades_within_its_range(kind):
    row = table()[kind]
    assert set(row) == {"levels", "sides", "knobs"}
    for name, knob in row["knobs"].items():
        assert knob["unit"].strip()
        assert knob["source"].strip()
        assert knob["status"] in ("verified", "recalled", "computed", "measured", "placeholder")
        for grade in GRADES:
            one = preset(kind, grade)
            again = Pathology(kind, one.level, one.side, grade, ((name, one[name]),))
            assert again[name] == knob[grade]
        assert one.told["kind"] == kind


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Pathology("slip"), "expected one of compression_fracture"),
        (lambda: Pathology("listhesis", "T12"), "level 'T12'; expected one of L3, L4, L5"),
        (lambda: Pathology("listhesis", "L4", "left"), "side 'left'; expected none"),
        (lambda: Pathology("listhesis", "L4", "", "dire"), "expected one of mild, severe"),
        (lambda: Pathology("listhesis", "L4", "", "mild", (("slip_percent", 90.0),)), "slip_percent is 90.0; expected 5 to 50"),
        (lambda: Pathology("listhesis", "L4", "", "mild", (("slip", 9.0),)), "unknown measure 'slip'"),
        (lambda: Pathology("listhesis", "L4", "", "mild", (("slip_percent", True),)), "slip_percent is True"),
        (lambda: Pathology("disc_height_loss", "L4", "", "mild", (("vacuum", "yes"),)), "expected true or false"),
        (lambda: PatientOptions(bmi=30.0, pathology=(preset("obesity", "mild"),)), "obesity together with bmi"),
        (lambda: PatientOptions(bone_density=90.0, pathology=(preset("osteoporosis", "mild"),)), "with bone_density"),
        (lambda: PatientOptions(field="thoracolumbar", pathology=(preset("high_crest", "mild"),)), "no hip bones"),
        (lambda: PatientOptions(pathology=(Pathology("listhesis", "L4"), Pathology("listhesis", "L5"))), "one per patient"),
        (
            lambda: PatientOptions(
                pathology=(Pathology("foraminal_stenosis", "L4", "left"), Pathology("disc_height_loss", "L4"))
            ),
            "both set its disc",
        ),
        (lambda: PatientOptions(pathology=(Pathology("fusion", "L5", "", "severe"),)), "end below S1"),
        (lambda: PatientOptions(pathology=(preset("high_crest", "mild"), preset("high_crest", "severe"))), "given twice"),
    ],
)
def test_what_cannot_be_is_one_clear_line(make, said):
    with pytest.raises(UsageError) as error:
        make()
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_a_healthy_person_is_the_same_object():
    p = individual(3)
    assert solve.sick(p, ()) is p
    assert lesions(()) is NO_LESIONS
    assert implants({}, (), ()) == ()
    check((), "lumbosacral", False, False)


# ---------------------------------------------------------------- bones


@pytest.mark.parametrize("seed", [0, 4])
def test_a_slip_is_the_one_asked_for_and_needs_no_bake(seed):
    one = Pathology("listhesis", "L4", "", "mild", (("slip_percent", 20.0),))
    made = bench((one,), seed=seed)
    assert findings.slip_percent(made.phantom(), "L4") == pytest.approx(20.0, abs=2.0)
    plain = bench((), seed=seed).plain
    assert all(np.array_equal(made.plain[n].distance_10um, plain[n].distance_10um) for n in ("L3", "L4", "L5", "S"))


def test_an_isthmic_slip_leaves_the_arch_behind(healthy):
    one = preset("listhesis", "severe")
    made = bench((one,))
    assert findings.slip_percent(made.phantom("L5", "L4", "S"), "L5") == pytest.approx(35.0, abs=2.0)
    body, arch = made.column.bone("L5"), made.column.bone("L5_arch")
    step = arch.translation_mm - body.translation_mm
    assert np.sqrt((step * step).sum()) == pytest.approx(disease.disc_of(made.p, "L5").slip_mm, abs=1e-6)
    assert step[1] > 5.0  # behind the body (LPS: + is posterior)
    column = part(made.column)
    bones = joined(column, made.plain)
    body, arch = (next(b for b in bones if b.name == n) for n in ("L5", "L5_arch"))
    gap = float(distance(body, arch.to_patient(arch.shell_vertices)).min())
    assert gap > 3.0 - 0.6  # the cleft of the pars, on a coarse grid
    pieces = [(g.distance_10um < 0).sum() for g in (made.plain["L5"], made.plain["L5_arch"], healthy.plain["L5"])]
    assert 0.8 < (pieces[0] + pieces[1]) / pieces[2] < 1.0


@pytest.mark.parametrize("side", SIDES)
def test_a_scoliosis_has_the_cobb_angle_asked_for(side):
    one = Pathology("scoliosis", "L2", side, "severe")
    names = ("T12", "L1", "L2", "L3", "L4", "L5", "S")
    made = bench((one,), names)
    sign = 1.0 if side == "left" else -1.0
    phantom = made.phantom()
    assert sign * findings.cobb_deg(phantom, "T12", "L4") == pytest.approx(35.0, abs=2.0)
    apex, ends = phantom.landmark("L2.body.centre"), [phantom.landmark(f"{n}.body.centre") for n in ("T12", "L4")]
    assert sign * (apex[0] - 0.5 * (ends[0][0] + ends[1][0])) > 4.0  # convex to the side named (LPS: + is left)
    tip = phantom.landmark("L2.spinous.tip")[0] - apex[0]
    assert sign * tip < 0.0  # the spinous process points to the concave side


@pytest.mark.parametrize(("form", "percent"), [("wedge", 45.0), ("crush", 25.0), ("biconcave", 35.0)])
def test_a_fracture_loses_the_height_asked_for_and_the_column_follows(form, percent):
    one = Pathology("compression_fracture", "L3", "", "mild", (("form", form), ("loss_percent", percent)))
    made = bench((one,))
    whole = individual(0)
    front, middle, back = findings.body_heights(made.phantom(), "L3")
    level = whole.level("L3")
    lost = [100.0 * (1.0 - a / b) for a, b in ((front, level.height_front), (back, level.height_back))]
    if form == "biconcave":
        assert middle < (1.0 - 0.01 * percent) * level.height
        assert max(np.abs(lost)) < 12.0
        return
    assert lost[0] == pytest.approx(percent, abs=6.0)
    assert lost[1] == pytest.approx(percent if form == "crush" else 0.0, abs=6.0)
    before, after = (stack(p).landmarks["L1.body.centre"] for p in (whole, made.p))
    assert after[2] < before[2] - 2.0  # what stands above comes down
    if form == "wedge":
        assert after[1] < before[1] - 2.0  # and leans forwards


@pytest.mark.parametrize("height", [4.0, 7.0])
def test_a_disc_has_the_height_asked_for(height):
    one = Pathology("disc_height_loss", "L4", "", "severe", (("height_mm", height),))
    made = bench((one,))
    cut = dataclasses.replace(made.phantom(), bones=tuple(joined(part(made.column), made.plain)))  # the joint parts near rims
    assert findings.disc_height(cut, "L4") == pytest.approx(height, abs=0.3)


@pytest.mark.parametrize("side", ["left", "both"])
def test_a_foramen_is_as_narrow_as_asked(side, healthy):
    one = Pathology("foraminal_stenosis", "L4", side, "severe")
    made = bench((one,)).phantom()
    for s in one.sides:
        assert foramen_height(made, "L4", "L5", s) == pytest.approx(14.5, abs=0.3)
        assert findings.foramen_width(made, "L4", s) == pytest.approx(5.5, abs=0.3)
    if side == "left":
        before = findings.foramen_width(healthy.phantom(), "L4", "right")
        assert findings.foramen_width(made, "L4", "right") > 5.5 + 0.5 * (before - 5.5)


def test_solving_twice_gives_the_same_bits():
    one = Pathology("foraminal_stenosis", "L4", "right", "mild")
    first, second = bench((one,)), bench((one,))
    assert first.p == second.p
    assert all(np.array_equal(first.plain[n].distance_10um, second.plain[n].distance_10um) for n in first.plain)


def test_a_transitional_process_is_high_and_meets_the_ala(healthy):
    made = bench((Pathology("transitional", "L5", "both", "mild"),))
    phantom = made.phantom()
    for side in SIDES:
        assert findings.process_height(phantom, "L5", side) > 20.0 > findings.process_height(healthy.phantom(), "L5", side)
        assert solve._into_ala(made, "L5", side) > 0.0  # cut to a joint when the bones are put together
    bones = {b.name: b for b in joined(part(made.column), made.plain)}
    gap = distance(bones["S"], bones["L5"].to_patient(bones["L5"].shell_vertices)).min()
    assert gap == pytest.approx(1.8, abs=0.5)
    assert disease.fused(Pathology("transitional", "L5", "left", "severe"), "left")
    mixed = Pathology("transitional", "L5", "right", "mild", (("castellvi", "IV"),))
    assert [disease.fused(mixed, s) for s in SIDES] == [False, True]


def test_facets_grow_on_the_side_named_and_their_gap_is_their_own():
    one = Pathology("facet_hypertrophy", "L4", "right", "severe")
    p = solve.sick(individual(0), (one,))
    joint = next(j for j in spinal_joints(p) if (j.one, j.two) == ("L4", "L5"))
    assert joint.gaps == (p.facet_gap, 0.6)
    assert p.level("L5").right.hypertrophy == p.level("L4").right.hypertrophy_low == 1.4
    assert p.level("L5").left == individual(0).level("L5").left
    column = stack(p)
    index = {b.shape.name: i for i, b in enumerate(column.bones)}
    plain, thick = plain_bone(stack(individual(0)), index["L5"], SPACING), plain_bone(column, index["L5"], SPACING)
    assert (thick.distance_10um < 0).sum() > 1.005 * (plain.distance_10um < 0).sum()


def test_the_crests_stand_where_asked():
    one = Pathology("high_crest", "", "", "severe")
    column = stack(solve.sick(individual(0), (one,)))
    marks = dict(column.landmarks)
    top = 0.5 * (marks["ilium.left.crest"][2] + marks["ilium.right.crest"][2])
    assert top == pytest.approx(solve._height_at(marks, 3.7), abs=1.5)  # what is left is met on the baked wings (slow test)


# ---------------------------------------------------------------- implants and pictures


@pytest.fixture(scope="module")
def fused(healthy):
    one = Pathology("fusion", "L4", "", "severe")
    made = healthy.phantom()
    return one, made, implants(made.landmarks, made.bones, (one,))


def test_screws_lie_inside_their_pedicles(fused):
    one, made, metal = fused
    assert bridged(one) == ("L4", "L5", "S1")
    left = walls(made.landmarks, made.bones, one)
    assert len(left) == 6
    assert min(left.values()) > 0.0, left
    thin = screw(made.landmarks, made.bones, "L4", "left", 8.5)
    assert thin.radius <= 4.25
    assert {b.name for b in metal} == {"hardware_left", "hardware_right", "cage_L4", "cage_L5"}


def test_a_needle_meets_metal_as_it_meets_bone(fused):
    _, made, metal = fused
    s = screw(made.landmarks, made.bones, "L4", "right", 6.5)
    bone = next(b for b in metal if b.name == "hardware_right")
    middle = s.entry + 20.0 * s.way
    assert distance(bone, middle)[0] < -s.radius + 0.5  # on the axis the grid rounds the deepest line off
    across = np.cross(s.way, [0.0, 0.0, 1.0])
    wall = middle + s.radius * across / np.sqrt((across * across).sum())
    assert distance(bone, wall)[0] == pytest.approx(0.0, abs=0.15)
    assert bone.material == "titanium"
    assert len(bone.core_faces) == 0


def test_the_picture_shows_metal_thin_cortex_and_spongiosa_by_density():
    assert cancellous(NORMAL_DENSITY) == MATERIALS["cancellous"]
    assert cancellous(50.0)[1] < cancellous(90.0)[1] < cancellous(200.0)[1]
    assert cancellous(70.0) == pytest.approx((0.9736, 0.0395), abs=3e-3)  # fit of 70 mg/cm3 itself
    assert MATERIALS["titanium"][1] * 0.06045 == pytest.approx(0.32775, rel=0.01)  # per mm at 60 keV
    thin = stack(solve.sick(individual(0), (preset("osteoporosis", "severe"),)))
    for a, b in zip(thin.bones, stack(individual(0)).bones, strict=True):
        assert np.allclose(a.shape.cortex[:, 7], 0.65 * b.shape.cortex[:, 7])


# ---------------------------------------------------------------- whole patients


@pytest.mark.slow
@pytest.mark.parametrize(
    "found",
    [
        (Pathology("central_stenosis", "L3", "", "severe"), Pathology("disc_height_loss", "L4", "", "severe")),
        (Pathology("fusion", "L4", "", "severe"), Pathology("high_crest", "", "", "mild")),
        (Pathology("listhesis", "L5", "", "severe"), Pathology("obesity", "", "", "severe")),
    ],
    ids=lambda found: "+".join(one.kind for one in found),
)
def test_whole_patients_hold_what_was_asked_and_have_no_new_fault(found):
    made = build(1, PatientOptions(pathology=found), spacing_mm=1.2)
    known = set(checks.problems(build(1, spacing_mm=1.2)))
    rows = [row for one in found for row in against(made, one)]
    assert rows
    assert [r for r in rows if not r.holds] == []
    # a coarse sacrum cuts into the same tubes with and without findings
    new = [f for f in checks.problems(made) if f not in known and not f.endswith("in S")]
    assert new == []
    labels = set(np.unique(made.volume.labels))
    assert (Tissue.METAL in labels) == any(one.kind == "fusion" for one in found)
    assert (Tissue.VACUUM in labels) == any(one.kind == "disc_height_loss" for one in found)
    assert made.individual["pathology"] == [one.told for one in found]

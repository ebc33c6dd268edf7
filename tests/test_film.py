"""The film of an attempt: tracks that stay small, arrays that a browser can read; a real one shows what its record says."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from commands import film
from commands.film import STEP_MM, Packer, Track, chosen
from scoring.moments import LINES, lines_of
from sim.beam_field import pose
from sim.event import TABLE, event
from sim.session import begin
from tests.make_phantom import simple_study

TYPES = {"i2": "<i2", "u2": "<u2", "u4": "<u4", "i4": "<i4", "f4": "<f4"}


def read(data: bytes, where: dict) -> np.ndarray:
    """Read an array as the browser does: offset in bytes, whole multiples of 4."""
    assert where["at"] % 4 == 0
    return np.frombuffer(data, TYPES[where["type"]], where["n"], where["at"])


@given(st.lists(st.integers(1, 40), min_size=1, max_size=400), st.integers(3, 20))
def test_a_track_stays_small_and_in_order(steps, most):
    old, film.MOST_FRAMES = film.MOST_FRAMES, most
    try:
        track, tick = Track(), 0
        for step in steps:
            tick += step
            track.add(tick, np.zeros(3))
    finally:
        film.MOST_FRAMES = old
    assert 1 <= len(track.ticks) <= most and track.ticks == sorted(set(track.ticks))
    assert all(b - a >= film.LEAST_TICKS for a, b in zip(track.ticks, track.ticks[1:], strict=False))
    assert tick - track.ticks[-1] <= 2 * track.gap + 40


@given(st.lists(st.tuples(*[st.floats(-300, 300)] * 3), min_size=1, max_size=30))
def test_points_come_back_within_half_a_step(points):
    pack = Packer(np.array([10.0, -20.0, 30.0]))
    pack.add(np.arange(3), "u2")
    where = pack.points(np.array(points))
    back = read(bytes(pack.data), where).reshape(-1, 3) * STEP_MM + pack.origin_mm
    assert np.abs(back - np.array(points)).max() <= STEP_MM / 2 + 1e-9


def test_no_needle_is_told_apart_from_every_place():
    pack = Packer(np.zeros(3))
    found = pack.points(np.full((2, 3), np.nan))
    assert set(read(bytes(pack.data), found)) == {-32768}
    far = pack.points(np.array([[-1e6, 1e6, 0.0]]))
    assert list(read(bytes(pack.data), far)) == [-32767, 32767, 0]


def test_the_c_arm_of_a_film_stands_as_that_of_the_machine_swivelled_or_not():
    study = simple_study()
    arm = replace(begin(study)[0].carm, primary_mdeg=20_000, secondary_mdeg=-5000, swivel_mdeg=9000)
    seen, told = pose(study, arm), film._arm(study, arm)
    assert np.array_equal(told[:12].reshape(4, 3), [seen.source_mm, seen.detector_mm, seen.right, seen.up])
    assert not np.array_equal(told, film._arm(study, replace(arm, swivel_mdeg=0)))


@given(st.lists(st.integers(0, 5000), max_size=200), st.lists(st.integers(0, 5000), max_size=5), st.integers(6, 60))
def test_the_picture_before_each_error_is_always_kept(ticks, errors, most):
    kept = [(tick, "", None) for tick in sorted(set(ticks))]
    found = chosen(kept, errors, most)
    assert len(found) == min(len(kept), most) and found == sorted(found, key=lambda one: one[0])
    for error in errors:
        before = [tick for tick, _, _ in kept if tick <= error]
        assert not before or before[-1] in [tick for tick, _, _ in found]


@given(st.lists(st.sampled_from(["needle", "exposure", "fluid", "patient"]), max_size=60), st.integers(5, 40))
def test_moments_are_left_out_by_number_and_said(abouts, most):
    moments = [{"tick": n, "about": about} for n, about in enumerate(abouts)]
    found, left_out = film.fewer(moments, most)
    assert len(found) <= most and len(found) + left_out == len(moments) and found == sorted(found, key=lambda m: m["tick"])
    others = [m for m in moments if m["about"] in ("fluid", "patient")]
    assert [m for m in found if m["about"] in ("fluid", "patient")] == others[:most]


def test_every_line_can_be_said():
    """Each kind that has words has them for plain values of its fields; none is a kind that no engine knows."""
    plain = {int: 1, str: "nothing", bool: True, list: []}
    words = {"mode": "shot"}
    for kind in LINES:
        fields = {name: words.get(name, plain[wanted]) for name, wanted in TABLE[kind].items()}
        (line,) = lines_of([event(7, kind, **fields)])
        assert line.tick == 7 and line.text and "_" not in line.text


def test_resting_in_the_same_place_is_told_once():
    fields = {name: {int: 1, str: "fat", bool: True, list: []}[wanted] for name, wanted in TABLE["needle_stopped"].items()}
    again = [event(tick, "needle_stopped", **fields) for tick in (5, 9)]
    assert [line.tick for line in lines_of([*again, event(12, "needle_stopped", **fields | {"depth_um": 9000})])] == [5, 12]


@pytest.mark.slow
def test_a_trace_sees_what_the_core_does():
    """The replay is the verifier's own: it matches, and the track ends where the needle is."""
    from commands.film import traced
    from sim.attempt import Transcript
    from sim.command import Command
    from sim.session import Session
    from tests.make_phantom import simple_study

    session, commands = Session(simple_study()), []
    for tick, (op, args) in SCRIPT.items():
        while session.state.tick < tick:
            session.tick()
        session.send(Command(op, args))
        commands.append((tick + 1, Command(op, args)))
        session.tick()
    last = session.state.tick
    transcript = Transcript({}, "00", commands, session.events, [], {}, {}, True, "", last)
    outcome, trace = traced(simple_study(), transcript)
    assert outcome.matches, outcome.first_difference
    assert np.abs(trace.shaft.values[-1][-1] - session.state.needle.tip_mm).max() < 0.2
    assert trace.arm.values[-1][12] == -20.0 and len(trace.camera.kept) == 1


SCRIPT = {
    5: ("carm.to", (-20_000, 0)),
    300: ("xray.shot", ()),
    420: ("needle.choose", (0,)),
    430: ("needle.place", (-20_000, 0, 0, 0)),
    440: ("needle.move", (30_000, 20_000)),
    620: ("finish", ()),
}


@pytest.mark.slow
def test_the_film_of_a_real_attempt_shows_what_its_record_says(tmp_path, monkeypatch):
    from commands.joints import attempt
    from commands.worker import Filmer
    from sim.attempt import read_journal

    monkeypatch.setenv("SCOTTIE_KEYS", str(tmp_path / "keys"))
    monkeypatch.setattr(film, "MOST_PICTURES", 3)
    attempt("mbb-l4l5-left", "no-timeout", 1, tmp_path / "run", "practice", lambda text, share: None, False)
    path, out = str(tmp_path / "run/attempt.scottie"), tmp_path / "film.zip"
    filmer = Filmer()
    assert filmer.check(path, None).status == "verified"
    told = filmer.film(path, str(out), None)["film"]
    events = read_journal(Path(path)).events
    with zipfile.ZipFile(out) as file:
        body, data = json.loads(file.read("film.json")), file.read("scene.bin")
        names = set(file.namelist())
    assert names == {"film.json", "scene.bin", "00.jpg", "01.jpg", "02.jpg"} and told["pictures"] == 3
    _arrays_fit(body, data)
    _needle_is_where_the_events_say(body, data, events)
    _arm_looks_where_the_exposures_say(body, data, events)
    _ways_lead_from_the_skin_to_the_goals(body)
    assert told["errors"] and all(0 <= n < 3 or n == -1 for _, _, n in told["errors"])
    assert {"skin", "bone", "sac", "nerves", "vessels"} == {mesh["layer"] for mesh in body["meshes"]}
    forged = tmp_path / "forged.scottie"
    forged.write_bytes(Path(path).read_bytes().replace(b'"passed":false', b'"passed":true'))
    assert "does not replay" in filmer.film(str(forged), str(tmp_path / "no.zip"), None)["refused"]
    assert not (tmp_path / "no.zip").exists()


def _arrays_fit(body, data) -> None:
    for mesh in body["meshes"]:
        points, faces = read(data, mesh["vertices"]), read(data, mesh["faces"])
        assert len(points) % 3 == 0 and len(faces) % 3 == 0 and faces.max() < len(points) // 3, mesh["name"]
        assert len(faces) // 3 <= 6000 and points.min() > -32767 and points.max() < 32767, mesh["name"]


def _needle_is_where_the_events_say(body, data, events) -> None:
    ticks = read(data, body["shaft"]["ticks"])
    shaft = read(data, body["shaft"]["values"]).reshape(len(ticks), -1, 3) * STEP_MM + np.array(body["origin_mm"])
    rests = [e for e in events if e.kind == "needle_stopped" and e["depth_um"] > 1000]
    assert rests
    for fact in rests:
        at = np.searchsorted(ticks, fact.tick, side="right") - 1
        tip = np.array([fact["x_um"], fact["y_um"], fact["z_um"]]) / 1000
        assert np.abs(shaft[at, -1] - tip).max() < 1.5, fact.tick  # 0.1 s of advance at most


def _arm_looks_where_the_exposures_say(body, data, events) -> None:
    from sim.frames import gantry

    ticks = read(data, body["arm"]["ticks"])
    poses = read(data, body["arm"]["values"]).reshape(len(ticks), 14)
    for fact in [e for e in events if e.kind == "exposed"]:
        pose = poses[np.searchsorted(ticks, fact.tick, side="right") - 1]
        beam = pose[3:6] - pose[0:3]
        normal = gantry(fact["primary_mdeg"], fact["secondary_mdeg"]).normal
        assert np.abs(beam / np.sqrt((beam * beam).sum()) - normal).max() < 0.02, fact.tick


def _ways_lead_from_the_skin_to_the_goals(body) -> None:
    goals = [goal["mm"] for goal in body["plan"]["goals"]]
    assert len(goals) == len(body["plan"]["ways"]) == 2
    for (start, end), goal in zip(body["plan"]["ways"], goals, strict=True):
        assert end == goal and start[1] > end[1] + 40  # from behind, where the back is

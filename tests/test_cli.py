"""The command line as its users meet it: what it prints, what it writes, and one clear line when asked wrongly."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def scottie(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")} | environment
    return subprocess.run(
        [sys.executable, str(ROOT / "main.py"), *map(str, arguments)],
        capture_output=True,
        text=True,
        env=env,
        cwd=ROOT,
        check=False,
    )


@pytest.fixture(scope="module")
def attempt(tmp_path_factory):
    """A finished attempt of the expert, made once for this module."""
    folder = tmp_path_factory.mktemp("attempt")
    keys = tmp_path_factory.mktemp("config")
    done = scottie(
        "run", "tfesi-l4l5-right", "--operator", "expert", "--seed", "1", "--out", folder, "--json", XDG_CONFIG_HOME=str(keys)
    )
    assert done.returncode == 0, done.stderr
    return folder, json.loads(done.stdout)


def test_list_json():
    rows = json.loads(scottie("list", "--json").stdout)
    row = next(r for r in rows if r["id"] == "tfesi-l4l5-right")
    assert (row["procedure"], row["level"], row["side"]) == ("tfesi", "L4", "right")


def test_run_prints_one_object_and_writes_record_report_and_pictures(attempt):
    folder, said = attempt
    wanted = {"scenario", "operator", "seed", "passed", "critical_errors", "checklist", "efficiency", "tip_error_mm"}
    assert wanted | {"fluoro_s", "exposures", "dap_gy_m2"} <= set(said)
    assert said["passed"] is True
    assert said["critical_errors"] == []
    assert (folder / "attempt.scottie").is_file()
    assert not (folder / "attempt.journal").exists()
    assert len(list((folder / "images").glob("*.png"))) >= 5
    page = (folder / "report.html").read_text()
    assert "<html lang=" in page
    assert "competent" not in page.lower() or "no standard set" in page.lower()


def test_verify_accepts_and_refuses(attempt, tmp_path):
    folder, _ = attempt
    record = folder / "attempt.scottie"
    assert scottie("verify", record).returncode == 0
    said = json.loads(scottie("verify", record, "--json").stdout)
    assert said[0]["status"] == "verified"
    bad = tmp_path / "bad.scottie"
    data = bytearray(record.read_bytes())
    data[len(data) // 2] ^= 1
    bad.write_bytes(data)
    done = scottie("verify", record, bad)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert str(bad) in done.stdout


@pytest.mark.parametrize("kind", ["html", "pdf"])
def test_report_from_the_record_alone(attempt, tmp_path, kind):
    folder, _ = attempt
    out = tmp_path / f"again.{kind}"
    done = scottie("report", folder / "attempt.scottie", "--out", out)
    assert done.returncode == 0, done.stderr
    assert out.read_bytes()[:5] == (b"%PDF-" if kind == "pdf" else b"<!DOC")


def test_render_kinds(tmp_path):
    import numpy as np
    import pydicom

    base = ("render", "--scenario", "tfesi-l4l5-right", "--primary", "-25", "--secondary", "0", "--size", "128")
    for kind in ("png", "npy", "dcm"):
        done = scottie(*base, "--out", tmp_path / f"x.{kind}")
        assert done.returncode == 0, done.stderr
    lengths = np.load(tmp_path / "x.npy")
    assert lengths.dtype == np.float32
    assert lengths.shape == (128, 128)
    assert lengths.max() > 2.0
    image = pydicom.dcmread(tmp_path / "x.dcm")
    assert float(image.PositionerPrimaryAngle) == -155.0
    assert (image.Rows, image.Columns) == (128, 128)
    assert "SIMULATED" in str(image.PatientName)
    lateral = ("render", "--scenario", "tfesi-l4l5-right", "--primary", "90", "--secondary", "0", "--size", "64", "--swivel", "6")
    done = scottie(*lateral, "--out", tmp_path / "s.dcm")
    assert done.returncode == 0, done.stderr
    image = pydicom.dcmread(tmp_path / "s.dcm")
    assert (float(image.PositionerPrimaryAngle), float(image.PositionerSecondaryAngle)) == (90.0, 6.0)


WRONG = [
    (("run", "tfesi-l4l5-rigth"), "tfesi-l4l5-right"),
    (("run", "tfesi-l4l5-right", "--operator", "exprt"), "expert"),
    (("run", "tfesi-l4l5-right", "--seed", "-4"), "--seed"),
    (("run", "tfesi-l4l5-right", "--seed", "four"), "--seed"),
    (("run", "tfesi-l4l5-right", "--mode", "exam"), "practice or assessment"),
    (("run", "tfesi-l4l5-right", "--out", "/proc/nowhere"), "/proc/nowhere"),
    (("render", "--scenario", "tfesi-l4l5-right", "--primary", "500", "--secondary", "0", "--out", "x.png"), "-110..110"),
    (("render", "--scenario", "tfesi-l4l5-right", "--primary", "0", "--secondary", "0", "--out", "x.bmp"), ".png"),
    (("report", "nowhere.scottie", "--out", "x.html"), "nowhere.scottie"),
    (("report", "README.md", "--out", "x.html"), "README.md"),
    (("bench", "fluro"), "fluoro"),
    (("nonsense",), "nonsense"),
    (("play",), "main.py run"),
]


@pytest.mark.parametrize(("arguments", "says"), WRONG)
def test_a_mistake_is_one_clear_line_and_exit_2(arguments, says):
    done = scottie(*arguments)
    assert done.returncode == 2, done.stdout + done.stderr
    assert says in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr


CHANGES = [
    ('side = "right"', 'side = "rigth"', ("target.side", "rigth", "'left' or 'right'")),
    ("age_years = 54", 'age_years = "54"', ("patient.age_years", "'54'", "integer")),
    ("age_years = 54", "age = 54", ("patient.age", "age_years")),
    ("contrast_ul = 1000", "contrast_ul = 99", ("contrast_ul", "99", "100")),
    ("format = 1", "format = 7", ("format", "7", "1")),
    ("[vessel]", "[vessel", ("not valid TOML",)),
]


@pytest.mark.parametrize(("old", "new", "says"), CHANGES)
def test_a_wrong_scenario_file_names_file_key_value_and_expected(tmp_path, old, new, says):
    folder = ROOT / "scenarios" / "tfesi"
    for name in ("rubric.toml", "brief.md"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    text = (folder / "l4l5-right.toml").read_text()
    assert old in text
    path = tmp_path / "mine.toml"
    path.write_text(text.replace(old, new))
    done = scottie("run", path, "--out", tmp_path / "out")
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    for part in (str(path), *says):
        assert part in done.stderr


def test_unwritable_folder(tmp_path):
    file = tmp_path / "file"
    file.write_text("in the way")
    done = scottie("run", "tfesi-l4l5-right", "--out", file / "below")
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert file.read_text() == "in the way"


def test_doctor_finds_what_the_tests_need():
    findings = {f["what"]: f for f in json.loads(scottie("doctor", "--json").stdout)}
    assert findings["numba"]["ok"]
    assert not findings["display"]["ok"]
    assert "main.py run" in findings["display"]["fix"]

import json
from dataclasses import replace

import numpy as np
import pytest

from scoring.keys import fingerprint
from scoring.standard import LEAST, NOT_SET, Standard, expiry, load_standard, sign_standard, wording
from scoring.statistics.standards import angoff, borderline_regression, contrasting_groups, hofstee, normal_intersection
from sim.errors import RecordError, UsageError
from tests.cohort_files import RUBRIC, result_of, write
from tests.test_cohort import WHEN, run
from tests.toy_attempt import KEY

NOW = "2026-03-01T00:00:00Z"
STANDARD = Standard(
    procedure=RUBRIC,
    rubric_hash="r" * 8,
    scale="points_verified_percent",
    items=6,
    critical_allowed=0,
    method="contrasting-groups",
    cut=62.5,
    interval=(58.1, 66.2),
    level=0.95,
    groups={"novices": 15, "experts": 16},
    rates={"false_pass": 0.062593, "false_fail": 0.026602},
    consistency={"agree": 0.878, "kappa": 0.543},
    sem=2.5,
    who="Committee of the North site",
    decided="2026-02-01T00:00:00Z",
    expires="2028-02-01T00:00:00Z",
    provisional=False,
    data_digest="d" * 64,
    data="186 record ids, verified",
    detail={"note": "made up"},
)
OK = {"procedure": RUBRIC, "rubric_hash": "r" * 8}


def test_a_standard_survives_its_file(tmp_path):
    path = tmp_path / "x.json"
    path.write_bytes(sign_standard(STANDARD, KEY))
    assert load_standard(path) == replace(STANDARD, signer=fingerprint(KEY))
    assert load_standard(None) is None


@pytest.mark.parametrize("edit", [(b"62500", b"52500"), (b'"novices":15', b'"novices":45'), (b"North", b"South")])
def test_a_changed_standard_is_refused(tmp_path, edit):
    path = tmp_path / "x.json"
    path.write_bytes(sign_standard(STANDARD, KEY).replace(*edit))
    with pytest.raises(RecordError, match="changed after it was signed"):
        load_standard(path)


def test_a_hostile_signer_cannot_skip_the_rules(tmp_path):
    from scoring.trust.documents import sign

    path = tmp_path / "x.json"
    for field, value in (("groups", {"novices": 3, "experts": 2}), ("method", "angoff"), ("groups", {"novices": "15"})):
        path.write_bytes(sign("scottie-standard", STANDARD.body() | {field: value}, KEY))
        with pytest.raises(RecordError):
            load_standard(path)


@pytest.mark.parametrize(
    "change",
    [
        {"groups": {"novices": LEAST - 1, "experts": LEAST}},
        {"groups": {"novices": LEAST, "experts": LEAST - 1}},
        {"method": "angoff", "groups": {"judges": 40}},
        {"who": ""},
        {"expires": "2026-01-01T00:00:00Z"},
    ],
)
def test_what_may_not_be_a_standard(change):
    with pytest.raises(UsageError):
        sign_standard(replace(STANDARD, **change), KEY)
    if "groups" in change:
        assert sign_standard(replace(STANDARD, provisional=True, **change), KEY)


def test_the_word_needs_everything():
    good = [70.0] * 6
    assert wording(STANDARD, good, 0, NOW, **OK).meets is True
    assert "competent" in wording(STANDARD, good, 0, NOW, **OK).text
    silent = [
        wording(None, good, 0, NOW, **OK),
        wording(replace(STANDARD, provisional=True), good, 0, NOW, **OK),
        wording(STANDARD, good, 0, "2029-01-01T00:00:00Z", **OK),
        wording(STANDARD, good, 0, "2025-01-01T00:00:00Z", **OK),
        wording(STANDARD, good, 0, NOW, procedure="another"),
        wording(STANDARD, good, 0, NOW, procedure=RUBRIC, rubric_hash="other"),
        wording(STANDARD, good[:5], 0, NOW, **OK),
        wording(STANDARD, good, 0, NOW, **OK, all_verified=False),
    ]
    for said in silent:
        assert said.meets is None and "competent" not in said.text.lower()
    assert silent[0].text == NOT_SET


def test_the_judgement():
    assert wording(STANDARD, [70.0] * 6, 1, NOW, **OK).meets is False, "a critical error fails"
    low = wording(STANDARD, [40.0] * 6, 0, NOW, **OK)
    assert low.meets is False and "not yet competent" in low.text and not low.borderline
    near = wording(STANDARD, [63.0] * 6, 0, NOW, **OK)
    assert near.meets and near.borderline and "error of measurement" in near.text


def test_expiry():
    assert expiry("2026-01-31T10:00:00Z", 1) == "2026-02-28T10:00:00Z"
    assert expiry("2026-11-15T10:00:00Z", 24) == "2028-11-15T10:00:00Z"
    with pytest.raises(UsageError):
        expiry("2026-01-31T10:00:00Z", 0)


# --- the methods


def test_contrasting_groups_interval_covers_its_cut():
    draw = np.random.Generator(np.random.Philox(3))
    found = contrasting_groups(draw.normal(50, 12, 30), draw.normal(80, 6, 30))
    assert found.cut.low < found.cut.value < found.cut.high and found.cut.low < 68.4 < found.cut.high
    assert 0 < found.false_pass < 0.2 and 0 <= found.observed_false_fail < 0.2


@pytest.mark.parametrize(
    ("novices", "experts", "line"),
    [
        ([1.0] * 15, [2.0] * 15, "all scores of the group are equal"),
        ([70, 71, 75], [50, 51, 55], "expected experts above novices"),
        ([1, 2], [3, 4, 5], "expected at least 3"),
        ([1, 2, float("nan")], [3, 4, 5], "missing or infinite"),
    ],
)
def test_contrasting_groups_refuses(novices, experts, line):
    with pytest.raises(UsageError, match=line):
        contrasting_groups(novices, experts)


def test_equal_spread_cuts_in_the_middle():
    assert normal_intersection(50, 10, 80, 10) == 65
    assert normal_intersection(50, 10, 80, 10 + 1e-6) == pytest.approx(65, abs=1e-3)


def test_angoff_has_rounds_and_an_error():
    found = angoff([[[0.5, 0.7], [0.9, 0.3], [0.4, 0.8]], [[0.6, 0.7], [0.7, 0.5], [0.6, 0.7]]])
    assert found.cut == pytest.approx((1.3 + 1.2 + 1.3) / 3) and len(found.rounds) == 2
    assert found.se_judges == pytest.approx(np.std([1.3, 1.2, 1.3], ddof=1) / 3**0.5)
    for bad in ([], [[[0.5, 0.7]]], [[[0.5, 1.7], [0.1, 0.2]]]):
        with pytest.raises(UsageError):
            angoff(bad)


def test_hofstee_without_a_meeting_point_says_so():
    scores = [42, 48, 51, 55, 57, 58, 60, 61, 63, 64]
    high = hofstee(scores, 90, 95, 5, 20)
    assert not high.meets and high.cut == 90 and "even at the lowest" in high.note
    low = hofstee(scores, 20, 30, 5, 35)
    assert not low.meets and low.cut == 30 and "even at the highest" in low.note
    with pytest.raises(UsageError):
        hofstee(scores, 70, 60, 5, 20)


def test_borderline_regression_on_a_line():
    x = [1.0, 2, 3, 4, 5]
    found = borderline_regression([10 * v + 20 for v in x], x, 3)
    assert found.cut.value == pytest.approx(50) and found.r == pytest.approx(1)
    with pytest.raises(UsageError, match="outside"):
        borderline_regression([10 * v for v in x], x, 9)


# --- the command


def group(folder, prefix, mean, people=15, items=2):
    random = np.random.Generator(np.random.Philox(len(prefix)))
    folder.mkdir()
    for n in range(people):
        for item in range(items):
            points = int(np.clip(mean + 8 * random.standard_normal(), 0, 100))
            made = result_of(points > 50, (), points)
            who = f"{prefix}-{n}"
            write(folder, f"{n}-{item}", made, scenario=f"toy/{item}", started=WHEN.format(item + 1), learner=who)
    return folder


def setting(folder, out, *more):
    who = ["--who", "Committee of the test", "--procedure", RUBRIC, "--key", folder / "keys", "--jobs", "1"]
    return ["standard", "set", *who, "--out", out, *more]


def test_set_show_and_use(tmp_path, capsys):
    novices, experts = group(tmp_path / "n", "nov", 45), group(tmp_path / "e", "expert", 85)
    out = tmp_path / "cut.json"
    asked = setting(tmp_path, out, "--novices", novices, "--experts", experts, "--items", "2")
    code, text, err = run(capsys, *asked)
    assert (code, err) == (0, "") and "15 novices, 15 experts" in text and "kappa" in text
    standard = load_standard(out)
    assert 55 < standard.cut < 75 and not standard.provisional and standard.sem > 0 and standard.rubric_hash == "r" * 8
    code, text, _ = run(capsys, "standard", "show", out, "--json")
    assert code == 0 and json.loads(text)["groups"] == {"novices": 15, "experts": 15}
    code, text, _ = run(capsys, "cohort", experts, "--standard", out, "--jobs", "1")
    assert code == 0 and "verified by replay alone" in text and "competent" not in text


def test_set_refuses_small_groups_unless_provisional(tmp_path, capsys):
    novices, experts = group(tmp_path / "n", "nov", 45, 14), group(tmp_path / "e", "expert", 85, 15)
    out = tmp_path / "cut.json"
    asked = setting(tmp_path, out, "--novices", novices, "--experts", experts, "--items", "2")
    code, _, err = run(capsys, *asked)
    assert code == 2 and "14 novices and 15 experts; expected at least 15 of each" in err and not out.exists()
    code, text, _ = run(capsys, *asked, "--provisional")
    assert code == 0 and "PROVISIONAL" in text and load_standard(out).provisional
    code, text, _ = run(capsys, "cohort", experts, "--standard", out, "--jobs", "1")
    assert "provisional" in text and "competent" not in text


def test_set_from_tables(tmp_path, capsys):
    table = tmp_path / "r.csv"
    table.write_text("judge,item,rating\na,1,0.5\na,2,0.7\nb,1,0.6\nb,2,0.8\n")
    code, _, err = run(capsys, *setting(tmp_path, tmp_path / "a.json", "--method", "angoff", "--ratings", table))
    assert code == 2 and "cross-check" in err
    asked = setting(tmp_path, tmp_path / "a.json", "--method", "angoff", "--ratings", table, "--provisional")
    assert run(capsys, *asked)[0] == 0
    assert load_standard(tmp_path / "a.json").cut == 65
    scores = tmp_path / "s.csv"
    scores.write_text("learner,score\n" + "".join(f"p{n},{n}\n" for n in range(40, 95)))
    asked = ["--method", "hofstee", "--scores", scores, "--limits", "55,70,5,35", "--provisional"]
    code, text, _ = run(capsys, *setting(tmp_path, tmp_path / "h.json", *asked))
    assert code == 0 and "failing" in text


@pytest.mark.parametrize(
    ("more", "line"),
    [
        ([], "--novices is missing"),
        (["--method", "magic"], "expected contrasting-groups, angoff or hofstee"),
        (["--method", "angoff"], "--ratings is missing"),
        (["--method", "hofstee", "--scores", "bad.csv", "--limits", "1,2,3"], "expected four numbers"),
        (["--novices", "bad.csv", "--experts", "bad.csv"], "lacks learner"),
        (["--novices", "nan.csv", "--experts", "nan.csv"], "nan.csv line 2: score is 'nan'"),
        (["--novices", "twice.csv", "--experts", "twice.csv"], "is there twice"),
        (["--novices", "binary.csv", "--experts", "binary.csv"], "expected a CSV"),
        (["--novices", "absent.csv", "--experts", "absent.csv"], "absent.csv"),
    ],
)
def test_mistakes_are_one_line(tmp_path, monkeypatch, capsys, more, line):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.csv").write_text("who,score\na,1\n")
    (tmp_path / "nan.csv").write_text("learner,score\na,nan\n")
    (tmp_path / "twice.csv").write_text("learner,score\na,1\na,2\n")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00\x01")
    code, _, err = run(capsys, *setting(tmp_path, "out.json", *more))
    assert code == 2 and line in err and err.count("\n") == 1
    assert not (tmp_path / "out.json").exists()

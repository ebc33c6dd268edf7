"""The guided page: a cut with its interval and consequences before it counts, signed, kept in versions, used by decisions."""

from __future__ import annotations

import hashlib
import random
from dataclasses import replace

import pytest

from scoring.portal.models import Attempt, AuditEntry, Cohort, Standard, StandardDraft
from scoring.portal.people import Line, learner_of
from scoring.portal.rows import parse_standard, plain, standard_of
from scoring.setting import Scores, consequences
from scoring.standard import load_standard
from scoring.statistics.standards import contrasting_groups, hofstee
from tests.make_evidence import standard
from tests.make_rows import row
from tests.portal.site import TERMS, hand_in

pytestmark = pytest.mark.usefixtures("rolled_back")
TERM = {k: str(v) for k, v in TERMS.items()}


def people(place, name: str, scores, errors=0) -> tuple[Cohort, list[float]]:
    """Put people with one verified first attempt each into a cohort of their own; return it with the scores."""
    cohort = Cohort.objects.create(programme=place.programme, name=name)
    for n, value in enumerate(scores):
        learner, _ = learner_of(place.programme, Line(f"{name}-{n}", "", ""))
        cohort.learners.add(learner)
        one = row(learner.pseudonym, n)
        record = hashlib.sha256(f"{name} {n}".encode()).hexdigest()
        wrong = ("dural",) if n < errors else ()
        one = replace(one, record_id=record, procedure="toy procedure", rubric_hash="r", critical_errors=wrong)
        one = replace(one, metrics={**one.metrics, "points_percent": float(value)})
        Attempt.objects.create(
            programme=place.programme, learner=learner, sha256=record, size=1, state="checked", status="verified",
            record_id=record, row=plain(one),
        )  # fmt: skip
    return cohort, [float(v) for v in scores]


def groups(place, novices=16, experts=15, errors=0):
    draw = random.Random(5)
    low = people(place, "Novices", [draw.gauss(55, 8) for _ in range(novices)])
    high = people(place, "Experts", [draw.gauss(85, 6) for _ in range(experts)], errors)
    return low, high


def begin(place, method: str, **changes):
    client = place.client("committee")
    answer = client.post(place.at("standards/new"), {"method": method, **TERM, **changes})
    assert answer.status_code == 302, answer.content.decode()
    return client, answer["Location"]


def sign(client, url: str, who: str = "Dr A, Dr B", **changes):
    seen = client.get(url).context["shown"].digest
    return client.post(url + "/sign", {"who": who, "attest": "on", "seen": seen, **changes}, follow=True)


def test_contrasting_groups_from_terms_to_a_decision(home, tmp_path):
    (novices, low), (experts, high) = groups(home, errors=2)
    client, url = begin(home, "contrasting-groups")
    client.post(url, {"novices": [novices.pk], "experts": [experts.pk]})
    page = client.get(url)
    shown = page.context["shown"]
    expected = contrasting_groups(low, high)
    assert shown.standard.cut == expected.cut.value and shown.why == ""
    assert shown.standard.interval == (expected.cut.low, expected.cut.high)
    by = {c.group: c for c in shown.consequences}
    assert by["novices"].passing == sum(v >= round(expected.cut.value, 3) for v in low)
    above = [v >= round(expected.cut.value, 3) for v in high]
    assert by["experts"].passing == sum(above[2:]) and by["experts"].errors_alone == sum(above[:2])
    assert by["experts"].passing_low >= by["experts"].passing >= by["experts"].passing_high
    text = page.content.decode()
    assert "Who would pass" in text and "<svg" in text and "95 % interval" in text
    assert not Standard.objects.exists()  # it does not count yet
    assert standard_of(home.programme, "toy procedure")[0] is None

    answer = sign(client, url)
    assert "The standard is signed" in answer.content.decode()
    kept = Standard.objects.get()
    made = parse_standard(bytes(kept.document))
    assert (made.who, made.provisional, made.cut) == ("Dr A, Dr B", False, round(expected.cut.value, 3))
    assert "experts: " in made.detail["consequences"]
    assert not StandardDraft.objects.exists()
    digest = hashlib.sha256(bytes(kept.document)).hexdigest()
    assert AuditEntry.objects.filter(action="standard adopted", detail__contains=digest).exists()

    attempt = hand_in(home, tmp_path, mode="assessment", started="2026-02-01T12:00:00Z")
    case = home.at(f"review/{home.exam.pk}/{attempt.learner.pseudonym}")
    text = client.get(case).content.decode()
    assert "set by Dr A, Dr B" in text and "No standard set" not in text


def test_the_file_verifies_without_the_server(home, tmp_path):
    (novices, _), (experts, _) = groups(home)
    client, url = begin(home, "contrasting-groups")
    client.post(url, {"novices": [novices.pk], "experts": [experts.pk]})
    sign(client, url)
    path = tmp_path / "standard.json"
    path.write_bytes(client.get(home.at(f"standards/{Standard.objects.get().pk}?file")).content)
    found = load_standard(path)
    assert found is not None and found.procedure == "toy procedure"


def test_few_people_make_a_provisional_cut_that_judges_nobody(home):
    (novices, _), (experts, _) = groups(home, 9, 8)
    client, url = begin(home, "contrasting-groups")
    client.post(url, {"novices": [novices.pk], "experts": [experts.pk]})
    shown = client.get(url).context["shown"]
    assert "9 novices and 8 experts" in shown.why and shown.standard.provisional
    sign(client, url)
    found, _ = standard_of(home.programme, "toy procedure")
    assert found is not None and found.provisional
    assert "provisional: judges nobody" in client.get(home.at("standards")).content.decode()


def test_angoff_in_two_rounds(home):
    client, url = begin(home, "angoff")
    lines = ["judge,item,rating", "A,1,0.5", "A,2,0.7", "B,1,0.6", "B,2,0.6", "C,1,0.4", "C,2,0.8"]
    client.post(url, {"ratings": "\n".join(lines)})
    client.post(url, {"ratings": "\n".join(lines).replace("0.4", "0.6")})
    shown = client.get(url).context["shown"]
    assert shown.standard.cut == pytest.approx(100 * (0.6 + 0.6 + 0.7) / 3)
    assert len(shown.standard.detail["rounds"].split(";")) == 2 and shown.standard.provisional
    assert client.post(url, {"do": "clear"}).status_code == 302
    assert client.get(url).context["shown"] is None
    for bad, why in (("", "lack judge"), ("judge,item,rating\n", "no rows"),
                     ("judge,item,rating\nA,1,1.2", "chance"), ("judge,item\nA,1", "lack rating"),
                     ("judge,item,rating\nA,1,.5\nA,1,.5", "twice"),
                     ("judge,item,rating\nA,1,.5\nB,2,.5", "no rating")):  # fmt: skip
        assert why in client.post(url, {"ratings": bad}).content.decode(), bad


def test_hofstee_from_a_cohort(home):
    cohort, scores = people(home, "All", range(40, 100, 3))
    client, url = begin(home, "hofstee")
    client.post(url, {"learners": [cohort.pk], "kmin": "50", "kmax": "80", "fmin": "5", "fmax": "40"})
    shown = client.get(url).context["shown"]
    assert shown.standard.cut == hofstee(scores, 50, 80, 5, 40).cut
    assert (
        "lowest cut below"
        in client.post(url, {"learners": [cohort.pk], "kmin": "80", "kmax": "50", "fmin": "5", "fmax": "40"}).content.decode()
    )


def test_who_signs_has_seen_these_very_numbers(home):
    (novices, _), (experts, _) = groups(home)
    client, url = begin(home, "contrasting-groups")
    client.post(url, {"novices": [novices.pk], "experts": [experts.pk]})
    seen = client.get(url).context["shown"].digest
    one = Attempt.objects.filter(learner__cohort=experts).first()
    one.row["metrics"]["points_percent"] = 60.0
    one.save()
    answer = client.post(url + "/sign", {"who": "Dr A", "attest": "on", "seen": seen}, follow=True)
    assert "changed since you saw" in answer.content.decode() and not Standard.objects.exists()
    for lacks in ({"who": ""}, {"attest": ""}):
        fields = {"who": "Dr A", "attest": "on", "seen": client.get(url).context["shown"].digest, **lacks}
        assert client.post(url + "/sign", {k: v for k, v in fields.items() if v}).status_code == 422
    assert not Standard.objects.exists()


def test_versions_are_kept_and_the_newest_counts(home):
    (novices, _), (experts, _) = groups(home)
    for who in ("First committee", "Second committee"):
        client, url = begin(home, "contrasting-groups")
        client.post(url, {"novices": [novices.pk], "experts": [experts.pk]})
        sign(client, url, who)
    text = client.get(home.at("standards")).content.decode()
    assert "version 1" in text and "version 2" in text and "replaced" in text and "in force" in text
    found, _ = standard_of(home.programme, "toy procedure")
    assert found is not None and found.who == "Second committee"


def test_nothing_of_another_programme(home, away):
    (novices, _), (experts, _) = groups(away)
    client, url = begin(home, "contrasting-groups")
    answer = client.post(url, {"novices": [novices.pk], "experts": [experts.pk]})
    assert "Select a valid choice" in answer.content.decode()
    assert StandardDraft.objects.get(programme=home.programme).data == {}


def test_what_cannot_make_a_cut_says_why(home):
    (novices, _), (experts, _) = groups(home)
    client, url = begin(home, "contrasting-groups")
    client.post(url, {"novices": [experts.pk], "experts": [novices.pk]})
    assert "expected experts above novices" in client.get(url).content.decode()
    assert "at once" in client.post(url, {"novices": [novices.pk], "experts": [novices.pk]}).content.decode()
    client, url = begin(home, "contrasting-groups", procedure="another")
    client.post(url, {"novices": [novices.pk], "experts": [experts.pk]})
    assert "no scored attempt at" in client.get(url).content.decode()
    assert client.post(url, {"do": "discard"}).status_code == 302
    assert client.get(url).status_code == 404


def test_consequences_of_a_cut_by_hand():
    made = standard(cut=70.0, interval=(65.0, 75.0), critical_allowed=0, sem=2.0)
    scores = Scores({"a": 70.0, "b": 66.0, "c": 75.0, "d": 90.0, "e": 69.9}, [], "verified", errors={"d": 1})
    (found,) = consequences(made, {"all": scores})
    assert (found.people, found.passing, found.passing_low, found.passing_high) == (5, 2, 4, 1)
    assert (found.errors_alone, found.borderline) == (1, 2)

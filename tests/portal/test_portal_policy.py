"""Every address x every role x own and other programme: what the policy table says, and nothing else, opens."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace

import pytest
from django.test import Client
from django.urls import get_resolver, reverse

from scoring.portal.models import StandardDraft
from scoring.portal.policy import POLICY, policy_table
from tests.portal.site import TERMS, Place, film, grant, hand_in, put_standard
from tests.portal.toy import handed

pytestmark = pytest.mark.usefixtures("rolled_back")
PATTERNS = {pattern.name: pattern for pattern in get_resolver().url_patterns}
UNASKED = ("socialaccount_login_error", "openid_connect_callback", "saml_finish_acs", "saml_sls", "lti_begin")
"""These refuse who comes without what another system sends along."""
WHO = ("nobody", "fellow", "other", "director", "committee", "admin")


def things(place: Place, folder) -> dict[str, object]:
    """Return a value for every argument that an address can have, all of the first fellow's own."""
    attempt = hand_in(place, folder, mode="assessment", started="2026-01-31T12:00:00Z")
    decision, badge = grant(place, attempt)
    place.exam.closed = True  # a fellow sees the replay of an assessment once it is over (test_portal_replay)
    place.exam.save()
    film(attempt)
    return {
        "programme": place.programme.slug,
        "cohort": place.cohort.pk,
        "assignment": place.exam.pk,
        "pseudonym": place.learner.pseudonym,
        "attempt": attempt.pk,
        "decision": decision.pk,
        "badge": badge.pk,
        "member": place.members["committee"].pk,
        "sha256": attempt.sha256,
        "draft": StandardDraft.objects.create(programme=place.programme, method="angoff", terms=TERMS).pk,
        "standard": put_standard(place),
        "part": "film",
        "kind": "json",
        "secret": "unknown",
        "uidb36": "1",
        "key": "a-b",
        "provider_id": "hospital",
        "organization_slug": "hospital-saml",
    }


def address(name: str, values: dict[str, object]) -> str:
    wanted = (
        PATTERNS[name].pattern.regex.groupindex if not PATTERNS[name].pattern.converters else PATTERNS[name].pattern.converters
    )
    return reverse(name, kwargs={key: values[key] for key in wanted})


def ask(place: Place, who: str, url: str, by: str) -> int:
    client = Client() if who == "nobody" or by == "token" else place.client(who)
    headers = place.bearer(who) if by == "token" and who != "nobody" else {}
    answer = client.get(url, headers=headers)
    if answer.streaming:
        b"".join(answer)  # to its end: the file behind it is closed then
    return answer.status_code


def test_every_address_has_a_line_and_every_line_an_address():
    assert set(PATTERNS) == set(POLICY)


def test_every_role_at_every_own_address(home, tmp_path):
    values = things(home, tmp_path)
    for name in PATTERNS:
        rule, url = POLICY[name], address(name, values)
        if rule.open or name == "erase":  # erase of a learner: below, on its own
            continue
        for who in WHO:
            role = "fellow" if who == "other" else who
            got = ask(home, who, url, rule.by)
            if who == "nobody":
                assert got == (401 if rule.by == "token" else 302), (name, who, got)
            elif role not in rule.roles:
                assert got == 403, (name, who, got)
            elif (
                who == "other"
                and rule.roles[role] == "own"
                and {"pseudonym", "attempt", "badge", "sha256"} & set(PATTERNS[name].pattern.converters)
            ):
                assert got == 404, (name, who, got)
            else:
                assert got in (200, 302, 405), (name, who, got)


def test_other_programmes_do_not_exist(home, away, tmp_path):
    """Neither by their own address, nor with their things in the address of one's own programme."""
    theirs = things(away, tmp_path)
    for name in PATTERNS:
        rule = POLICY[name]
        if rule.open:
            continue
        for who in WHO[1:]:
            if rule.by == "session":
                assert ask(home, who, address(name, theirs), rule.by) == 404, (name, who)
            if not set(PATTERNS[name].pattern.converters) - {"programme"}:
                continue
            mixed = address(name, theirs | {"programme": home.programme.slug})
            got = ask(home, who, mixed, rule.by)
            assert got in (403, 404, 405), (name, who, got)


def test_posts_of_the_wrong_hand_change_nothing(home, away, tmp_path):
    """The same by POST, where 405 would hide the answer."""
    theirs = things(away, tmp_path)
    for name in PATTERNS:
        rule = POLICY[name]
        if rule.open or rule.by == "token":
            continue
        for who in WHO[1:]:
            role = "fellow" if who == "other" else who
            client = home.client(who)
            assert client.post(address(name, theirs)).status_code in (404, 405), (name, who)
            if set(PATTERNS[name].pattern.converters) - {"programme"}:
                got = client.post(address(name, theirs | {"programme": home.programme.slug})).status_code
                assert got == (403 if role not in rule.roles else 404) or got == 405, (name, who, got)


def test_open_addresses(home, tmp_path):
    values = things(home, tmp_path)
    for name in PATTERNS:
        rule = POLICY[name]
        if not rule.open or name.startswith(("account_", "mfa_")):
            continue
        got = Client(HTTP_HOST="localhost").get(address(name, values)).status_code
        allowed = (400, 401) if name in UNASKED else (302,) if rule.open in ("signed in", "server") else (200, 302, 405, 410)
        assert got in allowed, (name, got)
        if rule.open == "server":
            assert all(home.client(who).get(address(name, values)).status_code == 403 for who in WHO[1:])


def test_what_is_not_in_the_table_answers_nobody(home, monkeypatch):
    monkeypatch.setattr("scoring.portal.guard.POLICY", {name: rule for name, rule in POLICY.items() if name != "audit"})
    assert home.client("admin").get(home.at("audit")).status_code == 403


def test_a_hole_in_the_table_would_be_seen(home, tmp_path, monkeypatch):
    """The generated test can fail: a fellow let into everybody's pages is found."""
    monkeypatch.setitem(POLICY, "learner", replace(POLICY["learner"], roles={**POLICY["learner"].roles, "fellow": "all"}))
    values = things(home, tmp_path)
    assert ask(home, "other", address("learner", values), "session") == 200


def test_the_guide_shows_the_table():
    from pathlib import Path

    guide = Path(__file__).resolve().parent.parent.parent / "docs/PORTAL.md"
    assert policy_table() in guide.read_text(encoding="utf-8")


def test_the_openapi_description_is_what_the_calls_do(home, tmp_path):
    """Every call that is routed is described, and answers as described, signed in or not."""
    told = Client().get("/api/v1/openapi.json").json()
    routes = {"/" + re.sub(r"<\w+:(\w+)>", r"{\1}", str(p.pattern)) for name, p in PATTERNS.items() if name.startswith("api_")}
    assert routes == set(told["paths"])
    path = handed(tmp_path, home.learner.pseudonym)
    data, sha256 = path.read_bytes(), hashlib.sha256(path.read_bytes()).hexdigest()
    seen = set()
    for route, calls in told["paths"].items():
        for method in ("put", "get", "post"):
            for headers in ({}, home.bearer()) if method in calls else ():
                url, body = route.replace("{sha256}", sha256), data if method == "put" else b""
                answer = Client().generic(method, url, body, "application/octet-stream", headers=headers)
                described = calls[method]["responses"][str(answer.status_code)]["content"]["application/json"]["schema"]
                assert set(described.get("required", ())) <= set(answer.json()), (route, method, answer.status_code)
                seen.add((method, answer.status_code))
    assert {("put", 201), ("put", 401), ("get", 200), ("get", 401), ("post", 200), ("post", 400)} <= seen

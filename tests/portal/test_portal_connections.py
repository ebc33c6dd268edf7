"""Sign-in by other systems, launches, grades and statements, against systems in this process that say what they like."""

from __future__ import annotations

import base64
import time
import zlib
from urllib.parse import parse_qs, urlsplit

import pytest
from allauth.socialaccount.models import SocialAccount
from cryptography.hazmat.primitives.asymmetric import rsa
from django.conf import settings
from django.test import Client

from scoring.portal.connections import read_connections
from scoring.portal.models import GradeLine, Statement, User
from scoring.portal.people import erase
from scoring.portal.sending import send_all
from sim.errors import UsageError
from tests.portal import systems
from tests.portal.site import hand_in
from tests.portal.systems import CLAIM, CLIENT, SAML_ID, Systems, launch, saml_response, signed

pytestmark = pytest.mark.usefixtures("rolled_back")
STRANGER = rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(autouse=True)
def quiet():
    Systems.says, Systems.down = {}, False
    Systems.heard.clear()


def user_of(client):
    return client.session.get("_auth_user_id")


# --- OpenID Connect ---


def oidc(client, **says):
    """Go the whole way as a browser does; return the last answer."""
    Systems.says = {"sub": "o-1", "email": "fellow@home.example", "email_verified": True} | says
    away = client.get("/account/oidc/hospital/")
    assert away.status_code == 302, away.content
    asked = parse_qs(urlsplit(away["Location"]).query)
    assert asked["code_challenge_method"] == ["S256"]
    return client.get("/account/oidc/hospital/back/", {"code": "c", "state": asked["state"][0]})


def test_openid_lets_in_who_was_invited(home):
    client = Client()
    assert "/account/oidc/hospital/" in client.get("/account/sign-in").content.decode()
    assert oidc(client).status_code == 302
    assert user_of(client) == str(home.members["fellow"].user_id)
    assert client.get(home.at(""), follow=True).status_code == 200
    other = Client()
    oidc(other, email="changed@home.example")  # the provider's number counts from now on, not the address
    assert user_of(other) == user_of(client)


@pytest.mark.parametrize(
    "says",
    [
        {"email": "nobody@home.example"},
        {"email_verified": False},
        {"email": "director@away.example"},
        {"email": ""},
    ],
)
def test_openid_lets_nobody_else_in(home, away, says):
    people, client = User.objects.count(), Client()
    answer = oidc(client, **says)
    assert user_of(client) is None and User.objects.count() == people
    assert SocialAccount.objects.count() == 0
    assert answer.status_code == 200 and "Not invited yet" in answer.content.decode()


def test_openid_answers_that_were_not_asked_for(home):
    Systems.says = {"sub": "o-1", "email": "fellow@home.example", "email_verified": True}
    client = Client()
    client.get("/account/oidc/hospital/back/", {"code": "c", "state": "made-up"})
    assert user_of(client) is None
    assert client.get("/account/oidc/unknown/").status_code == 404


# --- SAML ---


def saml(client, attributes=None, key=None):
    away = client.get(f"/account/saml/{SAML_ID}/")
    assert away.status_code == 302, away.content
    asked = parse_qs(urlsplit(away["Location"]).query)
    text = zlib.decompress(base64.b64decode(asked["SAMLRequest"][0]), -15).decode()
    number = text.split('ID="')[1].split('"')[0]
    here = "http://localhost/account/saml/" + SAML_ID
    told = saml_response(
        f"{here}/acs/", f"{here}/metadata/", number, attributes or {"uid": "u1", "mail": "fellow@home.example"}, key
    )
    answer = client.post(f"/account/saml/{SAML_ID}/acs/", {"SAMLResponse": told, "RelayState": asked.get("RelayState", [""])[0]})
    return client.get(answer["Location"])


def test_saml_lets_in_who_was_invited(home):
    client = Client(HTTP_HOST="localhost")
    saml(client)
    assert user_of(client) == str(home.members["fellow"].user_id)
    assert b"EntityDescriptor" in client.get(f"/account/saml/{SAML_ID}/metadata/").content


@pytest.mark.parametrize(
    ("attributes", "key"),
    [
        ({"uid": "u1", "mail": "fellow@home.example"}, STRANGER),
        ({"uid": "u1", "mail": "director@away.example"}, None),
        ({"uid": "u1", "mail": "nobody@home.example"}, None),
    ],
)
def test_saml_lets_nobody_else_in(home, away, attributes, key):
    client = Client(HTTP_HOST="localhost")
    saml(client, attributes, key)
    assert user_of(client) is None and SocialAccount.objects.count() == 0


# --- LTI 1.3 ---


def begin(client, **more):
    told = {"iss": systems.base(), "login_hint": "h", "target_link_uri": "x", "client_id": CLIENT} | more
    return client.get("/lti/begin", told)


def launched(client, key=systems.KEY, kid="k1", **more):
    """Begin and launch; return the answer and the form, for a second try."""
    asked = parse_qs(urlsplit(begin(client)["Location"]).query)
    form = {"state": asked["state"][0], "id_token": signed(launch(asked["nonce"][0], **more), key, kid)}
    return client.post("/lti/launch", form), form


def test_a_launch_signs_in_and_the_grade_goes_back(home, tmp_path):
    client = Client()
    ags = {"scope": ["https://purl.imsglobal.org/spec/lti-ags/scope/score"], "lineitem": f"{systems.base()}/line/7?x=1"}
    custom = {"assignment": str(home.practice.pk)}
    answer, _ = launched(client, **{"https://purl.imsglobal.org/spec/lti-ags/claim/endpoint": ags, f"{CLAIM}custom": custom})
    assert answer.status_code == 302 and user_of(client) == str(home.members["fellow"].user_id)
    assert GradeLine.objects.get().assignment == home.practice
    kept = home.client("admin").get(home.at(f"learners/{home.learner.pseudonym}/data")).json()
    assert kept["grade_books"][0]["subject"] == "person-1" and kept["sign_in"][0]["provider"] == f"lti {CLIENT}"
    hand_in(home, tmp_path)
    assert (send_all(settings.FOLDER).scores, send_all(settings.FOLDER).scores) == (1, 0)
    score = next(told for _, path, told, _ in Systems.heard if path == "/line/7/scores?x=1")
    assert (score["scoreGiven"], score["scoreMaximum"], score["userId"]) == (1, 1, "person-1")
    assert (score["activityProgress"], score["gradingProgress"]) == ("Completed", "FullyGraded")
    asked = next(told for _, path, told, _ in Systems.heard if path == "/token")
    keys = Client().get("/lti/keys.json").json()["keys"]
    claims = systems.jwt.decode(
        asked["client_assertion"],
        systems.RSAAlgorithm.from_jwk(keys[0]),
        algorithms=["RS256"],
        audience=f"{systems.base()}/token",
    )
    assert claims["sub"] == CLIENT
    assert (settings.FOLDER / "keys/lti_key.pem").stat().st_mode & 0o077 == 0
    erase(home.learner)
    assert GradeLine.objects.count() == 0 and SocialAccount.objects.count() == 0


def test_a_grade_that_was_not_taken_is_sent_again(home, tmp_path):
    GradeLine.objects.create(
        learner=home.learner, assignment=home.practice, issuer=systems.base(), client_id=CLIENT, subject="s",
        line=f"{systems.base()}/line/8",
    )  # fmt: skip
    Systems.down = True
    assert "did not take" in send_all(settings.FOLDER).troubles[0]
    Systems.down = False
    assert send_all(settings.FOLDER).scores == 1


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"nonce": "another"}, "nonce"),
        ({"aud": "another-tool"}, "Audience"),
        ({"iss": "https://evil.example"}, "issuer"),
        ({"exp": int(time.time()) - 120}, "expired"),
        ({"iat": int(time.time()) + 600}, "not yet valid"),
        ({f"{CLAIM}deployment_id": "2"}, "deployment"),
        ({f"{CLAIM}version": "1.1"}, "1.3.0"),
        ({f"{CLAIM}message_type": "LtiDeepLinkingRequest"}, "resource link"),
        ({"key": STRANGER}, "Signature"),
        ({"kid": "k2"}, "does not publish"),
        ({"sub": None}, "sub"),
        ({"email": "director@away.example"}, "invited"),
        ({"email": "nobody@home.example"}, "invited"),
    ],
)
def test_launches_that_are_not_believed(home, away, more, why):
    client = Client()
    answer, _ = launched(client, **more)
    assert answer.status_code in (400, 403) and why.lower() in answer.content.decode().lower(), answer.content
    assert user_of(client) is None


def test_clocks_may_differ_by_a_minute(home):
    client = Client()
    launched(client, iat=int(time.time()) + 45, exp=int(time.time()) - 30)
    assert user_of(client)


def test_a_launch_works_once_and_in_its_own_browser(home):
    client, thief = Client(), Client()
    _, form = launched(client)
    client.logout()
    assert client.post("/lti/launch", form).status_code == 400 and user_of(client) is None
    asked = parse_qs(urlsplit(begin(client)["Location"]).query)
    form = {"state": asked["state"][0], "id_token": signed(launch(asked["nonce"][0]))}
    assert thief.post("/lti/launch", form).status_code == 400 and user_of(thief) is None
    assert begin(client, iss="https://evil.example").status_code == 400
    assert client.post("/lti/launch", {}).status_code == 400


def test_a_launch_signed_with_our_own_words_is_refused(home):
    """alg none, and HMAC with the public key as its secret: the oldest tricks."""
    for alg, key in (("none", None), ("HS256", "the public key, as if it were a secret")):
        client = Client()
        asked = parse_qs(urlsplit(begin(client)["Location"]).query)
        token = signed(launch(asked["nonce"][0]), key, alg=alg)
        assert client.post("/lti/launch", {"state": asked["state"][0], "id_token": token}).status_code == 400
        assert user_of(client) is None


# --- statements ---


def test_statements_are_sent_once_each_and_of_evidence_alone(home, away, tmp_path):
    attempt = hand_in(home, tmp_path / "1")
    hand_in(away, tmp_path / "2")
    Systems.down = True
    assert "503" in send_all(settings.FOLDER).troubles[0] and Statement.objects.count() == 0
    Systems.down = False
    assert (send_all(settings.FOLDER).statements, send_all(settings.FOLDER).statements) == (1, 0)
    method, path, told, headers = Systems.heard[-1]
    assert method == "PUT" and path == f"/xapi/statements?statementId={told['id']}"
    assert told["actor"]["account"]["name"] == home.learner.pseudonym and "Dr fellow" not in str(told)
    assert headers["X-Experience-API-Version"].startswith("2.0") and headers["Authorization"].startswith("Basic ")
    assert Statement.objects.get().attempt == attempt


# --- the file ---


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[[oidc]]\n", "expected id, name"),
        ("[[ldap]]\nx = 1\n", "expected \\[\\[oidc\\]\\]"),
        ("oidc = 3\n", "expected \\[\\[oidc\\]\\]"),
        ("[[oidc]\n", "no TOML"),
        ('[[lrs]]\nprogramme = "p"\nurl = "http://far.example"\nkey = "k"\nsecret = "s"\n', "https"),
        ('[[lrs]]\nprogramme = "p"\nurl = "https://a.example"\nkey = ""\nsecret = "s"\n', "not empty"),
        ('[[lrs]]\nprogramme = "p"\nurl = "https://a.example"\nkey = "k"\nsecret = "s"\n' * 2, "once"),
    ],
)
def test_wrong_connections(tmp_path, text, why):
    (tmp_path / "connections.toml").write_text(text)
    with pytest.raises(UsageError, match=why):
        read_connections(tmp_path)


# --- the command line ---


def test_who_runs_the_server_comes_in_by_a_link_once(home, capsys):
    from commands.portal import link, send

    link("root@server.example", None, True)
    address = capsys.readouterr().out.strip()
    password = {"password": "correct horse battery", "again": "correct horse battery"}
    client = Client()
    assert client.post(urlsplit(address).path, password).status_code == 302
    assert client.get("/programmes").status_code == 200
    with pytest.raises(UsageError, match="nobody signs in here"):
        link("second@server.example", None, True)
    send(None, 0.0)
    assert "0 scores, 0 statements sent" in capsys.readouterr().out

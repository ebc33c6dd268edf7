"""LTI 1.3 (1EdTech): a launch from a learning platform, and what a grade return needs. Tokens by PyJWT; no Django models here.

A launch is believed when its token is signed by the platform's key (RS256), names this tool and a deployment that we know, is in
time (60 s of leeway for the clocks), and carries the nonce that this browser was given; each nonce works once.
"""

from __future__ import annotations

import secrets
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

import jwt
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from sim.errors import MachineError, UsageError

CLAIM = "https://purl.imsglobal.org/spec/lti/claim/"
ENDPOINT = "https://purl.imsglobal.org/spec/lti-ags/claim/endpoint"
SCORE_SCOPE = "https://purl.imsglobal.org/spec/lti-ags/scope/score"
SCORE_TYPE = "application/vnd.ims.lis.v1.score+json"
LEEWAY_S, TIMEOUT_S = 60, 20
KEY_FILE = "lti_key.pem"


def platform_of(platforms: tuple[dict[str, Any], ...], issuer: str, client_id: str = "") -> dict[str, Any]:
    """Return the platform of an issuer (and, where it names one, a client id); UsageError for one that we do not know."""
    found = [p for p in platforms if p["issuer"] == issuer and client_id in ("", p["client_id"])]
    if len(found) != 1:
        raise UsageError(f"the platform '{issuer[:80]}' is not one that this server knows; expected one of connections.toml")
    return found[0]


def request_address(platform: dict[str, Any], told: dict[str, str], back: str, state: str, nonce: str) -> str:
    """Return where the browser goes to fetch the launch. told: what the platform sent to begin; back: our launch address."""
    asked = {
        "scope": "openid",
        "response_type": "id_token",
        "response_mode": "form_post",
        "prompt": "none",
        "client_id": platform["client_id"],
        "redirect_uri": back,
        "state": state,
        "nonce": nonce,
        "login_hint": told.get("login_hint", ""),
    }
    if told.get("lti_message_hint"):
        asked["lti_message_hint"] = told["lti_message_hint"]
    return str(platform["auth_url"]) + ("&" if "?" in platform["auth_url"] else "?") + urlencode(asked)


def read_launch(platform: dict[str, Any], token: str, nonce: str) -> dict[str, Any]:
    """Return the claims of a launch. UsageError, one line, for one that is not to be believed; MachineError: no keys."""
    try:
        key = _platform_key(platform["jwks_url"], str(jwt.get_unverified_header(token).get("kid", "")))
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=["RS256"],
            audience=platform["client_id"],
            issuer=platform["issuer"],
            leeway=LEEWAY_S,
            options={"require": ["exp", "iat", "aud", "iss", "sub", "nonce"]},
        )
    except jwt.PyJWTError as error:
        raise UsageError(f"the launch is not to be believed: {error}") from None
    _check_claims(platform, claims, nonce)
    return claims


def _platform_key(url: str, kid: str) -> Any:
    try:
        answer = requests.get(url, timeout=TIMEOUT_S)
        answer.raise_for_status()
        keys = answer.json()["keys"]
        told = next((one for one in keys if one.get("kid") == kid and one.get("kty") == "RSA"), None)
    except (requests.RequestException, ValueError, KeyError, TypeError, AttributeError) as error:
        raise MachineError(f"the platform's keys cannot be read ({type(error).__name__}); try the launch again") from None
    if told is None:
        raise UsageError("the launch is signed with a key that the platform does not publish")
    return RSAAlgorithm.from_jwk(told)


def _check_claims(platform: dict[str, Any], claims: dict[str, Any], nonce: str) -> None:
    wrong = [
        why
        for right, why in (
            (secrets.compare_digest(str(claims["nonce"]), nonce), "its nonce is not the one that this browser was given"),
            (claims.get(f"{CLAIM}message_type") == "LtiResourceLinkRequest", "it is no resource link"),
            (claims.get(f"{CLAIM}version") == "1.3.0", "it is not LTI 1.3.0"),
            (claims.get(f"{CLAIM}deployment_id") in platform["deployments"], "its deployment is not one of connections.toml"),
            (isinstance(claims["aud"], str) or len(claims["aud"]) == 1 or claims.get("azp") == platform["client_id"], "azp"),
        )
        if not right
    ]
    if wrong:
        raise UsageError(f"the launch is not to be believed: {wrong[0]}")


def line_item(claims: dict[str, Any]) -> str:
    """Return the address of the grade book's column that the launch gave for scores; "" for none."""
    told = claims.get(ENDPOINT)
    if not isinstance(told, dict) or SCORE_SCOPE not in (told.get("scope") or []):
        return ""
    found = str(told.get("lineitem") or "")
    return found if urlsplit(found).scheme in ("https", "http") and len(found) <= 1000 else ""


def tool_key(folder: Path) -> rsa.RSAPrivateKey:
    """Return the key with which this tool asks platforms for tokens; made (mode 0600) if it is not there."""
    path = folder / "keys" / KEY_FILE
    if not path.exists():
        made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = made.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )  # fmt: skip
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = path.with_name(f"{KEY_FILE}.{secrets.token_hex(4)}")
        new.touch(mode=0o600)
        new.write_bytes(pem)
        new.replace(path)
    found = serialization.load_pem_private_key(path.read_bytes(), None)
    assert isinstance(found, rsa.RSAPrivateKey)
    return found


def key_name(key: rsa.RSAPrivateKey) -> str:
    """Return the name (kid) of a key: the beginning of its modulus."""
    return f"{key.public_key().public_numbers().n:x}"[:16]


def published(key: rsa.RSAPrivateKey) -> dict[str, Any]:
    """Return the tool's key set, as platforms fetch it."""
    told = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return {"keys": [told | {"kid": key_name(key), "use": "sig", "alg": "RS256"}]}


def send_score(platform: dict[str, Any], key: rsa.RSAPrivateKey, line: str, score: dict[str, Any]) -> None:
    """Write a score into the platform's grade book (Assignment and Grade Services 2.0). MachineError: it did not take it."""
    now = int(time.time())
    claims = {"iss": platform["client_id"], "sub": platform["client_id"], "aud": platform["token_url"], "iat": now}
    claims |= {"exp": now + 300, "jti": secrets.token_hex(16)}
    asked = {
        "grant_type": "client_credentials",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": jwt.encode(claims, key, algorithm="RS256", headers={"kid": key_name(key)}),
        "scope": SCORE_SCOPE,
    }
    parts = urlsplit(line)
    where = urlunsplit(parts._replace(path=parts.path.rstrip("/") + "/scores"))
    try:
        answer = requests.post(platform["token_url"], data=asked, timeout=TIMEOUT_S)
        answer.raise_for_status()
        headers = {"Authorization": f"Bearer {answer.json()['access_token']}", "Content-Type": SCORE_TYPE}
        requests.post(where, json=score, headers=headers, timeout=TIMEOUT_S).raise_for_status()
    except (requests.RequestException, ValueError, KeyError, TypeError) as error:
        raise MachineError(f"the grade book of {platform['name']} did not take a score: {type(error).__name__}") from None

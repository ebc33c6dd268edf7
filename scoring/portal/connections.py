"""Other systems that the portal talks with: `connections.toml` in its data folder (docs/PORTAL.md shows one). No Django here.

    [[oidc]]    sign-in by OpenID Connect        [[lti]]    a learning platform (LTI 1.3)
    [[saml]]    sign-in by SAML 2.0              [[lrs]]    a learning record store (xAPI)

A provider may only speak for e-mail addresses of the domains that it is given: else one hospital's could let its people in as
another's.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sim.errors import MachineError, UsageError

FILE = "connections.toml"
_NEEDS: dict[str, tuple[str, ...]] = {
    "oidc": ("id", "name", "server_url", "client_id", "secret", "domains"),
    "saml": ("id", "name", "entity_id", "sso_url", "x509cert", "domains"),
    "lti": ("name", "issuer", "client_id", "auth_url", "token_url", "jwks_url", "deployments", "programme", "domains"),
    "lrs": ("programme", "url", "key", "secret"),
}
_MAY: dict[str, tuple[str, ...]] = {"saml": ("attributes",)}
_LISTS, _LOCAL = ("domains", "deployments"), ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Connections:
    """The tables of the file, checked."""

    oidc: tuple[dict[str, Any], ...] = ()
    saml: tuple[dict[str, Any], ...] = ()
    lti: tuple[dict[str, Any], ...] = ()
    lrs: tuple[dict[str, Any], ...] = ()

    def providers(self) -> dict[str, Any]:
        """Return django-allauth's SOCIALACCOUNT_PROVIDERS."""
        found: dict[str, Any] = {}
        if self.oidc:
            found["openid_connect"] = {"OAUTH_PKCE_ENABLED": True, "APPS": [_oidc(one) for one in self.oidc]}
        if self.saml:
            found["saml"] = {"APPS": [_saml(one) for one in self.saml]}
        return found


def _oidc(one: dict[str, Any]) -> dict[str, Any]:
    settings = {"server_url": one["server_url"], "domains": one["domains"], "email_authentication": True}
    named = {"provider_id": one["id"], "name": one["name"], "client_id": one["client_id"], "secret": one["secret"]}
    return named | {"settings": settings}


def _saml(one: dict[str, Any]) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "idp": {"entity_id": one["entity_id"], "sso_url": one["sso_url"], "x509cert": one["x509cert"]},
        "advanced": {
            "want_assertion_signed": True,
            "reject_idp_initiated_sso": True,
            "strict": True,
            "allow_single_label_domains": True,  # a server inside a hospital may have a name without a dot
        },
        "domains": one["domains"],
        "email_authentication": True,
    }
    if "attributes" in one:
        settings["attribute_mapping"] = one["attributes"]
    return {"provider_id": one["entity_id"], "name": one["name"], "client_id": one["id"], "settings": settings}


def read_connections(folder: Path) -> Connections:
    """Return what the file of a data folder says; nothing where there is none. UsageError, one line, for a wrong one."""
    path = folder / FILE
    if not path.exists():
        return Connections()
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: no TOML: {error}") from None
    except OSError as error:
        raise MachineError(f"{path}: {error.strerror}") from None
    unknown = set(told) - set(_NEEDS)
    if unknown or not all(isinstance(found, list) for found in told.values()):
        raise UsageError(f"{path}: '{min(unknown | set(told))}': expected [[oidc]], [[saml]], [[lti]] and [[lrs]] alone")
    found = {kind: tuple(_checked(path, kind, n, one) for n, one in enumerate(told.get(kind, []), 1)) for kind in _NEEDS}
    for kind, key in (("oidc", "id"), ("saml", "id"), ("lti", "issuer"), ("lrs", "programme")):
        names = [(one[key], one.get("client_id") if kind == "lti" else "") for one in found[kind]]
        if len(set(names)) < len(names):
            raise UsageError(f"{path}: [[{kind}]]: expected every {key} once")
    return Connections(**found)


def _checked(path: Path, kind: str, number: int, one: Any) -> dict[str, Any]:
    where = f"{path}: [[{kind}]] {number}"
    if not isinstance(one, dict) or set(_NEEDS[kind]) - set(one) or set(one) - set(_NEEDS[kind]) - set(_MAY.get(kind, ())):
        raise UsageError(f"{where}: expected {', '.join(_NEEDS[kind])}" + "".join(f"; may have {m}" for m in _MAY.get(kind, ())))
    for key, value in one.items():
        right = isinstance(value, dict) if key == "attributes" else _text(value) or (key in _LISTS and _texts(value))
        if not right or (key in _LISTS and isinstance(value, str)):
            raise UsageError(f"{where}, {key}: expected {'a list of texts' if key in _LISTS else 'a text that is not empty'}")
        if key.endswith("url") and not _safe(value):
            raise UsageError(f"{where}, {key}: '{value[:80]}': expected an https address")
        if key == "id" and not re.fullmatch(r"[a-z0-9-]{1,40}", value):
            raise UsageError(f"{where}, id: '{value[:40]}': expected small letters, digits and '-'")
    return {key: [v.lower() for v in value] if key == "domains" else value for key, value in one.items()}


def _text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _texts(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_text, value))


def _safe(url: str) -> bool:
    parts = urlsplit(url)
    return bool(parts.hostname) and (parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOCAL))


def speaks_for(domains: list[str], email: str) -> bool:
    """Tell whether a provider with these domains may speak for an address."""
    return email.rpartition("@")[2].lower() in domains

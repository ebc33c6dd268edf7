"""The other systems, in the process of the tests: an OpenID provider, a SAML provider, a learning platform, a record store."""

from __future__ import annotations

import base64
import json
import threading
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from jwt.algorithms import RSAAlgorithm

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
CLIENT, SAML_ID, SAML_ENTITY = "scottie-tool", "hospital-saml", "https://idp.hospital.example/entity"
CLAIM = "https://purl.imsglobal.org/spec/lti/claim/"


class Systems(BaseHTTPRequestHandler):
    """says: what the OpenID provider says of who signs in; heard: what came for grade book and store; down: answer 503."""

    says: dict[str, Any] = {}  # noqa: RUF012
    heard: list[tuple[str, str, Any, dict[str, str]]] = []  # noqa: RUF012
    down = False

    def do_GET(self):
        path = urlsplit(self.path).path
        if path == "/.well-known/openid-configuration":
            self._answer({"issuer": base(), "authorization_endpoint": f"{base()}/authorize", "token_endpoint": f"{base()}/token",
                          "userinfo_endpoint": f"{base()}/userinfo", "jwks_uri": f"{base()}/keys",
                          "token_endpoint_auth_methods_supported": ["client_secret_post"]})  # fmt: skip
        elif path == "/keys":
            self._answer({"keys": [RSAAlgorithm.to_jwk(KEY.public_key(), as_dict=True) | {"kid": "k1", "alg": "RS256"}]})
        elif path == "/userinfo":
            self._answer(self.says)
        else:
            self._answer({}, 404)

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = urlsplit(self.path).path
        told = (
            json.loads(body)
            if "json" in self.headers.get("Content-Type", "")
            else {k: v[0] for k, v in parse_qs(body.decode()).items()}
        )
        self.heard.append((self.command, self.path, told, dict(self.headers)))
        if self.down:
            self._answer({}, 503)
        elif path == "/token":
            now = int(time.time())
            claims = {"iss": base(), "aud": "portal", "iat": now, "exp": now + 60, **self.says}
            self._answer({"access_token": "at", "token_type": "Bearer", "id_token": signed(claims)})
        else:
            self._answer({})

    do_PUT = do_POST

    def _answer(self, told, status=200):
        data = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        """Silent."""


SERVER = ThreadingHTTPServer(("127.0.0.1", 0), Systems)
SERVER.daemon_threads = True
threading.Thread(target=SERVER.serve_forever, daemon=True).start()


def base() -> str:
    return f"http://127.0.0.1:{SERVER.server_port}"


def signed(claims, key=KEY, kid="k1", alg="RS256") -> str:
    return jwt.encode(claims, key, algorithm=alg, headers={"kid": kid})


def certificate() -> str:
    """Return the SAML provider's certificate as base64 of its DER."""
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "idp")]), datetime.now(UTC)
    made = x509.CertificateBuilder(name, name, KEY.public_key(), 1, now - timedelta(days=1), now + timedelta(days=1))
    return base64.b64encode(made.sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.DER)).decode()


CERTIFICATE = certificate()


def connections() -> str:
    """Return connections.toml."""
    return f"""
[[oidc]]
id = "hospital"
name = "St. Elsewhere"
server_url = "{base()}"
client_id = "portal"
secret = "s"
domains = ["home.example"]

[[saml]]
id = "{SAML_ID}"
name = "St. Elsewhere (SAML)"
entity_id = "{SAML_ENTITY}"
sso_url = "https://idp.hospital.example/sso"
x509cert = "{CERTIFICATE}"
domains = ["home.example"]
attributes = {{ uid = "uid", email = "mail" }}

[[lti]]
name = "Campus"
issuer = "{base()}"
client_id = "{CLIENT}"
auth_url = "{base()}/authorize"
token_url = "{base()}/token"
jwks_url = "{base()}/keys"
deployments = ["1"]
programme = "home"
domains = ["home.example"]

[[lrs]]
programme = "home"
url = "{base()}/xapi"
key = "k"
secret = "s"
"""


def launch(given: str, **more) -> dict[str, Any]:
    """Return the claims of a launch."""
    now = int(time.time())
    told = {
        "iss": base(),
        "aud": CLIENT,
        "sub": "person-1",
        "iat": now,
        "exp": now + 60,
        "nonce": given,
        "email": "fellow@home.example",
        f"{CLAIM}message_type": "LtiResourceLinkRequest",
        f"{CLAIM}version": "1.3.0",
        f"{CLAIM}deployment_id": "1",
        f"{CLAIM}resource_link": {"id": "r1"},
    }
    return {name: value for name, value in (told | more).items() if value is not None}


def saml_response(to: str, audience: str, in_response_to: str, attributes: dict[str, str], key=None) -> str:
    """Return a signed SAML response (assertion signed), base64."""
    from onelogin.saml2.utils import OneLogin_Saml2_Utils as Utils

    now = datetime.now(UTC)
    at = {
        name: (now + timedelta(minutes=m)).strftime("%Y-%m-%dT%H:%M:%SZ") for name, m in (("now", 0), ("from", -1), ("till", 5))
    }
    told = "".join(
        f'<saml:Attribute Name="{name}"><saml:AttributeValue>{value}</saml:AttributeValue></saml:Attribute>'
        for name, value in attributes.items()
    )
    assertion = f"""<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_a1" Version="2.0" IssueInstant="{at["now"]}">
<saml:Issuer>{SAML_ENTITY}</saml:Issuer><saml:Subject><saml:NameID Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent">p1</saml:NameID>
<saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml:SubjectConfirmationData NotOnOrAfter="{at["till"]}"
 Recipient="{to}" InResponseTo="{in_response_to}"/></saml:SubjectConfirmation></saml:Subject>
<saml:Conditions NotBefore="{at["from"]}" NotOnOrAfter="{at["till"]}"><saml:AudienceRestriction><saml:Audience>{audience}</saml:Audience>
</saml:AudienceRestriction></saml:Conditions><saml:AuthnStatement AuthnInstant="{at["now"]}" SessionIndex="s1"><saml:AuthnContext>
<saml:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:Password</saml:AuthnContextClassRef></saml:AuthnContext>
</saml:AuthnStatement><saml:AttributeStatement>{told}</saml:AttributeStatement></saml:Assertion>"""  # noqa: E501
    pem = (key or KEY).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )  # fmt: skip
    sealed = Utils.add_sign(assertion, pem.decode(), Utils.format_cert(CERTIFICATE), sign_algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
                            digest_algorithm="http://www.w3.org/2001/04/xmlenc#sha256").decode()  # fmt: skip
    whole = f"""<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_r1"
 Version="2.0" IssueInstant="{at["now"]}" Destination="{to}" InResponseTo="{in_response_to}"><saml:Issuer>{SAML_ENTITY}</saml:Issuer>
<samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:Status>{sealed.split("?>")[-1]}</samlp:Response>"""  # noqa: E501
    return base64.b64encode(whole.encode()).decode()

"""JSON Web Signature, compact form, EdDSA over Ed25519 alone (RFC 7515, RFC 8037), and did:key names of such keys."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

MAX_TOKEN = 256 * 1024
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_ED25519 = b"\xed\x01"  # multicodec ed25519-pub


class Malformed(ValueError):
    """Not a token of this kind."""


class WrongSignature(ValueError):
    """The signature does not fit the token under this key."""


def encode(data: bytes) -> str:
    """Return base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """Return the bytes of base64url without padding; Malformed unless it is written in the one canonical way."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise Malformed("is not base64url") from None
    if encode(data) != text:
        raise Malformed("is not base64url")
    return data


def sign(header: dict[str, Any], payload: dict[str, Any], key: Ed25519PrivateKey) -> str:
    """Return a signed token; `alg` is set here."""
    parts = ({**header, "alg": "EdDSA"}, payload)
    message = ".".join(encode(json.dumps(p, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()) for p in parts)
    return f"{message}.{encode(key.sign(message.encode('ascii')))}"


def parts_of(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return (header, payload) without any check of the signature. Malformed if they are no JSON objects."""
    pieces = token.split(".")
    if len(token) > MAX_TOKEN or len(pieces) != 3:
        raise Malformed("is not a JWT of at most 256 KiB")
    try:
        header, payload = (json.loads(decode(piece).decode(), object_pairs_hook=_once) for piece in pieces[:2])
    except (UnicodeDecodeError, RecursionError, json.JSONDecodeError):
        raise Malformed("holds no JSON") from None
    if not (isinstance(header, dict) and isinstance(payload, dict)):
        raise Malformed("holds no JSON objects")
    return header, payload


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) != len(pairs):
        raise Malformed("names a member twice")
    return dict(pairs)


def check(token: str, public_key: str) -> None:
    """Raise WrongSignature unless the token is signed by this key (hex), Malformed unless it says EdDSA."""
    header, _ = parts_of(token)
    if header.get("alg") != "EdDSA":
        raise Malformed(f"is signed with '{str(header.get('alg'))[:20]}'; expected EdDSA")
    if "crit" in header:
        raise Malformed("asks for an extension that is not known")
    message, _, signature = token.rpartition(".")
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key)).verify(decode(signature), message.encode("ascii"))
    except (InvalidSignature, Malformed):
        raise WrongSignature("its signature does not fit") from None


def did_key(public_key: str) -> str:
    """Return the did:key of an Ed25519 public key (hex): the key itself as a name, resolvable without a network."""
    data = _ED25519 + bytes.fromhex(public_key)
    number, text = int.from_bytes(data, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        text = _BASE58[digit] + text
    return "did:key:z" + "1" * (len(data) - len(data.lstrip(b"\0"))) + text

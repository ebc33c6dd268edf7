"""The description of the desktop's calls (OpenAPI 3.1), as the server gives it out. A test holds it to the views."""

from __future__ import annotations

from typing import Any

_TEXT, _WHOLE = {"type": "string"}, {"type": "integer"}
_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {"error": _TEXT, "error_description": _TEXT},
}
_STATE = {
    "type": "object",
    "required": ["sha256", "state", "received", "status", "reason", "record_id"],
    "properties": {
        "sha256": _TEXT,
        "state": {"enum": ["queued", "checking", "checked"]},
        "received": _TEXT,
        "status": _TEXT,
        "reason": _TEXT,
        "record_id": _TEXT,
    },
}
_CASE = {
    "type": "object",
    "required": ["scenario", "seed", "state", "attempts"],
    "properties": {"scenario": _TEXT, "seed": {"type": ["integer", "null"]}, "state": _TEXT, "attempts": _WHOLE},
}
_ASSIGNMENT = {
    "type": "object",
    "required": ["id", "title", "mode", "opens", "due", "sealed", "attempts_allowed", "target_percent", "state", "cases"],
    "properties": {
        "id": _WHOLE,
        "title": _TEXT,
        "mode": {"enum": ["practice", "assessment"]},
        "opens": _TEXT,
        "due": _TEXT,
        "sealed": {"type": "boolean"},
        "attempts_allowed": _WHOLE,
        "target_percent": {"type": ["integer", "null"]},
        "state": _TEXT,
        "cases": {"type": "array", "items": _CASE},
    },
}


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "properties": properties}


def _answer(told: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": told, "content": {"application/json": {"schema": schema}}}


def _call(name: str, told: str, answers: dict[str, Any], signed_in: bool = True, **more: Any) -> dict[str, Any]:
    common = {"401": _answer("not signed in", _ERROR), "403": _answer("not for this role", _ERROR)} if signed_in else {}
    common["503"] = _answer("the database does not answer; nothing was taken over, try again later", _ERROR)
    security: list[Any] = [{"token": []}] if signed_in else []
    return {"operationId": name, "summary": told, "security": security, "responses": common | answers, **more}


def description(address: str) -> dict[str, Any]:
    """Return the description; address: of the server."""
    sha = {"name": "sha256", "in": "path", "required": True, "schema": {"type": "string", "pattern": "^[0-9a-f]{64}$"}}
    form = {"application/x-www-form-urlencoded": {"schema": _object(device_code=_TEXT)}}
    bad = {"400": _answer("not a SHA-256", _ERROR)}
    codes = _object(
        device_code=_TEXT,
        user_code=_TEXT,
        verification_uri=_TEXT,
        verification_uri_complete=_TEXT,
        interval=_WHOLE,
        expires_in=_WHOLE,
    )
    put = bad | {
        "200": _answer("was here already", _STATE),
        "201": _answer("is on the disk and waits for its verification", _STATE),
        "409": _answer("another learner handed this very record in", _ERROR),
        "411": _answer("no Content-Length", _ERROR),
        "413": _answer("larger than a record may be", _ERROR),
        "415": _answer("compressed: nothing is unpacked", _ERROR),
        "422": _answer("other bytes than said: cut short on the way", _ERROR),
        "429": _answer("too many in an hour", _ERROR),
        "507": _answer("the disk is full: keep it and hand it in later", _ERROR),
    }
    paths = {
        "/api/v1/openapi.json": {"get": _call("openapi", "This description", {"200": _answer("it", {"type": "object"})}, False)},
        "/api/v1/device": {
            "post": _call(
                "device", "Begin to sign in", {"200": _answer("codes", codes), "429": _answer("too many", _ERROR)}, False
            )
        },
        "/api/v1/token": {
            "post": _call(
                "token",
                "Ask whether the code was approved",
                {
                    "200": _answer("the token, once", _object(access_token=_TEXT, token_type=_TEXT, expires_in=_WHOLE)),
                    "400": _answer("authorization_pending, slow_down or expired_token", _ERROR),
                },
                False,
                requestBody={"required": True, "content": form},
            )
        },
        "/api/v1/me": {
            "get": _call(
                "me",
                "Whose desktop this is",
                {"200": _answer("it", _object(programme=_TEXT, name=_TEXT, learner=_TEXT, time=_TEXT))},
            )
        },
        "/api/v1/assignments": {
            "get": _call(
                "assignments",
                "What is open",
                {"200": _answer("them", _object(assignments={"type": "array", "items": _ASSIGNMENT}, time=_TEXT))},
            )
        },
        "/api/v1/attempts/{sha256}": {
            "parameters": [sha],
            "get": _call(
                "attempt", "What became of a record", bad | {"200": _answer("it", _STATE), "404": _answer("unknown", _ERROR)}
            ),
            "put": _call(
                "hand_in",
                "Hand a record in; the answer comes when its bytes are on the disk",
                put,
                requestBody={
                    "required": True,
                    "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
                },
            ),
        },
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "Scottie portal, calls of the desktop", "version": "1"},
        "servers": [{"url": address}],
        "paths": paths,
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
    }

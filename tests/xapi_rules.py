"""The rules of IEEE 9274.1.1 (xAPI 2.0), section 4.2, for statements of one agent about one activity.

Read in "9274.1.1 xAPI Base Standard for LRSs", tables of 4.2.2: types, required properties, no additional ones, no
nulls outside extensions, IRIs with a scheme, exactly one identifier of an agent.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

DURATION = re.compile(r"P(?=.)(\d+W|(\d+Y)?(\d+M)?(\d+D)?(T(?=.)(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?)")
LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")


def complaints(statement: Any) -> list[str]:
    """Return what an LRS would have to reject."""
    wrong: list[str] = []

    def need(held: bool, what: str) -> None:
        if not held:
            wrong.append(what)

    def keys(value: Any, where: str, required: set[str], optional: set[str]) -> bool:
        if not isinstance(value, dict):
            need(False, f"{where} is no object")
            return False
        need(required <= value.keys(), f"{where} lacks {sorted(required - value.keys())}")
        need(value.keys() <= required | optional, f"{where} has unknown {sorted(value.keys() - required - optional)}")
        return True

    def iri(value: Any, where: str) -> None:
        ok = isinstance(value, str) and bool(urlsplit(value).scheme) and not re.search(r'[\s<>"{}|\\^`]', value)
        need(ok, f"{where} is no IRI with a scheme")

    def language_map(value: Any, where: str) -> None:
        ok = isinstance(value, dict) and all(LANGUAGE.fullmatch(k) and isinstance(v, str) for k, v in value.items())
        need(ok, f"{where} is no language map")

    def extensions(value: Any, where: str) -> None:
        if isinstance(value, dict):
            for name in value:
                iri(name, f"{where} key")
        else:
            need(False, f"{where} is no object")

    def agent(value: Any, where: str) -> None:
        if keys(value, where, set(), {"objectType", "name", "mbox", "mbox_sha1sum", "openid", "account"}):
            need(value.get("objectType", "Agent") == "Agent", f"{where} is no agent")
            need(len({"mbox", "mbox_sha1sum", "openid", "account"} & value.keys()) == 1, f"{where} needs exactly one identifier")
            if "account" in value and keys(value["account"], f"{where}.account", {"homePage", "name"}, set()):
                iri(value["account"]["homePage"], f"{where}.account.homePage")
                need(isinstance(value["account"]["name"], str) and value["account"]["name"] != "", f"{where}.account.name")

    def activity(value: Any, where: str) -> None:
        if keys(value, where, {"id"}, {"objectType", "definition"}):
            need(value.get("objectType", "Activity") == "Activity", f"{where} is no activity")
            iri(value["id"], f"{where}.id")
            definition = value.get("definition", {})
            if keys(definition, f"{where}.definition", set(), {"name", "description", "type", "moreInfo", "extensions"}):
                if "type" in definition:
                    iri(definition["type"], f"{where}.definition.type")
                for name in ("name", "description"):
                    if name in definition:
                        language_map(definition[name], f"{where}.definition.{name}")

    def result(value: Any) -> None:
        if not keys(value, "result", set(), {"score", "success", "completion", "response", "duration", "extensions"}):
            return
        for name in ("success", "completion"):
            need(type(value.get(name, True)) is bool, f"result.{name} is no boolean")
        need("duration" not in value or bool(DURATION.fullmatch(str(value["duration"]))), "result.duration is not ISO 8601")
        if "score" in value and keys(value["score"], "result.score", set(), {"scaled", "raw", "min", "max"}):
            score = value["score"]
            numbers = all(type(v) in (int, float) for v in score.values())
            need(numbers, "result.score holds no numbers")
            if numbers:
                need(-1 <= score.get("scaled", 0) <= 1, "result.score.scaled beyond -1..1")
                low, high = score.get("min", float("-inf")), score.get("max", float("inf"))
                need(low <= high and low <= score.get("raw", low) <= high, "result.score.raw beyond min..max")
        if "extensions" in value:
            extensions(value["extensions"], "result.extensions")

    def context(value: Any) -> None:
        known = {"registration", "instructor", "team", "contextActivities", "contextAgents", "contextGroups", "revision",
                 "platform", "language", "statement", "extensions"}  # fmt: skip
        if not keys(value, "context", set(), known):
            return
        uuid(value.get("registration", str(UUID(int=0))), "context.registration")
        for name in ("revision", "platform"):
            need(isinstance(value.get(name, ""), str), f"context.{name}")
        need(bool(LANGUAGE.fullmatch(value.get("language", "en"))), "context.language")
        if keys(value.get("contextActivities", {}), "contextActivities", set(), {"parent", "grouping", "category", "other"}):
            for name, group in value.get("contextActivities", {}).items():
                for each in group:
                    activity(each, f"contextActivities.{name}")
        if "extensions" in value:
            extensions(value["extensions"], "context.extensions")

    def uuid(value: Any, where: str) -> None:
        try:
            need(str(UUID(value)) == value.lower(), f"{where} is no UUID")
        except (ValueError, AttributeError, TypeError):
            need(False, f"{where} is no UUID")

    def nulls(value: Any, where: str) -> None:
        if value is None:
            need(False, f"{where} is null")
        elif isinstance(value, dict):
            for name, each in value.items():
                if name != "extensions":
                    nulls(each, f"{where}.{name}")
        elif isinstance(value, list):
            for each in value:
                nulls(each, where)

    optional = {"id", "result", "context", "timestamp", "stored", "authority", "version", "attachments"}
    if keys(statement, "statement", {"actor", "verb", "object"}, optional) and not wrong:
        uuid(statement.get("id", str(UUID(int=0))), "id")
        agent(statement["actor"], "actor")
        if keys(statement["verb"], "verb", {"id"}, {"display"}):
            iri(statement["verb"].get("id"), "verb.id")
            language_map(statement["verb"].get("display", {}), "verb.display")
        activity(statement["object"], "object")
        result(statement.get("result", {}))
        context(statement.get("context", {}))
        need(re.fullmatch(r"2\.0\.\d+", statement.get("version", "2.0.0")) is not None, "version is not 2.0.x")
        try:
            need(datetime.fromisoformat(statement.get("timestamp", "2026-01-01T00:00:00Z")).tzinfo is not None, "timestamp zone")
        except (ValueError, TypeError):
            need(False, "timestamp is not ISO 8601")
        nulls(statement, "statement")
    return wrong

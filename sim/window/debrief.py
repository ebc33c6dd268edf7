"""The debrief, read from the top: verdict in words, critical errors, what went well, what to change, detail, the record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from imgui_bundle import imgui

from sim.window import theme
from sim.window.layout import Rect
from sim.window.theatre import Theatre
from sim.window.ui import Ui
from sim.window.voice import clock

if TYPE_CHECKING:
    from sim.window.replay import Replay

MOST_PICTURES = 16
"""Pictures of a report at most."""
NO_STANDARD = "Practice feedback: no standard has been set by a site, so this says nothing about competence."


class Section(NamedTuple):
    """A heading and its lines; tone: "verdict", "bad", "good", "plain"."""

    title: str
    lines: tuple[str, ...]
    tone: str = "plain"
    ticks: tuple[int | None, ...] = ()


def sections(report: Mapping[str, Any], saved: str) -> list[Section]:
    """Return the debrief of a report, shaped like scoring's Score.public().

    Keys, all optional: passed, verdict (a sentence), critical_errors (ids or texts), critical (id -> title, why,
    tick), checklist (id -> bool, or done/applicable/title/why/tick), efficiency (id -> number, or
    value/unit/against), tip_error_mm, advice (sentences), standard (a site's own cut score).
    """
    told = report.get("critical", {})
    facts = [e if isinstance(e, Mapping) else dict(told).get(e, {}) for e in report.get("critical_errors", ())]
    errors = tuple(_error(e, told) for e in report.get("critical_errors", ()))
    when = tuple(_tick(f) for f in facts)
    values = list(dict(report.get("checklist", {})).items())
    rows = [(*_row(name, value), _tick(value)) for name, value in values]
    good = [(text, tick) for done, text, _why, tick in rows if done]
    missed = [(f"{text} - {why}" if why else text, tick) for done, text, why, tick in rows if done is False]
    lost = tuple(text for text, _ in missed)
    out = [Section("Verdict", (_verdict(report, errors, lost),), "verdict")]
    if report.get("passed") is not None:
        out[0] = out[0]._replace(lines=(*out[0].lines, _three_parts(errors, good, missed, report)))
        if not report.get("standard"):
            out[0] = out[0]._replace(lines=(*out[0].lines, NO_STANDARD))
    out.append(Section("Critical errors", errors or ("none",), "bad" if errors else "plain", when))
    out += [Section("What went well", tuple(t for t, _ in good), "good", tuple(t for _, t in good))] if good else []
    advice = tuple(str(a) for a in report.get("advice", ()))[:2] or (*errors, *lost)[:2]
    moments = dict(zip((*errors, *lost), (*when, *(t for _, t in missed)), strict=True))
    out += [Section("Change next time", advice, ticks=tuple(moments.get(a) for a in advice))] if advice else []
    out += [Section("All missed steps", lost, ticks=tuple(t for _, t in missed))] if not set(lost) <= set(advice) else []
    detail = tuple(_cost(name, value) for name, value in dict(report.get("efficiency", {})).items())
    if report.get("tip_error_mm") is not None:
        detail = (f"tip to target: {float(report['tip_error_mm']):.1f} mm", *detail)
    out += [Section("Efficiency", detail)] if detail else []
    out.append(Section("Record", (f"saved as {saved}" if saved else "not saved",)))
    return out


def moments(report: Mapping[str, Any]) -> list[tuple[str, int]]:
    """Return (title, tick) of the lines that have a moment: critical errors first, then the checklist."""
    rows = [*dict(report.get("critical", {})).values(), *dict(report.get("checklist", {})).values()]
    return [
        (str(row.get("title", "")), int(row["tick"]))
        for row in rows
        if isinstance(row, Mapping) and row.get("tick") is not None and int(row["tick"]) >= 0
    ]


def _tick(value: Any) -> int | None:
    tick = value.get("tick") if isinstance(value, Mapping) else None
    return int(tick) if tick is not None and int(tick) >= 0 else None


def _three_parts(errors: Sequence[str], good: Sequence[Any], missed: Sequence[Any], report: Mapping[str, Any]) -> str:
    costs = [v for v in dict(report.get("efficiency", {})).values() if isinstance(v, Mapping) and v.get("against") == "above"]
    above = f"{_count(len(costs), 'cost')} above the published norm" if costs else "no cost above a published norm"
    steps = f"{len(good)} of {len(good) + len(missed)} steps"
    return f"Critical errors: {len(errors) or 'none'}.  Checklist: {steps}.  Efficiency: {above}."


def _verdict(report: Mapping[str, Any], errors: tuple[str, ...], missed: tuple[str, ...]) -> str:
    if report.get("verdict"):
        return str(report["verdict"])
    passed = report.get("passed")
    if passed is None:
        return "No rubric for this attempt."
    if passed:
        return "Passed." if not missed else f"Passed, with {_count(len(missed), 'step')} to add."
    why = f": {_count(len(errors), 'critical error')}" if errors else ""
    return f"Not passed{why}."


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'s' * (n != 1)}"


def words(name: str) -> str:
    """Return a key as words."""
    return str(name).replace("_", " ").replace("-", " ").replace(".", ": ")


def _error(error: Any, told: Mapping[str, Any]) -> str:
    facts = error if isinstance(error, Mapping) else told.get(error, {})
    text = facts.get("title") or facts.get("text") or (words(error) if isinstance(error, str) else words(facts.get("id", "?")))
    why = f" - {facts['why']}" if facts.get("why") else ""
    return _moment(facts) + str(text) + why


def _row(name: str, value: Any) -> tuple[bool | None, str, str]:
    """Return (done or None when it does not apply, text, why)."""
    if not isinstance(value, Mapping):
        return (None if value is None else bool(value)), words(name), ""
    done = value.get("done", value.get("ok"))
    applies = value.get("applicable", True) and done is not None
    return (
        (bool(done) if applies else None),
        _moment(value) + str(value.get("title") or value.get("text") or words(name)),
        str(value.get("why") or ""),
    )


def _moment(value: Mapping[str, Any]) -> str:
    tick = value.get("tick")
    return f"{clock(int(tick))}  " if tick is not None and tick >= 0 else ""


def _cost(name: str, value: Any) -> str:
    if not isinstance(value, Mapping):
        return f"{words(name)}: {_number(value)}"
    against = str(value.get("against") or value.get("norm") or "no norm")
    unit = "" if value.get("unit") in (None, "", "count") else f" {value['unit']}"
    beside = against if "norm" in against else f"{against} norm"
    return f"{value.get('title') or words(name)}: {_number(value.get('value'))}{unit} ({beside})"


def _number(value: Any) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def draw(theatre: Theatre, ui: Ui, size: tuple[int, int], can_choose: bool, replay: Replay) -> str:
    """Draw the debrief over the whole window: words on the left, the replay on the right; return "again", "close" or ""."""
    gap = 10.0
    left = min(820 * ui.scale, 0.43 * size[0]) - gap
    right = Rect(left + 2 * gap, gap, size[0] - left - 3 * gap, size[1] - 2 * gap)
    below = ui.px(120) if replay.trend else 0.0
    answer = ""
    with ui.panel("debrief", Rect(gap, gap, left, size[1] - 2 * gap)):
        answer = _head(theatre, ui, can_choose, replay)
        for section in sections(theatre.report or {}, theatre.saved):
            _section(ui, section, replay)
    replay.draw(ui, right._replace(h=right.h - below - (gap if below else 0)))
    if below:
        _trend(ui, right._replace(y=right.y + right.h - below, h=below), replay)
    return answer


def _head(theatre: Theatre, ui: Ui, can_choose: bool, replay: Replay) -> str:
    answer, plan = "", theatre.study.plan
    ui.text(theatre.attempt.title or theatre.study.scenario, theme.DIM)
    site = f"{plan.side} {plan.level}" if plan.drill is None else "drill"
    ui.text(f"Debrief: {site}, {clock(theatre.state.tick)}", size=24, bold=True)
    if can_choose and ui.button("debrief.again", "Next case", "Back to the gallery"):
        answer = "again"
    if can_choose:
        ui.same()
    if theatre.attempt.report is not None:
        for name, label in ((".html", "Report (HTML)"), (".pdf", "Report (PDF)")):
            if ui.button(f"debrief.report{name}", label, "Everything below as a file, with the pictures at its moments"):
                replay.write(name)
            ui.same()
    if ui.button("debrief.close", "Close", "", "Esc"):
        answer = "close"
    return answer


def _section(ui: Ui, section: Section, replay: Replay) -> None:
    imgui.dummy(imgui.ImVec2(0, ui.px(5)))
    ui.text(section.title, theme.DIM, bold=True)
    key = f"debrief.{section.title.lower().replace(' ', '_')}"
    ui.record(key)
    imgui.separator()
    for i, line in enumerate(section.lines):
        tick = section.ticks[i] if i < len(section.ticks) else None
        if tick is not None:
            if ui.button(f"{key}.{i}", clock(tick), "Show this moment", on=replay.tick == tick):
                replay.go(tick)
            imgui.same_line()
            line = line.removeprefix(f"{clock(tick)}  ")
        _line(ui, section, line)


def _trend(ui: Ui, rect: Rect, replay: Replay) -> None:
    """Draw the points of one's own attempts at this case, oldest first, and the newest ones in words."""
    with ui.panel("trend", rect):
        ui.text("Own attempts at this case", theme.DIM, bold=True)
        ui.record("trend.title")
        values = [v for _, _, v in replay.trend if v is not None]
        if len(values) > 1:
            ui.same(10)
            drawn = np.array(values, np.float32)
            wide = max(80.0, imgui.get_content_region_avail().x - ui.px(210))
            imgui.plot_lines("##trend", drawn, overlay_text="% of points", scale_min=0, scale_max=100,
                             graph_size=imgui.ImVec2(wide, ui.px(34)))  # fmt: skip
        for when, text, _ in reversed(replay.trend[-4:]):
            ui.words(f"{when}  {text}", theme.TEXT)


def _line(ui: Ui, section: Section, line: str) -> None:
    mark = {"bad": "X  ", "good": "+  "}.get(section.tone, "")
    large = section.title == "Verdict" and line == section.lines[0]
    imgui.push_style_color(imgui.Col_.text, theme.vec(theme.ACCENT if section.tone == "bad" else theme.TEXT))
    imgui.push_font(ui.bold if large else None, 20 if large else theme.FONT_PX)
    imgui.push_text_wrap_pos(0.0)
    imgui.text_unformatted(mark + line)
    imgui.pop_text_wrap_pos()
    imgui.pop_font()
    imgui.pop_style_color()

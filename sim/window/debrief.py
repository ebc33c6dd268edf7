"""The debrief, read from the top: verdict in words, critical errors, what went well, what to change, detail, the record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from imgui_bundle import imgui

from sim.window import theme
from sim.window.layout import Rect
from sim.window.theatre import Theatre
from sim.window.ui import Ui
from sim.window.voice import clock

NO_STANDARD = "Practice feedback: no standard has been set by a site, so this says nothing about competence."


class Section(NamedTuple):
    """A heading and its lines; tone: "verdict", "bad", "good", "plain"."""

    title: str
    lines: tuple[str, ...]
    tone: str = "plain"


def sections(report: Mapping[str, Any], saved: str) -> list[Section]:
    """Return the debrief of a report, shaped like scoring's Score.public().

    Keys, all optional: passed, verdict (a sentence), critical_errors (ids or texts), critical (id -> title, why,
    tick), checklist (id -> bool, or done/applicable/title/why/tick), efficiency (id -> number, or
    value/unit/against), tip_error_mm, advice (sentences), standard (a site's own cut score).
    """
    errors = tuple(_error(e, report.get("critical", {})) for e in report.get("critical_errors", ()))
    rows = [_row(name, value) for name, value in dict(report.get("checklist", {})).items()]
    good = tuple(text for done, text, _why in rows if done)
    missed = tuple(f"{text} - {why}" if why else text for done, text, why in rows if done is False)
    out = [Section("Verdict", (_verdict(report, errors, missed),), "verdict")]
    if report.get("passed") is not None and not report.get("standard"):
        out[0] = out[0]._replace(lines=(*out[0].lines, NO_STANDARD))
    out.append(Section("Critical errors", errors or ("none",), "bad" if errors else "plain"))
    out += [Section("What went well", good, "good")] if good else []
    advice = tuple(str(a) for a in report.get("advice", ()))[:2] or (*errors, *missed)[:2]
    out += [Section("Change next time", advice)] if advice else []
    out += [Section("All missed steps", missed)] if not set(missed) <= set(advice) else []
    detail = tuple(_cost(name, value) for name, value in dict(report.get("efficiency", {})).items())
    if report.get("tip_error_mm") is not None:
        detail = (f"tip to target: {float(report['tip_error_mm']):.1f} mm", *detail)
    out += [Section("Efficiency", detail)] if detail else []
    out.append(Section("Record", (f"saved as {saved}" if saved else "not saved",)))
    return out


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


def draw(theatre: Theatre, ui: Ui, size: tuple[int, int], can_choose: bool) -> str:
    """Draw the debrief over the whole window; return "again" or "close" when that was pressed."""
    answer = ""
    width = min(size[0] - 40.0, 900 * ui.scale)
    rect = Rect((size[0] - width) / 2, 20, width, size[1] - 40)
    with ui.panel("debrief", rect, border=False):
        plan = theatre.study.plan
        ui.text(theatre.attempt.title or theatre.study.scenario, theme.DIM)
        site = f"{plan.side} {plan.level}" if plan.drill is None else "drill"
        ui.text(f"Debrief: {site}, {clock(theatre.state.tick)}", size=24, bold=True)
        for section in sections(theatre.report or {}, theatre.saved):
            _section(ui, section)
        imgui.spacing()
        if can_choose and ui.button("debrief.again", "Choose the next case"):
            answer = "again"
        if can_choose:
            ui.same()
        if ui.button("debrief.close", "Close", "", "Esc"):
            answer = "close"
    return answer


def _section(ui: Ui, section: Section) -> None:
    imgui.dummy(imgui.ImVec2(0, ui.px(5)))
    ui.text(section.title, theme.DIM, bold=True)
    ui.record(f"debrief.{section.title.lower().replace(' ', '_')}")
    imgui.separator()
    columns = 2 if len(section.lines) > 5 else 1
    rows = -(-len(section.lines) // columns)
    if imgui.begin_table(f"##{section.title}", columns):
        for row in range(rows):
            imgui.table_next_row()
            for line in section.lines[row::rows]:
                imgui.table_next_column()
                _line(ui, section, line)
        imgui.end_table()


def _line(ui: Ui, section: Section, line: str) -> None:
    mark = {"bad": "X  ", "good": "+  "}.get(section.tone, "")
    large = section.title == "Verdict" and line != NO_STANDARD
    imgui.push_style_color(imgui.Col_.text, theme.vec(theme.ACCENT if section.tone == "bad" else theme.TEXT))
    imgui.push_font(ui.bold if large else None, 20 if large else theme.FONT_PX)
    imgui.push_text_wrap_pos(0.0)
    imgui.text_unformatted(mark + line)
    imgui.pop_text_wrap_pos()
    imgui.pop_font()
    imgui.pop_style_color()

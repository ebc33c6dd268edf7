"""Drive the portal end to end in headless Chromium, as people would, and take the guide's pictures on the way.

usage: scripts/portal_tour.py OUT [--scenario ID]   (needs playwright and a Chromium; the pictures go to OUT)

Someone runs the server, an admin, a director, a fellow with a desktop (main.py signin, run, upload) and a committee each do their
part in a browser of their own. Every page is looked at by axe-core (WCAG 2.2 AA); whatever is not as it should be ends the tour.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

PASSWORD = "a long password for the tour"
LINK = re.compile(r"http://127\.0\.0\.1:\d+/enter/[\w-]+")
WIDTHS = (1280, 390)
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]

WORKABLE = """() => {
  const one = 'a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex="0"]';
  const all = [...document.querySelectorAll(one)].filter(e => e.getClientRects().length && !e.disabled);
  all.forEach((e, n) => { e.dataset.tour = e.type === 'radio' ? `radio ${e.name}` : `${n} ${e.tagName} ${e.id}`; });
  document.body.tabIndex = -1; document.body.focus(); document.body.removeAttribute('tabindex');
  return all.map(e => e.dataset.tour);
}"""
FOCUSED = """() => {
  const e = document.activeElement, style = getComputedStyle(e);
  return [e.dataset.tour || '', e === document.body || style.outlineStyle !== 'none'];
}"""

MakeRecord = Callable[[Path, str, bool], Path]
"""(folder, pseudonym, careless) -> a sealed record of that learner, as an assessment; careless: with a critical error."""
RATINGS = "judge,item,rating\nDr A,1,0.7\nDr A,2,0.8\nDr B,1,0.6\nDr B,2,0.8\nDr C,1,0.7\nDr C,2,0.7\n"
GL = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
"""Drawing in space without a graphics card."""


def chromium() -> str | None:
    return shutil.which("chromium") or shutil.which("google-chrome")


def axe_source() -> str:
    found = find_spec("axe_core_python")
    assert found is not None and found.origin is not None
    return (Path(found.origin).parent / "axe.min.js").read_text()


@dataclass
class Tour:
    """One run. complaints: what axe-core found, page by page."""

    out: Path | None
    home: Path
    env: dict[str, str]
    browser: Any
    axe: str
    port: int
    complaints: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        """The server's address."""
        return f"http://127.0.0.1:{self.port}"

    def page(self) -> Any:
        """Open a browser of its own: no cookie is shared."""
        page = self.browser.new_context(viewport={"width": 1280, "height": 800}, accept_downloads=True).new_page()
        page.on("console", lambda told: self._console(told))
        page.set_default_timeout(30_000)
        return page

    def _console(self, told: Any) -> None:
        if told.type == "error" and "Content Security Policy" in told.text:
            self.complaints.append(f"content policy: {told.text[:200]}")

    def look(self, page: Any, name: str, sandboxed: bool = False) -> None:
        """Have axe-core look at the page, and keep its pictures. sandboxed: a document, where no script runs, ours neither."""
        self.seen.append(name)
        if not sandboxed:
            self._check(page, name)
            self._keys(page, name)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 800})
            wide = page.evaluate("document.documentElement.scrollWidth")
            if wide > width:
                self.complaints.append(f"{name}: {wide} pixels wide in a window of {width}")
            if self.out:
                page.screenshot(path=str(self.out / f"{name}-{width}.png"), full_page=True)
        page.set_viewport_size({"width": 1280, "height": 800})

    def _check(self, page: Any, name: str) -> None:
        page.evaluate(self.axe)
        options = {"runOnly": {"type": "tag", "values": TAGS}}
        found = page.evaluate(
            "o => axe.run(document, o).then(r => r.violations.map(v => [v.id, v.impact, v.nodes[0].html]))", options
        )
        self.complaints += [f"{name}: {rule} ({impact}): {html[:160]}" for rule, impact, html in found]

    def _keys(self, page: Any, name: str) -> None:
        """Reach everything that can be worked by the tabulator key alone, and see where one is."""
        wanted = set(page.evaluate(WORKABLE))
        hidden: set[str] = set()
        for _ in range(len(wanted) + 20):
            page.keyboard.press("Tab")
            place, seen = page.evaluate(FOCUSED)
            wanted.discard(place)
            hidden |= set() if seen else {place}
            if not wanted:
                break
        self.complaints += [f"{name}: the keyboard does not reach {place}" for place in sorted(wanted)[:3]]
        self.complaints += [f"{name}: the focus is not seen on {place}" for place in sorted(hidden)[:3]]

    def main(self, *args: str, **more: Any) -> subprocess.Popen[str]:
        """Start a command of Scottie's."""
        command = [sys.executable, str(ROOT / "main.py"), *args]
        return subprocess.Popen(command, env=self.env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **more)

    def ran(self, *args: str) -> str:
        """Run a command to its end; return what it said, and its exit code."""
        process = self.main(*args)
        told, _ = process.communicate(timeout=600)
        return f"{told}\nexit {process.returncode}"


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def enter(tour: Tour, link: str, name: str = "") -> Any:
    """Come in by an invitation, with the keyboard alone."""
    page = tour.page()
    page.goto(link)
    if name:
        tour.look(page, name)
    page.focus("#id_password")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "/enter/" not in url)
    return page


def link_in(page: Any) -> str:
    found = LINK.search(page.inner_text(".messages"))
    assert found, page.inner_text("main")
    return found[0]


def invite(tour: Tour, admin: Any, email: str, role: str, learner: str = "") -> str:
    admin.goto(f"{tour.url}/p/spine/members")
    admin.fill("#id_email", email)
    admin.select_option("#id_role", role)
    if learner:
        admin.select_option("#id_learner", learner)
    admin.click("text=Invite >> nth=-1")
    return link_in(admin)


def visit(tour: Tour, link: str, make_record: MakeRecord, scenario: str, procedure: str) -> None:
    """Go the whole way, from an empty server to a revoked badge."""
    server = enter(tour, link, "enter")
    server.goto(f"{tour.url}/programmes")
    for name, text in (("name", "Spine fellowship"), ("slug", "spine"), ("email", "admin@spine.example")):
        server.fill(f"#id_{name}", text)
    server.click("text=Make it")
    tour.look(server, "programmes")
    admin = enter(tour, link_in(server))
    director = enter(tour, invite(tour, admin, "director@spine.example", "director"))
    committee = enter(tour, invite(tour, admin, "committee@spine.example", "committee"))
    who = make_cohort(tour, director)
    make_assignment(tour, director, scenario)
    fellow = enter(tour, invite(tour, admin, "ada@spine.example", "fellow", who))
    tour.look(admin, "members")
    sign_desktop_in(tour, fellow)
    told = tour.ran("upload", *map(str, records(tour, make_record, who)), "--wait", "300")
    assert "verified" in told and "altered" in told and "exit 0" in told, told
    follow(tour, director, who)
    fellow.goto(f"{tour.url}/")
    tour.look(fellow, "learner")
    review(tour, committee, who, procedure)
    for name in ("people", "settings", "audit"):
        admin.goto(f"{tour.url}/p/spine/{'learners' if name == 'people' else name}")
        tour.look(admin, name)
    assert "The whole chain holds." in admin.inner_text("main")
    accounts(tour, fellow)


def make_cohort(tour: Tour, director: Any) -> str:
    director.goto(f"{tour.url}/p/spine/cohorts")
    director.fill("#id_name", "Fellows 2026")
    tour.look(director, "cohorts")
    director.click("text=Make it")
    bad, good = tour.home / "bad.csv", tour.home / "good.csv"
    bad.write_text("id,name,email\n1,=1+1,\n")
    good.write_text("id,name,email\n1,Ada Lovelace,ada@spine.example\n2,Bo Diddley,bo@spine.example\n")
    for path in (bad, good):
        director.set_input_files("#list", str(path))
        director.click("text=Take it over")
        if path == bad:
            assert "is a formula" in director.inner_text(".messages")
    tour.look(director, "cohort")
    row = director.inner_text("tr:has-text('Ada')")
    found = re.search(r"p-[a-z2-7]{20}", row)
    assert found, row
    return found[0]


def make_assignment(tour: Tour, director: Any, scenario: str) -> None:
    director.goto(f"{tour.url}/p/spine/assignments")
    director.fill("#id_title", "First assessment")
    director.select_option("#id_mode", "assessment")
    director.select_option("#id_scenarios", scenario)
    tour.look(director, "assignments")
    director.click("main button >> nth=-1")
    assert "not begun" in director.inner_text("main"), director.inner_text("main")
    tour.look(director, "assignment")


def sign_desktop_in(tour: Tour, fellow: Any) -> None:
    desktop = tour.main("signin", tour.url)
    assert desktop.stdout is not None
    line = desktop.stdout.readline()
    code = re.search(r"code ([A-Z]{4}-[A-Z]{4})", line)
    assert code, line
    fellow.goto(f"{tour.url}/device")
    fellow.fill("#code", code[1])
    tour.look(fellow, "device")
    fellow.keyboard.press("Enter")
    fellow.wait_for_selector(".messages")
    told, _ = desktop.communicate(timeout=60)
    assert "Signed in to spine" in told, told
    assert "First assessment" in tour.ran("assignments")


def records(tour: Tour, make_record: MakeRecord, who: str) -> tuple[Path, Path, Path]:
    """Return an honest record, a later careless one, and a forged one."""
    honest = make_record(tour.home / "honest", who, False)
    careless = make_record(tour.home / "careless", who, True)
    forged = tour.home / "forged.scottie"
    forged.write_bytes(re.sub(rb'("seed":)(\d+)', rb"\g<1>99", honest.read_bytes(), count=1))
    return honest, careless, forged


def follow(tour: Tour, director: Any, who: str) -> None:
    director.goto(f"{tour.url}/p/spine/board")
    text = director.inner_text("main")
    assert "1 of 1" in text and "altered" in text, text
    tour.look(director, "board")
    error_log(tour, director)
    for name in ("compare", "value"):
        director.goto(f"{tour.url}/p/spine/{name}")
        tour.look(director, name)
    director.goto(f"{tour.url}/p/spine/learners/{who}")
    director.click("tr:has-text('verified') a >> nth=0")
    tour.look(director, "attempt")


def until(page: Any, url: str, found: str, seconds: float = 300.0) -> None:
    """Load a page again until there is something on it."""
    end = time.monotonic() + seconds
    while True:
        page.goto(url)
        if page.query_selector(found):
            return
        assert time.monotonic() < end, f"{url}: no {found} after {seconds:g} s: {page.inner_text('main')[:500]}"
        time.sleep(1)


def waited(holds: Callable[[], bool], what: str) -> None:
    """Wait until something holds (the pages' content policy forbids the browser's own way of waiting)."""
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end, f"not seen within 30 s: {what}"
        time.sleep(0.1)


def error_log(tour: Tour, director: Any) -> None:
    """Find the critical error with the picture of its moment, which opens the replay there."""
    until(director, f"{tour.url}/p/spine/errors", "img.moment")
    image = director.locator("img.moment").first
    image.scroll_into_view_if_needed()
    waited(lambda: image.evaluate("e => e.naturalWidth > 0"), "the picture of the moment")
    tour.look(director, "errors")
    image.click()
    director.wait_for_selector("#replay[data-ready]")
    assert "Critical error" in director.inner_text("main"), director.inner_text("main")


def replay(tour: Tour, committee: Any, case: str) -> None:
    """Replay the attempt with the keyboard alone: scrub, go to the next moment, play, turn, look deeper."""
    committee.goto(case)
    url = tour.url + str(committee.get_attribute("a:has-text('Replay')", "href"))
    until(committee, url, "#replay")
    committee.wait_for_selector("#replay[data-ready]")
    assert committee.get_attribute("#replay", "data-ready") == "yes", committee.inner_text("#told")
    committee.focus("#time")
    committee.keyboard.press("End")
    last, row = committee.inner_text("#now"), committee.locator("tr[data-tick]").last.locator("td").first.inner_text()
    assert row and row in last, (row, last)
    committee.keyboard.press("Home")
    committee.focus("#after")
    for _ in range(3):
        committee.keyboard.press("Enter")
    assert committee.inner_text("#now") not in (last, "0:00.0")
    committee.emulate_media(reduced_motion="reduce")
    before = committee.input_value("#time")
    committee.focus("#play")
    committee.keyboard.press("Space")
    waited(lambda: committee.input_value("#time") != before, "playing")
    committee.keyboard.press("Space")
    committee.emulate_media(reduced_motion="no-preference")
    committee.focus("#depth")
    committee.keyboard.press("ArrowRight")
    committee.focus("#stage")
    committee.keyboard.press("ArrowLeft")
    committee.keyboard.press("+")
    show_all(committee)
    tour.look(committee, "replay")


def show_all(page: Any) -> None:
    """Go to the middle of the attempt and let the C-arm be seen, for the picture."""
    page.evaluate("document.getElementById('replay').player.goto(0.6 * document.getElementById('time').max)")
    page.focus("[data-layer=arm]")
    page.keyboard.press("Space")
    for _ in range(3):
        page.click("[data-view=farther]")


def standard_by_hand(tour: Tour, committee: Any, procedure: str) -> None:
    """Set a standard on the guided page: terms, ratings of two rounds, what follows, signature."""
    committee.goto(f"{tour.url}/p/spine/standards")
    committee.click("text=Set a standard, step by step")
    committee.check("input[value=angoff]")
    committee.fill("#id_procedure", procedure)
    committee.fill("#id_items", "1")
    tour.look(committee, "standard-terms")
    committee.click("text=Next: data")
    for text in (RATINGS, RATINGS.replace("0.6", "0.7")):
        committee.fill("#id_ratings", text)
        committee.click("text=Add this round")
    assert "Who would pass" in committee.inner_text("main")
    committee.fill("#id_who", "Dr A, Dr B, Dr C")
    committee.check("#id_attest")
    tour.look(committee, "standard-consequences")
    committee.click("button:has-text('Sign the provisional standard')")
    assert "version 1" in committee.inner_text("h1")
    tour.look(committee, "standard")


def review(tour: Tour, committee: Any, who: str, procedure: str) -> None:
    standard_by_hand(tour, committee, procedure)
    committee.goto(f"{tour.url}/p/spine/standards")
    committee.set_input_files("#standard", str(standard_file(tour.home, procedure)))
    committee.click("text=Put it in force")
    tour.look(committee, "standards")
    committee.goto(f"{tour.url}/p/spine/review")
    tour.look(committee, "review")
    committee.click(f"text={who}")
    case = committee.url
    committee.goto(case + "/packet")
    assert "Evidence packet" in committee.content()
    tour.look(committee, "packet", sandboxed=True)
    replay(tour, committee, case)
    committee.goto(case)
    committee.fill("#id_reason", "The first attempt was passed without a critical error.")
    committee.fill("#id_members", "Dr A, Dr B, Dr C")
    committee.check("#id_attest")
    tour.look(committee, "case")
    committee.click("text=Sign the decision")
    assert "Decided: granted" in committee.inner_text(".messages")
    badge(tour, committee)


def badge(tour: Tour, committee: Any) -> None:
    committee.goto(f"{tour.url}/p/spine/badges")
    committee.click("button:has-text('Issue')")
    tour.look(committee, "badges")
    with committee.expect_download() as waiting:
        committee.click("text=badge-1.jwt")
    file = tour.home / "badge.jwt"
    waiting.value.save_as(file)
    answer = committee.context.request.get(f"{tour.url}/p/spine/issuer.json")
    key = str(answer.json()["public_key"])
    assert "valid" in (told := tour.ran("badge", "verify", str(file), "--issuer-key", key)) and "exit 0" in told, told
    committee.fill("input[name=reason]", "issued on the tour")
    committee.click("button:has-text('Revoke')")
    revoked = tour.home / "revoked.json"
    revoked.write_bytes(committee.context.request.get(f"{tour.url}/p/spine/revocations.json").body())
    told = tour.ran("badge", "verify", str(file), "--issuer-key", key, "--revocations", str(revoked))
    assert "revoked" in told and "exit 1" in told, told


def accounts(tour: Tour, fellow: Any) -> None:
    """Sign in again with the keyboard alone, and look at the pages of the account."""
    for name, tail in (("two-factor", "2fa"), ("password", "password"), ("sign-out", "sign-out")):
        fellow.goto(f"{tour.url}/account/{tail}")
        tour.look(fellow, name)
    page = tour.page()
    page.goto(f"{tour.url}/")
    tour.look(page, "sign-in")
    page.focus("input[name=login]")
    page.keyboard.type("director@spine.example")
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/board")


def standard_file(home: Path, procedure: str) -> Path:
    """Write a signed standard that is in force now; its figures are made up for the tour."""
    from datetime import UTC, datetime, timedelta

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from scoring.standard import Standard, sign_standard

    def at(days: int) -> str:
        return (datetime.now(UTC) + timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")

    made = Standard(
        procedure=procedure, rubric_hash="", scale="points_percent", items=1, critical_allowed=0, method="contrasting-groups",
        cut=70.0, interval=(66.0, 75.0), level=0.95, groups={"novices": 16, "experts": 15},
        rates={"false_positive": 0.04, "false_negative": 0.07}, consistency={}, sem=None, who="Tour, figures made up",
        decided=at(-1), expires=at(365),
        provisional=False, data_digest="0" * 64, data="none: a tour", detail={},
    )  # fmt: skip
    path = home / "standard.json"
    path.write_bytes(sign_standard(made, Ed25519PrivateKey.generate()))
    return path


def tour_of(out: Path | None, make_record: MakeRecord, scenario: str, procedure: str, env: dict[str, str]) -> Tour:
    """Start a server, make the tour, stop the server; return what was found."""
    from playwright.sync_api import sync_playwright

    home = Path(tempfile.mkdtemp(prefix="scottie-tour-"))
    env = os.environ | {"SCOTTIE_KEYS": str(home / "keys"), "PYTHONUNBUFFERED": "1"} | env
    env.pop("SCOTTIE_PORTAL", None)
    env.pop("SCOTTIE_PORTAL_URL", None)
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium(), args=["--no-sandbox", *GL])
        tour = Tour(out, home, env, browser, axe_source(), free_port())
        server = tour.main("portal", "--folder", str(home / "site"), "--port", str(tour.port))
        try:
            assert server.stdout is not None
            link = next(found[0] for line in server.stdout if (found := LINK.search(line)))
            wait_for(tour.url + "/healthz")
            visit(tour, link, make_record, scenario, procedure)
        finally:
            server.terminate()
            with suppress(subprocess.TimeoutExpired):
                server.communicate(timeout=20)
            browser.close()
            shutil.rmtree(home, ignore_errors=True)
    return tour


def wait_for(url: str) -> None:
    from urllib.request import urlopen

    for _ in range(480):  # two minutes: a machine that is busy starts slowly
        with suppress(OSError), urlopen(url, timeout=5) as answer:
            if answer.status == 200:
                return
        time.sleep(0.25)
    raise SystemExit(f"{url} does not answer")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("out", type=Path)
    parser.add_argument("--scenario", default="mbb-l4l5-left")
    parser.add_argument("--careless", default="no-timeout", help="operator of the attempt with a critical error")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    keys = tempfile.mkdtemp()

    def play(folder: Path, who: str, careless: bool) -> Path:
        command = [sys.executable, str(ROOT / "main.py"), "run", args.scenario, "--mode", "assessment"]
        command += ["--learner", who, "--out", str(folder), "--no-pictures", "--json"]
        command += ["--operator", args.careless] if careless else []
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=os.environ | {"SCOTTIE_KEYS": keys})
        return folder / "attempt.scottie"

    tour = tour_of(args.out, play, args.scenario, procedure_of(args.scenario), {})
    print(f"{len(tour.seen)} pages: {', '.join(tour.seen)}")
    for line in tour.complaints:
        print(line)
    return int(bool(tour.complaints))


def procedure_of(scenario: str) -> str:
    """Return the procedure as records name it: the id of the scenario's rubric."""
    from scenarios.registry import find_scenario
    from scoring.rubric import read_rubric

    return read_rubric(find_scenario(scenario).rubric_path).rubric.id


if __name__ == "__main__":
    sys.exit(main())

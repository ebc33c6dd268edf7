"""Which input does which act: the shipped table, the user's own lines over it, clashes, and writing it back.

Plain data: no window, no OpenGL. What the acts do is in sim.window.acts.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

SHIPPED = Path(__file__).with_name("controls.toml")
KINDS = ("keys", "pad", "space")
PAD_BUTTONS = ("A", "B", "X", "Y", "BACK", "GUIDE", "START", "L3", "R3", "LB", "RB", "UP", "DOWN", "LEFT", "RIGHT")
"""Buttons in the order of SDL's numbers (the last four: the cross)."""
PAD_MOVES = ("LT", "RT", *(f"{stick}-{way}" for stick in ("LS", "RS") for way in ("UP", "DOWN", "LEFT", "RIGHT")))
SPACE_BUTTONS = ("B1", "B2")
SPACE_MOVES = tuple(
    f"{part}-{way}"
    for part, ways in (
        ("CAP", ("LEFT", "RIGHT", "BACK", "FORTH", "DOWN", "UP")),
        ("ROLL", ("LEFT", "RIGHT")),
        ("PITCH", ("BACK", "FORTH")),
        ("TWIST", ("LEFT", "RIGHT")),
    )
    for way in ways
)
"""Ways of a 3D mouse's cap: pushed, tilted, turned."""
KEY_NAMES = (
    *(chr(65 + i) for i in range(26)), *(f"F{i}" for i in range(1, 13)),
    "Space", "Enter", "Backspace", "Tab", "Left", "Right", "Up", "Down", "PgUp", "PgDn", "Home", "End", "Insert", "Delete",
    *"[];',./\\-=`",
)  # fmt: skip
"""Names of keys that can be bound (1 to 9 are agents and needles, Esc goes back, Ctrl with + and - is the text size)."""
TAKEN = ("Ctrl+-", "Ctrl+=")


def read_spec(kind: str, text: str) -> str:
    """Return an input's name in its one spelling ("ctrl+left" -> "Ctrl+Left"); "" for none. ValueError says what was expected."""
    text = str(text).strip()
    if not text:
        return ""
    held, plus, name = text.rpartition("+")
    if kind == "keys":
        known = {n.lower(): n for n in KEY_NAMES}
        spec = ("Ctrl+" if plus else "") + known.get(name.lower(), "?")
        if known.get(name.lower()) is None or (plus and held.lower() != "ctrl") or spec in TAKEN:
            raise ValueError(f"'{text}': expected a key as W, F2, Space or Ctrl+Left")
        return spec
    if kind == "space":
        if text.upper() not in (*SPACE_BUTTONS, *SPACE_MOVES):
            raise ValueError(f"'{text}': expected a way of the cap or a button as CAP-DOWN, TWIST-LEFT or B1")
        return text.upper()
    names = (*PAD_BUTTONS, *PAD_MOVES)
    if name.upper() not in names or (plus and held.upper() not in PAD_BUTTONS) or held.upper() == name.upper():
        raise ValueError(f"'{text}': expected a button or a way of a stick as A, RT, LS-UP or LB+RS-UP")
    return f"{held.upper()}+{name.upper()}" if plus else name.upper()


@dataclass
class Controls:
    """keys and pad: act -> input ("" none). `told`: one line for each part of the user's file that was not understood."""

    keys: dict[str, str]
    pad: dict[str, str]
    space: dict[str, str]
    path: Path | None = None
    told: list[str] = field(default_factory=list)
    _shipped: dict[str, dict[str, str]] = field(default_factory=dict)

    def of(self, kind: str) -> dict[str, str]:
        """Return the table of "keys", "pad" or "space" (a 3D mouse)."""
        return {"keys": self.keys, "pad": self.pad, "space": self.space}[kind]

    def shipped(self, kind: str) -> dict[str, str]:
        """Return the shipped table."""
        return self._shipped[kind]

    def acts(self, kind: str) -> dict[str, str]:
        """Return input -> act; of two acts with one input the first of the table has it."""
        out: dict[str, str] = {}
        for act, spec in self.of(kind).items():
            if spec:
                out.setdefault(spec, act)
        return out

    def clashes(self, kind: str) -> dict[str, list[str]]:
        """Return the inputs that more than one act asks for."""
        users: dict[str, list[str]] = {}
        for act, spec in self.of(kind).items():
            if spec:
                users.setdefault(spec, []).append(act)
        return {spec: acts for spec, acts in users.items() if len(acts) > 1}

    def change(self, kind: str, act: str, spec: str) -> list[str]:
        """Bind an act; return the other acts that have that input too. ValueError for an input that does not exist."""
        self.of(kind)[act] = spec = read_spec(kind, spec)
        return [a for a in self.clashes(kind).get(spec, []) if a != act]

    def reset(self) -> None:
        """Go back to the shipped table."""
        self.keys, self.pad, self.space = (dict(self._shipped[kind]) for kind in KINDS)

    def own(self) -> dict[str, dict[str, str]]:
        """Return the lines that differ from the shipped table."""
        return {k: {a: s for a, s in self.of(k).items() if s != self._shipped[k].get(a, "")} for k in KINDS}

    def save(self) -> str:
        """Write the user's own lines to `path`; return "" or one line that says why that was not possible."""
        if self.path is None:
            return ""
        lines = ["# Own controls; what is not here is as shipped. F1 in the window changes them."]
        for kind, rows in self.own().items():
            lines += ["", f"[{kind}]", *(f'{act} = "{spec.translate(_ESCAPED)}"' for act, spec in rows.items())]
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.write_text("\n".join(lines) + "\n", "utf-8")
        except OSError as error:
            return f"{self.path}: cannot be written: {error.strerror}"
        return ""


_ESCAPED = str.maketrans({"\\": "\\\\", '"': '\\"'})


def load_controls(path: Path | None = None) -> Controls:
    """Return the shipped controls with the user's file over them. What is wrong in that file is told and left out."""
    shipped = {
        kind: {act: read_spec(kind, spec) for act, spec in rows.items()}
        for kind, rows in tomllib.loads(SHIPPED.read_text("utf-8")).items()
    }
    for act in shipped["keys"]:
        shipped["pad"].setdefault(act, "")
        shipped["space"].setdefault(act, "")
    out = Controls(*(dict(shipped[kind]) for kind in KINDS), path=path, told=[], _shipped=shipped)
    if path is not None and path.is_file():
        _lay_over(out, path)
    return out


def _lay_over(out: Controls, path: Path) -> None:
    try:
        own = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        out.told.append(f"{path}: cannot be read ({' '.join(str(error).split())}); the shipped controls are used")
        return
    for kind, rows in own.items():
        if kind not in KINDS or not isinstance(rows, Mapping):
            out.told.append(f"{path}: '{kind}' is not known; expected [keys], [pad] and [space]")
            continue
        for act, spec in rows.items():
            try:
                if act not in out.of(kind):
                    raise ValueError(f"there is no act '{act}'")
                out.of(kind)[act] = read_spec(kind, spec)
            except ValueError as error:
                out.told.append(f"{path}: [{kind}] {act}: {error}")

"""Small drawings for reports: plain shapes that become SVG. Points, y downwards."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from typing import Any

INK = "#1b1b1b"
MUTED = "#555555"
GRID = "#d5d5d5"
ACCENT = "#0b4f8a"
GOOD = "#1e5f35"
BAD = "#9b1c1c"


@dataclass(frozen=True)
class Path:
    """A line or polygon through points. dash: lengths of dash and gap, () for a full line."""

    points: tuple[tuple[float, float], ...]
    stroke: str = INK
    width: float = 1.0
    fill: str = ""
    closed: bool = False
    dash: tuple[float, float] | tuple[()] = ()


@dataclass(frozen=True)
class Dot:
    """A circle."""

    x: float
    y: float
    r: float
    fill: str = ""
    stroke: str = INK
    width: float = 1.0


@dataclass(frozen=True)
class Label:
    """A text; anchor is start, middle or end."""

    x: float
    y: float
    text: str
    size: float = 11.0
    anchor: str = "start"
    color: str = INK
    bold: bool = False


@dataclass
class Drawing:
    """Shapes on a sheet of width x height points."""

    width: float
    height: float
    shapes: list[Path | Dot | Label] = field(default_factory=list)

    def line(self, x1: float, y1: float, x2: float, y2: float, **style: Any) -> None:
        """Add a line."""
        self.shapes.append(Path(((x1, y1), (x2, y2)), **style))

    def rect(self, x: float, y: float, w: float, h: float, **style: Any) -> None:
        """Add a rectangle."""
        self.shapes.append(Path(((x, y), (x + w, y), (x + w, y + h), (x, y + h)), closed=True, **style))

    def diamond(self, x: float, y: float, r: float, **style: Any) -> None:
        """Add a square on its corner."""
        self.shapes.append(Path(((x, y - r), (x + r, y), (x, y + r), (x - r, y)), closed=True, **style))

    def triangle(self, x: float, y: float, r: float, **style: Any) -> None:
        """Add a triangle that points upwards."""
        self.shapes.append(Path(((x, y - r), (x + r, y + r), (x - r, y + r)), closed=True, **style))

    def cross(self, x: float, y: float, r: float, **style: Any) -> None:
        """Add a cross."""
        self.line(x - r, y, x + r, y, **style)
        self.line(x, y - r, x, y + r, **style)

    def dot(self, x: float, y: float, r: float, **style: Any) -> None:
        """Add a circle."""
        self.shapes.append(Dot(x, y, r, **style))

    def label(self, x: float, y: float, text: str, **style: Any) -> None:
        """Add a text."""
        self.shapes.append(Label(x, y, text, **style))

    def svg(self, name: str, alt: str) -> str:
        """Return inline SVG with a title (alt) that screen readers say; `name` makes ids unique on the page."""
        body = "".join(_svg(shape) for shape in self.shapes)
        size = f'viewBox="0 0 {self.width:g} {self.height:g}" width="{self.width:g}"'
        name_of = f'role="img" aria-labelledby="{name}-alt"'
        title = f'<title id="{name}-alt">{escape(alt)}</title>'
        return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {name_of}>{title}{body}</svg>'


def _svg(shape: Path | Dot | Label) -> str:
    if isinstance(shape, Label):
        weight = ' font-weight="bold"' if shape.bold else ""
        return (
            f'<text x="{shape.x:.1f}" y="{shape.y:.1f}" font-size="{shape.size:g}" text-anchor="{shape.anchor}" '
            f'fill="{shape.color}"{weight}>{escape(shape.text)}</text>'
        )
    style = f'fill="{shape.fill or "none"}" stroke="{shape.stroke}" stroke-width="{shape.width:g}"'
    if isinstance(shape, Dot):
        return f'<circle cx="{shape.x:.1f}" cy="{shape.y:.1f}" r="{shape.r:g}" {style}/>'
    if shape.dash:
        style += f' stroke-dasharray="{shape.dash[0]:g} {shape.dash[1]:g}"'
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in shape.points)
    return f'<{"polygon" if shape.closed else "polyline"} points="{points}" {style}/>'

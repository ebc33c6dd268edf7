"""Recorded rectangles: nothing outside the window or its panel, nothing over another widget."""

from __future__ import annotations


def overlap(a, b, slack=1.0):
    return not (a.x + a.w <= b.x + slack or b.x + b.w <= a.x + slack or a.y + a.h <= b.y + slack or b.y + b.h <= a.y + slack)


def assert_apart(seen, size, panels):
    """Widgets are named panel.widget, a panel by its bare name. Panels scroll, so only their own height counts."""
    for name, r in seen.items():
        assert r.x >= -1 and r.x + r.w <= size[0] + 1, f"{name} leaves the window"
        assert "." in name or (r.y >= -1 and r.y + r.h <= size[1] + 1), f"{name} leaves the window"
    boxes = {name: seen[name] for name in panels if name in seen}
    for i, (one, a) in enumerate(boxes.items()):
        for other, b in list(boxes.items())[i + 1 :]:
            assert not overlap(a, b), f"panel {one} covers {other}"
    inside = [(n, r) for n, r in seen.items() if "." in n and n.split(".")[0] in boxes]
    for i, (one, a) in enumerate(inside):
        box = boxes[one.split(".")[0]]
        assert a.x >= box.x - 1 and a.x + a.w <= box.x + box.w + 1, f"{one} is cut off"
        for other, b in inside[i + 1 :]:
            if other.split(".")[0] == one.split(".")[0]:
                assert not overlap(a, b), f"{one} covers {other}"

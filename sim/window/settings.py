"""What the window remembers from one day to the next: text size, window size, skin, sound, whether the tutorial was seen."""

from __future__ import annotations

import tomllib
from dataclasses import asdict, dataclass, fields
from pathlib import Path


@dataclass
class Settings:
    """Plain values with their limits in `_LIMITS`."""

    text_scale: float = 1.0
    width: int = 1280
    height: int = 800
    skin_alpha: float = 1.0
    sound: bool = True
    tutorial_seen: bool = False


_LIMITS = {"text_scale": (1.0, 2.0), "width": (1024, 16384), "height": (640, 16384), "skin_alpha": (0.0, 1.0)}


def load_settings(path: Path | None) -> Settings:
    """Return the remembered settings; whatever is missing, broken or out of its limits is as shipped (nothing depends on it)."""
    out = Settings()
    if path is None:
        return out
    try:
        kept = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return out
    for field in fields(Settings):
        value, usual = kept.get(field.name), getattr(out, field.name)
        if isinstance(usual, float) and type(value) is int:
            value = float(value)
        low, high = _LIMITS.get(field.name, (None, None))
        if type(value) is type(usual) and (low is None or low <= value <= high):
            setattr(out, field.name, value)
    return out


def save_settings(path: Path | None, settings: Settings) -> None:
    """Write the settings; a folder that cannot be written only means that nothing is remembered."""
    if path is None:
        return
    lines = [f"{name} = {str(value).lower()}" for name, value in asdict(settings).items()]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("# What the window remembers.\n" + "\n".join(lines) + "\n", "utf-8")
    except OSError:
        return

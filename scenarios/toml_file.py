"""Reading TOML data into checked models. Every mistake is one line: file, key, value, what was expected."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from sim.errors import DataError

DATA = Path(__file__).parent / "data"

Status = Literal["verified", "recalled", "computed", "measured", "placeholder"]


class Strict(BaseModel):
    """A table in which unknown keys and silent conversions are errors."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Quantity(Strict):
    """A number with unit, source and status, as every clinical or physical value in data is written."""

    value: float
    unit: str
    source: str
    status: Status


def in_unit(unit: str) -> AfterValidator:
    """Return the annotation of a Quantity that must carry `unit`."""

    def check(quantity: Quantity) -> Quantity:
        if quantity.unit != unit:
            raise ValueError(f"unit '{quantity.unit}'; expected '{unit}'")
        return quantity

    return AfterValidator(check)


Model = TypeVar("Model", bound=BaseModel)


def read_toml(path: Path) -> dict[str, Any]:
    """Return the tables of a TOML file. DataError names the file and the line that cannot be read."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; expected a TOML file") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); expected a TOML file") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DataError(f"{path}: not valid TOML: {error}") from None


def load(path: Path, model: type[Model]) -> Model:
    """Return a TOML file as a checked `model`. DataError: file, key, value, expected (first mistake)."""
    return check(path, read_toml(path), model)


def check(path: Path, tables: dict[str, Any], model: type[Model]) -> Model:
    """Return `tables` (read from `path`) as a checked `model`; DataError as `load`."""
    try:
        return model.model_validate(tables)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"]) or "(top level)"
        said = first["input"]
        if first["type"] == "extra_forbidden":
            known = ", ".join(_known_keys(model, first["loc"]))
            raise DataError(f"{path}: key '{key}' is not known; expected one of: {known}") from None
        if first["type"] == "missing":
            raise DataError(f"{path}: key '{key}' is missing; expected {_wanted(first)}") from None
        raise DataError(f"{path}: key '{key}' is {_short(said)}; expected {_wanted(first)}") from None


def _wanted(first: Any) -> str:
    text: str = first["msg"]
    for prefix in ("Input should be ", "Value error, "):
        text = text.removeprefix(prefix)
    return text if text != "Field required" else "a value"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _known_keys(model: type[BaseModel], location: tuple[Any, ...]) -> list[str]:
    """Return the keys allowed where an unknown key stood (top-level model when the path is not a model)."""
    here: Any = model
    for part in location[:-1]:
        field = getattr(here, "model_fields", {}).get(part) if isinstance(part, str) else None
        if field is None:
            continue
        here = _model_of(field.annotation) or here
    return sorted(getattr(here, "model_fields", {}))


def _model_of(annotation: Any) -> Any:
    if hasattr(annotation, "model_fields"):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        found = _model_of(inner)
        if found is not None:
            return found
    return None

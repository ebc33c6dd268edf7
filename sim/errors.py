"""Errors that a person can cause: one clear line saying what, where and what was expected."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ScottieError(Exception):
    """Base of every error that main.py turns into one line and exit code 2."""


class UsageError(ScottieError):
    """The request itself is wrong (an unknown name, a value out of range)."""


class DataError(ScottieError):
    """A data file is unreadable or says something that it may not say."""


class RecordError(ScottieError):
    """An attempt file is foreign, damaged or altered."""


class MachineError(ScottieError):
    """This machine lacks something (display, OpenGL, disk space, a writable folder)."""


class NumericalFault(ScottieError):
    """An engine produced a number that is not finite: the attempt is sealed as faulty, never scored."""


def unknown_name(what: str, name: str, known: Iterable[str]) -> UsageError:
    """Return the error for an unknown `name`, naming the nearest known one."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.3)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    return UsageError(f"unknown {what} '{name}'.{hint} Known: {', '.join(names)}")

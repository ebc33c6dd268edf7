"""Scottie's front door: registers the commands of `commands/` and turns errors into one line.

Every mistake that a person can make ends in one line on stderr (what, where, what was expected) and exit
code 2.
"""

from __future__ import annotations

import sys
from typing import Any

import typer

from commands import badge, battery, cohort, curriculum, machine, patient, practise, report, trust, verify
from sim.errors import ScottieError

app = typer.Typer(add_completion=False, no_args_is_help=False, rich_markup_mode=None, pretty_exceptions_enable=False)

COMMANDS = {
    "list": practise.list_scenarios,
    "run": practise.run,
    "demo": practise.demo,
    "play": practise.play,
    "curriculum": curriculum.curriculum,
    "verify": verify.verify,
    "report": report.report,
    "export": report.export,
    "render": patient.render,
    "phantom": patient.phantom,
    "import": patient.import_,
    "bench": machine.bench,
    "doctor": machine.doctor,
    "cohort": cohort.cohort,
}
for _name, _function in COMMANDS.items():
    app.command(_name)(_function)

GROUPS = {
    "key": trust.key,
    "learner": trust.learner,
    "battery": battery.battery,
    "standard": cohort.standard_app,
    "badge": badge.badge,
}
for _name, _group in GROUPS.items():
    app.add_typer(_group, name=_name)

_COMMAND_LINE_ERROR: Any = typer.BadParameter.__mro__[2]
"""ClickException, wherever this version of typer keeps it."""


@app.callback(invoke_without_command=True)
def door(context: typer.Context) -> None:
    """Scottie: learn interventional pain procedures on a simulated patient. Without a command: the window."""
    if context.invoked_subcommand is None:
        practise.play(None)


def main() -> int:
    """Run the command line; every error that a person can cause becomes one line and exit code 2."""
    try:
        code = app(standalone_mode=False)
    except ScottieError as error:
        return complain(str(error))
    except typer.Exit as end:
        return int(end.exit_code)
    except _COMMAND_LINE_ERROR as error:
        return complain(error.format_message())
    except (typer.Abort, KeyboardInterrupt):
        return complain("stopped by hand; the journal so far is kept")
    except BrokenPipeError:
        return 2
    except OSError as error:
        return complain(f"{error.filename or 'file'}: {error.strerror or error}")
    return int(code or 0)


def complain(text: str) -> int:
    """Print one line on stderr and return exit code 2."""
    print("scottie: " + " ".join(text.split()), file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())

"""Making an attempt ready beside the loop: the patient is built, the code compiled, the first picture tried."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from sim.command import Command
from sim.errors import ScottieError
from sim.window.desk import Attempt

_TRIAL = (
    Command("needle.choose", (0,)),
    Command("syringe.attach", (0, 1000)),
    Command("xray.shot"),
    Command("needle.place", (0, 0, 0, 0)),
    Command("needle.move", (30_000, 20_000)),
    Command("needle.stylet", (0,)),
    Command("syringe.inject", (20, 500)),
)


def warm_up(attempt: Attempt) -> None:
    """Walk through a throw-away state of the same study, so that nothing compiles while a hand waits.

    The attempt itself is not touched: begin and advance are pure.
    """
    from sim import session

    if not isinstance(attempt.session, session.Session):
        return
    study = attempt.session.study
    state, _ = session.begin(study)
    for command in _TRIAL:
        state, _ = session.advance(study, state, command)
        for _ in range(30):
            state, _ = session.advance(study, state)
    if attempt.scene is not None:
        from sim.picture import render

        render(attempt.scene, attempt.beam_tables, session.view(study, state), 256)


class Starter:
    """Runs `make` and the warm-up in a thread."""

    def __init__(self, make: Callable[[], Attempt | None], warm: bool = True) -> None:
        self._warm = warm
        self.done = threading.Event()
        self.attempt: Attempt | None = None
        self.error = ""
        self._began = time.perf_counter()
        threading.Thread(target=self._work, args=(make,), name="starter", daemon=True).start()

    def seconds(self) -> float:
        """Return how long it has been going on."""
        return time.perf_counter() - self._began

    def _work(self, make: Callable[[], Attempt | None]) -> None:
        try:
            attempt = make()
            if attempt is not None and self._warm:
                warm_up(attempt)
            self.attempt = attempt
        except ScottieError as error:
            self.error = str(error)
        except Exception as error:
            self.error = f"The scenario could not be started: {type(error).__name__}: {error}"
        self.done.set()

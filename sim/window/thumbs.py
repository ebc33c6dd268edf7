"""Pictures of the cases for the gallery: asked for when a card is seen, made one after the other in a thread."""

from __future__ import annotations

import threading
from collections.abc import Callable

from sim.window.desk import Picture


class Thumbs:
    """`get` returns a picture once it is there, and asks for it before."""

    def __init__(self, make: Callable[[str], Picture | None] | None) -> None:
        self._make = make
        self._done: dict[str, Picture | None] = {}
        self._wanted: list[str] = []
        self._lock = threading.Condition()
        self._stopped = False
        self._thread: threading.Thread | None = None

    def get(self, name: str) -> Picture | None:
        """Return the picture of a case; None while it is being made, and when it cannot be made."""
        if self._make is None:
            return None
        with self._lock:
            if name not in self._done and name not in self._wanted:
                self._wanted.append(name)
                self._lock.notify()
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="thumbnails", daemon=True)
            self._thread.start()
        return self._done.get(name)

    def sign(self, name: str) -> str:
        """Return what stands in place of a picture that is not there."""
        return "no picture" if name in self._done else "being X-rayed" if self._wanted[:1] == [name] else "waiting"

    def stop(self) -> None:
        """Make no more."""
        with self._lock:
            self._stopped = True
            self._lock.notify()

    def _work(self) -> None:
        assert self._make is not None
        while True:
            with self._lock:
                while not self._wanted and not self._stopped:
                    self._lock.wait()
                if self._stopped:
                    return
                name = self._wanted[0]
            try:
                picture = self._make(name)
            except Exception:  # a case without a picture can be played all the same; the card says "no picture"
                picture = None
            with self._lock:
                self._done[name] = picture
                self._wanted.remove(name)

"""A few threads that share jitted work, which releases the interpreter's lock."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise


class Crew:
    """A few threads that share the rows or items of jitted work (which releases the interpreter's lock)."""

    def __init__(self, threads: int) -> None:
        self.threads = max(1, threads)
        self._pool = ThreadPoolExecutor(self.threads, thread_name_prefix="picture")

    def share(self, count: int, work: Callable[[int, int], None]) -> None:
        """Run work(first, last) over `count` items, one piece per thread, and wait for all."""
        edges = [count * t // self.threads for t in range(self.threads + 1)]
        self.each([partial(work, a, b) for a, b in pairwise(edges)])

    def each(self, work: list[Callable[[], None]]) -> None:
        """Run all pieces of work and wait for them."""
        for job in [self._pool.submit(piece) for piece in work]:
            job.result()

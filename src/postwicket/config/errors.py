"""What is wrong with a configuration, where, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault: `place` is a file or an environment variable, `key` the setting, or "".

    >>> print(Problem("postwicket.toml", "queue.retry", "it is empty; name one pause or more"))
    postwicket.toml: queue.retry: it is empty; name one pause or more
    """

    place: str
    key: str
    text: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.place, self.key, self.text) if part)


class ConfigError(Exception):
    """The operator must act; the message says what is wrong, where, and what to do."""

    def __init__(self, *problems: Problem | str) -> None:
        self.problems = tuple(
            problem if isinstance(problem, Problem) else Problem("", "", problem)
            for problem in problems
        )
        super().__init__("\n".join(map(str, self.problems)))

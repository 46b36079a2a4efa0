"""What was said in one attempt, line by line, fit for people to read.

Secrets never get in: what answers an AUTH is replaced before it is noted, content is a count
of octets.  Lines that concern one recipient are shown for that recipient only.
"""

from __future__ import annotations

from typing import Final

from postwicket.core.reply import Reply

EVERYBODY: Final = -1
MOST_LINES: Final = 2000  # a hundred recipients need some two hundred
LONGEST_LINE: Final = 1000  # characters


class Transcript:
    """Notes lines with the seconds since `start`; `who` is a recipient's index or EVERYBODY."""

    __slots__ = ("_lines", "_shared", "_start")

    def __init__(self, start: float) -> None:
        self._start = start
        self._lines: list[tuple[float, str, str, int]] = []
        self._shared = True

    def sent(self, at: float, line: str, who: int = EVERYBODY) -> None:
        """Note a line of ours."""
        self._note(at, "> ", line, who)

    def heard(self, at: float, reply: Reply, who: int = EVERYBODY) -> None:
        """Note a reply, every line of it."""
        if "\n" not in reply.text:
            self._note(at, "< ", str(reply), who)
            return
        *others, last = reply.text.split("\n")
        status = f"{reply.enhanced} " if reply.status else ""
        for line in others:
            self._note(at, "< ", f"{reply.code}-{status}{line}", who)
        self._note(at, "< ", f"{reply.code} {status}{last}", who)

    def remark(self, at: float, text: str) -> None:
        """Note something that is neither: a connection, a handshake, a loss."""
        self._note(at, "* ", text, EVERYBODY)

    def follow(self, other: Transcript) -> None:
        """Add what was said elsewhere, after what is here already."""
        self._lines.extend(other._lines[: MOST_LINES - len(self._lines)])
        self._shared = self._shared and other._shared

    def precede(self, other: Transcript) -> None:
        """Put what was said elsewhere before it; its start is the start of both."""
        if other._lines:
            self._lines = [*other._lines, *self._lines][:MOST_LINES]
            self._shared = self._shared and other._shared
            self._start = other._start

    def render(self, who: int = 0) -> str:
        """Return the lines for everybody and for one recipient."""
        start = self._start
        if self._shared:
            return "\n".join(
                [f"{at - start:.3f} {mark}{text}" for at, mark, text, _ in self._lines]
            )
        return "\n".join(
            [
                f"{at - start:.3f} {mark}{text}"
                for at, mark, text, whose in self._lines
                if whose in (EVERYBODY, who)
            ]
        )

    def _note(self, at: float, mark: str, text: str, who: int) -> None:
        if who > 0:
            self._shared = False
        if len(self._lines) < MOST_LINES:
            self._lines.append((at, mark, text[:LONGEST_LINE], who))

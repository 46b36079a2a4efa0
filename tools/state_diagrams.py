"""Write docs/state.md from the two tables of states; `--check` only compares."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from postwicket.core import state as delivery
from postwicket.smtp.server import moves as session

PAGE: Final = Path(__file__).parents[1] / "docs" / "state.md"
HEAD: Final = """\
# States

*This page is made from the tables in the code by `python tools/state_diagrams.py`; a test
compares it.*
"""
SESSION: Final = """\
## A session

From `src/postwicket/smtp/server/moves.py`: what may follow what. An arrow says where a *yes*
leads; after a *no* the session stays where it is, but a message ends its transaction, accepted
or not. What has no arrow is answered `503 5.5.1` without asking anybody, and `530 5.7.0` where
TLS or the sign-in has to come first. NOOP, HELP, VRFY and EXPN change nothing and are left out.
"""
DELIVERY: Final = """\
## A delivery

From `src/postwicket/core/state.py`: one message on its way to one recipient. There is no state
*sending*: that is a queued, deferred or uncertain delivery that a worker has claimed. `uncertain`
means that the whole message was sent and the answer to it never came; it is sent again, because
twice is better than not at all. `suppressed` is mail to an address on the suppression list. What
is delivered can still bounce, be complained of, or end in an unsubscribe (`docs/returns.md`).
"""


def page() -> str:
    """Return the whole page."""
    parts = [HEAD, SESSION, _diagram(_session()), DELIVERY, _diagram(_delivery()), _kinds()]
    return "\n".join(parts)


def _diagram(lines: Iterator[str]) -> str:
    body = "\n".join(f"    {line}" for line in lines)
    return f"```mermaid\nstateDiagram-v2\n{body}\n```\n"


def _session() -> Iterator[str]:
    yield f"[*] --> {session.State.START.name}"
    for state, moves in session.MOVES.items():
        targets: dict[session.State, list[str]] = {}
        for question, target in moves.items():
            targets.setdefault(target, []).append(question.__name__)
        for target, questions in targets.items():
            yield f"{state.name} --> {target.name}: {', '.join(questions)}"
    yield f"{session.State.CLOSED.name} --> [*]"


def _delivery() -> Iterator[str]:
    yield f"[*] --> {delivery.State.QUEUED.value}"
    for state, targets in delivery.MOVES.items():
        for target in delivery.State:  # a set has no order of its own
            if target in targets:
                yield f"{state.value} --> {target.value}"
    for state in delivery.State:
        if state.final:
            yield f"{state.value} --> [*]"


def _kinds() -> str:
    final = ", ".join(f"`{state.value}`" for state in delivery.State if state.final)
    waiting = ", ".join(f"`{one.value}`" for one in delivery.State if one in delivery.WAITING)
    return (
        f"A worker takes up what is {waiting}. `held` waits for `postwicket queue release`.\n"
        f"Final: {final}.\n"
    )


if __name__ == "__main__":
    made = page()
    if sys.argv[1:] == ["--check"]:
        sys.exit(PAGE.read_text(encoding="utf-8") != made)
    PAGE.write_text(made, encoding="utf-8")

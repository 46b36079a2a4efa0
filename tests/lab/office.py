"""A server that sends into the laboratory, and somebody who writes through it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.e2e.server import Postwicket, SignIn, until
from tests.e2e.talk import send, session

FINAL = frozenset({"delivered", "failed", "expired", "suppressed", "cancelled"})


class Office:
    """One server with one account, ann@example.org."""

    def __init__(self, folder: Path, settings: str, **options: Any) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.server = Postwicket(folder, settings=settings, **options)
        self.server.start()
        self.ann: SignIn = self.server.account("ann@example.org")

    def post(self, *recipients: str, content: bytes | None = None) -> None:
        """Hand in one message; it must be taken."""
        self.post_all([recipients], content=content)

    def post_all(
        self, letters: Iterable[tuple[str, ...]], *, content: bytes | None = None
    ) -> None:
        """Hand in a message for each of these groups of recipients, in one session."""
        more = {} if content is None else {"content": content}
        with session(self.server, self.ann) as smtp:
            for recipients in letters:
                code, words = send(smtp, *recipients, **more)
                assert code == 250, words

    def told(self, recipient: str, *, times: int = 1) -> dict[str, Any]:
        """Return what the log says of the n-th attempt for somebody, once it is over."""
        return self.server.wait_for("settled", recipient=recipient, count=times)

    def row(self, recipient: str) -> dict[str, Any]:
        """Return how the only delivery to somebody stands."""
        (row,) = self.server.queue("--all", "--recipient", recipient)
        return row

    def tried(self, recipient: str, *, times: int = 1) -> dict[str, Any]:
        """Return the only delivery to somebody once it has been tried so often, or is final."""

        def found() -> dict[str, Any] | None:
            row = self.row(recipient)
            return row if row["state"] in FINAL or row["attempts"] >= times else None

        return until(found)

    def final(self, recipient: str) -> dict[str, Any]:
        """Return the only delivery to somebody once nothing more will happen to it."""
        return self.tried(recipient, times=1_000_000)

    def life(self, recipient: str) -> dict[str, Any]:
        """Return the trace of the only message to somebody."""
        (life,) = self.server.ask("trace", recipient)
        found: dict[str, Any] = life
        return found

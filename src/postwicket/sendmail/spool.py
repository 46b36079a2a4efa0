"""Where mail waits while the server is away: one file per message, in a folder.

A file is one line of JSON (the envelope), then the message.  It appears whole or not at all:
written under another name, synced, renamed, folder synced.  One process at a time empties the
spool, in the order of arrival; what is refused for good moves to `refused/` with the reason in
its first line.  A crash between the server's yes and the removal sends a message twice.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

from .submit import Answer, Envelope, Session

_ENDING: Final = ".mail"
_DRAFT: Final = ".draft-"
_FORGOTTEN: Final = 86_400.0  # seconds; a draft this old has no writer any more


@dataclass(frozen=True, slots=True)
class Flushed:
    """What a flush came to: how many went out, were refused, and still wait."""

    sent: int = 0
    refused: int = 0
    waiting: int = 0
    reason: str = ""


class Spool:
    """A folder of waiting mail; made at first use, readable by its owner only."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.refused = folder / "refused"

    def put(self, envelope: Envelope, content: bytes) -> Path:
        """Keep a message; it is on stable storage when this returns.  Raises OSError."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        name = f"{time.time_ns():020d}-{os.getpid()}-{secrets.token_hex(3)}{_ENDING}"
        return _write(self.folder / name, _encode(envelope, content))

    def waiting(self) -> list[Path]:
        """Return the files, oldest first; empty where the spool cannot be read."""
        try:
            return sorted(path for path in self.folder.iterdir() if path.name.endswith(_ENDING))
        except OSError:
            return []

    def flush(self, session: Session, *, until: float | None = None) -> Flushed:
        """Hand in what waits, in order; stop at the first message the server has no room for.

        `until` is a time (monotonic) after which no other message is begun.  When another
        process is at it, this does nothing.
        """
        total = Flushed()
        with self._alone() as alone:
            files = self.waiting() if alone else []
            for done, path in enumerate(files):
                if until is not None and time.monotonic() > until:
                    return replace(total, waiting=len(files) - done)
                total = self._hand_in(path, session, total)
                if total.reason:
                    return replace(total, waiting=len(files) - done)
        return total

    def describe(self) -> Iterator[str]:
        """Yield a line for each file that waits or was refused."""
        folder = self.refused
        refused = sorted(folder.glob(f"*{_ENDING}")) if folder.is_dir() else []
        for state, files in (("waiting", self.waiting()), ("refused", refused)):
            for path in files:
                envelope, content, reasons = _read(path) or (_UNKNOWN, b"", {})
                to = ", ".join(envelope.recipients)
                why = "".join(f"; {text}" for text in dict.fromkeys(reasons.values()))
                yield f"{state} {len(content):>9} {envelope.sender} -> {to}{why}"

    def _hand_in(self, path: Path, session: Session, total: Flushed) -> Flushed:
        found = _read(path)
        if found is None:
            self._set_aside(path, path.read_bytes())
            path.unlink()
            return replace(total, refused=total.refused + 1)
        envelope, content, _ = found
        result = session.send(envelope, content)
        if result.refused:
            kept = replace(envelope, recipients=tuple(result.refused))
            self._set_aside(path, _encode(kept, content, result.refused))
        if result.deferred:
            if len(result.deferred) < len(envelope.recipients):
                rest = replace(envelope, recipients=tuple(result.deferred))
                _write(path, _encode(rest, content))
            return replace(total, reason=str(next(iter(result.deferred.values()))))
        path.unlink()
        _sync_folder(self.folder)
        if result.refused:
            return replace(total, refused=total.refused + 1)
        return replace(total, sent=total.sent + 1)

    def _set_aside(self, path: Path, data: bytes) -> None:
        self.refused.mkdir(exist_ok=True, mode=0o700)
        _write(self.refused / path.name, data)

    @contextmanager
    def _alone(self) -> Iterator[bool]:
        try:
            descriptor = os.open(
                self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
            )
        except OSError:
            yield False
            return
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            self._forget_drafts()
            yield True
        finally:
            os.close(descriptor)

    def _forget_drafts(self) -> None:
        for path in self.folder.glob(f"{_DRAFT}*"):
            if time.time() - path.stat().st_mtime > _FORGOTTEN:
                path.unlink(missing_ok=True)


_UNKNOWN: Final = Envelope(sender="?", recipients=("?",))


def _encode(
    envelope: Envelope, content: bytes, reasons: Mapping[str, Answer] | None = None
) -> bytes:
    told = {recipient: str(answer) for recipient, answer in (reasons or {}).items()}
    line = json.dumps({"version": 1, **asdict(envelope), "refused": told})
    return line.encode() + b"\n" + content


def _read(path: Path) -> tuple[Envelope, bytes, dict[str, str]] | None:
    """Return envelope, message and reasons, or None when this is no file of ours."""
    line, _, content = path.read_bytes().partition(b"\n")
    try:
        given = json.loads(line)
        envelope = Envelope(
            sender=given["sender"],
            recipients=tuple(given["recipients"]),
            notify=given["notify"],
            ret=given["ret"],
            envid=given["envid"],
            body=given["body"],
        )
        return envelope, content, dict(given["refused"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _write(path: Path, data: bytes) -> Path:
    draft = path.with_name(f"{_DRAFT}{path.name}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)
    return path


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

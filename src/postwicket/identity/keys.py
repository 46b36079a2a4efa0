"""The server's own key, under which app passwords are hashed."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Final

NAME: Final = "identity.key"
SIZE: Final = 32


def load_key(data: Path) -> bytes:
    """Return the key kept under `data`, making it at first; mode 0600, never replaced.

    Whoever loses it loses every app password, so it belongs in the backup, apart from the
    database.  Raises ValueError when the file is not a key.
    """
    path = data / NAME
    if not path.exists():
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = path.with_name(f".{NAME}.{os.getpid()}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(SIZE))
            file.flush()
            os.fsync(file.fileno())
        try:
            # A link never replaces, so of two that start at once the first one's key stays.
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    key = path.read_bytes()
    if len(key) != SIZE:
        raise ValueError(f"{path} is not a key of {SIZE} octets; restore it from the backup")
    return key

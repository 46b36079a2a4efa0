"""The server's own keys: one under which app passwords are hashed, one that seals secrets."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Final

NAME: Final = "identity.key"
SECRETS: Final = "secrets.key"  # seals DKIM keys: see trust/vault.py
SIZE: Final = 32


def load_key(data: Path, name: str = NAME) -> bytes:
    """Return the key kept under `data`, making it at first; mode 0600, never replaced.

    Whoever loses it loses every app password (or sealed secret), so it belongs in the backup,
    apart from the database.  Raises ValueError when the file is not a key.
    """
    path = data / name
    if not path.exists():
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = path.with_name(f".{name}.{os.getpid()}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(SIZE))
            file.flush()
            os.fsync(file.fileno())
            if os.geteuid() == 0:  # an operator may be first; the server has to read it
                folder = data.stat()
                os.fchown(file.fileno(), folder.st_uid, folder.st_gid)
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

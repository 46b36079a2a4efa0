"""Files that root makes in a server's folder belong to the server.

An operator runs `postwicket account add` as root before the server, which has dropped its
privileges, first writes; SQLite does the same for its own files.
"""

from __future__ import annotations

import os
from pathlib import Path


def adopt(path: Path) -> None:
    """Give a new file or folder to the owner of the folder it is in, when we are root."""
    if os.geteuid() == 0:
        folder = path.parent.stat()
        os.chown(path, folder.st_uid, folder.st_gid)


def open_shared(path: Path) -> int:
    """Open a small file of the data folder for reading and writing; make it if need be."""
    new = not path.exists()
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    if new:
        adopt(path)
    return descriptor

"""A disk of its own that is quickly full: a tmpfs, which only root can mount."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.needs import missing, need, need_root


@contextmanager
def small_disk(folder: Path, *, size: str) -> Iterator[Path]:
    """Yield an empty disk; skip where nothing may be mounted, and fail under CI."""
    need_root("only root can mount a disk")
    mount, umount = need("mount"), need("umount", "mount")
    folder.mkdir()
    command = [mount, "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        missing(
            f"nothing can be mounted here; the container lacks CAP_SYS_ADMIN: {mounted.stderr}"
        )
    try:
        yield folder
    finally:
        # Lazily: a server that a failed test left behind is ended after us.
        subprocess.run([umount, "--lazy", str(folder)], check=True)

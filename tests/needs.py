"""Tests with real servers and clients: what they need, and what it means when it is missing."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/lib/postfix/sbin"


def missing(reason: str) -> NoReturn:
    """Skip on a user's machine, and fail under CI, where nothing may be missing."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def need(program: str, package: str | None = None) -> str:
    """Return where the program is; without it, skip on a user's machine and fail under CI.

    A program with a slash is a path that must exist.
    """
    path = os.environ.get("PATH", "") + ":" + SYSTEM_PATH
    found = program if "/" in program and Path(program).exists() else None
    found = found or shutil.which(program, path=path)
    if found:
        return found
    missing(f"{program} is missing; install the Debian package {package or program}")


def need_root(why: str) -> None:
    """Skip for an ordinary user, and fail under CI, which runs as root."""
    if os.geteuid() != 0:
        missing(f"{why}; run the tests as root")

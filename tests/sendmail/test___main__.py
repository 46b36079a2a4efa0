"""`python -m postwicket.sendmail` is the command."""

from __future__ import annotations

import subprocess
import sys


def test_the_module_runs() -> None:
    found = subprocess.run(
        [sys.executable, "-m", "postwicket.sendmail", "-bs"], capture_output=True, check=False
    )
    assert found.returncode == 64
    assert b"not offered" in found.stderr

"""One office for each test."""

from __future__ import annotations

from pathlib import Path

import pytest

from .office import Office


@pytest.fixture
def office(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Office:
    """Return a command line in front of an empty folder."""
    monkeypatch.chdir(tmp_path)
    for variable in ("POSTWICKET_CONFIG", "POSTWICKET_DATA"):
        monkeypatch.delenv(variable, raising=False)
    return Office(tmp_path, capsys)

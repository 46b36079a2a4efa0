"""What root makes belongs to the owner of the folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from postwicket.storage.ownership import open_shared


def test_a_new_file_is_private_and_is_given_away_by_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[tuple[object, int, int]] = []
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "chown", lambda *call: given.append(call))
    for _ in range(2):
        os.close(open_shared(tmp_path / "lock"))
    owner = tmp_path.stat()
    assert given == [(tmp_path / "lock", owner.st_uid, owner.st_gid)]
    assert (tmp_path / "lock").stat().st_mode & 0o077 == 0

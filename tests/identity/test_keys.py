"""The server's own key."""

from __future__ import annotations

from pathlib import Path

import pytest

from postwicket.identity.keys import NAME, load_key


def test_it_is_made_once_and_for_nobody_else(tmp_path: Path) -> None:
    key = load_key(tmp_path / "data")
    assert len(key) == 32
    assert load_key(tmp_path / "data") == key
    assert (tmp_path / "data" / NAME).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in (tmp_path / "data").iterdir()] == [NAME]


def test_a_damaged_one_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"short")
    with pytest.raises(ValueError, match="backup"):
        load_key(tmp_path)

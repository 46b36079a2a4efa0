"""The shared number: one for all who map the same file."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from postwicket.storage.generation import Generation


def test_all_see_one_number_and_it_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "generation"
    with closing(Generation(path)) as here, closing(Generation(path)) as there:
        assert here() == there() == 0
        here.advance()
        there.advance()
        assert here() == there() == 2
    with closing(Generation(path)) as again:
        assert again() == 2
    assert path.stat().st_mode & 0o077 == 0

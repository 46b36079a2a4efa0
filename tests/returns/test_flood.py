"""Floods of mail for people: bounded in octets, whoever sends them."""

from __future__ import annotations

from pathlib import Path

import pytest

from postwicket.returns.tempo import Tempo
from tests.returns.port25 import Port25
from tests.returns.test_session import PLAIN, run


def test_mail_for_people_cannot_fill_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(here: Port25) -> None:
        monkeypatch.setattr(here.reception, "_octets", Tempo(per_hour=0, burst=900_000))
        letter = PLAIN + ("x" * 70 + "\n") * 5000
        replies = [await here.bring("abuse@example.org", letter) for _ in range(4)]
        assert [reply[:3] for reply in replies] == ["250", "250", "450", "450"]
        assert len(here.kept()) == 2
        large = [file for file in tmp_path.rglob("*") if file.stat().st_size > 300_000]
        assert len([file for file in large if file.is_file()]) == 2, "what was refused is gone"

    run(tmp_path, story)

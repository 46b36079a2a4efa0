"""The own certificate is there at the start and looked after every hour."""

from __future__ import annotations

from pathlib import Path

import pytest

from postwicket.config import Listener, Settings
from postwicket.journal.log import Log
from postwicket.supervisor.errors import CannotServe
from postwicket.supervisor.renewal import EVERY, Renewal, check_certificate


def settings(data: Path, tls: str = "starttls") -> Settings:
    listener = Listener.model_validate({"address": "127.0.0.1:0", "tls": tls})
    return Settings(hostname="mail.example.org", data=data, listener=(listener,))


def test_it_is_made_where_it_is_needed(tmp_path: Path) -> None:
    check_certificate(settings(tmp_path, "none"))
    assert list(tmp_path.iterdir()) == []
    check_certificate(settings(tmp_path))
    assert (tmp_path / "server.pem").exists()


def test_what_stops_the_start_is_explained(tmp_path: Path) -> None:
    with pytest.raises(CannotServe, match="cannot write the certificate"):
        check_certificate(settings(tmp_path / "nowhere"))
    check_certificate(settings(tmp_path))
    (tmp_path / "ca.key").unlink()
    with pytest.raises(CannotServe, match="delete both files"):
        check_certificate(settings(tmp_path))


def test_it_is_looked_at_every_hour_and_trouble_is_only_said(tmp_path: Path) -> None:
    now, said = [0.0], list[bytes]()
    check_certificate(settings(tmp_path))
    renewal = Renewal(settings(tmp_path), Log(said.append), lambda: now[0])
    (tmp_path / "server.pem").unlink()
    renewal.turn()
    assert not (tmp_path / "server.pem").exists()
    now[0] = renewal.due
    renewal.turn()
    assert (tmp_path / "server.pem").exists()
    assert renewal.due == 2 * EVERY
    (tmp_path / "ca.key").unlink()
    now[0] = renewal.due
    renewal.turn()
    assert len(said) == 1
    assert b"could not be renewed" in said[0]

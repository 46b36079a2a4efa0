"""postwicket serve hands over to the supervisor."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from postwicket import supervisor
from postwicket.config import Listener, Settings
from postwicket.supervisor import OpenListener

from .office import Office


class Supervised:
    """Stands in for the supervisor; says that it is ready with one open listener."""

    def __init__(self) -> None:
        self.settings: Settings | None = None
        self.config_path: Path | None = None
        self.status = 0

    def __call__(
        self,
        settings: Settings,
        *,
        config_path: Path | None,
        ready: Callable[[Sequence[OpenListener]], object] | None,
    ) -> int:
        """Pretend to serve."""
        self.settings, self.config_path = settings, config_path
        if ready is not None:
            with socket.create_server(("127.0.0.1", 0)) as one:
                ready([OpenListener(Listener(address="127.0.0.1:0"), (one,))])
        return self.status


@pytest.fixture
def supervised(monkeypatch: pytest.MonkeyPatch) -> Supervised:
    made = Supervised()
    monkeypatch.setattr(supervisor, "serve", made)
    return made


def test_the_settings_reach_the_supervisor(office: Office, supervised: Supervised) -> None:
    said = office("serve")
    assert (said.status, said.out) == (0, "")
    assert supervised.settings is not None
    assert supervised.settings.hostname == "mail.example.org"
    assert supervised.config_path == office.config


def test_json_names_the_real_ports(office: Office, supervised: Supervised) -> None:
    said = office("serve", "--json")
    (listener,) = json.loads(said.out)["listeners"]
    assert listener["address"] == "127.0.0.1"
    assert listener["port"] > 0
    assert supervised.settings is not None


def test_its_status_is_ours(office: Office, supervised: Supervised) -> None:
    supervised.status = 1
    assert office("serve").status == 1


def test_a_broken_configuration_does_not_start(office: Office, supervised: Supervised) -> None:
    office.config.write_text("[[listener]]\naddress = '0.0.0.0:25'\ntls = 'none'\n")
    said = office("serve")
    assert said.status == 2
    assert "is refused, because" in said.err
    assert supervised.settings is None

"""What a new configuration may change while the server runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from postwicket.config import load
from postwicket.journal.log import Log
from postwicket.supervisor.crew import Generation
from postwicket.supervisor.errors import CannotServe
from postwicket.supervisor.roll import load_next, open_generation
from postwicket.supervisor.sockets import close_unused, open_listeners


class Ground:
    """A configuration file, and a generation that is at work with it."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "postwicket.toml"
        self.data = folder / "data"
        self.data.mkdir()
        self.said: list[bytes] = []
        self.write()
        settings = load(self.file)
        listeners = open_listeners(settings.listener, workers=2)
        self.now: Generation = open_generation(settings, listeners, number=0, taken=set())

    def write(self, **changes: object) -> None:
        """Write the configuration with changes at the top."""
        top = {"hostname": "mail.example.org", "data": str(self.data), "workers": 2} | changes
        text = "".join(f"{name} = {json.dumps(value)}\n" for name, value in top.items())
        listener = '[[listener]]\naddress = "127.0.0.1:0"\n'
        self.file.write_text(text + listener, encoding="utf-8")

    def next(self) -> Generation:
        """Read it again."""
        log = Log(self.said.append)
        return load_next(self.file, self.now, number=1, taken={0, 1}, log=log)

    def close(self) -> None:
        """Close the sockets."""
        close_unused(self.now.listeners, ())


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    with closing(Ground(tmp_path)) as ground:
        yield ground


def test_a_new_name_gets_a_new_generation_on_the_same_sockets(ground: Ground) -> None:
    ground.write(hostname="new.example.org")
    new = ground.next()
    assert new.settings.hostname == "new.example.org"
    assert new.listeners[0].sockets == ground.now.listeners[0].sockets
    assert [post.slot for post in new.posts] == [2, 3]
    assert ground.said == []
    assert (ground.data / "server.pem").exists()


def test_what_needs_a_restart_is_kept_and_said(ground: Ground) -> None:
    ground.write(workers=3)
    new = ground.next()
    assert new.settings.workers == 2
    assert len(new.posts) == 2
    assert b'"settings": ["workers"]' in ground.said[0]


def test_the_data_folder_stays(ground: Ground) -> None:
    ground.write(data="/elsewhere")
    with pytest.raises(CannotServe, match="`data` cannot change while the server runs"):
        ground.next()


def test_a_certificate_that_does_not_work_is_refused(ground: Ground) -> None:
    text = ground.file.read_text() + '[tls]\ncertificate = "nowhere.pem"\nkey = "nowhere.key"\n'
    ground.file.write_text(text)
    with pytest.raises(CannotServe, match=r"nowhere\.pem cannot be read: No such file"):
        ground.next()


def test_nonsense_is_refused_with_the_place(ground: Ground) -> None:
    ground.file.write_text("hostnam = 1")
    with pytest.raises(CannotServe, match=r"postwicket\.toml.*did you mean 'hostname'"):
        ground.next()

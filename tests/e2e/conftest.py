"""Servers for end-to-end tests: each is gone when its test, or its module, is over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .server import Postwicket

Serve = Callable[..., Postwicket]


@pytest.fixture
def install(tmp_path: Path) -> Iterator[Serve]:
    """Return a function that makes a configured server in the test's folder."""
    made: list[Postwicket] = []

    def build(name: str = "server", **options: Any) -> Postwicket:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        made.append(Postwicket(folder, **options))
        return made[-1]

    yield build
    for server in made:
        server.end()


@pytest.fixture
def serve(install: Serve) -> Serve:
    """Return a function that makes and starts a server in the test's folder."""

    def build(name: str = "server", **options: Any) -> Postwicket:
        server = install(name, **options)
        server.start()
        return server

    return build

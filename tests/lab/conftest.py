"""One laboratory for all tests of this folder; its receivers start when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.conftest import install, serve  # noqa: F401  (fixtures)

from .laboratory import Laboratory
from .postfix import open_folder


@pytest.fixture(scope="session")
def laboratory() -> Iterator[Laboratory]:
    """Return a laboratory that has been started."""
    with open_folder("laboratory") as folder:
        laboratory = Laboratory(folder)
        try:
            laboratory.start()
            yield laboratory
        finally:
            laboratory.stop()

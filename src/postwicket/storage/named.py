"""Statements with a name: reads `sql/*.sql`, where each has a name and a line that says why.

    -- add entry --
    -- The journal is only ever appended to.
    INSERT INTO entry (at, kind) VALUES (?, ?)

`many` repeats the one row of question marks after VALUES, so that a whole batch goes into a
table with one statement; values are always bound, never written into the text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

_TITLE: Final = re.compile(r"^-- (\w[\w ]*) --$", re.MULTILINE)
_ROW: Final = re.compile(r"VALUES (\([^()]*\))")


def read_named(text: str) -> dict[str, str]:
    r"""Return the statements of a file by name; raise ValueError where one lacks its reason.

    >>> read_named("-- one --\n-- Because.\nSELECT 1;\n")
    {'one': 'SELECT 1'}
    """
    _, *parts = _TITLE.split(text)
    found: dict[str, str] = {}
    for name, block in zip(parts[::2], parts[1::2], strict=True):
        lines = block.strip().splitlines()
        code = [line for line in lines if not line.startswith("--")]
        if name in found:
            raise ValueError(f"two statements are called {name!r}")
        if len(code) == len(lines) or not code:
            raise ValueError(f"{name!r} needs a line that says why, and a statement")
        found[name] = "\n".join(code).rstrip(";").rstrip()
    return found


def repeated(statement: str, rows: int) -> str:
    """Return a statement with its row of question marks `rows` times.

    >>> repeated("INSERT INTO t VALUES (?, ?)", 2)
    'INSERT INTO t VALUES (?, ?), (?, ?)'
    """
    found = _ROW.search(statement)
    if found is None:
        raise ValueError("the statement has no row of question marks")
    return statement[: found.end()] + f", {found[1]}" * (rows - 1) + statement[found.end() :]


def load(file: str) -> Mapping[str, str]:
    """Return the statements of a file in `sql/`."""
    return read_named((Path(__file__).parent / "sql" / file).read_text("utf-8"))


SQLITE: Final = load("sqlite.sql")


@cache
def many(name: str, rows: int) -> str:
    """Return one of SQLite's statements for so many rows, always the same string.

    (The driver finds its prepared statement by that string.)
    """
    return repeated(SQLITE[name], rows)

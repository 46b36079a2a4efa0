"""Write docs/configuration.md from the settings; `--check` only compares.

What is said of a setting is its description in src/postwicket/config: edit it there.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from postwicket.config import Settings
from postwicket.config.environment import alternatives, item_of, model_of
from postwicket.config.presets import PRESETS
from postwicket.config.values import octets, seconds

PAGE: Final = Path(__file__).parents[1] / "docs" / "configuration.md"
HEAD: Final = """\
# Configuration

*This page is made from the settings by `python tools/settings_page.py`; a test compares it.*

One TOML file, the environment over it, defaults under both. Every command finds the file in this
order: `--config FILE`, `$POSTWICKET_CONFIG`, `./postwicket.toml`,
`/etc/postwicket/postwicket.toml`. Only `hostname` must be given.

    postwicket config check       is it right, and are the files there that it names?
    postwicket config explain     every setting, its value, and where the value comes from

- A duration is `"90s"`, `"5m"`, `"2h"`, `"5d"`, or a number of seconds. A size is a number of
  octets, or `"25M"`, `"512K"` (1024 each).
- A relative path is relative to the folder of the file that it stands in.
- An unknown key is an error with a guess at what was meant. So is a setting that would be unsafe:
  a password in the clear, a port on which strangers could send. The error says why.
- After an edit, send the server SIGHUP (`systemctl reload postwicket`). New workers start with
  the new configuration on the same sockets, and the old ones finish their sessions. `database`,
  `user`, `group` and `workers` change with the next start; another `data` is refused. A
  configuration that does not work is refused, too, and the server goes on with the one it has.
- `lanes` in a route is `transactional` or `bulk`: by the message's header, else by its account's
  default (see [direct.md](direct.md)).

## From the environment

The name is `POSTWICKET_` and the path of the setting, with a double underscore for each step.
Lists of texts are written with commas or as JSON, items of a list of sections by their number.

```sh
POSTWICKET_HOSTNAME=mail.example.org
POSTWICKET_LIMITS__MESSAGES_PER_DAY=500
POSTWICKET_QUEUE__RETRY=1m,5m,1h
POSTWICKET_UPSTREAM__0__NAME=relay
POSTWICKET_UPSTREAM__0__HOST=smtp.example.net
POSTWICKET_ROUTE='[{"via": "upstream:relay"}]'
```
"""


def page() -> str:
    """Return the whole page."""
    return "\n".join([HEAD, *_lines()])


def _lines() -> Iterator[str]:
    fields = Settings.model_fields
    plain = {name: field for name, field in fields.items() if _section(field) is None}
    yield "## The server\n"
    yield from _table(plain)
    for name, field in fields.items():
        section = _section(field)
        if section is None:
            continue
        many = item_of(field.annotation) is not None
        yield f"## {f'[[{name}]]' if many else f'[{name}]'}\n"
        yield f"{' '.join((section.__doc__ or '').splitlines()[0].split())}\n"
        if many:
            yield "May be given several times.\n"
        yield from _table(section.model_fields)
        if name == "upstream":
            yield f"Presets known now: {', '.join(f'`{one}`' for one in PRESETS)}.\n"


def _table(fields: dict[str, FieldInfo]) -> Iterator[str]:
    yield "| setting | default | what it is |"
    yield "|---|---|---|"
    for name, field in fields.items():
        yield f"| `{name}` | {_default(field)} | {' '.join((field.description or '').split())} |"
    yield ""


def _section(field: FieldInfo) -> type[BaseModel] | None:
    item = item_of(field.annotation)
    return model_of(field.annotation if item is None else item)


def _default(field: FieldInfo) -> str:
    value = field.default
    if value is PydanticUndefined:
        return "must be given"
    if value is None or value == ():
        return "none"
    return f"`{_spelled(value, _readers(field))}`"


def _spelled(value: Any, readers: set[object]) -> str:
    """Write a default as it would stand in the file."""
    if isinstance(value, tuple):
        return f"[{', '.join(_spelled(each, readers) for each in value)}]"
    if isinstance(value, bool):
        return str(value).lower()
    if seconds in readers:
        return f'"{_duration(value)}"'
    if isinstance(value, str | Path):
        return f'"{value}"'
    return str(value)


def _duration(value: float) -> str:
    count = int(value)
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60)):
        if count % size == 0 and count >= size and (unit, count) != ("d", size):
            return f"{count // size}{unit}"
    return f"{count}s"


def _readers(field: FieldInfo) -> set[object]:
    """Return the functions that read this setting's value, those of its items included."""
    notes = [*field.metadata]
    for choice in alternatives(item_of(field.annotation)):
        notes += getattr(choice, "__metadata__", ())
    found = {getattr(note, "func", None) for note in notes}
    return found & {seconds, octets}


if __name__ == "__main__":
    made = page()
    if sys.argv[1:] == ["--check"]:
        sys.exit(PAGE.read_text(encoding="utf-8") != made)
    PAGE.write_text(made, encoding="utf-8")

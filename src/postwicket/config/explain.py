"""Every setting with its value, where that came from, and what it is for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from .environment import KeyPath, item_of, model_of
from .load import Configuration, spell
from .settings import Settings

DEFAULT = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """One setting: `value` is a JSON value, `origin` is "default", a file or a variable."""

    key: str
    value: object
    origin: str
    documentation: str


def explain(configuration: Configuration) -> list[Explained]:
    """Return every setting, in the order of the handbook."""
    return list(_below(configuration, configuration.settings, (), Settings))


def _below(
    configuration: Configuration, section: BaseModel, path: KeyPath, model: type[BaseModel]
) -> Iterator[Explained]:
    for name, field in model.model_fields.items():
        here: KeyPath = (*path, name)
        value: Any = getattr(section, name)
        item = item_of(field.annotation)
        inner = model_of(item) if item is not None else model_of(field.annotation)
        if inner is not None and isinstance(value, BaseModel):
            yield from _below(configuration, value, here, inner)
        elif inner is not None and value:
            for index, each in enumerate(value):
                yield from _below(configuration, each, (*here, index), inner)
        else:
            yield Explained(
                key=spell(here),
                value=plain(value),
                origin=_origin(configuration, here),
                documentation=field.description or "",
            )


def plain(value: object) -> object:
    """Return a setting's value as JSON has it; a secret becomes stars.

    >>> from postwicket.core.secret import Secret
    >>> plain(Secret("geheim")), plain((60.0, 300.0)), plain(None)
    ('********', [60, 300], None)
    """
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    return str(value)  # paths, networks, and secrets, which print as stars


def _origin(configuration: Configuration, path: KeyPath) -> str:
    for length in range(len(path), 0, -1):
        if path[:length] in configuration.origins:
            return configuration.origins[path[:length]]
    return DEFAULT

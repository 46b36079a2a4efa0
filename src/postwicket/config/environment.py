"""Settings from the environment: POSTWICKET_ and the path, with double underscores.

POSTWICKET_HOSTNAME=mail.example.org
POSTWICKET_LIMITS__MESSAGES_PER_DAY=500
POSTWICKET_QUEUE__RETRY=1m,5m,1h               lists of texts: commas or JSON
POSTWICKET_UPSTREAM__0__PASSWORD=...           items of a list: by index, or all as JSON
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any, Final, get_args, get_origin

from pydantic import BaseModel

from .errors import ConfigError, Problem

PREFIX: Final = "POSTWICKET_"
PATH_OF_THE_FILE: Final = "POSTWICKET_CONFIG"
# Kubernetes tells every container of a service called "postwicket" where it is, in our words.
_KUBERNETES: Final = re.compile(
    r"POSTWICKET_(?:SERVICE_HOST|SERVICE_PORT(?:_\w+)?|PORT(?:_\d+_(?:TCP|UDP)(?:_\w+)?)?)"
)
_INDEX: Final = re.compile(r"\d{1,3}")

KeyPath = tuple[str | int, ...]


def overlay(
    tree: dict[str, Any], environ: Mapping[str, str], root: type[BaseModel]
) -> dict[KeyPath, str]:
    """Put the environment's settings into `tree`; return which variable set which path.

    Raises `ConfigError` with every variable that names no setting or cannot be read.
    """
    origins: dict[KeyPath, str] = {}
    problems: list[Problem] = []
    for variable in sorted(environ, key=_in_order):
        if not variable.startswith(PREFIX) or variable == PATH_OF_THE_FILE:
            continue
        if _KUBERNETES.fullmatch(variable):
            continue
        parts = variable.removeprefix(PREFIX).lower().split("__")
        try:
            path, annotation = _resolve(parts, root)
            _put(tree, path, _read(environ[variable], annotation))
        except ValueError as error:
            problems.append(Problem("environment", variable, str(error)))
        else:
            origins[path] = variable
    if problems:
        raise ConfigError(*problems)
    return origins


def _in_order(variable: str) -> list[tuple[int, int, str]]:
    """Sort indexes as numbers, so that item 2 is appended before item 10."""
    parts = variable.split("__")
    return [(0, int(p), "") if _INDEX.fullmatch(p) else (1, 0, p) for p in parts]


def _resolve(parts: list[str], root: type[BaseModel]) -> tuple[KeyPath, Any]:
    """Return the path in the tree and the type that stands there."""
    annotation: Any = root
    path: list[str | int] = []
    for part in parts:
        model, item = model_of(annotation), item_of(annotation)
        if model is not None:
            if part not in model.model_fields:
                raise ValueError(no_such_setting(".".join(map(str, [*path, part])), part, model))
            path.append(part)
            annotation = model.model_fields[part].annotation
        elif item is not None and _INDEX.fullmatch(part):
            path.append(int(part))
            annotation = item
        else:
            here = ".".join(map(str, path))
            raise ValueError(f"there is nothing below {here!r}; end the name there")
    return tuple(path), annotation


def _put(tree: dict[str, Any], path: KeyPath, value: object) -> None:
    here: Any = tree
    for part, following in zip(path, (*path[1:], None), strict=True):
        new = value if following is None else [] if isinstance(following, int) else {}
        if isinstance(part, int):
            if not isinstance(here, list) or part > len(here):
                count = len(here) if isinstance(here, list) else 0
                raise ValueError(f"item {part} has no item before it; the next one is {count}")
            if part == len(here):
                here.append(new)
        elif not isinstance(here, dict):
            raise ValueError(f"{part!r} has no section around it; check the file")  # noqa: TRY004 - the operator's mistake, not the caller's
        elif following is not None:
            here.setdefault(part, new)
        if following is None:
            here[part] = value
        else:
            here = here[part]


def _read(text: str, annotation: Any) -> object:
    if text.startswith(("[", "{")) and (
        item_of(annotation) is not None or model_of(annotation) is not None
    ):
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"it is not JSON ({error}); check the brackets and quotes") from None
    item = item_of(annotation)
    if item is not None and model_of(item) is None:
        return [piece.strip() for piece in text.split(",") if piece.strip()]
    if item is not None or model_of(annotation) is not None:
        raise ValueError("it is a whole section; give it as JSON, or each setting by itself")
    return text


def alternatives(annotation: Any) -> Iterator[Any]:
    """Yield a type and what it is made of: the branches of a union, the type in Annotated."""
    yield annotation
    if get_origin(annotation) is not tuple:
        for choice in get_args(annotation):
            yield from alternatives(choice)


def model_of(annotation: Any) -> type[BaseModel] | None:
    """Return the section that a setting's type stands for, or None."""
    for choice in alternatives(annotation):
        if isinstance(choice, type) and issubclass(choice, BaseModel):
            return choice
    return None


def item_of(annotation: Any) -> Any | None:
    """Return what a list setting holds, or None where the setting is no list."""
    for choice in alternatives(annotation):
        if get_origin(choice) is tuple:
            return get_args(choice)[0]
    return None


def no_such_setting(shown: str, key: str, model: type[BaseModel]) -> str:
    """Say that a key is unknown, with a guess at what was meant.

    >>> from .settings import Settings
    >>> no_such_setting("hostnam", "hostnam", Settings)
    "there is no setting 'hostnam'; did you mean 'hostname'?"
    """
    names = list(model.model_fields)
    guess = get_close_matches(key, names, n=1, cutoff=0.5)
    hint = f"did you mean {guess[0]!r}?" if guess else f"known here: {', '.join(sorted(names))}"
    return f"there is no setting {shown!r}; {hint}"

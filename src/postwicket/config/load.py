"""From a TOML file and the environment to `Settings`: environment over file over default.

    configuration = read(find_config(option), os.environ)
    configuration.settings.hostname

Every error is a `ConfigError` that lists all problems, each with place and key.  Relative
paths in a file are relative to the file's folder.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from .environment import (
    PATH_OF_THE_FILE,
    KeyPath,
    alternatives,
    item_of,
    model_of,
    no_such_setting,
    overlay,
)
from .errors import ConfigError, Problem
from .settings import Settings

USUAL_PLACES: Final = (Path("postwicket.toml"), Path("/etc/postwicket/postwicket.toml"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """Settings, the file they came from (None: environment only) and who set what.

    `origins` maps the path of a setting to the environment variable or file that set it; what
    is not there, nor anything above it, is a default.
    """

    settings: Settings
    file: Path | None
    origins: Mapping[KeyPath, str]


def find_config(option: Path | None, environ: Mapping[str, str] | None = None) -> Path | None:
    """Return the file to read: the option, $POSTWICKET_CONFIG, then the usual places.

    None means that there is none.  A file that was named is returned whether it exists or not.
    """
    environ = os.environ if environ is None else environ
    if option is not None:
        return option
    if environ.get(PATH_OF_THE_FILE):
        return Path(environ[PATH_OF_THE_FILE])
    return next((place for place in USUAL_PLACES if place.is_file()), None)


def load(file: Path | None, environ: Mapping[str, str] | None = None) -> Settings:
    """Return the settings of a file under the environment; raise `ConfigError`.

    >>> load(None, {"POSTWICKET_HOSTNAM": "mail.example.org"})
    Traceback (most recent call last):
    postwicket.config.errors.ConfigError: environment: POSTWICKET_HOSTNAM: \
there is no setting 'hostnam'; did you mean 'hostname'?
    """
    return read(file, environ).settings


def read(file: Path | None, environ: Mapping[str, str] | None = None) -> Configuration:
    """Return the settings and where each came from; raise `ConfigError`."""
    environ = os.environ if environ is None else environ
    tree = {} if file is None else _toml(file)
    origins: dict[KeyPath, str] = {}
    if file is not None:
        _rebase(tree, Settings, file.absolute().parent)
        origins = dict.fromkeys(_paths(tree), str(file))
    origins.update(overlay(tree, environ, Settings))
    try:
        settings = Settings.model_validate(tree)
    except ValidationError as error:
        place = "environment" if file is None else str(file)
        raise ConfigError(*_problems(error, origins, place)) from None
    return Configuration(settings=settings, file=file, origins=origins)


def spell(path: KeyPath) -> str:
    """Return a setting's path as people write it.

    >>> spell(("upstream", 0, "name"))
    'upstream[0].name'
    """
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def _toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        reason = error.strerror or type(error).__name__
        fix = "check the path, or make a first one with `postwicket try`"
        raise ConfigError(Problem(str(file), "", f"cannot read it: {reason}; {fix}")) from None
    except UnicodeDecodeError:
        raise ConfigError(
            Problem(str(file), "", "it is not text in UTF-8; save it as UTF-8")
        ) from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(
            Problem(str(file), "", f"it is not TOML: {error}; mend that line")
        ) from None


def _rebase(value: Any, annotation: Any, folder: Path) -> None:
    """Make the relative paths of a file absolute, so that every command means the same."""
    model, item = model_of(annotation), item_of(annotation)
    if item is not None and isinstance(value, list):
        for each in value:
            _rebase(each, item, folder)
    elif model is not None and isinstance(value, dict):
        for key in value.keys() & model.model_fields.keys():
            field = model.model_fields[key]
            if _is_path(field.annotation) and isinstance(value[key], str) and value[key]:
                value[key] = str(folder / Path(value[key]).expanduser())
            else:
                _rebase(value[key], field.annotation, folder)


def _is_path(annotation: Any) -> bool:
    return Path in alternatives(annotation)


def _paths(tree: Any, above: KeyPath = ()) -> list[KeyPath]:
    if isinstance(tree, dict):
        return [path for key in tree for path in _paths(tree[key], (*above, key))]
    if isinstance(tree, list) and any(isinstance(item, dict) for item in tree):
        return [path for n, item in enumerate(tree) for path in _paths(item, (*above, n))]
    return [above]


def _problems(error: ValidationError, origins: Mapping[KeyPath, str], place: str) -> list[Problem]:
    found = []
    for fault in error.errors(include_url=False, include_input=False):
        path = tuple(part for part in fault["loc"] if not _is_noise(part))
        origin = _origin(path, origins) or place
        key, text = spell(path), str(fault["msg"])
        if fault["type"] == "extra_forbidden":
            key, text = "", no_such_setting(key, str(path[-1]), _model_at(path[:-1]))
        elif fault["type"] == "missing":
            text = f"it is missing; add it ({_documentation(path)})"
        elif fault["type"] == "value_error":
            text = str(fault["ctx"]["error"])
        else:
            text = f"{text[0].lower()}{text[1:]}; {_documentation(path) or 'see the handbook'}"
        found.append(Problem(origin, key, text))
    return list(dict.fromkeys(found))


def _is_noise(part: str | int) -> bool:
    """Tell pydantic's own words for branches of a union from keys."""
    return isinstance(part, str) and ("[" in part or part.startswith("function"))


def _origin(path: KeyPath, origins: Mapping[KeyPath, str]) -> str | None:
    for length in range(len(path), 0, -1):
        if path[:length] in origins:
            return origins[path[:length]]
    return None


def _model_at(path: KeyPath) -> type[BaseModel]:
    annotation: Any = Settings
    for part in path:
        if isinstance(part, int):
            annotation = item_of(annotation)
        else:
            model = model_of(annotation)
            annotation = model.model_fields[part].annotation if model else None
    return model_of(annotation) or Settings


def _documentation(path: KeyPath) -> str:
    if not path or not isinstance(path[-1], str):
        return _documentation(path[:-1]) if path else ""
    field = _model_at(path[:-1]).model_fields.get(path[-1])
    return (field.description or "").rstrip(".") if field else ""

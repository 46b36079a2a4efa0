"""Values: nobody changes one that somebody else holds, and nobody mixes up their fields."""

from __future__ import annotations

import dataclasses
import inspect

import pytest

from postwicket.storage import values

VALUES = [
    value
    for _, value in inspect.getmembers(values, inspect.isclass)
    if value.__module__ == values.__name__
]


@pytest.mark.parametrize("value", VALUES)
def test_values_are_frozen_and_named(value: type) -> None:
    fields = dataclasses.fields(value)
    assert value.__dataclass_params__.frozen  # type: ignore[attr-defined]  # no stub has it
    assert "__slots__" in vars(value)
    assert len(fields) < 4 or all(field.kw_only for field in fields)

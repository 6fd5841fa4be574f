"""Strategies for records: any value that their declared types allow."""

from __future__ import annotations

import dataclasses
import types
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from hypothesis import strategies as st


@cache
def records(kind: type[Any]) -> st.SearchStrategy[Any]:
    """Every field at random, but the names of formats and kinds."""
    hints = get_type_hints(kind)
    fields = {f.name: values(hints[f.name]) for f in dataclasses.fields(kind) if f.name != "schema"}
    return st.builds(kind, **fields)


def values(hint: Any) -> st.SearchStrategy[Any]:
    """Values of one declared type."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin in (Union, types.UnionType):
        return st.one_of(*(values(argument) for argument in arguments))
    if origin is tuple:
        return st.lists(values(arguments[0]), max_size=2).map(tuple)
    if hint is float:
        return st.floats(allow_nan=False, allow_infinity=False)
    if hint is type(None):
        return st.none()
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return st.deferred(lambda: records(hint))
    return st.from_type(hint)

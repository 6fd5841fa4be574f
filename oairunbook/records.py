"""Frozen records whose methods are made when they are called for the first time.

A start of the command line declares some hundred of them and makes a handful. Of what `dataclasses.dataclass` costs, four fifths are the texts
of six methods, which it writes and compiles for each class. Here they are written when they are called for the first time, by `dataclasses` itself.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass  # handed on
elif sys.version_info < (3, 10):  # noqa: UP036 - the observing half runs there
    # Without slots, and taught `kw_only` by the collector's loader.
    dataclass = dataclasses.dataclass
else:

    def dataclass(*, frozen: bool, slots: bool, kw_only: bool) -> Callable[[type], type]:
        """`dataclasses.dataclass(frozen=True, slots=True, kw_only=True)`, and nothing else."""
        assert (frozen, slots, kw_only) == (True, True, True)
        return _declared


_LATER = ("__init__", "__repr__", "__eq__", "__hash__")


def _declared(cls: type) -> type:
    own = {name: value for name, value in cls.__dict__.items() if name not in ("__dict__", "__weakref__")}
    declare: Any = dataclasses.dataclass
    made: Any = declare(init=False, repr=False, eq=False, slots=True, kw_only=True)(cls)

    def complete(names: tuple[str, ...]) -> None:
        wanted = {"init": "__init__" in names, "repr": "__repr__" in names, "eq": "__eq__" in names}
        whole = declare(frozen=True, kw_only=True, **wanted)(type(cls.__name__, cls.__bases__, dict(own)))
        for name in names:
            setattr(made, name, whole.__dict__[name])

    def later(name: str) -> Callable[..., Any]:
        # Hashing follows from comparing; most records are only made.
        together = ("__eq__", "__hash__") if name in ("__eq__", "__hash__") else (name,)

        def method(self: Any, *arguments: Any, **values: Any) -> Any:
            complete(together)
            return made.__dict__[name](self, *arguments, **values)

        return method

    for name in _LATER:
        setattr(made, name, later(name))
    made.__dataclass_params__ = _PARAMS
    made.__setattr__, made.__delattr__ = _refuse_to_set, _refuse_to_delete
    made.__getstate__, made.__setstate__ = _state, _restore
    return made  # type: ignore[no-any-return]


def _refuse_to_set(_: object, name: str, __: object) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_to_delete(_: object, name: str) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")


def _state(self: Any) -> list[Any]:
    """For copies and pickles: slots alone are set by assignment, which a frozen record refuses."""
    return [getattr(self, field.name) for field in dataclasses.fields(self)]


def _restore(self: Any, state: list[Any]) -> None:
    for field, value in zip(dataclasses.fields(self), state):  # noqa: B905 - `strict` came with Python 3.10
        object.__setattr__(self, field.name, value)


def _params() -> Any:
    class Whole:
        pass

    declare: Any = dataclasses.dataclass
    return declare(frozen=True)(Whole).__dataclass_params__


_PARAMS = _params()

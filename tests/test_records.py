"""A record whose methods are made late is the same record: every promise of a frozen dataclass holds, before and after the first one is made."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import subprocess
import sys
from typing import Any

import pytest

from oairunbook.evidence import ErrorLink
from oairunbook.records import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Late:
    """One."""

    name: str
    seconds: float = 0.0
    links: tuple[ErrorLink, ...] = dataclasses.field(default=())

    @property
    def shout(self) -> str:
        return self.name.upper()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AtOnce:
    """One."""

    name: str
    seconds: float = 0.0
    links: tuple[ErrorLink, ...] = dataclasses.field(default=())

    @property
    def shout(self) -> str:
        return self.name.upper()


@pytest.fixture(params=["first", "later"])
def late(request: pytest.FixtureRequest) -> type[Any]:
    """A class of which no record was made yet, and one of which one was."""
    namespace: dict[str, Any] = {"__name__": __name__}
    source = "from __future__ import annotations\nimport dataclasses\n"
    source += (
        "@dataclass(frozen=True, slots=True, kw_only=True)\nclass Fresh:\n    name: str\n    seconds: float = 0.0\n"
    )
    source += "    links: tuple = dataclasses.field(default=())\n"
    namespace["dataclass"] = dataclass
    exec(source, namespace)
    fresh = namespace["Fresh"]
    if request.param == "later":
        fresh(name="x")
    return fresh


def test_it_is_made_shown_compared_and_hashed_as_a_dataclass_is(late: type[Any]) -> None:
    one, same, other = late(name="a", seconds=1.0), late(name="a", seconds=1.0), late(name="b")
    assert one == same != other
    assert hash(one) == hash(same)
    assert len({one, same, other}) == 2
    assert repr(one) == repr(AtOnce(name="a", seconds=1.0)).replace("AtOnce", "Fresh")
    assert (one == 5) is False
    assert dataclasses.replace(one, seconds=2.0) == late(name="a", seconds=2.0)
    assert dataclasses.asdict(one) == dataclasses.asdict(AtOnce(name="a", seconds=1.0))


@pytest.mark.parametrize("values", [{}, {"name": "a", "other": 1}])
def test_a_wrong_field_is_refused_in_the_same_words(late: type[Any], values: dict[str, Any]) -> None:
    with pytest.raises(TypeError) as expected:
        AtOnce(**values)
    with pytest.raises(TypeError) as told:
        late(**values)
    assert str(told.value) == str(expected.value).replace("AtOnce", "Fresh")
    with pytest.raises(TypeError, match="positional"):
        late("a")


def test_it_is_frozen_and_has_slots(late: type[Any]) -> None:
    one = late(name="a")
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field 'name'"):
        one.name = "b"
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field 'more'"):
        one.more = "b"
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot delete field 'name'"):
        del one.name
    assert not hasattr(one, "__dict__")
    assert one.name == "a"


def test_what_is_declared_can_be_read_as_of_a_dataclass() -> None:
    assert [(f.name, f.default, f.kw_only) for f in dataclasses.fields(Late)] == [
        (f.name, f.default, f.kw_only) for f in dataclasses.fields(AtOnce)
    ]
    assert Late.__doc__ == AtOnce.__doc__
    assert Late(name="a").shout == "A"
    for name in ("frozen", "eq", "init", "repr"):
        assert getattr(Late.__dataclass_params__, name) == getattr(AtOnce.__dataclass_params__, name)  # type: ignore[attr-defined]


def test_copies_and_pickles_are_equal() -> None:
    one = Late(name="a", links=(ErrorLink(type="OSError", text="gone"),))
    assert pickle.loads(pickle.dumps(one)) == copy.copy(one) == copy.deepcopy(one) == one


def test_a_start_writes_the_methods_of_no_record_that_it_does_not_make() -> None:
    """What this module is for; a record that is made has them."""
    code = (
        "from oairunbook import evidence as e\n"
        "print(e.TlsHandshake.__init__.__name__)\n"
        "e.Setting(value='a', source='default')\n"
        "print(e.Setting.__init__.__name__, e.TlsHandshake.__init__.__name__)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["method", "__init__", "method"]

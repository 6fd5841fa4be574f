"""What an expression needs is found without compiling it; leaving out what a text cannot hold changes no answer."""

from __future__ import annotations

import importlib
import pkgutil
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import oairunbook.diagnose
import oairunbook.diagnose.pasted
import oairunbook.read
from oairunbook.diagnose.pasted.signs import SIGNS
from oairunbook.phrases import PhraseIndex, Phrases
from oairunbook.read import errors, providers
from oairunbook.services import OTHER_SERVICES, VENDORS
from tests import corpus

MODULES = [
    importlib.import_module(f"{package.__name__}.{found.name}")
    for package in (oairunbook.read, oairunbook.diagnose, oairunbook.diagnose.pasted)
    for found in pkgutil.iter_modules(package.__path__)
]
READ = [value for module in MODULES for value in vars(module).values() if isinstance(value, Phrases)]
NESTED = [
    *(sign.phrases for sign in SIGNS),
    *(phrases for provider in providers.PROVIDERS for _, phrases in provider.marks()),
    *(pattern for pattern, _ in errors._VERIFY),
    *(pattern for _, pattern in errors._OTHER_PHASES),
]
ALL = [*READ, *NESTED, OTHER_SERVICES, VENDORS]


def whole(phrases: Phrases) -> re.Pattern[str]:
    return re.compile(phrases.expression, phrases.flags)


def found(matches: object) -> list[tuple[tuple[int, int], dict[str, str | None]]]:
    """Where each match stands and what its groups hold; a group that was left out holds nothing."""
    return [(m.span(), {k: v for k, v in m.groupdict().items() if v is not None}) for m in matches]  # type: ignore[attr-defined]


def test_nothing_is_compiled_for_a_text_that_holds_none_of_the_words() -> None:
    phrases = Phrases(r"\bECONNREFUSED\b", r"dial tcp.{0,20}(?:timeout|refused)", flags=re.IGNORECASE)
    assert phrases.search("all is well") is None
    assert phrases.among("all is well") is None
    assert phrases.search("connect econnrefused 10.0.0.1:443") is not None
    assert phrases._compiled.keys() == {(r"\bECONNREFUSED\b",)}
    # The control: an expression without any word of its own is always searched for.
    assert Phrases(r"\d{3}").search("429") is not None


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        (r"ab?c", "ac"),
        (r"ab*c|x", "ac"),
        (r"ab{0,2}c", "ac"),
        (r"a(?:bc)?d", "ad"),
        (r"(?:one|two) more", "two more"),
        (r"(?:one|)two", "two"),
        (r"a\|b", "a|b"),
        (r"[|(]x", "(x"),
        (r"[]|]x", "]x"),
        (r"(?<!no )route", "a route"),
        (r"end(?= of file)", "end of file"),
        (r"a+b", "aab"),
        (r"\x41B\u0043", "ABC"),
        (r"(a)\1b", "aab"),
        (r"(?P<q>')?x(?(q)'|y)", "xy"),
        (r"(?i:FAILED)", "failed"),
        (r"dot\.dot", "dot.dot"),
        (r"", "anything"),
        (r"(?:a|b(?:c|d)e)f|g", "bdef"),
    ],
)
def test_what_may_be_absent_is_not_needed(expression: str, text: str) -> None:
    assert re.search(expression, text), "the case itself"
    assert Phrases(expression).search(text) is not None


@settings(max_examples=100, derandomize=True)
@given(data=st.data(), phrases=st.sampled_from(ALL))
def test_whatever_an_expression_of_the_readers_matches_it_is_not_left_out(
    data: st.DataObject, phrases: Phrases
) -> None:
    """Texts are made from the expressions themselves."""
    text = data.draw(st.from_regex(whole(phrases)))
    if not set(text) & set("\u017f\u0131\u212a"):  # which only an expression takes for s, i and k
        assert found(phrases.finditer(text)) == found(whole(phrases).finditer(text))


def test_on_real_reports_the_answers_are_those_of_the_whole_expressions() -> None:
    texts = [case.text for case in corpus.cases()[::12]]
    matched = 0
    for phrases in ALL:
        compiled = whole(phrases)
        for text in texts:
            expected = found(compiled.finditer(text))
            assert found(phrases.finditer(text)) == expected
            matched += len(expected)
    assert matched > 300


def test_the_index_of_many_leaves_out_none_that_matches_and_most_of_the_others() -> None:
    index, looked, matched = PhraseIndex(ALL), 0, 0
    lines = [line for case in corpus.cases()[::40] for line in case.text.splitlines()[:20]]
    for line in lines:
        possible = index.possible(line.lower())
        matching = [position for position, phrases in enumerate(ALL) if phrases.search(line)]
        assert set(matching) <= set(possible)
        assert possible == sorted(possible)
        looked += len(possible)
        matched += len(matching)
    assert matched > 100
    assert looked < len(lines) * len(ALL) / 3

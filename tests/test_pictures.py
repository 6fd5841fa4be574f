"""Pictures: all that they show is also in words, they read in grey, and nothing hostile gets out of them."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import pytest

from oairunbook.diagnose import diagnose
from oairunbook.evidence import Evidence, Observation
from oairunbook.record import show, svg
from oairunbook.record.timeline import Attempt, attempts_of, timeline
from oairunbook.record.view import View

from .recorded import HOSTILE, answer, connected, evidence, observation, refused, resolved, sdk_failed

HOSTILE_RECORD = evidence(resolved(), refused(text=HOSTILE), replace(sdk_failed(HOSTILE), target=HOSTILE))


def later(what: Observation, started: float, seconds: float = 0.5, **changes: Any) -> Observation:
    return replace(what, started_seconds=started, seconds=seconds, **changes)


def answered(attempt: int, started: float) -> Observation:
    return later(observation(f"http#{attempt}", answer(), attempt=attempt, layer="http"), started, 0.1)


def drawn(view: View) -> ElementTree.Element:
    return ElementTree.fromstring(view.data["image/svg+xml"])


def bars(view: View) -> list[dict[str, float]]:
    """The rectangles of the steps: ten units high."""
    found = [e.attrib for e in drawn(view).iter() if e.tag.endswith("}rect") and e.attrib["height"] == "10"]
    return [{name: float(value) for name, value in e.items() if name in ("x", "y", "width", "rx")} for e in found]


def pictures(record: Evidence) -> dict[str, View]:
    verdict = diagnose(record)
    return {
        "path": show.path(record, verdict),
        "waterfall": show.waterfall(record, verdict),
        "attempts": show.over_time(record),
    }


@pytest.mark.parametrize("name", pictures(HOSTILE_RECORD))
@pytest.mark.parametrize("record", [HOSTILE_RECORD, evidence()], ids=["hostile", "nothing seen"])
def test_a_picture_is_an_inert_image_in_grey_whose_alternative_text_says_all_of_it(name: str, record: Evidence) -> None:
    view = pictures(record)[name]
    tags = {element.tag.rpartition("}")[2] for element in drawn(view).iter()}
    assert tags <= {"svg", "title", "desc", "rect", "text", "tspan", "path", "g", "circle"}
    colours = set(re.findall(r'(?:fill|stroke)="#([0-9a-f]{3})"', view.data["image/svg+xml"]))
    assert all(len(set(colour)) == 1 for colour in colours), "grey alone"
    assert view.html.startswith("<img ")
    assert view.html.count("<") == 1
    assert base64.b64decode(view.html.partition("base64,")[2].partition('"')[0]).decode() == view.data["image/svg+xml"]
    alternative = re.search(r'alt="([^"]*)"', view.html)
    assert alternative
    assert len(alternative[1].splitlines()) == len(view.text.splitlines()) >= 2
    assert not any(ord(c) < 32 and c != "\n" for c in view.text)


def test_bars_of_the_waterfall_begin_and_end_where_the_steps_did() -> None:
    record = evidence(later(resolved(), 0.0, 0.5), later(connected(), 0.5, 1.5))
    name, tcp = bars(show.waterfall(record, diagnose(record)))
    assert tcp["x"] == pytest.approx(name["x"] + name["width"], abs=0.2)
    assert tcp["width"] == pytest.approx(3 * name["width"], abs=0.5)


def test_steps_side_by_side_overlap_on_the_axis_and_each_has_a_line_of_its_own() -> None:
    record = evidence(later(connected("tcp:192.0.2.1"), 0.1, 1.0), later(connected("tcp:192.0.2.2"), 0.1, 1.0))
    one, other = bars(show.waterfall(record, diagnose(record)))
    assert (one["x"], one["width"]) == (other["x"], other["width"])
    assert one["y"] != other["y"]


def test_the_first_change_is_marked_once_and_none_on_a_path_that_works() -> None:
    record = evidence(later(resolved(), 0.0), later(refused(), 0.5), sdk_failed())
    view = show.waterfall(record, diagnose(record))
    marked = [line for line in view.text.splitlines() if "the evidence changes here first" in line]
    assert len(marked) == 1
    assert marked[0].startswith("target of tcp:162.159.140.245: failed")
    healthy = evidence(resolved(), connected())
    assert "changes here first" not in show.waterfall(healthy, diagnose(healthy)).text


def test_counter_tests_have_round_ends_and_say_what_was_changed() -> None:
    test = later(refused("tcp.small"), 1.0, changed="a smaller segment")
    record = evidence(later(refused(), 0.0), test)
    view = show.waterfall(record, diagnose(record))
    plain, changed = bars(view)
    assert "rx" not in plain
    assert "rx" in changed
    assert "target of tcp.small, counter-test: a smaller segment: failed" in view.text


def test_further_attempts_share_a_line_and_are_drawn_one_by_one() -> None:
    further = [later(connected(f"tcp:162.159.140.245#{n}", attempt=n), 0.1 * n, 0.05) for n in range(2, 9)]
    record = evidence(later(connected(), 0.0), *further)
    view = show.waterfall(record, diagnose(record))
    assert "7 of 7 further attempts: worked after 0.050 to 0.050 s" in view.text
    paths = [e.attrib["d"] for e in drawn(view).iter() if e.tag.endswith("}path") and e.attrib["d"].endswith("z")]
    assert [d.count("M") for d in paths] == [7]


def test_attempts_say_how_each_ended_and_leave_out_those_that_did_not_end() -> None:
    walk = (later(resolved(), 0.0, 0.1), later(observation("http", answer(), layer="http"), 0.2, 0.1))
    failing = later(refused("tcp:162.159.140.245#2", attempt=2), 1.0, 0.2)
    unfinished = later(connected("tcp:162.159.140.245#4", attempt=4), 3.0)
    record = evidence(*walk, failing, answered(3, 2.0), unfinished)
    assert [(a.moment, a.end) for a in attempts_of(record)] == [
        (0.0, "http: answered 401"),
        (1.0, "tcp: failed (ECONNREFUSED)"),
        (2.0, "http: answered 401"),
    ]
    assert attempts_of(record)[0].seconds == pytest.approx(0.2), "the time between its steps is not part of it"


@pytest.mark.parametrize("number", [10, 1000])
def test_ten_and_a_thousand_attempts_read_alike_and_the_picture_stays_small(number: int) -> None:
    tried = [
        Attempt(moment=n * 3.0, seconds=5.0, state="failed", end="tcp: failed (ETIMEDOUT)")
        if n % 5 == 4
        else Attempt(moment=n * 3.0, seconds=0.1, state="answered", end="http: answered 401")
        for n in range(number)
    ]
    view = timeline("Attempts", tried)
    assert f"tcp: failed (ETIMEDOUT): {number // 5} of {number}, 5.000 to 5.000 s long" in view.text
    assert f"http: answered 401: {number - number // 5} of {number}" in view.text
    assert len(view.html) < 60_000
    width = float(drawn(view).attrib["viewBox"].split()[2])
    places = [
        float(x)
        for x in re.findall(r'[M ](?:x=")?(\d+\.?\d*)', "".join(re.findall(r'd="([^"]*)"', view.data["image/svg+xml"])))
    ]
    assert max(places) <= width


def test_ways_to_end_beyond_the_sixth_stand_together_and_none_is_lost() -> None:
    tried = [Attempt(moment=n, seconds=1.0, state="failed", end=f"end {n % 9}") for n in range(90)]
    lines = timeline("Attempts", tried).text.splitlines()[1:]
    assert len(lines) == 6
    assert sum(int(re.search(r": (\d+) of 90", line)[1]) for line in lines) == 90  # type: ignore[index]


@pytest.mark.parametrize(
    ("seconds", "first", "unit"),
    [(0.00003, "5e-06 s", "s"), (0.7, "0.1 s", "s"), (400.0, "60 s", "s"), (9e5, "2 d", "d")],
)
def test_the_axis_has_few_round_moments_with_their_unit(seconds: float, first: str, unit: str) -> None:
    ticks = svg.ticks(seconds)
    assert ticks[1][1] == first
    assert 3 <= len(ticks) <= 9
    assert ticks[-1][0] <= seconds * 1.000001
    assert all(label.endswith((unit, "min")) for _, label in ticks[1:])


def test_an_axis_of_no_length_and_very_long_texts_do_no_harm() -> None:
    assert svg.ticks(0.0) == ((0.0, "0 s"),)
    assert timeline("x", [Attempt(moment=1.0, seconds=0.0, state="failed", end="x" * 500)]).html
    assert svg.text(0, 0, "x" * 500, width=100).count("x") < 30
    cut = svg.text(0, 0, "the beginning of " + "x" * 500 + " self-signed certificate", width=400, keep_end=True)
    assert "the beg" in cut
    assert "xx self-signed certificate<" in cut
    assert len(cut) < len(svg.text(0, 0, "x" * 500, width=400)) + 60

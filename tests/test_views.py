"""What notebooks and terminal show: inert whatever the network sent, readable without colour, one line for what is alike."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any, get_args
from xml.etree import ElementTree

import pytest

from oairunbook.diagnose import diagnose
from oairunbook.diagnose.known import AUTH
from oairunbook.evidence import Evidence, Family
from oairunbook.proof import prove
from oairunbook.record import packet as packets
from oairunbook.record import runbooks, show
from oairunbook.record.follow import BRANCHES, branch, follows
from oairunbook.record.picture import path
from oairunbook.record.steps import steps
from oairunbook.record.table import check_text
from oairunbook.record.view import View, clean, inert, listing, table
from oairunbook.verdict import Owner

from .cases import cases
from .recorded import HOSTILE, answer, connected, evidence, observation, refused, resolved, sdk_answered, sdk_failed

FAULT = evidence(resolved(), refused(), sdk_failed())
HEALTHY = evidence(resolved(), connected(), sdk_answered())
HOSTILE_RECORD = evidence(
    resolved(),
    refused(text=HOSTILE),
    sdk_failed(HOSTILE, answer(message=HOSTILE, request_id=HOSTILE)),
    *(observation(identity, answer(message=HOSTILE), layer="http") for identity in ("health:/", "http.base_path:/v1")),
    observation("control.http", answer(message=HOSTILE), layer="http"),
    observation("token.tcp:192.0.2.1", refused(text=HOSTILE).outcome, layer="tcp"),
)


def views(record: Evidence) -> dict[str, View]:
    verdict = diagnose(record)
    built = packets.build(record, verdict)
    proof = prove((record,), FAULT)
    return {
        "header": show.header(record, verdict),
        "route": show.route(record),
        "step": show.step(record, "dns", "tcp", "api"),
        "response": show.response(record),
        "headers": show.response_headers(record),
        "exception": show.exception_chain(record),
        "owners": show.owners(verdict),
        "comparable": show.comparable(record),
        "statement": show.statement(built),
        "handed over": show.handed_over(record, verdict),
        "packet": show.packet(built),
        "attempts": show.attempts((record,)),
        "proof": show.proof(proof),
        "what changed": show.what_changed(proof),
        "proved": show.proved(proof),
        "path": show.path(record, verdict),
        "verdict": show.verdict(record, verdict),
        "follows": show.follows(record, verdict),
        **{f"compare {name}": view for name, view in comparisons(record).items()},
        **{f"branch {name}": view for name, view in branches(record).items()},
    }


def branches(record: Evidence) -> dict[str, View]:
    verdict = diagnose(record)
    azure, direct, gateway, owner = show.azure, show.direct, show.gateway, show.owner
    alone = (
        *(owner.answered, owner.credentials, owner.limits, owner.waiting, owner.ids),
        *(direct.host, direct.way_out, direct.addresses, direct.issuer, direct.private_link),
        *(
            azure.resource,
            azure.private_endpoint,
            azure.urls,
            azure.deployment,
            azure.identity,
            azure.token_host,
            azure.region,
        ),
        *(gateway.product, gateway.health, gateway.control, gateway.base_path),
    )
    return {
        **{f"{view.__module__.rpartition('.')[2]} {view.__name__}": view(record) for view in alone},
        "owner proves": owner.proves(record, verdict),
        "owner known": owner.known(AUTH, record, verdict),
        "owner acts after": owner.acts_after(),
        "direct owners": direct.owners(record, verdict),
        "gateway account": gateway.account(record, verdict),
    }


def comparisons(record: Evidence) -> dict[str, View]:
    result = show.compare.compared(record, FAULT, "practice, variables")
    return {
        "records": show.compare.records(record, FAULT),
        "conditions": show.compare.conditions(record, FAULT, result),
        "steps": show.compare.steps(result),
        "circumstances": show.compare.circumstances(result),
        "verdicts": show.compare.verdicts(result),
        "statement": show.compare.statement(result),
    }


class Elements(HTMLParser):
    """The elements and attributes that a browser would make of a text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


@pytest.mark.parametrize("name", views(HOSTILE_RECORD))
def test_hostile_text_makes_no_element_no_link_and_no_escape_sequence(name: str) -> None:
    view = views(HOSTILE_RECORD)[name]
    found = Elements(view.html)
    allowed = {"table", "caption", "thead", "tbody", "tr", "th", "td", "p", "strong", "span", "div", "ul", "li", "img"}
    links = {"a", "href"} if name == "follows" else set()
    folded = {"details", "summary", "pre", "code"} if name == "verdict" else set()
    assert found.tags <= allowed | links | folded
    assert found.attributes <= {"style", "scope", "alt", "src", "width"} | links
    assert not any(ord(c) < 32 and c not in "\n\t" for c in view.html + view.text)
    assert "\u202e" not in view.html + view.text


def test_hostile_text_does_not_get_out_of_the_picture() -> None:
    view = path(HOSTILE_RECORD, diagnose(HOSTILE_RECORD))
    tags = {element.tag.rpartition("}")[2] for element in ElementTree.fromstring(view.data["image/svg+xml"]).iter()}
    assert tags == {"svg", "title", "desc", "rect", "text", "tspan", "path", "g", "circle"}


def test_the_picture_reads_without_colour_and_aloud() -> None:
    view = path(FAULT, diagnose(FAULT))
    drawn = view.data["image/svg+xml"]
    colours = set(re.findall(r'(?:fill|stroke)="#([0-9a-f]{3})"', drawn))
    assert all(len(set(colour)) == 1 for colour in colours), "grey alone"
    assert "TCP: failed, the evidence changes here" in view.text
    alternative = re.search(r'alt="([^"]*)"', view.html)
    assert alternative
    assert "TCP: failed, the evidence changes here" in alternative[1]
    assert base64.b64decode(view.html.partition("base64,")[2].partition('"')[0]).decode() == drawn


def test_the_picture_of_a_healthy_path_changes_nowhere() -> None:
    assert "changes here" not in path(HEALTHY, diagnose(HEALTHY)).text


@pytest.mark.parametrize("name", ["header", "response", "verdict", "handed over", "packet"])
def test_practice_is_told_in_every_view_that_could_be_taken_for_a_real_one(name: str) -> None:
    record = evidence(resolved(), refused(), practice="tcp.refused")
    assert "PRACTICE" in views(record)[name].text
    assert "PRACTICE" in views(record)[name].html
    assert "PRACTICE" not in views(FAULT)[name].text


def test_where_the_labs_fault_was_mended_the_verdict_is_not_said_to_be_the_faults() -> None:
    healthy = next(case.evidence for case in cases() if case.cause == "ok")
    for played, mended in (("tcp.refused", True), ("ok", False)):
        record = replace(healthy, practice=played)
        told = check_text(record, diagnose(record))
        assert told.startswith(f"PRACTICE against the lab, fault {played}"), told
        assert (", which this path does not show: it was mended. This says" in told) is mended


def test_practice_is_the_first_line_of_the_table_for_people() -> None:
    record = evidence(resolved(), refused(), practice="tcp.refused")
    assert check_text(record, diagnose(record)).startswith("PRACTICE against the lab, fault tcp.refused.")
    assert "PRACTICE" not in check_text(FAULT, diagnose(FAULT))


def test_the_table_marks_the_first_step_that_the_verdict_cites_and_ends_with_the_verdict() -> None:
    lines = check_text(FAULT, diagnose(FAULT)).splitlines()
    marked = [line for line in lines if line.startswith("-> ")]
    assert len(marked) == 1
    assert "ConnectionRefusedError" in marked[0]
    assert not [line for line in check_text(HEALTHY, diagnose(HEALTHY)).splitlines() if line.startswith("-> ")]
    assert any(line.startswith("owner    connection_path") for line in lines)
    assert lines[-1] == "more     oairunbook explain tcp.refused"


def test_further_attempts_that_ended_alike_stand_in_one_line_and_those_that_differ_in_their_own() -> None:
    further = [connected(f"tcp:162.159.140.245#{n}", attempt=n) for n in range(2, 9)]
    differing = [refused(f"tcp:162.159.140.245#{n}", attempt=n) for n in (9, 10)]
    lines = steps((resolved(), *further, connected(), *differing))
    assert [(line.target.partition(", ")[2], line.state) for line in lines] == [
        ("", "worked"),
        ("", "worked"),
        ("7 of 9 further attempts", "worked"),
        ("2 of 9 further attempts", "failed"),
    ]


def test_what_is_not_there_is_said_and_not_left_blank() -> None:
    nothing = evidence()
    for name, view in views(nothing).items():
        assert view.text.strip(), name
    assert "Nothing was looked at here" in show.step(nothing, "tls").text
    assert "No proxy is in play" in show.step(nothing, "proxy").text
    assert "absent" in show.response(nothing).text


def test_a_table_names_its_rows_and_columns_and_its_text_is_aligned() -> None:
    view = table("Caption", ("Step", "Seen"), [("dns", "a"), ("a longer name", "b & <c>")])
    assert view.text == "Caption\nStep           Seen\ndns            a\na longer name  b & <c>"
    assert '<th scope="col"' in view.html
    assert '<th scope="row"' in view.html
    assert "b &amp; &lt;c&gt;" in view.html


def test_the_way_on_leads_to_a_notebook_beside_this_one() -> None:
    view = show.follows(HEALTHY, diagnose(HEALTHY))
    assert re.findall(r'href="([^"]*)"', view.html) == ["08_verify_fix.ipynb"]
    assert "08_verify_fix" not in show.follows(HEALTHY, diagnose(HEALTHY), "08_verify_fix").text


def test_the_way_on_follows_the_owner() -> None:
    record = evidence(resolved(), connected(), sdk_failed(answer=answer()))
    links = re.findall(r'href="([^"]*)"', show.follows(record, diagnose(record), "07_escalate").html)
    assert links == ["05_owner_auth.ipynb", "04_route_direct.ipynb"]


@pytest.mark.parametrize("owner", get_args(Owner))
@pytest.mark.parametrize("family", get_args(Family))
def test_every_way_on_ends_at_a_notebook_that_is_there(owner: Owner, family: Family) -> None:
    record = evidence(refused(), family=family)
    verdict = replace(diagnose(record), owner=owner)
    names = [follow.name for follow in follows(record, verdict)]
    assert names
    assert set(names) <= set(runbooks.names())
    assert branch(record, verdict) in (None, *BRANCHES)


def test_formulas_are_not_typeset_and_long_texts_are_cut() -> None:
    assert "$$" not in listing("x", ["$$\\frac{1}{2}$$"], none="").html
    assert clean("x" * 5000).endswith("… (5000 characters)")


def test_a_row_head_of_one_word_never_breaks() -> None:
    """A column of words that is squeezed until its words break reads as `Certai nty`."""
    view = table("x", ("Item",), [("Certainty",), ("https://a-long-address.example/that/has/to/break",)])
    assert 'nowrap">Certainty<' in view.html
    assert 'anywhere; min-width: 12ch">https:' in view.html


def test_no_column_is_squeezed_until_its_words_break_and_only_what_has_no_words_breaks_anywhere() -> None:
    words, path = "Give the gateway's master key, or ask its operator.", "/srv/" + "releases/" * 12
    view = table(
        "Known answers", ("Answer", "Cause", "Do"), [("404", "api.gateway_upstream_failed", words), ("", path, words)]
    )
    last, middle, long = (
        re.findall(rf'<td style="([^"]*)">{re.escape(inert(cell))}', view.html)[0]
        for cell in (words, "api.gateway_upstream_failed", path)
    )
    assert "overflow-wrap: normal; min-width: 18ch" in last
    assert "overflow-wrap: normal; min-width: 12ch" in middle
    assert "overflow-wrap: anywhere; min-width: 12ch" in long


def test_the_route_names_the_variables_that_shape_it() -> None:
    from oairunbook.evidence import Setting

    record = evidence(settings=(Setting(value="org-1", source="OPENAI_ORG_ID"),))
    assert re.search(r"OPENAI_ORG_ID +org-1 +environment", show.route(record).text)

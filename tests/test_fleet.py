"""A fleet compared: what tells failing members from healthy ones is found where there is something, and accident is called so."""

from __future__ import annotations

import itertools
import json
import math
import os
import random
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree

import nbformat
import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from oairunbook import lab
from oairunbook.cli import cli
from oairunbook.collector.place import by_command
from oairunbook.collector.there import shown
from oairunbook.evidence import (
    DnsAnswer,
    DnsReply,
    ErrorLink,
    Evidence,
    NameServer,
    NotTried,
    ProxyDecision,
    ResolveFailed,
    ResolverConfiguration,
    ToolFailed,
    dumps,
)
from oairunbook.fleet import Fleet, Group, chance, load_fleet, member, survey
from oairunbook.fleet.facts import Fact, subnet
from oairunbook.fleet.separate import Sign, Signs, separation
from oairunbook.record import archive as archives
from oairunbook.record.fleet import RecordsError, as_text, read_fleet, views
from oairunbook.record.fleet.picture import grid
from tests.fleets import BROKEN, fleet, members, strewn
from tests.test_collector import program, variables
from tests.world.canary import Canaries

from .recorded import HOSTILE, connected, evidence, observation, refused, resolved, sdk_answered, sdk_failed


def surveyed(records: Sequence[Evidence]) -> Fleet:
    return survey(members(records))


def without_proxies(records: Sequence[Evidence]) -> list[Evidence]:
    """The same fleet on the direct way: a connection that is refused is the endpoint's then, and not a proxy's."""
    direct = ProxyDecision(url=None, rule="no proxy variable applies")
    return [replace(one, route=replace(one.route, proxy=direct)) for one in records]


def told(group: Group) -> list[set[str]]:
    """The facts of each separation."""
    return [{str(fact) for fact in one.facts} for one in group.separations]


# -- how surprising -------------------------------------------------------------------------------------------------


@given(st.integers(0, 5), st.integers(0, 5), st.data())
def test_the_chance_is_that_of_all_draws_counted_one_by_one(failing: int, healthy: int, data: st.DataObject) -> None:
    with_failing, with_healthy = data.draw(st.integers(0, failing)), data.draw(st.integers(0, healthy))
    draws = list(itertools.combinations(range(failing + healthy), with_failing + with_healthy))
    as_good = [draw for draw in draws if sum(one < failing for one in draw) >= with_failing]
    exact = Fraction(len(as_good), len(draws))
    assert chance.fisher(with_failing, with_healthy, failing, healthy) == pytest.approx(float(exact), abs=1e-9)


def test_with_two_failing_of_three_a_separation_is_found_and_not_convincing() -> None:
    records = fleet(3, 7, lambda one: one.runtime.host != "worker-1")
    [group] = surveyed(records).groups
    [found] = group.separations
    assert found.whole
    assert found.chance == pytest.approx(1 / 3)
    assert not found.convincing
    assert "NOT convincing" in as_text(surveyed(records))


def test_shuffled_labels_find_nothing_convincing() -> None:
    """Failures that follow no fact: by its own claim at most one fleet in twenty may show such a one."""
    convincing = 0
    for seed in range(60):
        dice = random.Random(seed)
        records = [strewn(number, dice) for number in range(30)]
        failing = set(dice.sample(range(30), dice.randrange(2, 15)))
        spoiled = [replace(one, observations=BROKEN) if n in failing else one for n, one in enumerate(records)]
        groups = surveyed(spoiled).groups
        convincing += any(one.convincing for group in groups for one in (*group.separations, *group.near))
    assert convincing <= 3


# -- what separates -------------------------------------------------------------------------------------------------

PLANTED: tuple[tuple[str, Callable[[Evidence], bool]], ...] = (
    ("region is us-east-1", lambda one: one.runtime.region == "us-east-1"),
    ("node is node-4", lambda one: one.runtime.node == "node-4"),
    ("Python is 3.12.4", lambda one: one.runtime.python == "3.12.4"),
    ("name server 10.0.0.54", lambda one: any(s.address == "10.0.0.54" for s in one.route.resolver.name_servers)),
    ("package openai 3.1.0", lambda one: "openai 3.1.0" in one.runtime.packages),
    ("OPENAI_TIMEOUT is 40", lambda one: any(s.value == "40" for s in one.route.settings)),
)


@settings(max_examples=30)
@given(what=st.sampled_from(PLANTED), seed=st.integers(0, 10**6))
def test_a_planted_fact_is_found_and_nothing_smaller_or_likelier_hides_it(
    what: tuple[str, Callable[[Evidence], bool]], seed: int
) -> None:
    planted, spoiled = what
    records = without_proxies(fleet(60, seed, spoiled))
    groups = surveyed(records).groups
    if not groups:
        return
    [group] = groups
    [found] = group.separations
    [fact] = found.facts
    assert planted in {str(fact), *map(str, found.equally[0])}
    assert (found.exact, found.whole, found.bound) == (True, True, 1.0)
    assert found.with_failing == len(group.members) == found.failing


def test_two_planted_facts_are_found_together_and_each_alone_does_not_separate() -> None:
    def spoiled(one: Evidence) -> bool:
        return one.runtime.region == "us-east-1" and one.route.proxy.url == "http://proxy-a:3128"

    [group] = surveyed(fleet(200, 5, spoiled)).groups
    [found] = group.separations
    assert {str(fact) for fact in found.facts} == {"proxy is http://proxy-a:3128", "region is us-east-1"}
    assert found.exact
    assert found.convincing


def test_of_facts_that_the_same_members_have_the_likeliest_reason_comes_first_and_the_others_are_told() -> None:
    def spoiled(one: Evidence) -> bool:
        return one.runtime.source_address is not None and one.runtime.source_address.startswith("10.2.3.")

    [group] = surveyed(without_proxies(fleet(300, 2, spoiled))).groups
    [found] = group.separations
    assert [str(fact) for fact in found.facts] == ["subnet is 10.2.3.0/24"]
    assert [str(fact) for fact in found.equally[0]] == ["gateway is 10.2.3.1"]


@given(st.lists(st.lists(st.booleans(), min_size=5, max_size=5), min_size=2, max_size=12), st.data())
def test_the_smallest_set_is_as_small_as_trying_all_sets_finds(table: list[list[bool]], data: st.DataObject) -> None:
    labels = data.draw(st.lists(st.booleans(), min_size=len(table), max_size=len(table)))
    rows = [{str(n): Fact(name=f"V{n}", values=(str(value),)) for n, value in enumerate(row)} for row in table]
    failing = sum(1 << n for n, label in enumerate(labels) if label)
    healthy = sum(1 << n for n, label in enumerate(labels) if not label)
    patterns = Signs(rows).of(failing, healthy, "tcp")
    found = separation(patterns, failing, healthy, "tcp")
    smallest = next(
        (
            size
            for size in range(1, 6)
            for signs in itertools.combinations([g[0] for g in patterns], size)
            if separates(signs, failing, healthy)
        ),
        None,
    )
    if not failing or not healthy:
        smallest = None
    assert (found and len(found.signs)) == smallest
    assert found is None or (found.exact and separates(found.signs, failing, healthy))


def separates(signs: Sequence[Sign], failing: int, healthy: int) -> bool:
    lacking = 0
    for sign in signs:
        lacking |= sign.lacks
    return all(sign.has & failing == failing for sign in signs) and lacking & healthy == healthy


def test_where_no_small_set_separates_the_greedy_one_says_how_far_from_the_smallest_it_may_be() -> None:
    """Each of twelve healthy members lacks one fact of its own, so all twelve are needed."""
    rows = [
        {f"V{n}": Fact(name=f"V{n}", values=("no" if n == number else "yes",)) for n in range(12)}
        for number in range(13)
    ]
    failing, healthy = 1 << 12, (1 << 12) - 1
    found = separation(Signs(rows).of(failing, healthy, "tcp"), failing, healthy, "tcp")
    assert found is not None
    assert (len(found.signs), found.exact, found.bound) == (12, False, 1 + math.log(12))
    assert separates(found.signs, failing, healthy)


def test_one_cause_with_two_reasons_is_told_in_two_parts() -> None:
    def spoiled(one: Evidence) -> bool:
        return one.runtime.node == "node-1" or one.runtime.region == "eu-west-2"

    records = without_proxies(fleet(200, 4, spoiled))
    [group] = surveyed(records).groups
    assert told(group) == [{"region is eu-west-2"}, {"node is node-1"}]
    assert group.unexplained == 0


def test_what_a_record_does_not_hold_neither_separates_nor_clears() -> None:
    records = fleet(20, 1, lambda one: one.runtime.region == "us-east-1")
    blind = [
        replace(one, runtime=replace(one.runtime, region=None)) if one.observations == BROKEN else one
        for one in records
    ]
    texts = {str(fact) for group in surveyed(blind).groups for one in group.separations for fact in one.facts}
    assert not any(text.startswith("region") for text in texts)


def test_a_members_own_name_explains_nothing() -> None:
    alike = strewn(0, random.Random(1))
    records = [
        replace(alike, runtime=replace(alike.runtime, host=f"web-{n}", source_address=f"10.0.0.{n}"))
        for n in range(1, 9)
    ]
    records[3] = replace(records[3], observations=BROKEN)
    [group] = surveyed(records).groups
    assert group.separations == ()
    assert "no fact in the records tells these workers from the 7 that passed this layer" in as_text(surveyed(records))


# -- several faults -------------------------------------------------------------------------------------------------


def without_a_name(one: Evidence) -> Evidence:
    """The same member behind a name server that does not know the endpoint."""
    server = NameServer(address="10.9.9.9")
    error = ErrorLink(type="socket.gaierror", text="Name or service not known", errno=-2, errno_name="EAI_NONAME")
    replies = (DnsReply(rdtype="A", rcode="NXDOMAIN"), DnsReply(rdtype="AAAA", rcode="NXDOMAIN"))
    return replace(
        one,
        route=replace(one.route, resolver=ResolverConfiguration(name_servers=(server,))),
        observations=(
            observation("dns.system", ResolveFailed(name="api.openai.com", errors=(error,))),
            observation("dns.server:10.9.9.9", DnsAnswer(server=server, name="api.openai.com", replies=replies)),
            sdk_failed(),
        ),
    )


def test_several_faults_at_once_are_separated_each_from_those_that_passed_its_layer() -> None:
    """Who has no address says nothing about TCP, and who fails at TCP has resolved the name."""
    records = without_proxies(fleet(40, 9, PLANTED[0][1]))
    blind = {number for number, one in enumerate(records) if number % 5 == 0}
    mixed = [without_a_name(one) if number in blind else one for number, one in enumerate(records)]
    groups = {group.cause: group for group in surveyed(mixed).groups}
    tcp, dns = groups["tcp.refused"], groups["dns.nxdomain"]
    assert told(tcp) == [{"region is us-east-1"}]
    assert told(dns) == [{"name server 10.9.9.9"}]
    assert tcp.compared_with == len(mixed) - len(blind) - len(tcp.members)
    assert dns.compared_with == len(mixed) - len(blind)


def test_where_every_member_fails_alike_what_they_share_is_told_and_nothing_separates() -> None:
    seen = surveyed(without_proxies(fleet(6, 1, lambda _: True)))
    [group] = seen.groups
    assert group.separations == ()
    assert "no worker passed this layer" in as_text(seen)
    assert "base URL is https://api.openai.com/v1" in {str(fact) for fact in group.shared}


# -- states ---------------------------------------------------------------------------------------------------------

MISSING = NotTried(reason="The worker did not answer within 15 s")
LOST = ToolFailed(errors=(ErrorLink(type="oairunbook.NotCollected", text="ended with status 3"),))
GOOD, BAD, BARE = evidence(resolved(), connected(), sdk_answered()), evidence(*BROKEN), evidence()


@pytest.mark.parametrize(
    ("outcomes", "status"),
    [
        ((GOOD, GOOD), 0),
        ((GOOD, BAD, MISSING), 1),
        ((GOOD, MISSING), 3),
        ((GOOD, LOST), 3),
        ((GOOD, BARE), 3),
        ((MISSING, LOST), 4),
        ((), 3),
    ],
    ids=["healthy", "fault", "not tried", "tool failed", "undecided", "no record", "nobody"],
)
def test_the_exit_status_says_what_is_known_of_all(
    outcomes: tuple[Evidence | NotTried | ToolFailed, ...], status: int
) -> None:
    assert survey([member(str(number), one) for number, one in enumerate(outcomes)]).exit_status == status


def test_who_gave_no_record_is_never_a_broken_path() -> None:
    seen = survey([member("a", GOOD), member("b", MISSING), member("c", LOST)])
    assert [one.state for one in seen.members] == ["healthy", "not tried", "tool failed"]
    assert seen.groups == ()
    text = as_text(seen)
    assert "not tried    .      .      .      .      .      .      .       The worker did not answer" in text
    assert "3 workers: 1 healthy, 1 not tried, 1 tool failed" in text


def test_a_separation_is_never_called_proven() -> None:
    texts = [as_text(surveyed(fleet(60, seed, PLANTED[seed % 6][1]))) for seed in range(12)]
    for text in texts:
        _, _, groups = text.partition("\n\nA  ")
        assert "separates" in groups
        assert "proven" not in groups
        assert "no proof of its cause" in groups


# -- views ----------------------------------------------------------------------------------------------------------


def hostile() -> Fleet:
    spoiled = replace(evidence(resolved(), refused(text=HOSTILE), sdk_failed(HOSTILE)))
    spoiled = replace(spoiled, runtime=replace(spoiled.runtime, region=HOSTILE, host=HOSTILE))
    return survey(
        [member(HOSTILE, spoiled), member("b", GOOD), member("c", GOOD), member("d", NotTried(reason=HOSTILE))]
    )


def test_the_picture_says_in_words_and_letters_what_its_colours_show_and_is_inert() -> None:
    view = grid(hostile())
    root = ElementTree.fromstring(view.data["image/svg+xml"])
    assert {element.tag.rpartition("}")[2] for element in root.iter()} <= {
        "svg",
        "title",
        "desc",
        "rect",
        "text",
        "path",
        "g",
        "circle",
    }
    assert view.html.count("<") == 1
    assert "TCP is the first difference" in view.text
    letters = [
        element.text for element in root.iter() if element.get("fill") == "#fff" and element.tag.endswith("text")
    ]
    assert letters == ["A"]
    assert "\x1b" not in view.text
    assert "\u202e" not in view.text


def test_a_large_fleet_is_shown_by_those_that_ended_alike() -> None:
    seen = surveyed(fleet(600, 1, lambda one: one.runtime.node == "node-3"))
    view = grid(seen)
    assert len(view.data["image/svg+xml"]) < 30_000
    assert len(as_text(seen).splitlines()) < 40
    assert "600 workers" in view.text


def test_a_fleet_is_read_back_as_it_was_written() -> None:
    for seen in (hostile(), surveyed(fleet(30, 1, PLANTED[0][1]))):
        assert load_fleet(dumps(seen)) == seen


# -- cost -----------------------------------------------------------------------------------------------------------


def calls(work: Callable[[], object]) -> int:
    """How many Python functions are called: a cost that no other process on this machine changes."""
    count = 0

    def note(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event == "call"

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def test_five_thousand_members_are_compared_and_the_cost_grows_as_their_number() -> None:
    def spoiled(one: Evidence) -> bool:
        return one.runtime.region == "us-east-1" and one.runtime.python == "3.12.4"

    many = members(without_proxies(fleet(5000, 1, spoiled)))
    [group] = survey(many).groups
    [found] = group.separations
    assert {str(fact) for fact in found.facts} == {"Python is 3.12.4", "region is us-east-1"}
    assert calls(lambda: survey(many[:1600])) < 5 * calls(lambda: survey(many[:400]))


def test_only_networks_are_subnets() -> None:
    assert [subnet(a) for a in ("10.1.2.3", "2001:db8::7", "127.0.0.1", "nonsense")] == [
        "10.1.2.0/24",
        "2001:db8::/64",
        None,
        None,
    ]


# -- records that exist ---------------------------------------------------------------------------------------------


def call(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["fleet", *arguments])


def written(folder: Path, records: Sequence[Evidence]) -> Path:
    folder.mkdir()
    for number, one in enumerate(records):
        (folder / f"web-{number}.json").write_text(dumps(one))
    return folder


def test_records_of_a_folder_or_one_by_one_are_compared_and_nothing_is_archived(tmp_path: Path) -> None:
    folder = written(tmp_path / "records", fleet(30, 1, PLANTED[0][1]))
    (folder / "notes.json").write_text('{"schema": "something else"}')
    done = call("--records", str(folder), "--json", "-")
    assert done.exit_code == 1
    document = json.loads(done.stdout)
    assert document["run"] is None
    assert document["fleet"]["schema"] == "oairunbook.fleet/1"
    assert {one["name"] for one in document["fleet"]["members"]} == {f"web-{n}" for n in range(30)}
    alone = call(*map(str, sorted(folder.glob("web-*.json"))))
    assert "region is us-east-1" in alone.stdout
    assert "beside" in alone.stdout
    assert "The first difference is at tcp" in " ".join(alone.stdout.split())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["records"]


def test_a_fleet_without_names_says_the_same_of_it_and_names_no_worker(tmp_path: Path) -> None:
    records = fleet(30, 1, PLANTED[0][1])
    folder = written(tmp_path / "records", records)
    names = {f"web-{number}" for number in range(30)} | {one.runtime.host for one in records}
    for more in ((), ("--json", "-")):
        plain, hidden = (
            call("--records", str(folder), *more),
            call("--records", str(folder), "--hide", "hosts,addresses", *more),
        )
        assert plain.exit_code == hidden.exit_code == 1
        assert any(re.search(rf"\b{re.escape(name)}\b", plain.stdout) for name in names)
        addresses = {
            one for one in re.findall(r"\b(?:\d{1,3}\.){3}\d{1,3}\b", plain.stdout) if not one.startswith("127.")
        }
        assert addresses
        left = [one for one in names | addresses if re.search(rf"\b{re.escape(one)}\b", hidden.stdout)]
        assert left == []
    before, after = (
        json.loads(call("--records", str(folder), *more, "--json", "-").stdout)["fleet"]
        for more in ((), ("--hide", "hosts"))
    )
    assert after["schema"] == before["schema"]
    assert [len(one["members"]) for one in after["groups"]] == [len(one["members"]) for one in before["groups"]]
    assert len({one["name"] for one in after["members"]}) == 30, "each worker is a token of its own"
    assert "region is us-east-1" in call("--records", str(folder), "--hide", "hosts").stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "Give one way to the workers"),
        (("--dask", "tcp://127.0.0.1:1", "--via", "cat"), "Give one way to the workers"),
        (("--records", "/no/such/folder"), "no such file or folder"),
        (("--records", "empty"), "there is no record in it"),
        (("--records", "broken.json"), "broken.json"),
        (("--via", "/no/such/program"), "no such program here"),
        (("--via", "cat", "--via", "cat"), "named twice"),
        (("--via-file", "empty.txt"), "holds no command"),
        (("--dask", "tcp://127.0.0.1:1", "--send-env", "HOME"), "--send-env goes with --via"),
        (("--via", "cat", "--sign-key", "/no/such/key"), "cannot be read"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, tuple) else "",
)
def test_a_call_that_cannot_be_meant_ends_with_2_and_leaves_nothing(
    arguments: tuple[str, ...], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty.txt").write_text("# nobody\n")
    (tmp_path / "broken.json").write_text("{")
    done = call(*arguments, "--archive", str(tmp_path / "archive"))
    assert done.exit_code == 2
    assert told in " ".join(done.stderr.split())
    assert not list((tmp_path / "archive").rglob("manifest.json"))


def test_without_dasks_client_the_call_ends_with_2_and_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    done = call("--dask", "tcp://127.0.0.1:1", "--archive", str(tmp_path / "archive"))
    assert done.exit_code == 2
    assert "pip install 'oairunbook[dask]'" in done.stderr
    assert not list((tmp_path / "archive").rglob("manifest.json"))


def test_many_records_are_read_by_several_processes_and_come_to_the_same(tmp_path: Path) -> None:
    records = fleet(210, 3, PLANTED[0][1])
    seen = read_fleet([str(written(tmp_path / "records", records))])
    assert seen.groups[0].separations[0].facts == surveyed(records).groups[0].separations[0].facts
    broken = tmp_path / "records" / "web-7.json"
    broken.write_text('{"schema": "oairunbook.evidence/1"}')
    states = {one.name: one.state for one in read_fleet([str(tmp_path / "records")]).members}
    assert (len(states), states["web-7"]) == (210, "tool failed")
    with pytest.raises(RecordsError, match=r"web-7\.json"):
        read_fleet([str(broken)])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("web-9.json", ""),
        ("web-9.json", '{"schema": "oairunbook.evidence/1", "runt'),
        ("web-9", '{"schema": "oairunbook.evidence/1", "runt'),
        ("web-9.json", '{"schema": "oairunbook.evidence/1"}'),
    ],
    ids=["empty", "cut", "cut, without a suffix", "lacks everything"],
)
def test_a_record_of_a_folder_that_cannot_be_read_is_no_healthy_worker_and_is_told(
    name: str, text: str, tmp_path: Path
) -> None:
    folder = written(tmp_path / "records", [GOOD, replace(GOOD, seconds=GOOD.seconds + 0.000001)])
    (folder / "web-1.json").rename(folder / "web-1")
    assert call("--records", str(folder)).exit_code == 0
    (folder / name).write_text(text)
    done = call("--records", str(folder), "--json", "-")
    assert done.exit_code == 3
    states = {one["name"]: one["state"] for one in json.loads(done.stdout)["fleet"]["members"]}
    assert states == {"web-0": "healthy", "web-1": "healthy", "web-9": "tool failed"}
    assert f"Not read: 1 of 3. {folder / name}" in done.stderr
    for other in ("web-0.json", "web-1"):
        (folder / other).unlink()
    alone = call("--records", str(folder))
    assert alone.exit_code == 2
    assert str(folder / name) in alone.stderr


def test_a_record_that_was_copied_counts_once_and_another_look_of_the_same_host_twice(tmp_path: Path) -> None:
    later = replace(GOOD, collected_at="2026-11-30T12:00:00.000+00:00")
    folder = written(tmp_path / "records", [GOOD, GOOD, later])
    (folder / "linked.json").symlink_to(folder / "web-2.json")
    (folder / "checked.json").write_text(json.dumps({"evidence": json.loads(dumps(GOOD)), "verdict": {}}))
    done = call("--records", str(folder), "--json", "-")
    members_of = [one["name"] for one in json.loads(done.stdout)["fleet"]["members"]]
    assert len(members_of) == 2
    told = set(re.findall(r"[\w-]+", done.stderr.partition("once: ")[2]))
    assert "3 records are copies of others, and count once" in done.stderr
    assert {*members_of, *told} == {"web-0", "web-1", "web-2", "linked", "checked"}


@pytest.mark.parametrize("record", ["/etc/hostname", "../web-0.json"])
def test_the_records_of_a_fleet_that_somebody_else_archived_lie_in_its_folder(record: str, tmp_path: Path) -> None:
    fleet_of = survey([replace(member("web-0", GOOD), record=record)])  # type: ignore[type-var]
    (tmp_path / "records").mkdir()
    (tmp_path / "records" / "fleet.json").write_text(dumps(fleet_of))
    done = call("--records", str(tmp_path / "records"))
    assert done.exit_code == 2
    assert f"the record of web-0 lies outside of its folder: {record}" in " ".join(done.stderr.split())


def test_what_is_plainly_no_record_is_passed_over_by_name_and_number(tmp_path: Path) -> None:
    folder = written(tmp_path / "records", [GOOD])
    quiet = call("--records", str(folder))
    assert (quiet.exit_code, quiet.stderr) == (0, "")
    (folder / "notes.txt").write_text("Monday")
    (folder / "cluster.json").write_text("{}")
    done = call("--records", str(folder))
    assert done.exit_code == 0
    assert done.stderr == f"Passed over, as 2 are no records: {folder / 'cluster.json'}, {folder / 'notes.txt'}\n"


# -- through commands -----------------------------------------------------------------------------------------------


def test_a_fleet_by_commands_is_compared_archived_and_shown_again_from_its_archive(
    tmp_path: Path, canaries: Canaries
) -> None:
    """Real workers: two on a healthy path, two with another endpoint, one without a Python, one whose collector ends early."""
    archive = tmp_path / "archive"
    python = shlex.join([sys.executable, "-"])
    with lab.start("ok") as running:
        environment = variables(running) | {"OPENAI_API_KEY": canaries.openai_key}
        lines = [f"good-{n}\t{python}" for n in range(2)]
        lines += [f"bad-{n}\tenv OPENAI_BASE_URL=https://127.0.0.1:9/v1 AWS_REGION=zone-b {python}" for n in range(2)]
        lines += [
            "# two that say nothing of a path",
            "",
            "gone\tsh -c 'exit 127'",
            "mute\tsh -c 'cat > /dev/null; exit 3'",
        ]
        (tmp_path / "workers.txt").write_text("\n".join(lines) + "\n")
        options = ["--via-file", str(tmp_path / "workers.txt"), "--parallel", "2", "--model", running.model]
        # A loaded machine takes its time to import an SDK.
        options += ["--repeat", "2", "--timeout", "30", "--budget", "120"]
        options += ["--archive", str(archive), "--json", str(tmp_path / "f.json")]
        done = program("fleet", *options, environment=environment, timeout=400)
    assert done.returncode == 1, done.stderr
    assert "6 workers: 2 healthy, 2 failing, 1 not tried, 1 tool failed" in done.stdout
    document = json.loads((tmp_path / "f.json").read_text())
    [group] = document["fleet"]["groups"]
    assert (group["cause"], group["members"]) == ("tcp.refused", ["bad-0", "bad-1"])
    assert "region is zone-b" in done.stdout or "base URL is https://127.0.0.1:9/v1" in done.stdout

    [folder] = [path.parent for path in archive.rglob("fleet.json")]
    assert folder.name.endswith("-fleet-practice") or folder.name.endswith("-fleet")
    assert len(list(folder.glob("worker-*.json"))) == 4
    assert archives.verify(archive) == ()
    metadata = nbformat.read(folder / "10_fleet.ipynb", as_version=4).metadata.oairunbook
    assert (metadata.state, metadata.fleet["causes"]) == ("ok", {"tcp.refused": 2})
    assert "fleet" in program("archive", "list", "--archive", str(archive)).stdout
    assert "6 workers: 2 healthy" in program("archive", "show", "latest", "--archive", str(archive)).stdout

    reported = program("report", "latest", "--archive", str(archive), "--out", str(tmp_path / "fleet.html"))
    assert reported.returncode == 0, reported.stderr
    assert "<h1>6 workers: 2 healthy" in (tmp_path / "fleet.html").read_text()

    again = call("--records", str(folder), "--json", "-")
    assert again.exit_code == 1
    assert json.loads(again.stdout)["fleet"]["groups"] == document["fleet"]["groups"]
    assert not canaries.found_below(archive)


def found_in_all(secrets: Sequence[str], done: subprocess.CompletedProcess[str], archive: Path) -> list[str]:
    """The secrets in what was printed and in the names and contents of the archive; of a name without what separates words in it."""
    texts = {"stdout": done.stdout, "stderr": done.stderr}
    for path in archive.rglob("*"):
        texts[f"name {path}"] = re.sub(r"[^A-Za-z0-9]", "", path.name)
        if path.is_file():
            texts[str(path)] = path.read_text("utf-8", "replace")
    return [
        where
        for where, text in texts.items()
        for one in secrets
        if one in text or re.sub(r"[^A-Za-z0-9]", "", one) in text
    ]


def test_secrets_in_the_words_of_a_command_are_in_nothing_that_is_printed_or_kept_nor_in_a_files_name(
    tmp_path: Path,
) -> None:
    archive = tmp_path / "archive"
    python = shlex.join([sys.executable, "-"])
    secrets = [
        "pr0xyPassw",
        "sk-proj-canary0123456789abcdef",
        "canary9876543210",
        "two words' canary",
        "sl4sh/in#it",
        "c4n",
    ]
    inner = shlex.quote(f'env MY_TOKEN="{secrets[2]}" {python}')
    commands = [
        f"env HTTPS_PROXY=http://user:{secrets[0]}@127.0.0.1:9 {python}",
        f"env OPENAI_API_KEY={secrets[1]} {python}",
        f"sh -c {inner}",
        f"env {shlex.quote(f'DATABASE_PASSWORD={secrets[3]}')} {python}",
        f"env https_proxy=http://user:{secrets[4]}@127.0.0.1:9 {python}",
        # Too short to be looked for everywhere, and one that says its secret and ends.
        f"env DATABASE_PASSWORD={secrets[5]} sh -c 'exit 3'",
        f"env OPENAI_API_KEY={secrets[1]}2 sh -c 'cat > /dev/null; echo $OPENAI_API_KEY >&2; exit 3'",
        f"env OPENAI_API_KEY={secrets[1]}3 sh -c 'cat > /dev/null; echo $OPENAI_API_KEY >&2; exit 3'",
    ]
    options = [word for command in commands for word in ("--via", command)]
    options += ["--base-url", "http://127.0.0.1:9/v1", "--repeat", "2", "--archive", str(archive)]
    options += ["--timeout", "30", "--budget", "120"]
    done = program("fleet", *options, timeout=400)
    assert done.returncode == 1, done.stderr
    assert "8 workers: 5 failing, 3 tool failed" in done.stdout
    assert len(list(archive.rglob("worker-*.json"))) == 5
    assert found_in_all(secrets, done, archive) == []
    assert "127.0.0.1:9" in done.stdout

    as_json = program("fleet", *options[2:4], *options[len(commands) * 2 :], "--json", "-", timeout=400)
    assert as_json.returncode == 1, as_json.stderr
    assert found_in_all(secrets, as_json, archive) == []
    [one] = json.loads(as_json.stdout)["fleet"]["members"]
    assert one["name"] == f"env OPENAI_API_KEY=[redacted] {python}"


def test_a_program_that_is_not_there_is_named_without_the_secret_in_front_of_it(tmp_path: Path) -> None:
    done = call("--via", "OPENAI_API_KEY=canary9876543210 python3 -", "--archive", str(tmp_path / "archive"))
    assert done.exit_code == 2
    assert "no such program" in done.stderr
    assert "canary9876543210" not in done.output


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("env -o StrictHostKeyChecking=no AWS_REGION=b SSL_KEY_FILE=/etc/k python3 -", None),
        (
            "env --env=MY_TOKEN=qwertyuiop= -eMY_KEY=a python3 -",
            "env --env=MY_TOKEN=[redacted] -eMY_KEY=[redacted] python3 -",
        ),
        ("env --token=qwertyuiop python3 -", "env --token=[redacted] python3 -"),
        ("sh -c 'export MY_TOKEN=qwertyuiop; python3 -'", "sh -c 'export MY_TOKEN=[redacted]; python3 -'"),
        ("sh -c 'MY_TOKEN=qwertyuiop python3 -'", "sh -c 'MY_TOKEN=[redacted] python3 -'"),
    ],
    ids=["no secret", "options", "a token's option", "exported", "in front"],
)
def test_of_a_command_only_the_values_of_secret_names_are_replaced(command: str, told: str | None) -> None:
    assert shown(by_command(command)) == (told or command)


def test_the_packet_of_a_fleet_is_refused_with_what_to_do_and_the_command_it_names_gives_a_workers(
    tmp_path: Path,
) -> None:
    archive = tmp_path / "archive"
    call_of = ["--archive", str(archive)]
    ran = program("run", "02_same_path", "-q", "--base-url", "http://127.0.0.1:9/v1", *call_of, timeout=200)
    assert ran.returncode == 1, ran.stderr
    python = shlex.join([sys.executable, "-"])
    done = program(
        "fleet", "-q", "--via", python, "--base-url", "http://127.0.0.1:9/v1", "--repeat", "2", *call_of, timeout=200
    )
    assert done.returncode == 1, done.stderr
    [folder] = [path.parent for path in archive.rglob("fleet.json")]
    [other] = [path.parent for path in archive.rglob("02_same_path.ipynb")]
    for run in ("latest", str(folder)):
        told = program("packet", run, *call_of)
        assert told.returncode == 2
        assert "is a run of oairunbook fleet" in told.stderr
        assert "Errno" not in told.stderr
        assert f"oairunbook report {folder}" in told.stderr
        assert f"oairunbook packet {other}" in told.stderr
    assert program("packet", str(other), *call_of).returncode == 0
    [line] = [line for line in told.stderr.splitlines() if line.startswith("One worker's packet: ")]
    first, then = line.partition(": ")[2].split(" && ")
    assert program(*shlex.split(first)[1:], timeout=200).returncode == 1
    packet = program(*shlex.split(then)[1:])
    assert packet.stdout.startswith("# Escalation packet: `tcp.refused`"), packet.stderr


@pytest.mark.parametrize("command", ["packet", "report"])
@pytest.mark.parametrize("levels", ["", ",", " "])
def test_an_empty_hide_is_refused_and_hides_not_nothing(command: str, levels: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, [command, "latest", "--hide", levels, "--archive", str(tmp_path)])
    assert done.exit_code == 2
    assert "give hosts, addresses" in done.stderr


def test_an_interrupted_fleet_keeps_what_was_seen_and_says_that_the_rest_was_not_tried(tmp_path: Path) -> None:
    """The first worker is done, the second waits for ever, the third has not had its turn."""
    python = shlex.join([sys.executable, "-"])
    waits = f"sh -c 'cat > /dev/null; touch {tmp_path}/waiting; exec sleep 600'"
    (tmp_path / "workers.txt").write_text(f"done\t{python}\nwaits\t{waits}\nlater\t{python}\n")
    options = ["--via-file", str(tmp_path / "workers.txt"), "--parallel", "1", "--archive", str(tmp_path / "archive")]
    options += ["--base-url", "http://127.0.0.1:9/v1", "--repeat", "2", "--json", str(tmp_path / "f.json")]
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "oairunbook.cli", "fleet", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        deadline = time.monotonic() + 120
        while not (tmp_path / "waiting").exists():
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=120)
    assert process.returncode == 130, stderr
    assert "Interrupted. What was seen so far:" in stderr
    states = {one["name"]: one["state"] for one in json.loads((tmp_path / "f.json").read_text())["fleet"]["members"]}
    assert states == {"done": "failing", "waits": "not tried", "later": "not tried"}
    [manifest] = (tmp_path / "archive").rglob("manifest.json")
    assert json.loads(manifest.read_text())["state"] == "partial"
    assert (manifest.parent / "worker-done.json").exists()


def test_the_notebook_alone_shows_a_folder_of_records_and_an_empty_parameter_says_what_to_give(tmp_path: Path) -> None:
    folder = written(tmp_path / "records", fleet(30, 1, PLANTED[0][1]))
    shown = views.read(str(folder))
    texts = {name: getattr(views, name)(shown).text for name in views.__all__ if name[0].islower() and name != "read"}
    assert "region is us-east-1" in texts["separations"] + texts["conclusion"]
    assert "first" in texts["examples"]
    nothing = views.read("")
    for name in texts:
        assert getattr(views, name)(nothing).text
    assert views.conclusion(nothing).data["application/vnd.oairunbook.fleet+json"]["exit_status"] == 3


def test_the_notebook_runs_archived_by_itself_and_its_status_is_the_fleets(tmp_path: Path) -> None:
    folder = written(tmp_path / "records", fleet(12, 1, PLANTED[0][1]))
    result = CliRunner().invoke(
        cli, ["run", "10_fleet", "-q", "-p", "records", str(folder), "--archive", str(tmp_path / "a")]
    )
    assert result.exit_code == 1, result.stderr
    [made] = [path.parent for path in (tmp_path / "a").rglob("10_fleet.ipynb")]
    assert made.name.endswith("-fleet")
    wrong = CliRunner().invoke(
        cli, ["run", "10_fleet", "-p", "records", "/no/such/folder", "--archive", str(tmp_path / "a")]
    )
    assert wrong.exit_code == 2
    assert os.fspath("/no/such/folder") in wrong.stderr


def test_keys_are_compared_where_one_fleet_fingerprinted_them_and_not_across_places() -> None:
    def keyed(one: Evidence, fingerprint: str) -> Evidence:
        return replace(one, route=replace(one.route, credential=replace(one.route.credential, fingerprint=fingerprint)))

    alike = strewn(0, random.Random(1))
    good = [keyed(alike, "aaaa@1111") for _ in range(8)]
    bad = [keyed(replace(alike, observations=BROKEN), "bbbb@1111") for _ in range(4)]
    [group] = surveyed([*good, *bad]).groups
    assert told(group) == [{"API key is bbbb@1111"}]
    elsewhere = [keyed(one, "bbbb@2222") for one in bad]
    [group] = surveyed([*good, *elsewhere]).groups
    assert group.separations == ()

"""Evidence and verdict on paper: what is written is read back the same, and what is no evidence is refused with the reason."""

from __future__ import annotations

import contextlib
import copy
import json
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings

from oairunbook import __version__, schema
from oairunbook.diagnose import diagnose
from oairunbook.evidence import (
    EVIDENCE_SCHEMA,
    Connected,
    Evidence,
    EvidenceError,
    Observation,
    Outcome,
    Resolved,
    dumps,
    load_evidence,
    to_document,
)
from oairunbook.redaction import Secrets
from oairunbook.route import resolve
from oairunbook.runtime import this_runtime
from oairunbook.verdict import VERDICT_SCHEMA, Verdict, load_verdict
from tests.records import records

SLOW_TO_DRAW = settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


def evidence(observations: int = 1) -> Evidence:
    seen = tuple(
        Observation(
            id=f"tcp:{number}",
            probe="tcp",
            layer="tcp",
            target="192.0.2.1 port 443",
            started_seconds=0.0,
            seconds=0.01,
            outcome=Connected(address="192.0.2.1", port=443),
        )
        for number in range(observations)
    )
    return Evidence(
        collected_at="2026-11-25T04:00:00.000+00:00",
        seconds=0.1,
        route=resolve(base_url="https://api.example.test/v1", environment={}),
        runtime=this_runtime({}),
        observations=seen,
        tool_version=__version__,
    )


def document() -> dict[str, Any]:
    made: dict[str, Any] = to_document(evidence())
    return made


# -- there and back -----------------------------------------------------------------------------------------------


@SLOW_TO_DRAW
@given(records(Evidence))
def test_evidence_is_read_back_as_it_was_written(record: Evidence) -> None:
    assert load_evidence(dumps(record)) == record
    assert load_evidence(dumps(record).encode("utf-8")) == record


@pytest.mark.parametrize("kind", get_args(Outcome), ids=lambda kind: kind.__name__)
def test_every_kind_of_outcome_is_read_back_as_itself(kind: type[Any]) -> None:
    @settings(max_examples=4, suppress_health_check=list(HealthCheck))
    @given(records(kind))
    def there_and_back(outcome: Any) -> None:
        record = evidence()
        record = replace(record, observations=(replace(record.observations[0], outcome=outcome),))
        again = load_evidence(dumps(record)).observations[0].outcome
        assert type(again) is kind
        assert again == outcome

    there_and_back()


@SLOW_TO_DRAW
@given(records(Verdict))
def test_a_verdict_is_read_back_as_it_was_written(record: Verdict) -> None:
    assert load_verdict(dumps(record)) == record


@SLOW_TO_DRAW
@given(records(Evidence))
def test_any_evidence_can_be_judged_and_redacted(record: Evidence) -> None:
    """Whatever stands in a file that somebody sends: a verdict comes of it, and no exception."""
    clean, _ = Secrets(("no such secret here",)).redact(record)
    verdict = diagnose(clean)
    assert load_verdict(dumps(verdict)) == verdict
    assert diagnose(clean) == verdict


def test_what_check_prints_is_read_as_its_evidence() -> None:
    printed = json.dumps({"evidence": document(), "verdict": {"schema": VERDICT_SCHEMA}})
    assert load_evidence(printed) == evidence()


def test_a_field_that_a_later_version_added_is_passed_over() -> None:
    later = document()
    later["added_later"] = {"x": 1}
    later["observations"][0]["outcome"]["added_later"] = 1
    assert load_evidence(json.dumps(later)) == evidence()


def test_a_field_that_an_earlier_version_did_not_have_gets_its_default() -> None:
    earlier = document()
    del earlier["practice"], earlier["redactions"]
    assert load_evidence(json.dumps(earlier)) == evidence()


def test_records_cannot_be_changed_after_they_were_made() -> None:
    with pytest.raises(AttributeError):
        evidence().practice = "no"  # type: ignore[misc]


def test_observations_are_found_by_kind_and_probe() -> None:
    record = evidence(2)
    assert [o.id for o, _ in record.of(Connected)] == ["tcp:0", "tcp:1"]
    assert [o.id for o, _ in record.of(Connected, "tls")] == []
    assert list(record.of(Resolved)) == []


def test_the_exit_status_follows_from_the_cause_alone() -> None:
    verdict = diagnose(evidence())
    assert [replace(verdict, cause=cause).exit_status for cause in ("ok", "tcp.refused", "unknown")] == [0, 1, 3]


# -- refused ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d.pop("route"), r"^route: Field required"),
        (lambda d: d.update(seconds="0.1"), r"^seconds: Input should be a valid number"),
        (lambda d: d.update(seconds=float("nan")), r"JSON"),
        (lambda d: d.update(seconds=1e308 * 10), r"JSON"),
        (lambda d: d.update(observations=None), r"^observations: "),
        (lambda d: d["route"].update(family="sideways"), r"^route\.family: Input should be 'direct', 'azure' or 'gateway'"),
        (lambda d: d["route"]["credential"].update(present="yes"), r"^route\.credential\.present: "),
        (lambda d: d["observations"][0]["outcome"].update(port="443"), r"^observations\.0\.outcome\.connected\.port: .*integer"),
        (lambda d: d["observations"][0]["outcome"].pop("address"), r"^observations\.0\.outcome\.connected\.address: Field required"),
        (lambda d: d["observations"][0]["outcome"].pop("kind"), r"^observations\.0\.outcome\.kind: 'None' is no kind"),
        (lambda d: d["observations"][0]["outcome"].update(kind="teleported"), r"kind: 'teleported' is no kind .* newer one"),
        (lambda d: d["observations"][0]["outcome"].update(kind=["tcp"]), r"^observations\.0\.outcome\.kind: "),
        (lambda d: d["observations"][0].update(outcome="fine"), r"^observations\.0\.outcome\.kind: "),
        (lambda d: d["observations"].append(7), r"^observations\.1\.outcome\.kind: "),
        (lambda d: d["observations"][0].update(layer="physical"), r"^observations\.0\.layer: "),
        (lambda d: d.update(schema="oairunbook.evidence/2"), r"its schema is 'oairunbook.evidence/2'"),
        (lambda d: d.update(schema=VERDICT_SCHEMA), rf"this is no {EVIDENCE_SCHEMA}: its schema is '{VERDICT_SCHEMA}'"),
        (lambda d: d.pop("schema"), r"its schema is 'None'"),
    ],
)  # fmt: skip
def test_a_wrong_field_is_named_with_what_is_wrong(change: Any, said: str) -> None:
    changed = copy.deepcopy(document())
    change(changed)
    with pytest.raises(EvidenceError, match=said):
        load_evidence(json.dumps(changed))


@pytest.mark.parametrize(
    "text", ["", "nothing", "null", "7", "[]", '"text"', "{", b"\xff\xfe", b"\x00", "[" * 100_000, '{"a":' * 100_000, "9" * 10_000]
)  # fmt: skip
def test_what_is_no_evidence_at_all_is_an_evidence_error_and_nothing_else(text: str | bytes) -> None:
    with pytest.raises(EvidenceError, match=r"this is no (JSON|oairunbook\.evidence/1)"):
        load_evidence(text)


@pytest.mark.parametrize("depth", [10, 900, 100_000])
def test_a_deep_value_inside_evidence_is_passed_over_or_refused(depth: int) -> None:
    text = json.dumps(document())
    with contextlib.suppress(EvidenceError):
        assert load_evidence(text[:-1] + ', "deep": ' + "[" * depth + "]" * depth + "}") == evidence()


def test_a_large_record_is_read_in_reasonable_time() -> None:
    text = dumps(evidence(5000))
    began = time.monotonic()
    assert len(load_evidence(text).observations) == 5000
    assert time.monotonic() - began < 30


def test_the_error_quotes_no_long_value() -> None:
    with pytest.raises(EvidenceError) as caught:
        load_evidence(json.dumps({"schema": "x" * 100_000}))
    assert len(str(caught.value)) < 300


# -- schemas ------------------------------------------------------------------------------------------------------


def read_schema(name: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((schema.FOLDER / name).read_text("utf-8"))
    return read


def test_the_committed_schemas_are_the_generated_ones() -> None:
    stale = [name for name, text in schema.generated().items() if (schema.FOLDER / name).read_text("utf-8") != text]
    assert not stale, f"{', '.join(stale)} no longer fit the records. Next: {schema.COMMAND}, and commit what it writes"
    assert sorted(schema.generated()) == sorted(path.name for path in schema.FOLDER.glob("*.json"))


def test_the_documented_command_writes_them(tmp_path: Path) -> None:
    """On a copy of the package, so that a stale schema here is told and not mended in passing."""
    copied = shutil.copytree(schema.FOLDER.parent, tmp_path / "oairunbook", ignore=shutil.ignore_patterns("*.json"))
    python, *arguments = schema.COMMAND.split()
    assert python == "python"
    subprocess.run([sys.executable, *arguments], cwd=tmp_path, check=True, capture_output=True, timeout=60)
    assert {p.name: p.read_text("utf-8") for p in (copied / "schema").glob("*.json")} == schema.generated()


@SLOW_TO_DRAW
@given(records(Evidence))
def test_every_evidence_that_can_be_written_is_valid(record: Evidence) -> None:
    jsonschema.Draft202012Validator(read_schema("evidence-1.json")).validate(to_document(record))


@SLOW_TO_DRAW
@given(records(Verdict))
def test_every_verdict_that_can_be_written_is_valid(record: Verdict) -> None:
    jsonschema.Draft202012Validator(read_schema("verdict-1.json")).validate(to_document(record))


@pytest.mark.parametrize("name", ["evidence-1.json", "verdict-1.json"])
def test_a_schema_is_one_and_explains_its_fields(name: str) -> None:
    read = read_schema(name)
    jsonschema.Draft202012Validator.check_schema(read)
    assert read["title"] in (EVIDENCE_SCHEMA, VERDICT_SCHEMA)
    assert '"description": "' in json.dumps(read["$defs" if name.startswith("evidence") else "properties"])


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.pop("schema"),
        lambda d: d.update(schema="oairunbook.evidence/2"),
        lambda d: d["route"].update(port="443"),
        lambda d: d["observations"][0]["outcome"].pop("kind"),
        lambda d: d["observations"][0]["outcome"].update(kind="teleported"),
        lambda d: d["observations"][0]["outcome"].update(port=None),
    ],
)
def test_the_schema_refuses_what_the_reader_refuses(change: Any) -> None:
    changed = copy.deepcopy(document())
    jsonschema.Draft202012Validator(read_schema("evidence-1.json")).validate(changed)
    change(changed)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(read_schema("evidence-1.json")).validate(changed)

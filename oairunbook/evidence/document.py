"""Records as JSON, written and read back. What is read, somebody else may have made."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import select
import stat
import sys
from collections.abc import Iterable
from typing import Any, BinaryIO, get_args

from oairunbook.evidence.record import EVIDENCE_SCHEMA, Evidence, Outcome, Result


class EvidenceError(ValueError):
    """A document is no evidence or verdict that this version can read. The text says where and why."""


def to_document(record: Any) -> Any:
    """Turn a record into what JSON can hold: dataclasses become objects, tuples arrays."""
    if dataclasses.is_dataclass(record) and not isinstance(record, type):
        return {f.name: to_document(getattr(record, f.name)) for f in dataclasses.fields(record)}
    if isinstance(record, (tuple, list)):
        return [to_document(item) for item in record]
    return record


def dumps(record: Any) -> str:
    """The JSON text of a record, with a line feed at its end."""
    return json.dumps(to_document(record), ensure_ascii=False, indent=2, allow_nan=False) + "\n"


def walk_text(record: Any) -> Iterable[str]:
    """Every string value inside a record, for checks that look for what must not be there."""
    document = to_document(record)
    stack = [document]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict):
            stack.extend(item.values())
        elif isinstance(item, list):
            stack.extend(item)


def load_evidence(text: str | bytes) -> Evidence:
    """Read evidence back from JSON that somebody else may have made.

    Raises:
        EvidenceError: no JSON, another schema, or a field of the wrong type; the text says which.
    """
    return read_document(Evidence, text, EVIDENCE_SCHEMA)


LARGEST_BYTES = 32 << 20
"""Of a file that somebody else may have made. A record of a thousand attempts takes a third of it; JSON in memory takes up to thirty times its size."""


_PIPE_SECONDS = 10.0
"""How long it is waited until something comes out of a pipe that lies in a folder."""


def open_to_read(path: str | os.PathLike[str]) -> BinaryIO:
    """A file, or a pipe that somebody writes into, as of a shell's `<(command)`: that is read until the command has ended.

    Raises:
        OSError: It cannot be read. A pipe that lies in a folder (mkfifo) and into which nobody writes would be waited for without an end.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        # The pipe of a command has no name of its own: what leads to it is a link to nowhere.
        if stat.S_ISFIFO(os.fstat(descriptor).st_mode) and os.path.lexists(os.path.realpath(path)):
            waiting = select.poll()
            waiting.register(descriptor, select.POLLIN)
            if not waiting.poll(_PIPE_SECONDS * 1000):
                raise OSError(errno.EAGAIN, f"it is a pipe, and nothing came out of it in {_PIPE_SECONDS:g} s", path)
        os.set_blocking(descriptor, True)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_standard_input(most_bytes: int) -> bytes:
    """What comes on standard input, up to so many bytes.

    Raises:
        OSError: It cannot be read, or was closed from the start (`<&-`).
    """
    if sys.stdin is None:
        raise OSError(errno.EBADF, "it is closed")
    return sys.stdin.buffer.read(most_bytes)


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """A file of evidence, up to `LARGEST_BYTES`; `-` is standard input.

    Raises:
        EvidenceError: It is larger.
        OSError: It cannot be read.
    """
    if path == "-":
        data = read_standard_input(LARGEST_BYTES + 1)
    else:
        with open_to_read(path) as file:
            data = file.read(LARGEST_BYTES + 1)
    if len(data) > LARGEST_BYTES:
        raise EvidenceError(f"this is larger than {LARGEST_BYTES >> 20} MiB, and no evidence is")
    return data


_READERS: dict[type, Any] = {}


def reader(kind: type) -> Any:
    """What checks a record of this kind (`pydantic.TypeAdapter`). Made once: of all that reading takes, this takes most."""
    from pydantic import TypeAdapter

    if kind not in _READERS:
        _READERS[kind] = TypeAdapter(kind)
    return _READERS[kind]


def read_document(kind: type[Result], text: str | bytes, schema: str) -> Result:
    """Read one record of *kind*, checked strictly against its declared types.

    Raises:
        EvidenceError: no JSON, another schema, or a field of the wrong type.
    """
    from pydantic import ValidationError

    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise EvidenceError(f"this is no JSON: {error}") from error
    if (
        isinstance(document, dict)
        and schema.startswith("oairunbook.evidence/")
        and isinstance(document.get("evidence"), dict)
    ):
        # What `check --json` prints holds both; its evidence is what is asked for.
        document = document["evidence"]
    if not isinstance(document, dict) or document.get("schema") != schema:
        found = document.get("schema") if isinstance(document, dict) else type(document).__name__
        raise EvidenceError(f"this is no {schema}: its schema is {str(found)[:80]!r}")
    if schema == EVIDENCE_SCHEMA:
        _check_kinds(document.get("observations"))
    try:
        # NaN and 1e999 are read by Python and written by nobody.
        record: Result = reader(kind).validate_json(json.dumps(document, allow_nan=False), strict=True)
        return record
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        loc, message = first["loc"], first["msg"]
        raise EvidenceError(f"{'.'.join(str(part) for part in loc)}: {message}") from error
    except (ValueError, RecursionError) as error:
        raise EvidenceError(f"this is no JSON that can be written again: {error}") from error


_KINDS = frozenset(
    field.default for outcome in get_args(Outcome) for field in dataclasses.fields(outcome) if field.name == "kind"
)


def _check_kinds(observations: Any) -> None:
    """Every outcome says of which kind it is, in words that its reader understands: those of pydantic list all that it could be."""
    for number, observation in enumerate(observations if isinstance(observations, list) else ()):
        outcome = observation.get("outcome") if isinstance(observation, dict) else None
        kind = outcome.get("kind") if isinstance(outcome, dict) else None
        if not isinstance(kind, str) or kind not in _KINDS:
            raise EvidenceError(
                f"observations.{number}.outcome.kind: {str(kind)[:80]!r} is no kind that this version knows; a newer one may have written it"
            )

"""One look from somewhere else: send, wait, read, and say of the record how it came about."""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import json
import os
import re
import secrets as random
import signal
import threading
from collections.abc import Callable, Mapping
from dataclasses import field
from pathlib import Path
from typing import Any

from oairunbook.collector import stream
from oairunbook.collector.assigned import assigned, without_assigned
from oairunbook.collector.carrier import Answers, Came, NotCollectedError, NowhereError, carry
from oairunbook.collector.enter import CANNOT_ENTER
from oairunbook.collector.place import Place
from oairunbook.evidence import Evidence, EvidenceError, Route, load_evidence
from oairunbook.observe import CutShortError
from oairunbook.records import dataclass
from oairunbook.redaction import Secrets

_START_SECONDS = 30.0
"""What a command may take to reach its place and start a Python there, beyond the budget of the look."""

_NO_PYTHON = re.compile(
    r"(?:python[\w.]*|node(?:js)?)[\"']?:? ?(?:executable file not found|no such file or directory|command not found|not found)",
    re.IGNORECASE,
)
"""How container runtimes and shells say it where their own status does not."""

_OTHER_RUNTIME = {
    # What a Python says of the text that is meant for a Node.js, and the other way round.
    "node": re.compile(r'File "<stdin>", line 1\b.*SyntaxError', re.DOTALL),
    "python": re.compile(r"^\s*at [^\n]*\(?node:internal/|^Node\.js v\d", re.MULTILINE),
}
_CUT_OFF = re.compile(r'File "<stdin>", line \d+[^@]*SyntaxError', re.DOTALL)
_CONTAINERS = ("kubectl", "oc", "docker", "podman", "nerdctl", "crictl")
_STDIN = {"-i", "-it", "-ti", "--stdin", "--interactive", "--stdin=true", "--interactive=true"}
_TERMINAL = {"-t", "-it", "-ti", "--tty", "--tty=true"}

_OVERTIME_SECONDS = 10.0
"""What a look may take beyond its budget before it is ended there."""

_ENDS = {"python": "python3 -", "node": "node -"}
_PATHS = {"python": "/app/.venv/bin/python", "node": "/usr/local/bin/node"}
_ASKED = {"python": "`python3 -V` in place of `python3 -`", "node": "`node -v` in place of `node -`"}


def look_there(
    place: Place,
    *,
    budget: float = 30.0,
    idle: float | None = None,
    sent: Mapping[str, str] | None = None,
    fingerprint_key: bytes | None = None,
    progress: Callable[[str], None] | None = None,
    cancelled: threading.Event | None = None,
    **options: Any,
) -> Evidence:
    """Look at the whole path once from *place*. What comes back has been redacted there.

    Args:
        place: Where to look from.
        budget: Seconds for the look itself; reaching the place may take half a minute more.
        idle: See `oairunbook.observe.observe`.
        sent: Variables to set there before the look; none of this process's own go along by themselves.
        fingerprint_key: See `oairunbook.observe.portable.look_here`. It goes along only if the place is this user's, on this machine; elsewhere
            one does that is made from it for that place alone. Its fingerprints tell the same key there from another one there, end in a mark
            of the place, and say nothing of keys elsewhere.
        progress: Called with a short text as each step begins there.
        cancelled: Set it to end the look.
        options: What else `oairunbook.observe.portable.look_here` takes.

    Raises:
        NowhereError: There is no such place, or no Python there that is new enough.
        NotCollectedError: No record came back.
        CutShortError: It was interrupted or cancelled, or the tool failed there; what had been seen is in it.
        KeyboardInterrupt: It was interrupted before anything had been seen.
    """
    if place.runtime == "node":
        # Here and not above: whoever looks by Python pays for none of it.
        from oairunbook.collector.node.look import look_by_node

        job, key, mark = _job(place, budget, idle, sent, fingerprint_key, options)
        return look_by_node(place, job, key=key, mark=mark, progress=progress, cancelled=cancelled)
    errand = prepare(
        place, budget=budget, idle=idle, sent=sent, fingerprint_key=fingerprint_key, progress=progress, **options
    )
    if progress is not None:
        progress(f"going to {shown(place, sent)}")
    came = carry(
        place.argv,
        place.preface + errand.stream,
        errand.answers,
        environment=place.environment,
        seconds=errand.seconds + _START_SECONDS,
        interrupt=place.interrupt,
        cancelled=cancelled,
    )
    try:
        return brought_back(place, errand, came, sent)
    except NotCollectedError as error:
        client = options.get("client")
        if client and came.status is not None and not (came.ended or errand.answers.begun):
            raise NotCollectedError(
                f"{error}\nBefore that the code of --client {client} had been started there: it may have ended its process, with os._exit() for example."
            ) from error
        raise


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """What is sent to one place, and what will be read of its answer."""

    stream: bytes = field(repr=False)
    answers: Answers
    seconds: float
    """After which the collector there is gone by itself."""

    mark: str
    """Of the fingerprints that come from there; empty where they are this archive's own."""


def prepare(
    place: Place,
    *,
    budget: float = 30.0,
    idle: float | None = None,
    sent: Mapping[str, str] | None = None,
    fingerprint_key: bytes | None = None,
    progress: Callable[[str], None] | None = None,
    **options: Any,
) -> Errand:
    """The text for the standard input of a Python in that place; see `look_there`."""
    nonce = random.token_hex(8)
    job, _, mark = _job(place, budget, idle, sent, fingerprint_key, options)
    made = stream.make({"nonce": nonce, **job})
    return Errand(stream=made, answers=Answers(nonce, progress), seconds=job["seconds"], mark=mark)


def _job(
    place: Place,
    budget: float,
    idle: float | None,
    sent: Mapping[str, str] | None,
    fingerprint_key: bytes | None,
    options: Mapping[str, Any],
) -> tuple[dict[str, Any], bytes | None, str]:
    """What is to be done there, with the key of the fingerprints that goes along, and their mark."""
    key, mark = _of_the_place(fingerprint_key, place.fingerprinted_as)
    job = {
        "options": {"budget": budget, "idle": idle, **options},
        "environment": dict(sent or {}),
        "fingerprint_key": key.hex() if key else None,
        "seconds": budget + (idle or 0.0) + _OVERTIME_SECONDS,
    }
    return job, key, mark


def brought_back(place: Place, errand: Errand, came: Came, sent: Mapping[str, str] | None = None) -> Evidence:
    """The record in what came back; see `look_there` for what is raised where there is none."""
    document = _document(place, errand.answers, came, sent or {})
    try:
        seen = load_evidence(json.dumps(document["evidence"]))
    except (KeyError, EvidenceError) as error:
        raise NotCollectedError(f"What came back is no record that this version can read: {error}") from error
    seen = collected_through(place, seen, sent or {}, errand.mark)
    if document.get("cut_short"):
        raise cut_short(seen, str(document["cut_short"]), came)
    return seen


def bring(
    place: Place,
    make: Callable[[dict[str, Any]], bytes],
    job: dict[str, Any],
    *,
    progress: Callable[[str], None] | None,
    cancelled: threading.Event | None,
) -> tuple[dict[str, Any], Came]:
    """Send one job to *place* as the text that *make* makes of it, and bring back its document with what else came.

    Raises:
        NowhereError, NotCollectedError, KeyboardInterrupt: See `look_there`.
    """
    nonce = random.token_hex(8)
    answers = Answers(nonce, progress)
    came = carry(
        place.argv,
        place.preface + make({"nonce": nonce, **job}),
        answers,
        environment=place.environment,
        seconds=job["seconds"] + _START_SECONDS,
        interrupt=place.interrupt,
        cancelled=cancelled,
    )
    return _document(place, answers, came, job["environment"]), came


def _document(place: Place, answers: Answers, came: Came, sent: Mapping[str, str]) -> dict[str, Any]:
    secrets = secrets_of(place, sent)
    document = answers.document()
    if document is None:
        raise _nothing(place, came, answers, secrets)
    if "failed" in document:
        raise _failed(document, secrets)
    return document


def collected_through(place: Place, seen: Evidence, sent: Mapping[str, str], mark: str) -> Evidence:
    """The record with how it was collected, and its fingerprint with the mark of the place."""
    collector = dataclasses.replace(place.collector, command=shown(place, sent))
    return dataclasses.replace(
        seen, runtime=dataclasses.replace(seen.runtime, collector=collector), route=_marked(seen.route, mark)
    )


def cut_short(seen: Evidence, why: str, came: Came) -> CutShortError:
    """What had been seen by then, with the reason as its cause."""
    cut = CutShortError(seen)
    cut.__cause__ = KeyboardInterrupt() if came.ended == "interrupt" else NotCollectedError(f"cut short there: {why}")
    return cut


def secrets_of(place: Place, sent: Mapping[str, str], base_url: str = "") -> Secrets:
    """What is secret of all that this process knows of that place, and of the base URL that is called there."""
    known = _secrets(os.environ, place.environment, place.taken_over, sent)
    return Secrets(known.values + assigned(place.argv).values).with_urls(base_url)


def shown(place: Place, sent: Mapping[str, str] | None = None) -> str:
    """The command of *place*, as the records of it show it."""
    return _command(place, secrets_of(place, sent or {}))


def _command(place: Place, secrets: Secrets) -> str:
    return without_assigned(secrets.redact_text(place.collector.command))


def _of_the_place(archive_key: bytes | None, name: str) -> tuple[bytes | None, str]:
    """The key that goes along, and the mark of its fingerprints."""
    if archive_key is None or not name:
        return archive_key, ""

    def made_for(use: bytes) -> bytes:
        return hmac.new(archive_key, use + b"\0" + os.fsencode(name), hashlib.sha256).digest()

    return made_for(b"key of a place"), f"@{made_for(b'mark of a place').hex()[:6]}"


def _marked(route: Route, mark: str) -> Route:
    fingerprint = route.credential.fingerprint
    if not fingerprint:
        return route
    return dataclasses.replace(route, credential=dataclasses.replace(route.credential, fingerprint=fingerprint + mark))


def _secrets(*environments: Mapping[str, str]) -> Secrets:
    """What is secret in any of them: the same name may hold another value in each."""
    return Secrets(tuple(value for variables in environments for value in Secrets.from_environment(variables).values))


def _nothing(place: Place, came: Came, answers: Answers, secrets: Secrets) -> BaseException:
    """What it means that no document came."""
    command = _command(place, secrets)
    said = secrets.redact_text(came.last_words())
    tail = f"\nIt said: {said}" if said else ""
    if came.ended == "interrupt":
        return KeyboardInterrupt()
    if came.ended == "time":
        return NotCollectedError(
            f"`{command}` did not answer in time, and was ended here.{tail}\n"
            f"Next: see whether it ends in a {place.reads} that reads its standard input ({_ENDS[place.runtime]}), and whether it waits for a password; "
            "if a terminal is in between (-t), leave it out."
        )
    if came.ended == "size":
        return NotCollectedError(f"`{command}` sends more than any answer is long, and was ended here.{tail}")
    if answers.begun or answers.ended:
        return NotCollectedError(
            f"Only a part of the record came back from `{command}`: lines are missing or changed.{tail}\n"
            "Next: run it again; if a terminal is in between (-t), leave it out."
        )
    if place.runtime == "node":
        from oairunbook.collector.node.stream import OLDEST, TOO_OLD

        if (old := came.said_after(TOO_OLD)) is not None:
            return NowhereError(
                f"The Node.js there is too old: {old}; this needs {OLDEST} or later. Nothing was sent on the path.\n"
                "Next: name another one there."
            )
    elif (old := came.said_after(stream.TOO_OLD)) is not None:
        return _too_old(f"Python {old}")
    if place.collector.carrier == "process" and came.status == CANNOT_ENTER:
        return NowhereError(f"{command}: {said}\nNothing was sent on the path.")
    if place.collector.carrier == "unit":
        return NotCollectedError(
            f"{command} does not run, and no answer came back from the place that was made from its settings (status {came.status}).{tail}\n"
            "Next: try whether the service itself starts, and read systemctl status; or name a running process with --like-pid."
        )
    if _OTHER_RUNTIME[place.runtime].search(said):
        which, option = ("Python", "--python") if place.runtime == "node" else ("Node.js", "--node")
        return NowhereError(
            f"`{command}` is no {place.reads}: what answered is a {which}. Nothing was sent on the path.\n"
            f"Next: name the {place.reads} of the application; or, if its requests are made by that {which}, give {option}, or a --via that ends in "
            f"{_ENDS['python' if place.runtime == 'node' else 'node']}"
        )
    if came.status in (126, 127) or _NO_PYTHON.search(said):
        return NowhereError(
            f"`{command}` found no {place.reads} there (status {came.status}). Nothing was sent on the path.{tail}\n"
            f"Next: name the interpreter with its path, for example {_PATHS[place.runtime]} -"
        )
    if _CUT_OFF.search(said):
        return NotCollectedError(
            f"`{command}` reached a {place.reads}, and what was sent to its standard input did not arrive whole. Nothing was sent on the path.{tail}\n"
            "Next: run it again; if something in between reads from standard input as well (ssh in a loop, a shell's read), give it </dev/null."
        )
    ended = f"with status {came.status}"
    if came.status is not None and came.status < 0:
        ended = f"by {signal.Signals(-came.status).name}, which it was sent by somebody else"
    return NotCollectedError(f"`{command}` ended {ended}, and no answer came back.{tail}\nNext: {_hint(place)}")


def _hint(place: Place) -> str:
    """What to try with a command that gave no answer."""
    argv = place.argv
    words = argv[: argv.index("--")] if "--" in argv else argv
    if Path(argv[0]).name in _CONTAINERS and "exec" in words:
        asked = {word for word in words if word.startswith("-")}
        if not asked & _STDIN:
            return f"give exec the option -i: without it nothing that is sent reaches the {place.reads}."
        if asked & _TERMINAL:
            return "leave out the option -t: a terminal in between changes what is sent."
    return f"run the same command with {_ASKED[place.runtime]} at its end; give -i without -t to docker and kubectl."


def _failed(document: dict[str, Any], secrets: Secrets) -> BaseException:
    """What the collector itself says of why it could not look."""
    text = secrets.redact_text(str(document.get("text", "")))
    if document["failed"] == "old_python":
        return _too_old(text)
    if document["failed"] == "client":
        return NowhereError(text)
    if document["failed"] == "no_threads":
        return NotCollectedError(
            f"No thread can be started there: {text}. Nothing was sent on the path.\n"
            "Next: look at its limit of processes (pids.max of its cgroup, ulimit -u), which its application meets as well."
        )
    if document["failed"] == "library":
        return NotCollectedError(
            f"The Python there lacks a part of its standard library, may not read it, or finds another module in its place: {text}. "
            "Nothing was sent on the path."
        )
    return NotCollectedError(f"The collector failed there: {text}")


def _too_old(version: str) -> NowhereError:
    return NowhereError(
        f"The Python there is too old: {version}; the collector needs 3.9 or later. Nothing was sent on the path.\n"
        "Next: name another interpreter there."
    )

"""Readers: text that somebody pasted becomes the same evidence that probes make. They judge nothing, and nothing is sent."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from oairunbook import __version__
from oairunbook.evidence import (
    Body,
    ErrorLink,
    Evidence,
    HttpAnswer,
    Layer,
    Observation,
    Outcome,
    PastedError,
    Runtime,
)
from oairunbook.observe.bodies import classify
from oairunbook.observe.http import kept_headers
from oairunbook.read.answers import answers
from oairunbook.read.called import called, stopped_elsewhere
from oairunbook.read.conversation import without_conversation
from oairunbook.read.errors import Chain, chains
from oairunbook.read.quoted import introduces, is_introduced, is_quoted
from oairunbook.read.route import resolve_route
from oairunbook.read.shown import Shown
from oairunbook.read.text import as_json, normalise, unescaped, without_gutters
from oairunbook.redaction import Secrets

PROBE = "pasted"
"""Name of the probe in observations that nobody on this machine made."""

WHOLE = "what was pasted"
QUOTED = "a text about errors"
"""Target of what a text only speaks of: when you see it, do this."""
TELEMETRY = "telemetry"
"""Target of what the text itself ascribes to tracing, telemetry or another component of the application, which is no call of the API."""

SERVICE = "another service's client"
"""Target of what the frames of such a client show: a chat's, a store's, a hub's."""

_TELEMETRY = re.compile(
    r"pip\._vendor|"
    r"tracing (?:client )?error|\[non-fatal\] tracing\b|"
    r"posthog|langsmith|langfuse|telemetry|opentelemetry|otlp|sentry|analytics|usage[ _]report|failed to export|smith\.langchain",
    re.IGNORECASE,
)
# The line above a failure, where it says that something was to be reported somewhere.
_TELEMETRY_HEAD = re.compile(
    r"\b(?:error|fail(?:ed|ure)?|could not|unable)\b[^\n]{0,40}\b(?:send|export|report|captur|upload|flush)\w*\b[^\n]{0,40}"
    r"\b(?:posthog|telemetry|analytics|sentry|langsmith|langfuse|traces|metrics)\b[^\n]{0,40}\s*\Z",
    re.IGNORECASE,
)
# Home Assistant's log names who speaks: `WARNING (MainThread) [govee_api.api] …`. What neither talks to a model nor passes such talk on is another component.
_LOGGER = re.compile(r"\([\w-]{3,40}\) \[(?P<logger>[\w.]{2,120})\]")
_OUR_LOGGER = re.compile(
    r"openai|conversation|gpt|llm|assist|azure|ollama|anthropic|gemini|openrouter|(?:^|[._])ai(?:[._]|$)|_task|tts|stt|whisper|"
    r"^homeassistant\.(?:core|setup|loader|config_entries|helpers|util|bootstrap|components\.(?:websocket_api|script|automation|http|rest|image))|^(?:httpx2?|httpcore2?|aiohttp|asyncio|urllib3|root|__main__)\b",
    re.IGNORECASE,
)
# A content security policy lists whom the page may call, telemetry among them.
_LISTED = re.compile(r"\b(?:directive|connect-src)\b.*", re.DOTALL)
_FEW_WORDS = 40
"""Bytes of an answer that say no more than its status does."""
_LAYERS: dict[str, Layer] = {
    "trust": "client",
    "resolve": "dns",
    "connect": "tcp",
    "proxy": "proxy",
    "tls": "tls",
    "send": "http",
    "headers": "http",
    "body": "http",
}


def read(
    data: bytes | str,
    runtime: Runtime,
    *,
    environment: Mapping[str, str],
    status: int = 0,
    headers: tuple[str, ...] = (),
    body: str = "",
    base_url: str = "",
    model: str = "",
    family: str = "auto",
) -> Evidence:
    """Read a text, and what is known besides, into evidence. It is redacted like every other record.

    Args:
        data: Traceback, log lines, body, console or `curl -v` text; any bytes, of any size.
        runtime: Where this is judged, which need not be where it failed.
        environment: Variables of this process: what is secret in them is redacted, and a base URL counts where the text names none.
        status: HTTP status that came with it; 0 if none is known.
        headers: Response headers, each `name: value`; what is no header is left out.
        body: The body of the response.
        base_url: Base URL of the call; empty to take what the text names.
        model: Model or deployment; empty likewise.
        family: `auto`, `direct`, `azure` or `gateway`.

    Raises:
        ValueError: *status* is no HTTP status, or *family* is unknown.
    """
    if status and not 100 <= status <= 599:
        raise ValueError(f"{status} is no HTTP status (RFC 9110 section 15)")
    raw = without_conversation(normalise(data))
    lines = as_json(without_gutters(raw))
    whole = unescaped(lines)
    known = "\n".join((*headers, body[:4000]))
    route = resolve_route(f"{whole}\n{known}", base_url=base_url, model=model, family=family, environment=environment)
    observations = [
        *_given(route.base_url.value, status, headers, body),
        *_answered(lines, whole, route.base_url.value),
        *_raised(whole),
    ]
    evidence = Evidence(
        collected_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        seconds=0.0,
        route=route,
        runtime=runtime,
        observations=tuple(_numbered(observations)),
        tool_version=__version__,
    )
    secrets = Secrets.from_environment(environment).with_urls(base_url).with_told(f"{raw}\n{known}")
    clean, redactions = secrets.redact(evidence)
    return dataclasses.replace(clean, redactions=redactions)


def beside(checked: Evidence, pasted: Evidence) -> Evidence:
    """One record of a check and of what was pasted from the same runtime. The check's route and runtime count."""
    return dataclasses.replace(
        checked,
        observations=(*checked.observations, *pasted.observations),
        redactions=(*checked.redactions, *pasted.redactions),
    )


def _given(url: str, status: int, headers: tuple[str, ...], body: str) -> Iterator[Observation]:
    """What the caller knows: status, headers, body."""
    pairs = [
        (name.strip(), value.strip()) for name, _, value in (line.partition(":") for line in headers) if value.strip()
    ]
    if not (status or body or pairs):
        return
    content_type = next((value for name, value in pairs if name.lower() == "content-type"), None)
    what = classify(content_type, body.encode("utf-8", "replace")) if body else Body(shape="empty", size_bytes=0)
    if body and what.shape not in ("api_error", "api_object", "html"):
        shown = answers(without_gutters(normalise(body)))
        if shown:
            what, status = shown[-1].body, status or shown[-1].status
    if not status and what.error is not None and what.error.code and what.error.code.isdigit():
        status = int(what.error.code) if 100 <= int(what.error.code) <= 599 else 0
    if status or body or pairs:
        yield _observation(
            "pasted:response",
            HttpAnswer(method="", url=url, status=status, http_version="", headers=kept_headers(pairs), body=what),
            "http",
        )


def _answered(lines: str, whole: str, url: str) -> Iterator[Observation]:
    found = answers(lines)
    if whole != lines:
        # JSON is parsed with its escapes; what hid inside an escaped traceback shows only without them.
        known = {repr(shown.body) for shown in found}
        found = [shown for shown in answers(whole) if repr(shown.body) not in known] + found
    whose = [_whose(shown) for shown in found]
    traced = {shown.status for shown, target in zip(found, whose, strict=True) if target == TELEMETRY}
    for shown, target in zip(found, whose, strict=True):
        # `I met a 401 response`, above what the tracing was told, tells of that.
        told_again = target == WHOLE and shown.status in traced and shown.body.size_bytes < _FEW_WORDS
        yield _observation("pasted:response", _http_answer(shown, url), "http", TELEMETRY if told_again else target)


def _http_answer(shown: Shown, url: str) -> HttpAnswer:
    line = shown.around.rpartition("\n")[2] + " " + shown.body.sample.partition("\n")[0]
    named = called(line)
    return HttpAnswer(
        method="",
        url=next((call.url for call in reversed(named) if call.url), url),
        status=shown.status,
        http_version="",
        headers=kept_headers(shown.headers),
        body=shown.body,
    )


def _whose(shown: Shown) -> str:
    before, _, line = shown.around.rpartition("\n")
    in_line = called(line)
    # A line that names what it called is not about what the line before it names.
    if _TELEMETRY.search(line if in_line else shown.around[-160:]) or _another_component(line):
        return TELEMETRY
    if is_quoted(line) or is_introduced(before):
        return QUOTED
    if in_line:
        return in_line[-1].host
    hosts = called(shown.around)
    return hosts[0].host if hosts else WHOLE


def _raised(text: str) -> Iterator[Observation]:
    found = chains(text)
    cut = [chain.phase for chain in found if chain.cut and chain.phase]
    for chain in found:
        # A title or a line of the log names the exception of the one traceback that ends before it.
        phase = chain.phase or (cut[0] if len(cut) == 1 and not chain.python else None)
        layer = _LAYERS.get(phase) if phase else None
        headed = _TELEMETRY_HEAD.search(text[max(0, chain.position - 300) : chain.position]) is not None
        noise = tuple(
            link
            for link in chain.errors
            if headed
            or _TELEMETRY.search(_LISTED.sub("", link.text))
            or _another_component(link.text)
            or stopped_elsewhere(link.text)
        )
        spoken_of = tuple(link for link in _spoken_of(chain, text) if link not in noise)
        ours = tuple(link for link in chain.errors if link not in noise and link not in spoken_of)
        if noise:
            yield _observation("pasted:error", PastedError(errors=noise), None, TELEMETRY)
        if spoken_of:
            yield _observation("pasted:error", PastedError(errors=spoken_of), layer, QUOTED)
        if ours:
            whose = SERVICE if chain.elsewhere else _called_by(ours)
            yield _observation("pasted:error", PastedError(errors=ours), layer, whose)


def _spoken_of(chain: Chain, text: str) -> Iterator[ErrorLink]:
    """What the lines around it only speak of; a traceback is shown, whatever stands above it."""
    introduced = not chain.python and is_introduced(text[max(0, chain.position - 400) : chain.position])
    for link in chain.errors:
        if introduced or is_quoted(link.text):
            yield link
        introduced = introduced or (not chain.python and introduces(link.text))


def _another_component(line: str) -> bool:
    spoken = _LOGGER.search(line)
    return spoken is not None and _OUR_LOGGER.search(spoken["logger"]) is None


def _called_by(errors: tuple[ErrorLink, ...]) -> str:
    """Whom the errors say was called; lines with a class of their own count first."""
    typed = "\n".join(link.text for link in errors if link.type)
    hosts = called(typed) or called("\n".join(link.text for link in errors))
    return hosts[0].host if hosts else WHOLE


def _observation(identity: str, outcome: Outcome, layer: Layer | None, target: str = WHOLE) -> Observation:
    return Observation(
        id=identity, probe=PROBE, layer=layer, target=target, started_seconds=0.0, seconds=0.0, outcome=outcome
    )


def _numbered(observations: list[Observation]) -> Iterator[Observation]:
    seen: dict[str, int] = {}
    for observation in observations:
        seen[observation.id] = number = seen.get(observation.id, 0) + 1
        yield observation if number == 1 else dataclasses.replace(observation, id=f"{observation.id}.{number}")

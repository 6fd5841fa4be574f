"""One line of plain words for each kind of observation. It names what was seen, and judges nothing."""

from __future__ import annotations

from typing import Literal, assert_never

from oairunbook.evidence import (
    ApiError,
    Body,
    ClientBuilt,
    ClientCode,
    ClientRefused,
    Connected,
    ConnectFailed,
    CorsExchange,
    DnsAnswer,
    DnsNoAnswer,
    ErrorLink,
    Evidence,
    Header,
    HttpAnswer,
    HttpFailed,
    Layer,
    LocalResources,
    NotTried,
    Outcome,
    PageTried,
    PastedError,
    ProxyAnswered,
    ProxyFailed,
    Resolved,
    ResolveFailed,
    Runtime,
    SdkAnswered,
    SdkFailed,
    StatusPage,
    Stopped,
    TlsFailed,
    TlsHandshake,
    ToolFailed,
    TunnelOpened,
    quoted_id,
)
from oairunbook.records import dataclass

State = Literal["worked", "answered", "failed", "given", "not tried", "stopped", "tool failed"]
"""`answered`: something came back, and what it means is the verdict's to say. `stopped`: the budget ended first."""

LAYER_NAMES: tuple[tuple[Layer, str], ...] = (
    ("client", "Client"),
    ("dns", "DNS"),
    ("tcp", "TCP"),
    ("proxy", "Proxy"),
    ("tls", "TLS"),
    ("http", "HTTP"),
    ("api", "API"),
    ("browser", "Browser"),
)
"""The layers in the order in which a request meets them, and how people write them."""


def state(outcome: Outcome) -> State:
    """The state of one step."""
    match outcome:
        case NotTried():
            return "not tried"
        case ToolFailed():
            return "tool failed"
        case Stopped():
            return "stopped"
        case PastedError():
            return "given"
        case CorsExchange():
            return "answered" if isinstance(outcome.answer, HttpAnswer) else "failed"
        case ClientCode():
            return "answered"
        case PageTried():
            return "failed" if outcome.exception else "answered"
        case StatusPage() | DnsAnswer() | HttpAnswer():
            return "answered"
        case SdkAnswered():
            return "worked" if outcome.completed and outcome.body is None else "answered"
        case SdkFailed():
            return "answered" if outcome.answer else "failed"
        case LocalResources():
            return "failed" if outcome.socket_errors else "worked"
        case ClientBuilt() | Resolved() | Connected() | TunnelOpened() | TlsHandshake():
            return "worked"
        case ProxyAnswered() | ClientRefused() | ResolveFailed() | DnsNoAnswer() | ConnectFailed() | ProxyFailed():
            return "failed"
        case TlsFailed() | HttpFailed():
            return "failed"
    assert_never(outcome)


def interpreter(runtime: Runtime) -> str:
    """What the application runs on, and by what else was looked."""
    if runtime.nodejs is None:
        return f"Python {runtime.python}"
    beside = f", probes by Python {runtime.python}" if runtime.python else ""
    return f"Node.js {runtime.nodejs}{beside}"


def fact(outcome: Outcome) -> str:
    """What was seen, in one line."""
    match outcome:
        case NotTried():
            return outcome.reason
        case ToolFailed():
            return f"this tool could not look: {chain(outcome.errors)}"
        case Stopped():
            return "; ".join((outcome.reason, *outcome.seen))
        case PastedError():
            return chain(outcome.errors)
        case CorsExchange():
            what = "preflight" if outcome.step == "preflight" else "request"
            return f"{what} of a page of {outcome.origin}: {fact(outcome.answer)}"
        case ClientCode():
            return (
                f"{len(outcome.sources)} sources, {outcome.size_bytes} characters: {len(outcome.keys)} keys, {len(outcome.insecure)} calls without TLS, "
                f"dangerouslyAllowBrowser {len(outcome.allows_browser)} times"
            )
        case PageTried():
            came = outcome.exception or f"status {outcome.status}"
            told = f"; {outcome.console[0]}" if outcome.console else ""
            return f"{outcome.browser}, a page of {outcome.origin}: {came}{told}"
        case ClientBuilt():
            roots = "" if outcome.roots is None else f", {outcome.roots} roots trusted"
            return f"{outcome.client} built, proxy {outcome.proxy or 'none'}{roots}"
        case ClientRefused():
            return f"{outcome.stage} failed: {chain(outcome.errors)}"
        case LocalResources():
            files = (
                f"{_or_unknown(outcome.open_files)} of {_or_unknown(outcome.open_files_limit)} file descriptors open"
            )
            return (
                f"{files}; {chain(outcome.socket_errors)}"
                if outcome.socket_errors
                else f"{files}; sockets can be opened"
            )
        case StatusPage():
            return f"{outcome.description or outcome.indicator}, read {outcome.retrieved_at}" + "".join(
                f"; incident: {text}" for text in outcome.incidents
            )
        case Resolved():
            alias = (
                f" (alias of {outcome.canonical_name})" if outcome.canonical_name not in (None, outcome.name) else ""
            )
            return f"{outcome.name}{alias} is {', '.join(outcome.addresses)}"
        case ResolveFailed():
            return f"{outcome.name}: {chain(outcome.errors)}"
        case DnsAnswer():
            replies = [
                " ".join((reply.rdtype, reply.rcode, *reply.addresses, *reply.extended_errors))
                for reply in outcome.replies
            ]
            return f"{outcome.server.address} says: " + "; ".join(
                (*replies, *(f"{kind} got no reply" for kind in outcome.unanswered))
            )
        case DnsNoAnswer():
            return f"{outcome.server.address}: {outcome.ended}, {chain(outcome.errors)}"
        case Connected():
            return f"connected to {endpoint(outcome.address, outcome.port)}"
        case ConnectFailed():
            return f"{endpoint(outcome.address, outcome.port)}: {chain(outcome.errors)}"
        case TunnelOpened():
            return f"{outcome.proxy} opened the tunnel"
        case ProxyAnswered():
            title = f", page: {outcome.title}" if outcome.title else ""
            return f"{outcome.proxy} refused the tunnel: {outcome.protocol} {outcome.status} {outcome.reason}{title}"
        case ProxyFailed():
            received = f", it sent {outcome.received!r}" if outcome.received else ""
            return f"{outcome.proxy}, {outcome.phase}: {chain(outcome.errors)} (ended: {outcome.ended}{received})"
        case TlsHandshake():
            issuer = f", issued by {outcome.chain[0].issuer}" if outcome.chain else ""
            return f"{outcome.version} with {outcome.address} as {outcome.server_name or 'no name'}{issuer}"
        case TlsFailed():
            seen = [f"ended: {outcome.ended}"]
            if outcome.alert:
                seen.append(f"alert {outcome.alert}")
            if outcome.verify_code is not None:
                seen.append(f"verify code {outcome.verify_code}: {outcome.verify_message}")
            if outcome.received:
                seen.append(f"it sent {outcome.received!r}")
            return (
                f"{outcome.address} as {outcome.server_name or 'no name'}: {chain(outcome.errors)} ({', '.join(seen)})"
            )
        case HttpAnswer():
            return f"status {outcome.status}, {body(outcome.body)}, {request_id_words(request_id(outcome))}"
        case HttpFailed():
            status = f" after status {outcome.status}" if outcome.status else ""
            return f"no whole response{status}, phase {outcome.phase}: {chain(outcome.errors)} (ended: {outcome.ended})"
        case SdkAnswered():
            stream = f", {outcome.chunks} events" if outcome.stream else ""
            whole = "" if outcome.completed else ", not complete"
            model = f" with {outcome.model}" if outcome.model else ""
            return (
                f"{outcome.method} {outcome.path}{model}: status {outcome.status}, {outcome.shape or 'no object'}{stream}{whole}, "
                f"{request_id_words(quoted_id(outcome.headers) or outcome.request_id)}"
            )
        case SdkFailed():
            answer = f"; {fact(outcome.answer)}" if outcome.answer else "; no status, no body, no request id"
            return f"{outcome.method} {outcome.path}: {chain(outcome.errors)}{answer}"
    assert_never(outcome)


def brief(outcome: Outcome) -> str:
    """The state in a few words, with the number that tells most: for sentences."""
    match outcome:
        case StatusPage():
            return f"says {outcome.description or outcome.indicator!r}"
        case DnsAnswer():
            return "answered " + " and ".join(f"{reply.rcode} to {reply.rdtype}" for reply in outcome.replies)
        case HttpAnswer():
            return f"answered {outcome.status}"
        case SdkFailed(answer=HttpAnswer() as answer):
            return f"answered {answer.status}"
        case SdkAnswered():
            return f"answered {outcome.status}"
        case ProxyAnswered():
            return f"refused with {outcome.status}"
        case TlsFailed(verify_code=int() as code):
            return f"failed, verify code {code}: {outcome.verify_message}"
        case TlsFailed(alert=str() as alert):
            return f"failed, alert {alert}"
        case _:
            errors: tuple[ErrorLink, ...] = getattr(outcome, "errors", ())
            number = next((error.errno_name for error in reversed(errors) if error.errno_name), None)
            last = number or (errors[-1].type if errors else "")
            return f"{state(outcome)} ({last})" if last else state(outcome)


def chain(errors: tuple[ErrorLink, ...]) -> str:
    """An error chain in one line, outermost first."""
    return " ← ".join(link(error) for error in errors) or "no error was kept"


def link(error: ErrorLink) -> str:
    """One exception: class, number, text."""
    number = f" [{error.errno_name}]" if error.errno_name else ""
    text = " ".join(error.text.split())
    return f"{error.type}{number}: {text}" if text else f"{error.type}{number}"


def body(what: Body) -> str:
    """What came as a body."""
    if what.shape == "empty":
        return "no body"
    if what.error:
        return f"API error {api_error(what.error)}"
    details = f" titled {what.title!r}" if what.title else f" of {what.object}" if what.object else ""
    return f"{what.shape} body{details}, {what.size_bytes} bytes"


def api_error(error: ApiError) -> str:
    """Code, type and message of an API error."""
    return ": ".join(part for part in (error.code or error.type, error.message) if part) or "without code or message"


def request_id(answer: HttpAnswer) -> str | None:
    """The request id that the response carries; None if it carries none."""
    return quoted_id(answer.headers)


def request_id_words(identity: str | None) -> str:
    """A request id, or that there was none: its absence is evidence."""
    return f"request id {identity}" if identity else "no request id"


def endpoint(address: str, port: int) -> str:
    """Address and port, an IPv6 address in brackets (RFC 3986 section 3.2.2)."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _or_unknown(number: int | None) -> str:
    return "an unknown number" if number is None else str(number)


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned:
    """What came back from a server, as far as this record shows it."""

    observation: str
    """Id of the observation that holds it."""

    status: int
    body: str
    request_id: str | None
    headers: tuple[Header, ...]


def returned(evidence: Evidence) -> Returned | None:
    """The answer that counts as response evidence; None if no server answered.

    The SDK's own request comes before what was pasted, and that before the request without credentials: the first is what the application
    would see. The status page is beside the path and is none.
    """
    for observation in evidence.observations:
        match observation.outcome:
            case SdkAnswered() as got:
                return Returned(
                    observation=observation.id,
                    status=got.status,
                    body=body(got.body) if got.body else got.shape or "a stream",
                    request_id=quoted_id(got.headers) or got.request_id,
                    headers=got.headers,
                )
            case SdkFailed(answer=HttpAnswer() as answer):
                return _returned(observation.id, answer)
    for probe in ("pasted", "http"):
        for observation, answer in evidence.of(HttpAnswer, probe):
            return _returned(observation.id, answer)
    return None


def asked_model(evidence: Evidence) -> str | None:
    """The model or deployment that was asked for: named, or else the one that the check's own request picked; None if it asked for none."""
    if evidence.route.model is not None:
        return evidence.route.model.value
    return next((model for o in evidence.observations if (model := getattr(o.outcome, "model", None))), None)


def exception(evidence: Evidence) -> tuple[ErrorLink, ...]:
    """The exception that the application sees: the SDK's, or the pasted one; empty if there is none."""
    for observation in evidence.observations:
        if isinstance(observation.outcome, (SdkFailed, PastedError, ClientRefused)):
            return observation.outcome.errors
    return ()


def _returned(observation: str, answer: HttpAnswer) -> Returned:
    return Returned(
        observation=observation,
        status=answer.status,
        body=body(answer.body),
        request_id=request_id(answer),
        headers=answer.headers,
    )

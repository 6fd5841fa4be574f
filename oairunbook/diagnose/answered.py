"""Who answered: the API's application, its edge, Azure, a gateway, or somebody in between. Read from status, headers and body together."""

from __future__ import annotations

import re
from typing import Literal

from oairunbook.diagnose.gateways import product_header
from oairunbook.diagnose.reading import telling_answer
from oairunbook.evidence import Evidence, HttpAnswer
from oairunbook.records import dataclass

Who = Literal["application", "edge", "azure", "gateway", "intermediary", "not told"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One trait of an answer, and what it says about who gave it."""

    name: str
    value: str
    says: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """One answer, who gave it, and why that is believed."""

    observation: str
    who: Who
    statement: str
    marks: tuple[Mark, ...]


_APPLICATION = ("openai-organization", "openai-project", "openai-processing-ms", "openai-version")


def answered(evidence: Evidence) -> Answered | None:
    """Who gave the telling answer; None if no answer came."""
    telling = telling_answer(evidence)
    if telling is None:
        return None
    observation, answer = telling
    marks = tuple(_marks(evidence, answer))
    who = _who(evidence, answer)
    through = who == "application" and evidence.route.family != "direct"
    statement = (
        "The API's own application was reached, through whoever stands before it." if through else _STATEMENTS[who]
    )
    return Answered(observation=observation.id, who=who, statement=statement, marks=marks)


_STATEMENTS: dict[Who, str] = {
    "application": "The API's own application answered.",
    "edge": "The API's edge answered by itself, and the application behind it was not reached. "
    "An error object in the body does not change that: the edge can send one.",
    "azure": "Azure answered.",
    "gateway": "A gateway answered.",
    "intermediary": "Somebody in between answered: on this host every answer carries the edge's marks or the application's, and this one has neither.",
    "not told": "The answer does not tell who gave it.",
}  # fmt: skip


def _who(evidence: Evidence, answer: HttpAnswer) -> Who:
    family = evidence.route.family
    if product_header(answer.headers):
        return "gateway"
    if answer.header("apim-request-id") or answer.header("x-ms-region"):
        return "azure"
    identity = answer.header("x-request-id") or ""
    if any(answer.header(name) for name in _APPLICATION) or identity.startswith("req_"):
        return "application"
    if identity and family == "direct":
        # The authentication stage of the API sends plain UUIDs; so do many gateways, and Azure.
        return "application"
    if family != "direct":
        return "azure" if identity and family == "azure" else "not told"
    if answer.header("cf-ray") or (answer.header("server") or "").lower() == "cloudflare":
        return "edge"
    return "intermediary" if answer.headers else "not told"


def _marks(evidence: Evidence, answer: HttpAnswer) -> list[Mark]:
    """Traits in the order of their weight (facts: openai_api sections 3 and 4, azure section 3, gateways section 0)."""
    found = []
    direct = evidence.route.family == "direct"
    named = product_header(answer.headers)
    if named is not None:
        header, product = named
        found.append(Mark(name=header.name, value=header.value, says=f"{product} says so"))
    request_id = answer.header("x-request-id")
    if request_id:
        found.append(Mark(name="x-request-id", value=request_id, says=_of_request_id(request_id, direct=direct)))
    for name, says in _SAYS:
        value = answer.header(name)
        if value:
            found.append(Mark(name=name, value=value, says=says))
    if not request_id and direct:
        found.append(Mark(name="x-request-id", value="absent", says="the application did not answer, or its header was removed on the way"))  # fmt: skip
    if direct and not answer.header("cf-ray") and answer.headers and evidence.route.host.endswith("api.openai.com"):
        found.append(
            Mark(
                name="cf-ray",
                value="absent",
                says="over the public internet the edge adds it to every answer: this one came from elsewhere, or over a private path",
            )
        )
    error = answer.body.error
    if error is not None:
        number = (
            "" if error.code_is_string else "; its code is a number, as edges and gateways send it and the API does not"
        )
        found.append(Mark(name="error in the body", value=error.shape, says=_SHAPES[error.shape] + number))
    elif answer.body.shape in ("html", "text"):
        says = "no API sends a page: an edge, a load balancer, a filter or another web server did"
        found.append(Mark(name="body", value=answer.body.title or answer.body.shape, says=says))
    return found


_SHAPES = {
    "object": "as the API and Azure send it",
    "string": "some servers, and seldom the API",
    "list": "Cloudflare AI Gateway",
    "flat": "API Management, Kong, FastAPI, and Azure's refusal of a token; not the API",
}

_SAYS: tuple[tuple[str, str], ...] = (
    ("openai-processing-ms", "the application worked on it, so the key had been accepted; Azure and gateways do not send it"),
    ("openai-version", "the application, behind authentication"),
    ("openai-organization", "the organization that the key counts for"),
    ("openai-project", "the project that the key counts for"),
    ("apim-request-id", "Azure's front; the id to quote to Microsoft"),
    ("x-ms-region", "the Azure region that answered"),
    ("x-ms-deployment-name", "the deployment that was found"),
    ("llm_provider-x-request-id", "a gateway passes the provider's id on: the upstream was reached"),
    ("x-envoy-upstream-service-time", "Envoy reached a server behind it; with x-request-id it is the API's own Envoy"),
    ("cf-mitigated", "the edge's firewall stopped it: no key and no body were looked at"),
    ("cf-ray", "the edge; it stands on every answer through it, good or bad, and is no sign of an edge error"),
    ("via", "a proxy or gateway passed it on"),
    ("server", "the software nearest to this runtime"),
    ("www-authenticate", "who asks for credentials, and which kind"),
)  # fmt: skip


def _of_request_id(value: str, *, direct: bool) -> str:
    if value.startswith("req_"):
        passed = (
            ""
            if direct
            else "; a gateway can pass it on, so it proves that the API was reached, not that it was called directly"
        )
        return f"the API's application{passed}"
    if re.fullmatch(r"[0-9a-f-]{36}", value):
        return "a plain UUID: Azure, or the API's authentication stage"
    return "whoever answered"

"""Views of a gateway route: which product, its health, whose failure, the base path."""

from __future__ import annotations

from oairunbook.diagnose import gateways
from oairunbook.diagnose.known_providers import PRODUCTS
from oairunbook.diagnose.reading import path_slip
from oairunbook.evidence import Evidence, HttpAnswer
from oairunbook.record.branches import beside
from oairunbook.record.describe import fact, state
from oairunbook.record.view import View, paragraph, table, together
from oairunbook.verdict import Verdict

_REACHED = ("llm_provider-x-request-id", "x-kong-upstream-latency", "openai-processing-ms")

health = beside.health
control = beside.control


def product(evidence: Evidence) -> View:
    """Which gateway or server this is, by everything that names it."""
    found = gateways.signs(evidence)
    if not found:
        shown = paragraph(
            "Nothing in host, headers, bodies or health answers names a product. Not every gateway names itself: ask who runs it.",
            strong=True,
        )
    else:
        names = ", ".join(dict.fromkeys(sign.product for sign in found))
        rows = [(sign.product, sign.what, sign.observation) for sign in _once(found)]
        shown = together(
            paragraph(f"It names itself: {names}.", strong=True), table("Signs", ("Product", "Sign", "Seen in"), rows)
        )
    named = {sign.product.removeprefix("perhaps ").partition(",")[0] for sign in found}
    where = [("→" if item.name in named else "", item.name, item.base_url, item.health) for item in PRODUCTS]
    return together(
        shown, table("Where each is found by default, and its own health", ("", "Product", "Base URL", "Health"), where)
    )


def account(evidence: Evidence, verdict: Verdict) -> View:
    """Whose failure the answer tells: the gateway's own, its upstream's, or its caller's."""
    found = gateways.account(evidence)
    if found is None:
        words = (
            "The answer is no failure."
            if verdict.cause == "ok"
            else "No answer of a failure is in this evidence: the path comes first."
        )
        return paragraph(words)
    rows = [("Whose", found.whose), ("Why", found.why), ("Seen in", found.observation)]
    rows += [(name, value) for name, value in _upstream(evidence, found.observation)]
    shown = together(
        paragraph(f"This failure is {found.whose}." if found.whose != "not told" else "The answer does not tell whose failure this is.", strong=True),
        table("Whose failure", ("Item", "Value"), rows),
    )  # fmt: skip
    if found.whose != "its upstream's":
        return shown
    return together(
        shown,
        paragraph(
            "A gateway that cannot reach its upstream answers with a well-formed API error. That is never the caller's network; "
            "who runs the gateway looks at its egress."
        ),
    )


def base_path(evidence: Evidence) -> View:
    """Whether the API answers at this base path, and whether it does one usual slip away."""
    route = evidence.route
    rows = [("configured", route.path or "/", *_answer_at(evidence, "http"))]
    rows += [
        ("counter-test", o.id.partition(":")[2], state(o.outcome), fact(o.outcome))
        for o in evidence.observations
        if o.id.startswith("http.base_path:")
    ]
    shown = table("GET …/models without credentials", ("", "Base path", "State", "Answer"), rows)
    slip = path_slip(route.path)
    if slip:
        return together(paragraph(slip[0], strong=True), shown)
    if len(rows) == 1:
        return together(
            shown, paragraph("No other base path was tried: what answered here looks like an API, or nothing answered.")
        )
    return shown


def _answer_at(evidence: Evidence, identity: str) -> tuple[str, str]:
    for observation in evidence.observations:
        if observation.id == identity:
            return state(observation.outcome), fact(observation.outcome)
    return "not tried", "no request without credentials is in this evidence"


def _once(signs: tuple[gateways.Sign, ...]) -> list[gateways.Sign]:
    """Each sign once, however many attempts showed it."""
    seen: dict[tuple[str, str], gateways.Sign] = {}
    for sign in signs:
        seen.setdefault((sign.product, sign.what.partition(":")[0]), sign)
    return list(seen.values())


def _upstream(evidence: Evidence, identity: str) -> list[tuple[str, str]]:
    """Headers by which a gateway tells that it reached its upstream."""
    for observation in evidence.observations:
        answer = getattr(observation.outcome, "answer", observation.outcome)
        if observation.id == identity and isinstance(answer, HttpAnswer):
            told = [(name, value) for name in _REACHED if (value := answer.header(name))]
            return told or [("Upstream reached?", "no header says so")]
    return []

"""The path as a picture: one row a layer, with its state as a sign and a word, so that it reads in grey and aloud."""

from __future__ import annotations

import html

from oairunbook.evidence import Evidence, Layer, Observation, SdkFailed
from oairunbook.record import svg
from oairunbook.record.describe import LAYER_NAMES, State, fact, state
from oairunbook.record.view import View
from oairunbook.records import dataclass
from oairunbook.verdict import Verdict

_ROW = 46


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One layer of the picture."""

    name: str
    state: str
    sign: str
    fact: str
    changes_here: bool


def path(evidence: Evidence, verdict: Verdict) -> View:
    """The layers in the order in which a request meets them, and the first at which the evidence changes."""
    rows = [
        _row(name, [o for o in evidence.observations if o.layer == layer and o.changed is None], layer == verdict.layer)
        for layer, name in LAYER_NAMES
        if layer != "browser" and (layer != "proxy" or evidence.route.proxy.url)
    ]
    title = f"Path from {evidence.runtime.host} to {evidence.route.host or evidence.route.base_url.value}"
    lines = [f"{row.name}: {row.state}{', the evidence changes here' * row.changes_here}. {row.fact}" for row in rows]
    return svg.image(title, lines, _drawn(rows), height=len(rows) * _ROW + 40)


def _row(name: str, observations: list[Observation], changes_here: bool) -> Row:
    states: tuple[State, ...] = tuple(dict.fromkeys(state(o.outcome) for o in observations))
    looked = tuple(s for s in states if s not in ("not tried", "tool failed", "stopped"))
    last = observations[-1].outcome if observations else None
    if isinstance(last, SdkFailed) and not any(s in ("worked", "answered") for s in states):
        # The SDK's own request ended before the API: that is no fact about the API.
        return Row(name=name, state="no answer came back", sign="none", fact=fact(last), changes_here=changes_here)
    if not observations:
        return Row(name=name, state="no observation", sign="none", fact="", changes_here=changes_here)
    sign = "failed" if "failed" in looked else next((s for s in looked if s in ("worked", "answered")), "none")
    told = next(
        (o for o in observations if state(o.outcome) == (sign if sign != "none" else states[0])), observations[0]
    )
    return Row(
        name=name,
        state=_words(looked or states, observations[0].layer),
        sign=sign,
        fact=fact(told.outcome),
        changes_here=changes_here,
    )


def _words(states: tuple[State, ...], layer: Layer | None) -> str:
    """States of one layer. A name server's answer beside a failure is no other outcome, but the reason of that failure."""
    reason = layer == "dns" and "failed" in states
    return " and ".join(s for s in states if not (reason and s == "answered"))


def _drawn(rows: list[Row]) -> list[str]:
    drawn = [f'<path d="M32 56V{len(rows) * _ROW + 10}" stroke="{svg.GREY}" stroke-width="2"/>']
    for index, row in enumerate(rows):
        y = 56 + index * _ROW
        if row.changes_here:
            drawn.append(
                f'<rect x="10" y="{y - 21}" width="{svg.WIDTH - 20}" height="42" fill="#eee" stroke="{svg.INK}" stroke-width="2"/>'
            )
        words = f"{row.state}, the evidence changes here" if row.changes_here else row.state
        drawn.append(svg.sign(row.sign, 32, y))
        drawn.append(
            f'<text x="56" y="{y - 3}"><tspan font-weight="bold">{html.escape(row.name)}</tspan> {html.escape(words)}</text>'
        )
        drawn.append(svg.text(56, y + 14, row.fact, size=12, width=svg.WIDTH - 80, keep_end=True))
    return drawn

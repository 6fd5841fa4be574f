"""The path as a picture: one row a layer, with its state as a sign and a word, so that it reads in grey and aloud."""

from __future__ import annotations

import base64
import html
from dataclasses import dataclass

from oairunbook.evidence import Evidence, Layer, Observation, SdkFailed
from oairunbook.record.describe import State, fact, state
from oairunbook.record.view import View, clean
from oairunbook.verdict import Verdict

_LAYERS: tuple[tuple[Layer, str], ...] = (
    ("client", "Client"),
    ("dns", "DNS"),
    ("tcp", "TCP"),
    ("proxy", "Proxy"),
    ("tls", "TLS"),
    ("http", "HTTP"),
    ("api", "API"),
)
_ROW = 46
_WIDTH = 900
_LONGEST_FACT = 104
_SIGNS = {
    "worked": '<circle r="11" fill="#fff" stroke="#222" stroke-width="2"/><path d="M-5 0l4 4 7-8" fill="none" stroke="#222" stroke-width="2.5"/>',
    "answered": '<circle r="11" fill="#fff" stroke="#222" stroke-width="2"/><path d="M-5-2h10M-5 3h10" stroke="#222" stroke-width="2.5"/>',
    "failed": '<circle r="11" fill="#222"/><path d="M-5-5l10 10M5-5l-10 10" stroke="#fff" stroke-width="2.5"/>',
    "none": '<circle r="11" fill="#fff" stroke="#777" stroke-width="2" stroke-dasharray="3 3"/>',
}


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
        for layer, name in _LAYERS
        if layer != "proxy" or evidence.route.proxy.url
    ]
    title = f"Path from {evidence.runtime.host} to {evidence.route.host or evidence.route.base_url.value}"
    lines = [f"{row.name}: {row.state}{', the evidence changes here' * row.changes_here}. {row.fact}" for row in rows]
    drawn = _svg(clean(title), [clean(line) for line in lines], rows)
    encoded = base64.b64encode(drawn.encode("utf-8")).decode("ascii")
    # JupyterLab strips inline SVG from notebooks that it does not trust yet, and keeps images of data URLs.
    alternative = html.escape(clean("\n".join((title, *lines))), quote=True)
    return View(
        html=f'<img style="max-width: 100%" width="{_WIDTH}" alt="{alternative}" src="data:image/svg+xml;base64,{encoded}">',
        text=clean("\n".join((title, *lines))),
        data={"image/svg+xml": drawn},
    )


def _row(name: str, observations: list[Observation], changes_here: bool) -> Row:
    states: tuple[State, ...] = tuple(dict.fromkeys(state(o.outcome) for o in observations))
    looked = tuple(s for s in states if s not in ("not tried", "tool failed", "stopped"))
    last = observations[-1].outcome if observations else None
    if isinstance(last, SdkFailed) and not any(s in ("worked", "answered") for s in states):
        # The SDK's own request ended before the API: that is no fact about the API.
        return Row(name=name, state="no answer came back", sign="none", fact=fact(last), changes_here=changes_here)
    if not observations:
        return Row(name=name, state="no observation", sign="none", fact="", changes_here=changes_here)
    sign = "failed" if "failed" in looked else next((s for s in looked if s in _SIGNS), "none")
    told = next(
        (o for o in observations if state(o.outcome) == (sign if sign != "none" else states[0])), observations[0]
    )
    return Row(
        name=name,
        state=" and ".join(looked or states),
        sign=sign,
        fact=fact(told.outcome),
        changes_here=changes_here,
    )


def _svg(title: str, lines: list[str], rows: list[Row]) -> str:
    height = len(rows) * _ROW + 40
    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" aria-labelledby="t d" '
        'font-family="sans-serif" font-size="14">',
        f'<title id="t">{html.escape(title)}</title><desc id="d">{html.escape(" ".join(lines))}</desc>',
        f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>',
        f'<text x="16" y="22" font-weight="bold">{html.escape(_short(title))}</text>',
        f'<path d="M32 56V{height - 30}" stroke="#777" stroke-width="2"/>',
    ]
    for index, row in enumerate(rows):
        y = 56 + index * _ROW
        if row.changes_here:
            drawn.append(
                f'<rect x="10" y="{y - 21}" width="{_WIDTH - 20}" height="42" fill="#eee" stroke="#222" stroke-width="2"/>'
            )
        words = f"{row.state}, the evidence changes here" if row.changes_here else row.state
        drawn.append(f'<g transform="translate(32 {y})">{_SIGNS[row.sign]}</g>')
        drawn.append(
            f'<text x="56" y="{y - 3}"><tspan font-weight="bold">{html.escape(row.name)}</tspan> {html.escape(words)}</text>'
        )
        drawn.append(
            f'<text x="56" y="{y + 14}" font-size="12" fill="#333">{html.escape(_short(clean(row.fact)))}</text>'
        )
    return "".join((*drawn, "</svg>"))


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_FACT else f"{line[:_LONGEST_FACT]}…"

"""HTML and Markdown that somebody else may have made, as HTML that can neither run, load nor lead anywhere."""

from __future__ import annotations

import re
from collections.abc import Collection

import nh3
from markdown_it import MarkdownIt

_TAGS = {
    *("p", "div", "span", "strong", "em", "ul", "ol", "li", "pre", "code", "blockquote", "hr", "br", "del", "img", "a"),
    *("table", "caption", "thead", "tbody", "tr", "th", "td", "h1", "h2", "h3", "h4", "h5", "h6", "details", "summary"),
}
_ATTRIBUTES = {
    "*": {"style"},
    "th": {"scope"},
    "img": {"src", "alt", "width", "height"},
    "a": {"href"},
}
_STYLES = {
    *(
        "text-align",
        "vertical-align",
        "padding",
        "white-space",
        "overflow-wrap",
        "margin-left",
        "margin-right",
        "max-width",
    ),
    *("min-width", "text-decoration", "font-weight", "color", "background", "border", "border-collapse", "width"),
}
_IMAGES = ("data:image/svg+xml;base64,", "data:image/png;base64,")
"""An image of a data URL runs no script and loads nothing, also where it is SVG (HTML, "SVG as image")."""

_OBEYED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""What a terminal obeys that shows the page's source, and what turns the direction of a text around."""

_MOST_CHARACTERS = 2_000_000
"""Of one output. A record that somebody blew up must not take the rest along."""


def html(text: str, notebooks: Collection[str] = ()) -> str:
    """The harmless part of an HTML fragment. Links stay only where they lead to one of *notebooks* in the same document."""

    def attribute(tag: str, name: str, value: str) -> str | None:
        if tag == "img" and name == "src":
            return value if value.startswith(_IMAGES) else None
        if tag == "a" and name == "href":
            target = value.removesuffix(".ipynb")
            return f"#{target}" if target in notebooks else None
        if name == "style" and "url" in value.lower():
            return None
        return value

    clean = nh3.clean(
        text[:_MOST_CHARACTERS],
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        attribute_filter=attribute,
        filter_style_properties=_STYLES,
        url_schemes={"data"},
        link_rel=None,
    )
    # Behind nh3, which makes characters of `&#27;`.
    clean = _OBEYED.sub(lambda match: f"\\x{ord(match.group()):02x}", clean)
    # What is wide scrolls by itself, also by keyboard. Behind nh3 these tags are tags and no text.
    return clean.replace("<table", '<div class="wide" tabindex="0"><table').replace("</table>", "</table></div>")


def markdown(text: str, notebooks: Collection[str] = (), *, below: int = 0) -> str:
    """Markdown as harmless HTML (CommonMark with tables; HTML in it is text); headings stand *below* levels deeper."""
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = parser.parse(text[:_MOST_CHARACTERS])
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(6, int(token.tag[1:]) + below)}"
    return html(parser.renderer.render(tokens, parser.options, {}), notebooks)

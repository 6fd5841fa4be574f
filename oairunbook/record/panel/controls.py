"""Controls whose content is not part of the notebook, and what makes them readable without a kernel."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import anywidget
import ipywidgets as widgets
import traitlets

from oairunbook.record.view import View, paragraph
from oairunbook.records import dataclass

_NOT_HERE = (
    "Here is a part of the panel with controls. It works in JupyterLab and Voilà with a running kernel: "
    "open the notebook there and run all cells. What was found stands in the tables of this notebook."
)

LABEL_WIDTH = "11em"

_SETTLED_SECONDS = 0.8
"""JupyterLab scrolls to the last cell after it has run it."""

# In JupyterLab's command mode a letter is a shortcut, also where a list or a button of an output has the focus: choosing "direct" by its
# first letters would turn the cell into raw text (r) and take the panel away. Lumino leaves an element alone that says so itself.
_OWN_KEYS = """
function ownKeys() {
  if (document.oairunbookKeys) return;
  document.oairunbookKeys = true;
  // On the window, and so before Lumino, which listens on the document. Ctrl+S and the like stay JupyterLab's.
  window.addEventListener("keydown", (event) => {
    if (event.target.closest?.(".jp-OutputArea-output")) {
      const plain = !(event.ctrlKey || event.metaKey || event.altKey);
      event.target.toggleAttribute("data-lm-suppress-shortcuts", plain);
    }
  }, true);
}
"""

_FREE_TEXT = (
    _OWN_KEYS
    + """
export default {
  render({ model, el }) {
    const label = document.createElement("label");
    const name = document.createElement("span");
    const field = document.createElement(model.get("rows") > 1 ? "textarea" : "input");
    name.textContent = model.get("label");
    label.append(name, field);
    label.className = model.get("rows") > 1 ? "oairunbook-long" : "oairunbook-short";
    field.rows = model.get("rows");
    field.placeholder = model.get("hint");
    field.autocomplete = "off";
    // Some browsers send what they check to a service.
    field.spellcheck = false;
    let timer;
    const send = () => { clearTimeout(timer); model.send({ text: field.value }); };
    field.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(send, 300); });
    field.addEventListener("change", send);
    model.on("msg:custom", (message) => {
      if (typeof message.text === "string") { clearTimeout(timer); field.value = message.text; }
      if (message.focus) { field.focus({ preventScroll: true }); label.scrollIntoView({ block: "center" }); }
    });
    el.append(label);
    ownKeys();
    model.send({ shown: true });
  },
};
"""
)

_CSS = """
.oairunbook-long { display: block; }
.oairunbook-long span { display: block; padding-bottom: 4px; }
.oairunbook-short { display: flex; align-items: center; }
.oairunbook-short span { flex: 0 0 calc(11em + 8px); box-sizing: border-box; padding-right: 8px; text-align: right; }
.oairunbook-short { padding: 2px 4px 2px 2px; }
.oairunbook-long textarea, .oairunbook-short input {
  box-sizing: border-box; width: 100%; font: 13px/1.4 ui-monospace, monospace; padding: 4px 6px;
  color: var(--jp-ui-font-color0, #111); background: var(--jp-layout-color0, #fff); border: 1px solid #767676; border-radius: 2px;
}
.oairunbook-view { line-height: 1.5; padding-right: 0; }
.oairunbook-view table { margin-left: 0; }
.oairunbook-view li, .oairunbook-view p { overflow-wrap: anywhere; }
.oairunbook-view .wide { overflow-x: auto; }
.oairunbook-short input::placeholder, .oairunbook-long textarea::placeholder { color: #666; opacity: 1; }
"""

_STATUS = (
    _OWN_KEYS
    + """
export default {
  render({ model, el }) {
    const line = document.createElement("div");
    line.setAttribute("role", "status");
    line.setAttribute("aria-live", "polite");
    line.style.fontWeight = "bold";
    line.style.minHeight = "1.5em";
    line.style.whiteSpace = "normal";
    line.style.overflowWrap = "anywhere";
    line.style.scrollMarginBottom = "8em";
    el.append(line);
    // What stands in a live region when it appears is not read aloud; what changes in it is.
    const draw = () => {
      line.textContent = model.get("text");
      // Whoever works in this cell sees what came of it; whoever is elsewhere by now stays there.
      if (line.closest(".jp-OutputArea-output")?.contains(document.activeElement)) line.scrollIntoView({ block: "nearest" });
    };
    setTimeout(draw, 0);
    model.on("change:text", draw);
    ownKeys();
  },
};
"""
)


class FreeText(anywidget.AnyWidget):
    """A labelled text field whose text travels as a message and is never widget state.

    The state of widgets is saved with a notebook, by JupyterLab and by papermill, and people paste keys. What is typed here stands in
    the page and in the kernel's memory alone.
    """

    _esm = _FREE_TEXT
    _css = _CSS
    label = traitlets.Unicode().tag(sync=True)
    hint = traitlets.Unicode().tag(sync=True)
    rows = traitlets.Int(1).tag(sync=True)

    def __init__(self, label: str, *, told: Callable[[], None] | None = None, rows: int = 1, hint: str = "") -> None:
        """*told* is called whenever `text` has changed."""
        super().__init__(label=label, hint=hint, rows=rows)
        self.text = ""
        self._told = told
        self.on_msg(self._take)

    def set_text(self, text: str) -> None:
        """Put another text into the field, in every view of it."""
        self.text = text
        self.send({"text": text})

    def focus_soon(self) -> None:
        """Lead the reader here once the page has settled."""
        later = threading.Timer(_SETTLED_SECONDS, lambda: self.send({"focus": True}))
        later.daemon = True
        later.start()

    def _take(self, _widget: Any, content: Any, _buffers: Any) -> None:
        text = content.get("text") if isinstance(content, dict) else None
        if text is None and self.text:
            # A view of it appeared, and begins empty.
            self.send({"text": self.text})
        if isinstance(text, str) and text != self.text:
            self.text = text
            if self._told is not None:
                self._told()


class Status(anywidget.AnyWidget):
    """One line that a screen reader reads out when it changes (WAI-ARIA role `status`)."""

    _esm = _STATUS
    text = traitlets.Unicode().tag(sync=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One cell of a panel: its widgets, and what stands in their place in a record, an export or an untrusted notebook."""

    widget: widgets.Widget
    instead: View

    def _repr_mimebundle_(self, **_: object) -> dict[str, Any]:
        bundle: dict[str, Any] = dict(self.widget._repr_mimebundle_() or {})
        return {**bundle, "text/plain": self.instead.text, "text/html": self.instead.html}

    def __repr__(self) -> str:
        return self.instead.text


def part(widget: widgets.Widget) -> Part:
    """One cell of a panel."""
    return Part(widget=widget, instead=paragraph(_NOT_HERE))


def button(text: str, pressed: Callable[[], None], *, primary: bool = False) -> widgets.Button:
    """A button with a text, as wide as it."""
    made = widgets.Button(
        description=text, layout=widgets.Layout(width="auto"), button_style="primary" if primary else ""
    )
    made.on_click(lambda _: pressed())
    return made


def dropdown(label: str, options: Any) -> widgets.Dropdown:
    """A list to choose from."""
    return widgets.Dropdown(
        description=label,
        options=options,
        style={"description_width": LABEL_WIDTH},
        layout=widgets.Layout(width="auto", max_width="100%"),
    )


def number(label: str, value: int, low: int, high: int) -> widgets.BoundedIntText:
    """A whole number."""
    return widgets.BoundedIntText(
        value=value,
        min=low,
        max=high,
        description=label,
        style={"description_width": LABEL_WIDTH},
        layout=widgets.Layout(width="20em"),
    )


def shown(view: View | None = None) -> widgets.HTML:
    """A place for views. What is wide scrolls in it instead of pushing the page apart."""
    made = widgets.HTML(layout=widgets.Layout(width="100%", overflow="auto"))
    put(made, view)
    return made


def put(place: widgets.HTML, view: View | None) -> None:
    """Show a view there, or nothing."""
    place.value = f'<div class="jp-RenderedHTMLCommon oairunbook-view">{view.html}</div>' if view else ""

"""`python -m oairunbook.explain`: write `CAUSES.md` anew, beside the notebooks of this checkout."""

from __future__ import annotations

from oairunbook.explain import FOLDER, pages
from oairunbook.explain.render import markdown

(FOLDER.parents[1] / "runbooks" / "CAUSES.md").write_text(markdown(pages()), "utf-8")

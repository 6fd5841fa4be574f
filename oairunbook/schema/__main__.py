"""`python -m oairunbook.schema`: write the schemas anew, beside this file."""

from __future__ import annotations

from oairunbook.schema import FOLDER, generated

for _name, _text in generated().items():
    (FOLDER / _name).write_text(_text, "utf-8")

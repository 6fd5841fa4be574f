"""The JSON Schemas of evidence and verdict. They are generated from the records, and ship with the package.

`python -m oairunbook.schema` writes them anew after a record has changed. A field that is added to a released version needs a default, so that
documents without it can still be read.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import json
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import TypeAdapter

from oairunbook import evidence, verdict

COMMAND = "python -m oairunbook.schema"

FOLDER = Path(__file__).parent

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_WRITTEN_SINCE_THE_FIRST_VERSION = ("schema", "kind", "rules_version")
"""They have a default for whoever builds a record; every document holds them."""


def generated() -> dict[str, str]:
    """File name to text of every schema."""
    records = {
        "evidence-1.json": (evidence.Evidence, evidence.EVIDENCE_SCHEMA),
        "verdict-1.json": (verdict.Verdict, verdict.VERDICT_SCHEMA),
    }
    return {name: json.dumps(_schema(*record), ensure_ascii=False, indent=1) + "\n" for name, record in records.items()}


def _schema(record: type[Any], identity: str) -> dict[str, Any]:
    body = TypeAdapter(record).json_schema()
    definitions = body.pop("$defs")
    texts = {**_field_texts(evidence), **_field_texts(verdict)}
    for name, definition in (*definitions.items(), (record.__name__, body)):
        _tidy(definition, texts.get(name, {}))
    body["properties"]["schema"] = {"const": identity}
    head = {"$schema": _DIALECT, "$id": f"urn:{identity.replace('/', ':')}", "title": identity}
    return {**head, **body, "$defs": definitions}


def _tidy(definition: dict[str, Any], texts: dict[str, str]) -> None:
    """Add what stands under each field, and leave out what says nothing: titles that repeat a name, defaults, doubled constants."""
    definition.pop("title", None)
    required = definition.setdefault("required", [])
    for name, field in definition["properties"].items():
        for key in ("title", "default"):
            field.pop(key, None)
        if "const" in field:
            field.pop("enum", None)
        if name in _WRITTEN_SINCE_THE_FIRST_VERSION and name not in required:
            required.append(name)
        if name in texts:
            field["description"] = texts[name]


def _field_texts(package: ModuleType) -> dict[str, dict[str, str]]:
    """Class to field to the string that stands under the field, of every record that the package has in its front."""
    return {name: _texts_of(item) for name, item in vars(package).items() if dataclasses.is_dataclass(item)}


def _texts_of(record: Any) -> dict[str, str]:
    [item] = ast.parse(inspect.getsource(record)).body
    assert isinstance(item, ast.ClassDef)
    texts: dict[str, str] = {}
    for before, after in zip(item.body, item.body[1:], strict=False):
        match before, after:
            case ast.AnnAssign(target=ast.Name(id=field)), ast.Expr(value=ast.Constant(value=str(text))):
                texts[field] = " ".join(text.split())
    return texts

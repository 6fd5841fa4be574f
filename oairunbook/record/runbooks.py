"""Where the runbook's notebooks are, and which parameters they declare."""

from __future__ import annotations

import ast
import difflib
import io
import math
import tokenize
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

import oairunbook
from oairunbook.records import dataclass
from oairunbook.redaction import Secrets

TYPES = ("str", "int", "float", "bool")
"""What a parameter may be declared as: papermill's help reads these, and loses unions, literals and quoted types."""

Value = str | int | float | bool


class ParameterError(ValueError):
    """A notebook's name or a parameter was given wrongly. The text says what there is, and never repeats a secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One line of a notebook's `parameters` cell."""

    name: str
    type: str
    default: Value
    help: str


def folder() -> Path:
    """The folder of the notebooks: inside the installed package, or beside it in a checkout."""
    package = Path(oairunbook.__file__).parent
    installed = package / "runbooks"
    return installed if installed.is_dir() else package.parent / "runbooks"


def names() -> tuple[str, ...]:
    """Names of all notebooks, in order, without `.ipynb`."""
    return tuple(sorted(path.stem for path in folder().glob("*.ipynb")))


def find(name: str) -> Path:
    """The file of the notebook of that name.

    Raises:
        ParameterError: There is none.
    """
    plain = name.removesuffix(".ipynb")
    if plain not in names():
        near = _near(plain, names())
        raise ParameterError(f"There is no notebook {name!r}. {near}There are: {', '.join(names())}. Nothing was run.")
    return folder() / f"{plain}.ipynb"


def declared(cells: Iterable[dict[str, Any]]) -> tuple[Parameter, ...]:
    """The parameters of a notebook: annotated literals in the cell with the tag `parameters`.

    Raises:
        ParameterError: A line of that cell is no annotated literal of a type in *TYPES*.
    """
    source = next((_source(cell) for cell in cells if "parameters" in cell.get("metadata", {}).get("tags", ())), "")
    comments = {
        token.start[0]: token.string.lstrip("# ").strip()
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }
    found = []
    for line in ast.parse(source).body:
        match line:
            case ast.AnnAssign(target=ast.Name(id=name), annotation=ast.Name(id=kind), value=value) if (
                kind in TYPES and value is not None
            ):
                default = ast.literal_eval(value)
                found.append(Parameter(name=name, type=kind, default=default, help=comments.get(line.lineno, "")))
            case _:
                raise ParameterError(
                    f"The parameters cell holds a line that is no annotated literal: {ast.unparse(line)}"
                )
    return tuple(found)


def checked(given: Sequence[tuple[str, str]], parameters: Sequence[Parameter], secrets: Secrets) -> dict[str, Value]:
    """Turn given texts into values of the declared types.

    papermill guesses a type from the text instead: `false` stays a (true) string, `0443` becomes 443. And what it is given it writes into
    the notebook, so nothing that looks like a secret gets that far.

    Raises:
        ParameterError: A name is not declared or given twice, a value is not of its type, or it looks like a secret.
    """
    known = {parameter.name: parameter for parameter in parameters}
    values: dict[str, Value] = {}
    for name, text in given:
        if name not in known:
            raise ParameterError(
                f"There is no parameter {_shown(name, secrets)!r}. {_near(name, known)}Nothing was run. There are:\n{listing(parameters)}"
            )
        if name in values:
            raise ParameterError(f"Parameter {name!r} is given twice. Nothing was run.")
        if _shown(text, secrets) != text:
            raise ParameterError(
                f"The value of parameter {name!r} looks like a secret, and parameters are written into the record. "
                "Nothing was run. Next: put keys and passwords into the environment (OPENAI_API_KEY, HTTPS_PROXY, …), "
                "and leave them out of URLs and pasted text."
            )
        values[name] = _typed(known[name], text)
    return values


def listing(parameters: Sequence[Parameter]) -> str:
    """The parameters for people, one a line."""
    return "\n".join(f"  {p.name}: {p.type} = {p.default!r}  {p.help}" for p in parameters)


def _near(name: str, known: Collection[str]) -> str:
    """A hint at names that are near; empty if none is."""
    wanted = name.lower().replace("-", "_")
    near = [one for one in known if wanted and wanted in one] or difflib.get_close_matches(
        wanted, known, n=3, cutoff=0.6
    )
    return f"Did you mean {' or '.join(near)}? " if near else ""


def _typed(parameter: Parameter, text: str) -> Value:
    try:
        match parameter.type:
            case "bool":
                return {"true": True, "false": False}[text.strip().lower()]
            case "int":
                return int(text)
            case "float":
                number = float(text)
                if not math.isfinite(number):
                    raise ValueError(text)
                return number
            case _:
                return text
    except (ValueError, KeyError):
        wanted = {"bool": "true or false", "int": "a whole number", "float": "a number"}[parameter.type]
        raise ParameterError(
            f"Parameter {parameter.name!r} is {wanted}, and {text!r} is not. Nothing was run."
        ) from None


def _shown(text: str, secrets: Secrets) -> str:
    return secrets.redact_text(text)


def _source(cell: dict[str, Any]) -> str:
    source = cell.get("source", "")
    return source if isinstance(source, str) else "".join(source)

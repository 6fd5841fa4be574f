"""Imported before all else by the processes that are this package's own: what would hold up their start is left out.

Beside JupyterLab stands rfc3987-syntax, and jsonschema, which nbformat imports, takes it in whenever it finds it: a grammar is compiled for a second, so
that IRIs can be checked, which the schema of notebooks does not ask for. A kernel gets jsonschema as it is, see `restore`.
"""

from __future__ import annotations

import sys

_GRAMMAR = "rfc3987_syntax"
_VALIDATOR = "jsonschema"


def _import_without_grammar() -> None:
    if _GRAMMAR in sys.modules or _VALIDATOR in sys.modules:
        return
    sys.modules[_GRAMMAR] = None  # type: ignore[assignment]
    try:
        import nbformat  # noqa: F401 - it imports jsonschema
    finally:
        del sys.modules[_GRAMMAR]


def restore() -> None:
    """Let whoever imports jsonschema from here on import it whole: code in a cell may check IRIs."""
    for name in [name for name in sys.modules if name.partition(".")[0] == _VALIDATOR]:
        del sys.modules[name]


_import_without_grammar()

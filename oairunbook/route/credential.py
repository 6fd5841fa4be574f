"""What can be said about the key without showing or sending it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from oairunbook.evidence import Credential
from oairunbook.redaction import fingerprint

VARIABLES_BY_SURFACE = {
    "openai": ("OPENAI_API_KEY",),
    "azure-v1": ("AZURE_OPENAI_API_KEY", "OPENAI_API_KEY"),
    "azure-dated": ("AZURE_OPENAI_AD_TOKEN", "AZURE_OPENAI_API_KEY", "OPENAI_API_KEY"),
}
"""Surface to the variables that hold its key; the first that is set counts."""

KEY_VARIABLES = tuple(dict.fromkeys(name for names in VARIABLES_BY_SURFACE.values() for name in names))
"""Every variable that may hold a key of some surface."""

_PLACEHOLDER = re.compile(r"^(?:your[-_ ]|sk-(?:your|xxx|\.\.\.|<)|<|\$\{|changeme|todo\b)", re.IGNORECASE)


def find_credential(environment: Mapping[str, str], surface: str) -> tuple[str, str] | None:
    """Variable and value of the key that this route uses; None if there is none. An empty value counts as none."""
    names = VARIABLES_BY_SURFACE[surface]
    return next(((name, environment[name]) for name in names if environment.get(name)), None)


def resolve_credential(environment: Mapping[str, str], surface: str, fingerprint_key: bytes | None) -> Credential:
    """Judge the value of the key before any probe: an illegal one fails late, and its exception text shows it whole."""
    found = find_credential(environment, surface)
    if found is None:
        return Credential(present=False)
    name, value = found
    return Credential(
        present=True,
        source=name,
        fingerprint=fingerprint(value, fingerprint_key) if fingerprint_key else None,
        problems=tuple(_problems(value)),
        oddities=tuple(_oddities(value)),
    )


def _problems(value: str) -> list[str]:
    """What no HTTP field value may hold (RFC 9110 section 5.5), as the transports check it."""
    problems = []
    if "\n" in value or "\r" in value:
        where = "at its end" if value.rstrip("\r\n") == value.replace("\n", "").replace("\r", "") else "inside"
        problems.append(f"a line feed {where}")
    if any((ord(c) < 32 and c not in "\r\n\t") or ord(c) == 127 for c in value):
        problems.append("a control character")
    if not value.isascii():
        problems.append("a character that is not ASCII, for example a typographic quote")
    elif value[-1] in " \t" and not problems:
        # `Bearer <key> ` ends in white space, which a field value may not.
        problems.append("white space at its end")
    return problems


def _oddities(value: str) -> list[str]:
    oddities = []
    if value[0] in "'\"" or value.rstrip()[-1:] in ("'", '"'):
        oddities.append("it stands in quotes")
    if " " in value.strip() or "\t" in value.strip():
        oddities.append("it has white space inside")
    if value[0] in " \t":
        oddities.append("it begins with white space")
    if value.lower().startswith("bearer "):
        oddities.append("it begins with the word Bearer, which the SDK adds itself")
    if _PLACEHOLDER.match(value):
        oddities.append("it looks like a placeholder")
    return oddities

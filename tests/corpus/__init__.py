"""Real error texts from public issue trackers, each with the label that a careful expert gives it, made before the tool saw it.

A case: `id`; `source` (the public thread); `text`, the machine output that matters; what is known besides (`base_url`, `status`); `owner` and
`cause`; `why`, the reason for the label. What looks like a secret is a placeholder.

The cases are split by a hash of their id: rules are written on one half, the other half is only measured. A case with `studied = true` was a
miss that somebody looked at to mend a rule, and belongs to the first half whatever its hash. `python -m tests.corpus` prints both figures and
the misses.
"""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


@dataclass(frozen=True, kw_only=True)
class Case:
    """One text with its label."""

    id: str
    source: str
    text: str
    owner: str
    cause: str
    why: str
    group: str
    studied: bool
    known: dict[str, Any] = field(default_factory=dict)

    @property
    def measured(self) -> bool:
        """Whether it belongs to the half that rules must not be written on."""
        return not self.studied and hashlib.sha256(self.id.encode()).digest()[0] % 2 == 1


def cases() -> tuple[Case, ...]:
    """All cases, in the order of their files."""
    found = []
    for path in sorted(HERE.glob("*.toml")):
        for item in tomllib.loads(path.read_text("utf-8"))["case"]:
            known = {key: item[key] for key in ("base_url", "status", "headers", "body") if key in item}
            rest = {key: item[key] for key in ("id", "source", "text", "owner", "cause", "why")}
            found.append(Case(**rest, group=path.stem, studied=item.get("studied", False), known=known))
    return tuple(found)


FORM = """# [Bug]: no answer any more

### Self checks

- [x] I have searched the existing issues, also those about Ollama and Azure OpenAI
- [ ] I have read https://platform.openai.com/docs/guides/error-codes and the proxy settings of my system

### What happened?

Since this morning every call fails. The API key is right, the account has credit, and with curl from my laptop it works.
I have not changed the base URL. Could it be a rate limit, or is my IP blocked?

### Versions

openai==1.40.6, httpx==0.27.2, Python 3.11
**Ollama (if applicable):** 0.3.1
Operating system: Windows 11

### Steps to reproduce

1. start the application
2. send "hello"

### Relevant log output

```shell
{text}
```

### Expected behavior

It answers, as it did yesterday.
"""
"""What people paste: the whole report, with a form, guesses and versions around what the machine said."""

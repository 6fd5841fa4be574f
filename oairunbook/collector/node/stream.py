"""One text for the standard input of `node -`: the scripts of this folder and the job.

The first line says in words that every Node.js reads that this one is too old. Nothing of it is ever an argument.
"""

from __future__ import annotations

import base64
import functools
import json
import zlib
from pathlib import Path
from typing import Any

from oairunbook import identity, practice, redaction
from oairunbook.collector.stream import lines
from oairunbook.observe import control, node, sdk
from oairunbook.observe.http import KEPT_HEADERS, KEPT_PREFIXES
from oairunbook.redaction import names, pieces
from oairunbook.redaction.forms import (
    LINE_BREAK,
    LONGEST_SHOWN,
    MASK,
    SHORTEST_MASKED,
    SHORTEST_REST,
    SHORTEST_SECRET,
)
from oairunbook.redaction.names import DUMMY_KEYS, NO_SECRET_NAME, PATH, SECRET_NAME
from oairunbook.route import SHOWN_VARIABLES
from oairunbook.route.base_url import AZURE_HOST, DEFAULT_BASE_URL, DIRECT_HOST, LAST_DATED_API_VERSION
from oairunbook.route.credential import VARIABLES_BY_SURFACE
from oairunbook.route.trust import LINUX_CANDIDATES
from oairunbook.runtime import PLATFORM_FILES, PLATFORM_TEXTS, PLATFORM_VARIABLES, REGION_VARIABLES

OLDEST = 18
"""The first that has `fetch`, which the SDK has stood on since its version 5."""

TOO_OLD = "oairunbook: too old: Node.js "
"""What a Node.js says on its standard error that is too old; its version follows."""

_SCRIPTS = ("plain", "pieces", "redaction", "about", "path", "requests", "walk", "start")
_HEAD = (
    f"var _v=process.versions.node;if(parseInt(_v,10)<{OLDEST}){{process.stderr.write({json.dumps(TOO_OLD)}+_v+'\\n');process.exit(1)}}\n"
    "var _o=[];_o.append=_o.push;var _j='';\n"
)
_TAIL = (
    "var _m=JSON.parse(require('zlib').inflateSync(Buffer.from(_o.join(''),'base64')).toString()),_d={};\n"
    "function _r(n){if(n.slice(0,2)!=='./')return require(n);n=n.slice(2);if(!_d[n]){_d[n]={exports:{}};"
    "new Function('module','require',_m[n])(_d[n],_r)}return _d[n].exports}\n"
    "_r('./start').main(JSON.parse(Buffer.from(_j,'base64').toString()));\n"
)

SHOWN = (
    *SHOWN_VARIABLES,
    *identity.SHOWN_VARIABLES,
    *REGION_VARIABLES,
    *(practice.VARIABLE, "AWS_EXECUTION_ENV", "container"),
    *("NODE_USE_ENV_PROXY", "NODE_USE_SYSTEM_CA", "NODE_TLS_REJECT_UNAUTHORIZED", "NODE_OPTIONS"),
)
"""Variables whose values come back, to resolve the route by the rules of this package."""


def make(job: dict[str, Any]) -> bytes:
    """The whole text. *job* holds what is asked: `nonce`, `options`, `project`, `environment`, `fingerprint_key`, `seconds`."""
    order = "".join(lines("_j+={}", base64.b64encode(json.dumps({**known(), **job}).encode("ascii"))))
    return (_HEAD + _carried() + order + _TAIL).encode("ascii")


@functools.lru_cache(maxsize=1)
def _carried() -> str:
    """What is the same in every stream: the scripts, packed."""
    folder = Path(__file__).parent
    files = [*(folder / f"{name}.js" for name in _SCRIPTS), node.REDIRECTS]
    document = json.dumps({file.stem: file.read_text("utf-8") for file in files})
    return "".join(lines("_o.append({})", base64.b64encode(zlib.compress(document.encode("ascii"), 9))))


def known() -> dict[str, Any]:
    """What the scripts take from the parts of this package that hold it."""
    return {
        "secret_name": SECRET_NAME.pattern,
        "no_secret_name": NO_SECRET_NAME.pattern,
        "url": {
            "names": redaction.NAMES_OF_URLS,
            "hump": names.HUMP.pattern,
            "strong_name": names.STRONG_NAME.pattern,
            "of_something_else": names.OF_SOMETHING_ELSE.pattern,
            "access_key_id": names.ACCESS_KEY_ID,
            "parameters": names.PARAMETERS,
            "no_secret_parameter": names.NO_SECRET_PARAMETER.pattern,
            "drawn": names.DRAWN.pattern,
            "words_and_numbers": names.WORDS_AND_NUMBERS.pattern.replace("\\Z", "$"),
        },
        "dummy_keys": sorted(DUMMY_KEYS),
        "line_break": LINE_BREAK.pattern,
        "mask": MASK.pattern,
        "shortest_secret": SHORTEST_SECRET,
        "shortest_rest": SHORTEST_REST,
        "shortest_masked": SHORTEST_MASKED,
        "longest_shown": LONGEST_SHOWN,
        "pieces": {
            "shortest_piece": pieces.SHORTEST_PIECE,
            "gram": pieces.GRAM,
            "longest_indexed": pieces.LONGEST_INDEXED,
            "most_places": pieces.MOST_PLACES,
            "deepest": pieces.DEEPEST,
            "escapes": pieces.ESCAPES.pattern,
            "literal": pieces.LITERAL,
            "name": pieces.NAME,
            "bases": pieces.BASES,
            "named": pieces.NAMED,
            "blanks": pieces.BLANKS.pattern,
            "path": PATH.pattern.replace("\\Z", "$"),
        },
        "azure_host": AZURE_HOST.pattern,
        "direct_host": DIRECT_HOST.pattern,
        "default_base_url": DEFAULT_BASE_URL,
        "last_dated_api_version": LAST_DATED_API_VERSION,
        "key_variables": VARIABLES_BY_SURFACE,
        "variables": SHOWN,
        "names": [*(name for name, _ in PLATFORM_VARIABLES), *identity.SECRET_VARIABLES],
        "exist": [path for path, _ in PLATFORM_FILES],
        "marks": [(path, mark) for path, mark, _ in PLATFORM_TEXTS],
        "system_stores": LINUX_CANDIDATES,
        "kept_headers": sorted(KEPT_HEADERS),
        "kept_prefixes": KEPT_PREFIXES,
        "prompt": sdk.PROMPT,
        "most_tokens": sdk.MOST_TOKENS,
        "preferred": sdk.PREFERRED_MODELS,
        "no_chat": sdk.NO_CHAT,
        "control_changed": control.CHANGED,
    }

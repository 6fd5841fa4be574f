"""Base paths that are one usual slip away from a given one."""

from __future__ import annotations

import re

_ENDPOINT = re.compile(r"/(?:chat/completions|completions|responses|embeddings|models)$")
_VERSION = re.compile(r"/v\d+(?=/|$)")
_MOST = 3


def near_paths(path: str) -> tuple[str, ...]:
    """What a base path was perhaps meant to be: without an endpoint at its end, with `/v1` once instead of twice or never.

    Source: the slips seen most in public reports on gateways (facts: gateways section 6).
    """
    plain = path.rstrip("/")
    without = _ENDPOINT.sub("", plain)
    versions = _VERSION.findall(without)
    near = [without]
    if len(versions) > 1:
        near.append(without[: _VERSION.search(without).end()])  # type: ignore[union-attr]
    if not versions:
        near.append(f"{without}/v1")
    near += ["/v1", ""]
    return tuple(dict.fromkeys(one for one in near if one != plain))[:_MOST]

"""Credentials in URLs: what they are, and the URL without them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import unquote, urlsplit

from oairunbook.redaction.names import is_parameter_secret, looks_drawn


def url_credentials(url: str, *, whole_authority: bool = False) -> Iterable[str]:
    """Password, or a user name that stands alone; *whole_authority* says that all up to the last @ is meant as userinfo."""
    try:
        parts = urlsplit(url)
        user, password = parts.username, parts.password
    except ValueError:
        user, password = None, None
        whole_authority = True
    if user is None and password is None and whole_authority:
        # A password with `/`, `?` or `#` in it: no parser finds its end, and the transport's error quotes a part of it.
        user, _, password = url.partition("://")[2].rpartition("@")[0].partition(":")
        yield from re.split(r"[:/?#]", password)
    for value in (password, user if not password else None):
        if value:
            yield value
            yield unquote(value)


def url_secrets(text: str) -> Iterable[str]:
    """What the URLs in a text hold under the name of a secret: parameters of a query, of a fragment or of a path, and the piece of a path behind one.

    Each as it stands there, and as it is read. Node.js does the same (`plain.js`).
    """
    for word in text.split():
        rest = word.strip("\"'<>").partition("://")[2] or word.strip("\"'<>")
        path, *behind = re.split(r"[?#]", rest)
        pieces = path.split("/")
        named = [pair.partition("=")[::2] for part in (*pieces, *behind) for pair in re.split(r"[&;]", part)]
        follow = [(pieces[at], piece) for at, piece in enumerate(pieces[1:]) if at and looks_drawn(piece)]
        for name, value in (*named, *follow):
            if is_parameter_secret(unquote(name), unquote(value)):
                yield value
                yield unquote(value)


def without_credentials(url: str) -> str:
    """The URL without userinfo, query and fragment, as it may stand in a record."""
    head, separator, rest = url.partition("://")
    if not separator:
        head, rest = "", url
    authority, slash, path = rest.partition("/")
    path = re.split(r"[?#]", path, maxsplit=1)[0]
    unfinished = authority.partition(":")[2]
    if (
        "@" not in authority
        and "@" in rest
        and unfinished
        and not authority.startswith("[")
        and not unfinished.isdigit()
    ):
        # `http://user:pass/word@host`: what stands before the last @ was meant as userinfo.
        authority, slash, path = rest.rpartition("@")[2].partition("/")
    authority = authority.rpartition("@")[2]
    authority = re.split(r"[?#]", authority, maxsplit=1)[0]
    return f"{head}{separator}{authority}{slash}{path}"

# ruff: noqa: E501 - the texts that are looked for stand on lines of their own length
"""What a text shows of the provider that was called, where it names no host: the strongest mark decides."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from oairunbook.evidence import Family
from oairunbook.phrases import Phrases
from oairunbook.read import clients
from oairunbook.read.providers import PROVIDERS, Rank

# Whose client called stands in its frames, whatever the file is called.
_AZURE_FRAME = Phrases(r"\bat (?:async )?Azure(?:Chat)?OpenAI\w{0,20}\.\w", flags=re.ASCII)

_OWN_LOG = re.compile(
    r"""["'](?:GET|POST) /(?:v1/)?(?:chat/completions|completions|embeddings|responses|models|api/chat|api/generate)\S{0,80} HTTP/1"""
)

# Frames of a self-hosted server's own code: what failed, failed in it or behind it.
_SERVER_CODE = re.compile(
    r"\b(?:fastchat[/\\]serve|vllm[/\\](?:entrypoints|engine|v1)|sglang[/\\]srt|xinference[/\\](?:api|core|model)|lmdeploy[/\\]serve|llama_cpp[/\\]server|mlx_lm[/\\]server|text_generation_server|tensorrt_llm[/\\]serve)[/\\]"
)

# What a form asks is nobody's answer: check boxes, and names of programs that may not be there. What somebody says not to use is not used.
_FORM = re.compile(
    r"(?:\bnot|n't|\bwithout|\binstead of|\brather than|\bnever) (?:\w+ ){0,4}Azure[\w ]{0,12}|^\s{0,20}[-*+] \[[ xX]\].{0,400}$|^.{0,80}\(if applicable\).{0,80}$",
    re.MULTILINE | re.IGNORECASE,
)

# The names of folders and environments in frames say nothing of the route, nor does what code imports beside others or has commented out, nor which of its
# components a program lets tell that all is well.
_FRAMES = re.compile(
    r"""^[ \t]{0,40}from [\w.]+ import\b(?!(?:[ \t,(]{1,9}\w{0,40}Azure\w{0,40})+[ \t)]*$).{0,200},.{0,200}$|^[ \t]{0,40}(?:#|//) ?.{0,200}(?:\w\(|\w ?= ?[\w"']).{0,300}$|\b(?:INFO|DEBUG)\b[ :|-]{1,12}\[?(?:\w{1,40}\.){1,6}\w{1,40}(?::\w{1,60}:\d{1,6})?|^.{0,20}File "[^"\n]{1,400}".{0,120}$|^[ \t]{0,40}at .{1,400}$|\b[A-Za-z]:\\[^\s'"]{1,400}|(?<![\w:/.])/(?!api/)(?:[\w.@+-]{1,80}/){2,30}[\w.@+-]{1,80}""",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One provider that the text shows, by its strongest mark."""

    rank: Rank
    family: Family
    base_url: str
    """The usual one of that provider; empty if it has none."""

    told: str
    """What it is, for people: `the text shows …`."""

    undecided: bool = False
    """Whether it may as well have been OpenAI itself."""


def route_shown(whole: str) -> Mark | None:
    """The mark that decides; None if nothing speaks of a route.

    Where the strongest marks are of two families, which of them was called is unknown, and the mark tells both. Azure and gateways have one owner for
    what did not answer; between OpenAI itself and another the owner is unknown as well.
    """
    found = list(_marks(whole))
    strongest = max((mark.rank for mark in found), default=None)
    equals = [mark for mark in found if mark.rank == strongest]
    if len({mark.family for mark in equals}) < 2:
        return equals[0] if equals else None
    one = equals[0]
    other = next(mark for mark in equals if mark.family != one.family)
    told = f"both {one.told} and {other.told}, neither more strongly"
    return Mark(
        rank=one.rank,
        family="gateway",
        base_url="",
        told=told,
        undecided="direct" in (one.family, other.family),
    )


def _marks(whole: str) -> Iterator[Mark]:
    """Each provider that the text shows."""
    said = _FORM.sub("", _FRAMES.sub("", whole))
    lowered = said.lower()
    for provider in PROVIDERS:
        for rank, phrases in provider.marks():
            if phrases.search(said, lowered):
                yield Mark(rank=rank, family=provider.family, base_url=provider.base_url, told=provider.name)
                break
    if _AZURE_FRAME.search(whole) or clients.of_azure(whole):
        yield Mark(rank=Rank.CLIENT, family="azure", base_url="", told="a client for Azure OpenAI")
    elif (client := clients.of_a_gateway(whole)) is not None:
        yield Mark(rank=Rank.CLIENT, family="gateway", base_url=client[0], told=client[1])
    if _OWN_LOG.search(said):
        yield Mark(rank=Rank.SERVED, family="gateway", base_url="", told="a server's own log of calls to it")
    elif _SERVER_CODE.search(whole):
        yield Mark(rank=Rank.SERVED, family="gateway", base_url="", told="a self-hosted server's own code")

"""Synthetic fleets: records that agree in all but what is planted, with incidental differences strewn among them."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace

from oairunbook.evidence import (
    Evidence,
    NameServer,
    ProxyDecision,
    ResolverConfiguration,
    Setting,
    TrustStore,
)
from oairunbook.fleet import Looked, Member, member
from oairunbook.fleet.facts import facts_of

from .recorded import ROUTE, RUNTIME, connected, evidence, refused, resolved, sdk_answered, sdk_failed

HEALTHY = (resolved(), connected(), sdk_answered())
BROKEN = (resolved(), refused(), sdk_failed())

Spoiled = Callable[[Evidence], bool]


def strewn(number: int, dice: random.Random) -> Evidence:
    """A healthy member: what it is set to and where it stands are drawn at random, as in a fleet that nobody keeps alike."""
    zone = dice.choice(("eu-west-1", "eu-west-2", "us-east-1"))
    proxy = dice.choice((None, None, "http://proxy-a:3128", "http://proxy-b:3128"))
    subnet = f"10.{dice.randrange(4)}.{dice.randrange(6)}"
    route = replace(
        ROUTE,
        proxy=ProxyDecision(url=proxy, rule="HTTPS_PROXY" if proxy else "no proxy variable applies"),
        trust=TrustStore(origin="certifi", path=dice.choice(("/a/cacert.pem", "/b/cacert.pem")), reason="the default"),
        resolver=ResolverConfiguration(
            name_servers=tuple(NameServer(address=f"10.0.0.{n}") for n in dice.sample((53, 54, 55, 56), 2)),
            ndots=dice.choice((1, 5)),
        ),
        settings=(Setting(value=dice.choice(("20", "40")), source="OPENAI_TIMEOUT"),) * dice.randrange(2),
    )
    runtime = replace(
        RUNTIME,
        host=f"worker-{number}",
        python=dice.choice(("3.11.9", "3.12.4")),
        region=zone,
        node=f"node-{dice.randrange(9)}",
        packages=(f"openai 3.{dice.randrange(3)}.0", f"httpx2 2.{dice.randrange(3)}.0"),
        source_address=f"{subnet}.{number % 250 + 2}",
        gateway=f"{subnet}.1",
    )
    return replace(evidence(*HEALTHY), route=route, runtime=runtime)


def fleet(members: int, seed: int, spoiled: Spoiled) -> list[Evidence]:
    """So many members; those that are spoiled fail at tcp."""
    dice = random.Random(seed)
    made = [strewn(number, dice) for number in range(members)]
    return [replace(one, observations=BROKEN) if spoiled(one) else one for one in made]


def members(records: Sequence[Evidence]) -> list[Member]:
    """As `member` makes them, but what is judged alike is judged once: judging takes most of the time."""
    judged: dict[tuple[int, str | None], Looked] = {}
    found: list[Member] = []
    for number, one in enumerate(records):
        key = (id(one.observations), one.route.proxy.url)
        if key not in judged:
            first = member("", one)
            assert isinstance(first, Looked)
            judged[key] = first
        found.append(replace(judged[key], name=f"w-{number}", host=one.runtime.host, facts=facts_of(one)))
    return found

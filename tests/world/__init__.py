"""The test world: hosts made of network namespaces on a real path, with real DNS, proxies and TLS terminators.

`World` is one client with its path, `Scenario` one fault on it.
`python -m tests.world` runs all scenarios and prints a table.
"""

from tests.world.scenario import (
    SCENARIOS,
    Scenario,
    Steps,
    both,
    curl_says,
    scenario,
    sdk_answers,
    sdk_raises,
)
from tests.world.sites import API, AZURE, GATEWAY, NAME_SERVER, PLACES, PROXY, STATUS
from tests.world.world import World

__all__ = [
    "API",
    "AZURE",
    "GATEWAY",
    "NAME_SERVER",
    "PLACES",
    "PROXY",
    "SCENARIOS",
    "STATUS",
    "Scenario",
    "Steps",
    "World",
    "both",
    "curl_says",
    "scenario",
    "sdk_answers",
    "sdk_raises",
]

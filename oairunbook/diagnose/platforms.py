# ruff: noqa: E501 - each text stands on one line, so that it can be searched for
"""What is known of platforms: how long their boxes keep a silent connection, and what decides their way out."""

from __future__ import annotations

from oairunbook.records import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class IdleLimit:
    """How long a box on the way keeps a connection on which nothing moves."""

    cloud: str
    box: str
    limit: str
    ends: str
    """What the client sees."""


IDLE_LIMITS = (
    IdleLimit(cloud="AWS", box="NAT gateway", limit="350 s, fixed", ends="the next packet is answered with a reset"),
    IdleLimit(
        cloud="AWS",
        box="network load balancer, transit gateway",
        limit="350 s by default",
        ends="dropped in silence, or reset",
    ),
    IdleLimit(cloud="AWS", box="Network Firewall", limit="350 s by default, 60 to 6000 s", ends="packets are dropped"),
    IdleLimit(
        cloud="AWS",
        box="security group tracking of EC2",
        limit="432000 s (5 days) by default, from 60 s",
        ends="packets are dropped",
    ),
    IdleLimit(
        cloud="Azure",
        box="load balancer, outbound SNAT",
        limit="4 min by default, to 100 min; AKS sets 30 min",
        ends="dropped in silence; reset is optional",
    ),
    IdleLimit(
        cloud="Azure", box="NAT gateway", limit="4 min by default", ends="the next packet is answered with a reset"
    ),
    IdleLimit(
        cloud="Google",
        box="VPC connection tracking",
        limit="10 min",
        ends="incoming packets are dropped until one goes out",
    ),
    IdleLimit(
        cloud="Google",
        box="Cloud NAT",
        limit="1200 s established, 30 s while opening, 120 s after closing",
        ends="dropped in silence",
    ),
    IdleLimit(cloud="IBM", box="VPC public gateway", limit="4 min", ends="packets are dropped"),
)
"""Source: documentation of each vendor, November 2026."""

CLOUDS = (
    ("AWS", ("AWS ", "Amazon ")),
    ("Azure", ("Azure ",)),
    ("Google", ("Google ",)),
)

PLATFORM_NOTES: tuple[tuple[str, str, str], ...] = (
    (
        "AWS Lambda",
        "Inside a VPC a function has no public address. Without a NAT gateway every connection out of it times out while names still resolve; IPv6 needs an egress-only gateway of its own.",
        "Look at the route table of the function's subnets. Set the function's own timeout above the SDK's three times 5 s, or `Task timed out` hides the exception.",
    ),
    (
        "Amazon ECS",
        "A Fargate task in a private subnet needs a NAT gateway; in a public one it needs a public address.",
        "Look at assignPublicIp, the route table and the security group's outbound rules.",
    ),
    (
        "Google Cloud Run",
        "With all traffic through the VPC the way out needs Cloud NAT; with private ranges only, it does not. Processor time is taken away between requests, so that kept connections look dead at the next one.",
        "Look at the egress setting of the service; keep the processor allocated, or let connections close.",
    ),
    (
        "Google Cloud Functions",
        "The same as Cloud Run: all traffic through a connector needs Cloud NAT.",
        "Look at the function's egress setting.",
    ),
    (
        "Azure App Service",
        "128 SNAT ports for each instance and destination: many short connections time out in bursts. WEBSITE_VNET_ROUTE_ALL and the DNS setting decide the way.",
        "Share one client; or put a NAT gateway on the subnet.",
    ),
    (
        "Azure Functions",
        "The same outbound limits as App Service.",
        "Share one client; or put a NAT gateway on the subnet.",
    ),
    (
        "Azure Container Apps",
        "A user-defined route or a firewall in the environment's network decides the way out.",
        "Ask who owns that route table.",
    ),
    (
        "Kubernetes",
        "A network policy drops what it does not allow, so that a forgotten rule is a timeout; forgotten port 53, UDP and TCP, is a name that does not resolve. A sidecar that is not ready refuses or resets; one that allows registered "
        "hosts only ends TLS at once.",
        "kubectl get networkpolicy; and whether the egress gateway's address is the one on an allow list.",
    ),
    (
        "Vercel",
        "Edge functions run near the visitor: in some regions the API answers 403 to some users only.",
        "Pin the function's region.",
    ),
    (
        "Docker container",
        "localhost is the container itself. Names go to the embedded resolver 127.0.0.11 on networks of your own. The bridge's MTU of 1500 over a VPN lets TCP connect and TLS hang.",
        "host.docker.internal needs --add-host=host.docker.internal:host-gateway on Linux.",
    ),
    (
        "WSL",
        "Names go through Windows; VPN clients break that; the company's roots of Windows are not in the store of Linux.",
        "Import the root here, or set SSL_CERT_FILE.",
    ),
    (
        "Codex sandbox",
        "The network is switched off or filtered: names fail, sockets are forbidden, or a proxy answers 403.",
        "Allow the endpoint's host in the sandbox's settings.",
    ),
    (
        "coding agent",
        "Such sandboxes switch the network off or filter it by host.",
        "Allow the endpoint's host in the sandbox's settings, or test outside of it.",
    ),
    (
        "Alpine Linux",
        "musl asks all name servers at once and takes the first answer; one failing AAAA spoils the lookup; only 1.2.4 and later ask again over TCP.",
        "Compare with the same image on glibc, or use one good name server.",
    ),
)
"""Platform, what its way out depends on, where to look."""

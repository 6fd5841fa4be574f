"""What the surroundings of a process mean for its way to the API. Pure functions, beside the verdict and not part of it."""

from __future__ import annotations

from collections.abc import Iterator

from oairunbook.diagnose.platforms import CLOUDS, IDLE_LIMITS, PLATFORM_NOTES, IdleLimit
from oairunbook.evidence import Connected, ConnectFailed, DnsAnswer, DnsNoAnswer, Evidence, Resolved
from oairunbook.records import dataclass
from oairunbook.surroundings import Egress, Surroundings

_NEARLY = 0.8
"""So much of a limit used is worth a word."""

_KILLED, _SLOWED = "processes killed for want of memory", "periods in which it was slowed down"


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """One thing about the surroundings that matters for the path."""

    fact: str
    means: str
    next: str


def clouds(around: Surroundings) -> tuple[str, ...]:
    """The clouds that the marks name; empty if none does."""
    return tuple(cloud for cloud, begins in CLOUDS if any(mark.platform.startswith(begins) for mark in around.marks))


def idle_limits(around: Surroundings) -> tuple[IdleLimit, ...]:
    """The limits of the cloud that this runs in; all of them where it does not show itself."""
    here = clouds(around)
    return tuple(limit for limit in IDLE_LIMITS if not here or limit.cloud in here)


def platform_notes(around: Surroundings) -> tuple[Note, ...]:
    """What is known of the way out of these platforms."""
    here = {mark.platform for mark in around.marks}
    return tuple(Note(fact=name, means=means, next=step) for name, means, step in PLATFORM_NOTES if name in here)


def notes(around: Surroundings, seen: Evidence) -> tuple[Note, ...]:
    """Everything that stands out, the way out first."""
    return (
        *_egress(around, seen),
        *_names(around, seen),
        *_certificates(around),
        *_limits(around),
        *_interfaces(around, seen),
        *_build_time(around),
    )


def _egress(around: Surroundings, seen: Evidence) -> Iterator[Note]:
    own = [way for way in around.egress if way.id.startswith(f"tcp:{seen.route.dialled_port}:")]
    beside = [way for way in around.egress if way.id.startswith("tcp:") and way not in own and ":53:" not in way.id]
    numbers = {_number(way) for way in own}
    names_work = any(isinstance(way.outcome, DnsAnswer) for way in around.egress)
    if own and numbers <= {"EPERM", "EACCES"}:
        yield Note(
            fact="The system forbids the connection itself.",
            means="A sandbox or a local rule stops it before a packet leaves.",
            next="Allow the endpoint in that sandbox's or policy's settings.",
        )
    elif own and numbers == {"ETIMEDOUT"}:
        open_beside = [way for way in beside if isinstance(way.outcome, (Connected,)) or _number(way) == "ECONNREFUSED"]
        if open_beside:
            yield Note(
                fact=f"Port {seen.route.dialled_port} stays silent, and {open_beside[0].target} answers.",
                means="Somebody on the way drops by port.",
                next="Ask whoever runs egress rules, security groups or the firewall for that port.",
            )
        else:
            yield Note(
                fact=f"Every port of the endpoint stays silent{'; name servers answer' if names_work else ''}.",
                means="No way leads out of here: a missing NAT, a route without gateway, a policy that drops.",
                next="Look at the route and the outbound rules of this network, not at the SDK.",
            )
    elif own and numbers <= {"ENETUNREACH", "EHOSTUNREACH", "EADDRNOTAVAIL"}:
        yield Note(
            fact=f"No route to the endpoint ({', '.join(sorted(n or '' for n in numbers))}).",
            means="This network namespace has no default route, or IPv6 is used where it does not exist.",
            next="Look at the interfaces below.",
        )
    silent_tcp = [w for w in around.egress if w.id.startswith("tcp:53:") and isinstance(w.outcome, DnsNoAnswer)]
    answering_udp = [w for w in around.egress if w.id.startswith("udp:53:") and isinstance(w.outcome, DnsAnswer)]
    if silent_tcp and answering_udp:
        yield Note(
            fact=f"{silent_tcp[0].target}: no answer, while UDP works.",
            means="Answers that do not fit into one UDP packet are lost; musl before 1.2.4 never asks over TCP at all.",
            next="Allow port 53 over TCP as well.",
        )


def _names(around: Surroundings, seen: Evidence) -> Iterator[Note]:
    host = seen.route.dialled_host
    before = [one for one in around.searched if one.name != host]
    captured = [
        one for one in before if isinstance(one.outcome, DnsAnswer) and any(r.addresses for r in one.outcome.replies)
    ]
    if captured:
        addresses = sorted({a for one in captured for r in one.outcome.replies for a in r.addresses})  # type: ignore[union-attr]
        first = around.searched[0].name != host
        yield Note(
            fact=f"{captured[0].name} exists: {', '.join(addresses)}.",
            means=f"A wildcard in a search domain answers for the endpoint's name{', and it is asked first' if first else ''}.",
            next=f"Test with a dot at the end ({host}.), lower ndots, or take the domain out of the search list.",
        )
    elif before and around.searched[0].name != host:
        questions = 2 * len(before)
        yield Note(
            fact=f"ndots {seen.route.resolver.ndots}: {len(before)} other names are tried before {host}.",
            means=f"Each connection costs {questions} more questions; one name server that loses packets adds 5 s for each.",
            next="dnsConfig with ndots 1 or 2 in the pod, or a name server on the node.",
        )
    if around.libc.startswith("musl"):
        yield Note(
            fact=f"The resolver is that of {around.libc}.",
            means="All name servers are asked at once and the first answer counts, also a wrong one; one failing AAAA spoils the lookup.",
            next="Compare getaddrinfo with the name servers in 02_same_path, and try the same image on glibc.",
        )


def _certificates(around: Surroundings) -> Iterator[Note]:
    used = next((store for store in around.stores if store.in_use), None)
    if used is None:
        return
    if used.problem is not None or used.roots == 0:
        why = used.problem.text if used.problem else "it has no root in it"
        yield Note(
            fact=f"The store in use, {used.path}: {why}.",
            means="Nobody is trusted, and every certificate fails. Images without a system store (scratch, distroless) do that to SDK 3, "
            "and not to SDK 1 and 2, which bring certifi.",
            next="Install the package ca-certificates in the image, or set SSL_CERT_FILE to a full list.",
        )
    elif used.path == "none" and "trusts nobody" in used.read_by:
        yield Note(
            fact="No store was found on this system.",
            means="The transport trusts nobody, without a warning.",
            next="Install the package ca-certificates in the image, or set SSL_CERT_FILE to a full list.",
        )
    mine = set(used.only_here)
    for store in around.stores:
        extra = [name for name in store.only_here if name not in mine]
        if not store.in_use and extra and store.read_by != "system" and store.only_here_count < 10:
            yield Note(
                fact=f"{store.path} ({store.read_by}) has roots that the store in use lacks: {', '.join(extra[:4])}.",
                means="Other programs here trust a private root, and the SDK does not.",
                next="If TLS fails in 02_same_path with an unknown issuer, this is the store to give it: SSL_CERT_FILE.",
            )


def _limits(around: Surroundings) -> Iterator[Note]:
    for limit in around.limits:
        if limit.limit and limit.used is not None and limit.used / limit.limit >= _NEARLY and limit.unit != "threads":
            yield Note(
                fact=f"{limit.name}: {limit.used / limit.limit:.0%} used.",
                means="At the limit new connections fail (EMFILE, EADDRNOTAVAIL, dropped SYNs), or the process is killed.",
                next=f"Raise it or use less: one client for all calls, closed after use ({limit.source}).",
            )
        elif limit.name == _KILLED and limit.used:
            yield Note(
                fact=f"{limit.used:.0f} {limit.name}.",
                means="A killed worker shows as a connection error at whoever waited for it.",
                next="Raise the memory limit, or find what grows.",
            )
        elif limit.name == _SLOWED and limit.used is not None and limit.used > 10:
            yield Note(
                fact=f"Slowed down in {limit.used:g} % of its periods.",
                means="Handshakes take long, and time limits end calls that the network would have carried.",
                next="Raise the processor limit.",
            )


def _interfaces(around: Surroundings, seen: Evidence) -> Iterator[Note]:
    about = {setting.source: setting.value for setting in around.interfaces}
    addresses = [a for _, found in seen.of(Resolved, "dns") for a in found.addresses]
    off = about.get("IPv6") == "switched off"
    if any(":" in a for a in addresses) and (off or about.get("default route, IPv6") == "none"):
        yield Note(
            fact=f"The name has IPv6 addresses, and IPv6 is {'switched off' if off else 'without a default route'} here.",
            means="A client that tries IPv6 first fails on it at once or waits for it; IPv4 has to follow.",
            next="Look at both families in 02_same_path; disable AAAA answers, or mend IPv6.",
        )
    if about.get("default route, IPv4") == "none" and about.get("default route, IPv6") == "none":
        yield Note(
            fact="There is no default route.",
            means="Nothing beyond this network can be reached without a proxy inside it.",
            next="Give the container a network, or set the proxy.",
        )
    small = [
        f"{name} ({value})"
        for name, value in about.items()
        if value.startswith("MTU ") and _mtu(value) < 1500 and ", up" in value
    ]
    if small:
        yield Note(
            fact=f"Small MTU: {', '.join(small)}.",
            means="A tunnel or an overlay is on the way. If ICMP is dropped there, TCP connects and TLS hangs.",
            next="If TLS times out in 02_same_path, look for tcp.path_mtu there.",
        )


def _build_time(around: Surroundings) -> Iterator[Note]:
    proxies = [s for s in around.read_by_others if "proxy" in f"{s.source} {s.value}".lower()]
    own = [s for s in around.read_by_sdk if "proxy" in s.source.lower() and s.source.lower() != "no_proxy"]
    if proxies and not own:
        yield Note(
            fact=f"Installers have a proxy here ({proxies[0].source}), and the SDK has none.",
            means="That packages could be installed proves nothing of the way of the SDK.",
            next="Set HTTPS_PROXY for the process that calls the API, if that proxy is the way out.",
        )
    mirrors = [
        s
        for s in around.read_by_others
        if "index" in f"{s.source} {s.value}".lower() or "registry" in f"{s.source} {s.value}".lower()
    ]
    if mirrors:
        yield Note(
            fact=f"Packages come from a mirror ({mirrors[0].source}).",
            means="An install that succeeded never left this network.",
            next="Test the endpoint itself from the running container: 02_same_path.",
        )


def differences(build: Surroundings, run: Surroundings) -> tuple[tuple[str, str, str], ...]:
    """What differs between two places, the first of which is where the image was built: name, there, here."""
    there, here = dict(_facts(build)), dict(_facts(run))
    return tuple(
        (name, there.get(name, "absent"), here.get(name, "absent"))
        for name in dict.fromkeys((*there, *here))
        if there.get(name) != here.get(name)
    )


def _facts(around: Surroundings) -> Iterator[tuple[str, str]]:
    yield "Host", around.host
    yield "User", around.user
    yield "Platforms", ", ".join(dict.fromkeys(mark.platform for mark in around.marks)) or "none shown"
    yield "C library", around.libc
    yield "Name servers", ", ".join(server.address for server in around.name_servers) or "none"
    for setting in (*around.read_by_sdk, *around.read_by_others, *around.interfaces):
        yield setting.source, setting.value
    for store in around.stores:
        label = "Store in use" if store.in_use else f"Store of {store.read_by}"
        yield f"{label}: {store.path}" if not store.in_use else label, f"{store.path}, {store.roots} roots"
    for way in around.egress:
        yield (
            f"Way out: {way.target}",
            "opens" if isinstance(way.outcome, (Connected, DnsAnswer)) else (_number(way) or "no answer"),
        )


def _number(way: Egress) -> str | None:
    if not isinstance(way.outcome, (ConnectFailed, DnsNoAnswer)):
        return None
    return next(
        (e.errno_name for e in way.outcome.errors if e.errno_name),
        way.outcome.errors[0].type if way.outcome.errors else None,
    )


def _mtu(value: str) -> int:
    words = value.split()
    return int(words[1]) if len(words) > 1 and words[1].isdigit() else 1500

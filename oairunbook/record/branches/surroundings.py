"""The notebook on containers and functions: what this runtime is, its ways out, its resolver, its certificates, its limits."""

from __future__ import annotations

from oairunbook.diagnose.surroundings import Note, clouds, differences, idle_limits, notes, platform_notes
from oairunbook.evidence import Connected, ConnectFailed, DnsAnswer, DnsNoAnswer, Evidence, NotTried
from oairunbook.record.describe import brief, fact, state
from oairunbook.record.view import View, paragraph, table, together
from oairunbook.surroundings import Egress, Limit, Surroundings

_NOT_LOOKED = "Nothing was looked at: a recorded check was given, and its runtime is elsewhere. Run this notebook in the runtime that failed."


def what(around: Surroundings | None) -> View:
    """Every sign of what this runtime is, and what is known of the way out of it."""
    if around is None:
        return paragraph(_NOT_LOOKED)
    rows = [(mark.platform, mark.shown_by) for mark in around.marks] or [
        ("nothing known", "no variable or file of a platform")
    ]
    rows += [("C library", around.libc), ("User", around.user), ("Host", around.host)]
    shown = table("What this runtime shows itself to be", ("Is", "Shown by"), rows)
    known = platform_notes(around)
    return together(shown, _notes("What is known of the way out of it", known, "Platform")) if known else shown


def ways_out(around: Surroundings | None) -> View:
    """Each way out: the endpoint's port, its neighbours, the name servers."""
    if around is None:
        return paragraph(_NOT_LOOKED)
    rows = [(way.target, way.question, _opens(way), f"{way.seconds:.3f}", _fact(way)) for way in around.egress]
    if not rows:
        return paragraph("No way out was tried: the base URL cannot be used.")
    return table(
        "Ways out, to the endpoint and the configured name servers alone",
        ("To", "Question", "Open?", "Seconds", "Seen"),
        rows,
    )


def build_and_run(around: Surroundings | None, build: Surroundings | None) -> View:
    """What the SDK reads here, what only installers read, and what was different where the image was built."""
    if around is None:
        return paragraph(_NOT_LOOKED)
    own = [(s.source, s.value) for s in around.read_by_sdk] or [
        ("none", "no variable that the SDK or its transport reads is set")
    ]
    others = [(s.source, s.value) for s in around.read_by_others] or [
        ("none", "no proxy, mirror or certificate of an installer was found")
    ]
    views = [
        table("Read by the SDK and its transport", ("Variable", "Value"), own),
        table("Read by installers and other programs, and not by the SDK", ("Where", "Value"), others),
    ]
    if build is None:
        views.append(
            paragraph("No record of the place where the image was built was given, so the two are not compared.")
        )
    else:
        rows = differences(build, around)
        views.append(
            table("Different where the image was built", ("What", "There", "Here"), rows)
            if rows
            else paragraph("Nothing that is recorded differs from where the image was built.")
        )
    return together(*views)


def resolver(around: Surroundings | None, seen: Evidence) -> View:
    """How names are resolved here, and which names are tried for the endpoint."""
    if around is None:
        return paragraph(_NOT_LOOKED)
    r = seen.route.resolver
    rows = [
        ("C library", around.libc),
        ("Name servers", ", ".join(f"{s.address} port {s.port}" for s in around.name_servers) or "none"),
        ("Search list", " ".join(r.search) or "empty"),
        ("ndots", str(r.ndots)),
        ("Order of sources", " ".join(r.hosts_order) or "no nsswitch.conf: files, then dns"),
        ("Hosts file says", ", ".join(r.hosts_file_addresses) or "nothing of this host"),
        ("Read from", r.source),
    ]
    shown = table("The resolver", ("Item", "Value"), rows)
    if not around.searched:
        return together(
            shown, paragraph(f"One name is tried: {seen.route.dialled_host or 'none'}. No search list adds to it.")
        )
    tried = [
        (str(number), one.name, state(one.outcome), fact(one.outcome)) for number, one in enumerate(around.searched, 1)
    ]
    return together(
        shown, table("Names that are tried, in this order", ("", "Name", "State", "The first name server says"), tried)
    )


def stores(around: Surroundings | None) -> View:
    """Each store of roots: who reads it, how many are in it, which stand in no public list."""
    if around is None:
        return paragraph(_NOT_LOOKED)
    rows = []
    for store in around.stores:
        more = store.only_here_count - len(store.only_here)
        only = ", ".join(store.only_here) + (f" and {more} more" if more else "")
        rows.append(
            (
                "in use" if store.in_use else "",
                str(store.roots) if store.roots is not None else "?",
                store.read_by,
                store.path,
                store.problem.text if store.problem else only or ("not compared: a folder" if store.folder else "none"),
            )
        )
    return table(
        "Stores of roots on this machine", ("", "Roots", "Read by", "Path", "Not among certifi's public roots"), rows
    )


def limits(around: Surroundings | None) -> View:
    """The limits of this process and of the network that it stands in."""
    if around is None:
        return paragraph(_NOT_LOOKED)
    rows = [
        (limit.name, _amount(limit.limit, limit), _amount(limit.used, limit), _share(limit), limit.source)
        for limit in around.limits
    ]
    shown = table("Limits", ("Of", "Limit", "Used", "Share", "Read from"), rows)
    found = [(s.source, s.value) for s in around.interfaces]
    return together(shown, table("Interfaces", ("Interface", "Seen"), found))


def idle(around: Surroundings | None) -> View:
    """How long boxes of this platform keep a connection on which nothing moves."""
    if around is None:
        return paragraph(_NOT_LOOKED)
    here = clouds(around)
    rows = [(limit.cloud, limit.box, limit.limit, limit.ends) for limit in idle_limits(around)]
    whose = (
        f"Idle limits of {' and '.join(here)}"
        if here
        else "Idle limits; this runtime does not show its cloud, so these are all that are known"
    )
    return table(whose, ("Cloud", "Box", "Limit", "Then"), rows)


def stands_out(around: Surroundings | None, seen: Evidence) -> View:
    """What of all this matters for the path."""
    if around is None:
        return paragraph(_NOT_LOOKED)
    found = notes(around, seen)
    if not found:
        return paragraph("Nothing stands out: ways out, names, certificates and limits are as they should be.")
    return _notes("What stands out", found, "Seen")


def _notes(caption: str, found: tuple[Note, ...], first: str) -> View:
    return table(caption, (first, "Means", "Next"), [(note.fact, note.means, note.next) for note in found])


def _opens(way: Egress) -> str:
    match way.outcome:
        case Connected() | DnsAnswer():
            return "open"
        case ConnectFailed() | DnsNoAnswer():
            return brief(way.outcome)
        case NotTried():
            return "not tried"


def _fact(way: Egress) -> str:
    return fact(way.outcome)


def _amount(number: float | None, limit: Limit) -> str:
    if number is None:
        return "none" if number is limit.limit and limit.used is not None else ""
    if limit.unit == "bytes":
        return f"{number / 2**20:,.0f} MiB"
    return f"{number:,.4g} {limit.unit}".strip() if number < 10000 else f"{number:,.0f} {limit.unit}".strip()


def _share(limit: Limit) -> str:
    if not limit.limit or limit.used is None or limit.unit == "threads":
        return ""
    return f"{limit.used / limit.limit:.0%}"

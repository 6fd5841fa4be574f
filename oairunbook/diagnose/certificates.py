"""Certificates that this machine does not accept: issuer, chain, dates, names."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

from oairunbook.diagnose.catalogue import Certainty, Finding
from oairunbook.diagnose.handshake import failed_handshake, name_unknown
from oairunbook.diagnose.reading import cite, counter_test, counter_tests
from oairunbook.evidence import Certificate, Evidence, HttpAnswer, Observation, StatusPage, TlsFailed, TlsHandshake
from oairunbook.verdict import Because

# X509_STORE_CTX_get_error(3)
NO_CRL, CRL_NOT_YET_VALID, CRL_HAS_EXPIRED = 3, 11, 12
CERT_NOT_YET_VALID, CERT_HAS_EXPIRED = 9, 10
DEPTH_ZERO_SELF_SIGNED, SELF_SIGNED_IN_CHAIN, NO_LOCAL_ISSUER, UNVERIFIED_LEAF = 18, 19, 20, 21
HOSTNAME_MISMATCH, IP_MISMATCH = 62, 64

TRUST_CODES = (DEPTH_ZERO_SELF_SIGNED, SELF_SIGNED_IN_CHAIN, NO_LOCAL_ISSUER, UNVERIFIED_LEAF)
"""What depends on the roots that are trusted."""


def _verification(evidence: Evidence, *codes: int) -> tuple[Observation, TlsFailed] | None:
    found = failed_handshake(evidence)
    return found if found and found[1].verify_code in codes else None


def _issuer_fact(failed: TlsFailed) -> str:
    if not failed.chain:
        return f"verify code {failed.verify_code}: {failed.verify_message}"
    leaf, last = failed.chain[0], failed.chain[-1]
    return (
        f"verify code {failed.verify_code} ({failed.verify_message}); {len(failed.chain)} certificates sent, "
        f"leaf {leaf.subject!r}, the last issued by {last.issuer!r}"
    )


def self_signed(evidence: Evidence) -> Finding | None:
    """Verify code 18: nobody but the leaf itself has signed it."""
    found = _verification(evidence, DEPTH_ZERO_SELF_SIGNED)
    return Finding(because=(cite(found[0], _issuer_fact(found[1])),), certainty="proven") if found else None


def incomplete_chain(evidence: Evidence) -> Finding | None:
    """A leaf sent alone that names where its issuer can be fetched; whether the issuer is public is a counter-test's to prove."""
    found = _verification(evidence, NO_LOCAL_ISSUER, UNVERIFIED_LEAF)
    if not found:
        return None
    by_some = left_out_by_some(evidence)
    if by_some is not None:
        return by_some
    completed = counter_test(evidence, TlsHandshake, "tls.completed_chain")
    if completed is not None:
        because = (
            cite(found[0], _issuer_fact(found[1])),
            cite(completed[0], "once the missing issuer is fetched, the same store verifies the chain"),
        )
        return Finding(because=because, certainty="proven")
    # Completed and still not verified: the root itself is not trusted. Not fetched: undecided, and the leaf alone makes it likely.
    if any(_unverified(failed) for _, failed in counter_tests(evidence, TlsFailed, "tls.completed_chain")):
        return None
    if len(found[1].chain) != 1:
        return None
    if not found[1].chain[0].issuer_urls:
        return _issuer_seems_intermediate(found)
    fact = f"{_issuer_fact(found[1])}; only the leaf was sent, and it names its issuer at {found[1].chain[0].issuer_urls[0]}"
    return Finding(because=(cite(found[0], fact),), certainty="likely")


def left_out_by_some(evidence: Evidence) -> Finding | None:
    """The same certificate verifies where more was sent along with it: of several servers behind one name some leave an intermediate out."""
    of_the_path = [o for o in evidence.observations if o.changed is None and o.probe == "tls"]
    for observation in of_the_path:
        failed = observation.outcome
        if (
            not isinstance(failed, TlsFailed)
            or failed.verify_code not in (NO_LOCAL_ISSUER, UNVERIFIED_LEAF)
            or not failed.chain
        ):
            continue
        for other in of_the_path:
            shaken = other.outcome
            if (
                isinstance(shaken, TlsHandshake)
                and len(shaken.chain) > len(failed.chain)
                and shaken.chain[0].sha256 == failed.chain[0].sha256
            ):
                more = f"the same certificate verifies with {len(shaken.chain)} sent"
                because = (cite(observation, _issuer_fact(failed)), cite(other, more))
                return Finding(because=because, certainty="proven")
    return None


def _unverified(failed: TlsFailed) -> bool:
    """Whether a counter-test shows that the chain does not verify: one that got no answer in its time shows nothing of it."""
    return failed.verify_code in TRUST_CODES


_INTERMEDIATE = re.compile(r"\b(?:intermediate|issuing|subordinate|sub[- ]?ca|ica)\b", re.IGNORECASE)
_OWN_ROOT = re.compile(
    r"root|inspect|proxy|firewall|filter|private|internal|untrusted|rogue|fake|evil|mitm|decrypt", re.IGNORECASE
)


def _issuer_seems_intermediate(found: tuple[Observation, TlsFailed]) -> Finding | None:
    """The leaf alone, and nothing says where its issuer is: only names tell an intermediate that is left out from a root of somebody's own."""
    failed = found[1]
    issuer = failed.chain[0].issuer
    named = _INTERMEDIATE.search(issuer)
    if not named and (failed.trusted_kin in (None, issuer) or _OWN_ROOT.search(issuer)):
        return None
    why = "calls itself an intermediate" if named else f"has the organization of a trusted root, {failed.trusted_kin!r}"
    fact = f"{_issuer_fact(failed)}; only the leaf was sent, and its issuer {why}"
    also = (("tls.untrusted_issuer", "a root of somebody's own, sent as the leaf alone, would look the same"),)
    return Finding(because=(cite(found[0], fact),), certainty="likely", also=also)


def untrusted_issuer(evidence: Evidence) -> Finding | None:
    """Verify codes 19, 20 and 21. 19 means that the root itself was sent along and is not trusted."""
    found = _verification(evidence, SELF_SIGNED_IN_CHAIN, NO_LOCAL_ISSUER, UNVERIFIED_LEAF)
    if not found:
        return None
    trust = evidence.route.trust
    because = (
        cite(found[0], _issuer_fact(found[1])),
        cite(found[0], f"the store in use is {trust.path or trust.origin} ({trust.reason})"),
    )
    others = [
        cite(o, f"{o.target}: {o.changed}: does not verify either")
        for o, failed in counter_tests(evidence, TlsFailed, "tls.store")
        if _unverified(failed)
    ]
    completed = [
        cite(o, "with the missing issuer fetched it does not verify either")
        for o, failed in counter_tests(evidence, TlsFailed, "tls.completed_chain")
        if _unverified(failed)
    ]
    rooted = found[1].verify_code == SELF_SIGNED_IN_CHAIN or completed
    certainty: Certainty = "proven" if rooted else "likely"
    step = (f"Correct that first: {trust.ignored}.",) if trust.ignored else ()
    return Finding(because=(*because, *others, *completed), certainty=certainty, next=step)


_JUDGED_ELSEWHERE = (*TRUST_CODES, CERT_NOT_YET_VALID, CERT_HAS_EXPIRED, HOSTNAME_MISMATCH, IP_MISMATCH)


def chain_not_acceptable(evidence: Evidence) -> Finding | None:
    """Whatever else this store holds against a chain: name constraints, a weak key, a revoked certificate, an authority that is none."""
    found = failed_handshake(evidence)
    if not found or found[1].verify_code is None or found[1].verify_code in _JUDGED_ELSEWHERE:
        return None
    fact = f"{_issuer_fact(found[1])}; that code, and no missing root, is why this store refuses it"
    step = (
        f"Ask who runs the endpoint, or inspects TLS in front of it, for another certificate: {found[1].verify_message}. "
        "No root that is added here mends that.",
    )
    return Finding(because=(cite(found[0], fact),), certainty="likely", next=step)


def trust_store_mismatch(evidence: Evidence) -> Finding | None:
    """Another store on this machine verifies the very chain that the transport's store does not, or cannot check for revocation."""
    found = _verification(evidence, *TRUST_CODES, *_NO_LIST)
    trusting = counter_test(evidence, TlsHandshake, "tls.store")
    if not found or trusting is None:
        return None
    trust = evidence.route.trust
    because = (
        cite(found[0], f"{trust.path or trust.origin} ({trust.reason}): {_issuer_fact(found[1])}"),
        cite(trusting[0], f"{trusting[0].changed}: the handshake verifies"),
    )
    step = (_GIVE_IT_THE_LIST,) if found[1].verify_code in _NO_LIST else ()
    return Finding(because=because, certainty="proven", next=step)


_NO_LIST = (NO_CRL, CRL_NOT_YET_VALID, CRL_HAS_EXPIRED)
_GIVE_IT_THE_LIST = (
    "Load the issuer's present list of revoked certificates (CRL) into this client's store, or do not ask for it there (VERIFY_CRL_CHECK_LEAF, "
    "VERIFY_CRL_CHECK_CHAIN): no root is missing."
)


def outside_its_dates(evidence: Evidence, code: int) -> Finding | None:
    """Past or before its time, by a local clock that the endpoint's own Date agrees with; without a Date it is likely."""
    found = _verification(evidence, code)
    if not found or clock_skew(evidence) is not None:
        return None
    wrong = _outside_its_time(found[1], evidence.collected_at)
    dates = f"; {wrong.subject!r} is valid {wrong.not_before} to {wrong.not_after}" if wrong else ""
    because = [cite(found[0], f"{found[1].verify_message}{dates}, here it is {evidence.collected_at}")]
    seen, other = _date_header(evidence), _other_clock(evidence)
    if seen is not None and _agree(evidence, seen[1]):
        because.append(cite(seen[0], f"the endpoint says that it is {seen[1].isoformat()}: this clock is right"))
        return Finding(because=tuple(because), certainty="proven")
    if seen is not None and _outside_its_time(found[1], seen[1].isoformat()) is not None:
        because.append(cite(seen[0], f"it is so by the endpoint's clock as well, which says {seen[1].isoformat()}"))
        return Finding(because=tuple(because), certainty="proven")
    if other is not None and other[1]:
        because.append(replace(other[0], fact=f"{other[0].fact}: this clock is right"))
        if seen is not None:
            because.append(cite(seen[0], f"the endpoint's own clock is wrong: it says {seen[1].isoformat()}"))
        return Finding(because=tuple(because), certainty="proven")
    return Finding(because=tuple(because), certainty="likely", next=(_LOOK_AT_THE_CLOCK,))


_LOOK_AT_THE_CLOCK = "Compare the local clock first (date -u)."


def _outside_its_time(failed: TlsFailed, now: str) -> Certificate | None:
    """The certificate of the chain that is past or before its time; any of them can be, not only the leaf."""
    return next((c for c in failed.chain if c.not_before and not c.not_before <= now[:19] <= c.not_after), None)


def _date_header(evidence: Evidence) -> tuple[Observation, datetime] | None:
    """The endpoint's own time (RFC 9110 section 6.6.1), asked without verification and without credentials."""
    found = counter_test(evidence, HttpAnswer, "tls.date")
    moment = _moment(found[1].header("date")) if found else None
    return (found[0], moment) if found is not None and moment is not None else None


def _moment(field: str | None) -> datetime | None:
    try:
        moment = parsedate_to_datetime(field or "")
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


def _agree(evidence: Evidence, moment: datetime) -> bool:
    """Whether a clock elsewhere and this one agree."""
    here = datetime.fromisoformat(evidence.collected_at)
    return abs((moment - here).total_seconds()) < _CLOCKS_AGREE_SECONDS


def _other_clock(evidence: Evidence) -> tuple[Because, bool] | None:
    """What somebody else than the endpoint says of the time here, and whether this clock is right by that; None if nobody does.

    The status page or the direct control: by their own time, or by certificates that are outside of theirs as well.
    """
    for observation in evidence.observations:
        outcome = observation.outcome
        if observation.probe != "status" and not observation.id.startswith("control."):
            continue
        field = outcome.date if isinstance(outcome, StatusPage) else None
        if isinstance(outcome, HttpAnswer):
            field = outcome.header("date")
        moment = _moment(field)
        if moment is not None:
            return cite(observation, f"{observation.target} says that it is {moment.isoformat()}"), _agree(
                evidence, moment
            )
        codes = {getattr(outcome, "verify_code", None), *(link.verify_code for link in getattr(outcome, "errors", ()))}
        if codes & {CERT_NOT_YET_VALID, CERT_HAS_EXPIRED}:
            fact = f"the certificate of {observation.target} is outside of its time here as well"
            return cite(observation, fact), False
    return None


def clock_skew(evidence: Evidence) -> Finding | None:
    """The certificate is within its time by the endpoint's clock, and outside of it by this one.

    It may be the endpoint's clock that is wrong, and its certificate with it: somebody else's time decides.
    """
    found, seen = _verification(evidence, CERT_NOT_YET_VALID, CERT_HAS_EXPIRED), _date_header(evidence)
    if not found or seen is None or not found[1].chain:
        return None
    there = seen[1].isoformat()
    if _agree(evidence, seen[1]) or _outside_its_time(found[1], there) is not None:
        return None
    other = _other_clock(evidence)
    if other is not None and other[1]:
        return None
    fact = f"here it is {evidence.collected_at}, the endpoint says {there}, and by that its certificates are within their time"
    because = (cite(found[0], str(found[1].verify_message)), cite(seen[0], fact))
    if other is None:
        return Finding(because=because, certainty="likely", explains_all=True)
    return Finding(because=(*because, other[0]), certainty="proven", explains_all=True)


_CLOCKS_AGREE_SECONDS = 300.0


def hostname_mismatch(evidence: Evidence) -> Finding | None:
    """Verify codes 62 and 64; or the server says that it knows no such name."""
    found = _verification(evidence, HOSTNAME_MISMATCH, IP_MISMATCH)
    if not found:
        return name_unknown(evidence)
    names = ", ".join(found[1].chain[0].names[:8]) if found[1].chain else "unknown"
    fact = f"{found[1].verify_message} The certificate names: {names}"
    return Finding(because=(cite(found[0], fact),), certainty="proven")

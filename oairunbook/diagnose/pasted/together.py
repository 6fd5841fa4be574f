"""One verdict from a check and a text of the same runtime: where they agree, where they do not, and what that means."""

from __future__ import annotations

import dataclasses

from oairunbook.verdict import Also, Because, Verdict

_OTHER_ORIGIN = "or the text came from another runtime or other settings"
_SAME = "whether the text and the check are of the same runtime and time"
_COMPARE = "Compare runtime, key scope, model and base URL of the text with this check's; repeat the check while it fails (--repeat)."
_IDLE = "Check idle connections: oairunbook check --idle 300. A connection that died of idleness fails once, and a new one works."

_AGAIN = "Take text and check from the same runtime at the same time, then judge again."

_OF_AN_ANSWER = ("quota_or_rate", "auth", "request", "server")
_OF_NO_ANSWER = ("connection_path", "route_provider")
_LARGER = frozenset(("http.read_timeout", "http.truncated", "http.stream_stalled", "http.reset", "http.disconnected"))
_OF_IDLENESS = frozenset(("http.reset", "http.disconnected", "http.idle_reset"))


def combine(probed: Verdict, text: Verdict) -> Verdict:
    """One verdict of both. What was seen here counts first; where the text says otherwise, the verdict says so."""
    said = text.because[0].fact if text.because else ""
    if not said:
        missing = (*probed.missing, "the error itself: the pasted text shows no failure of a call to the API")
        return dataclasses.replace(probed, missing=missing)
    if probed.cause == "ok":
        return _healthy_now(probed, text, said)
    if text.cause == "unknown" and text.owner in _OF_AN_ANSWER:
        meaning = f"the pasted text shows an answer ({said}), the check shows {probed.cause}: either the fault changed, {_OTHER_ORIGIN}"
        return _disagreeing(probed, text, meaning, (_AGAIN,))
    if text.cause == "unknown" and text.owner in _OF_NO_ANSWER and probed.layer == "api":
        meaning = f"the pasted text shows that no answer came ({said}), and here one came: {probed.cause}. Either the fault changed, {_OTHER_ORIGIN}"
        return _disagreeing(probed, text, meaning, (_AGAIN,))
    if text.cause == "unknown" and probed.cause == "unknown":
        return _with(probed, text, f"the pasted text does not decide it either: {said}")
    if text.cause == "unknown":
        return _with(probed, text, f"the pasted text fits that, and says no more by itself: {said}")
    if probed.cause == text.cause:
        return _with(probed, text, f"the pasted text shows the same: {said}")
    if probed.cause == "unknown":
        return _text_alone(probed, text)
    if probed.cause in {item.cause for item in text.also}:
        return _with(probed, text, f"the pasted text leaves this open, and the check decides: {said}")
    if probed.cause == "client.api_key_missing" and text.layer == "api":
        # The path is open up to the API's own 401, and the application that has a key got further than this check.
        return dataclasses.replace(text, because=(*text.because, *probed.because))
    meaning = (
        f"the pasted text shows {text.cause}, the check shows {probed.cause}: either the fault changed, {_OTHER_ORIGIN}"
    )
    return _disagreeing(probed, text, meaning, (_AGAIN,))


def _healthy_now(probed: Verdict, text: Verdict, said: str) -> Verdict:
    shown = "a failure without its reason" if text.cause == "unknown" else text.cause
    reasons = ["it comes and goes", "it was mended since"]
    if text.layer == "api" or text.cause in _LARGER:
        reasons.append(
            "only the application's own request meets it (its model, size, rate or duration), and this check's is tiny"
        )
    meaning = f"the pasted text shows {shown}, and this path is healthy now: {', '.join(reasons)}, {_OTHER_ORIGIN}"
    steps = (_COMPARE, *((_IDLE,) if text.cause in _OF_IDLENESS else ()))
    if text.cause == "unknown":
        found = _with(probed, text, f"{meaning}: {said}")
        return dataclasses.replace(
            found, next=(*probed.next, *steps), missing=(*probed.missing, *text.missing[:1], _SAME)
        )
    return _disagreeing(probed, text, meaning, steps)


def _text_alone(probed: Verdict, text: Verdict) -> Verdict:
    note = "the check of this runtime does not show it: it may have passed, or need the application's own request"
    return dataclasses.replace(
        text, certainty="likely" if text.certainty else None, missing=(*text.missing, *probed.missing, note)
    )


def _disagreeing(probed: Verdict, text: Verdict, meaning: str, steps: tuple[str, ...]) -> Verdict:
    found = _with(probed, text, meaning)
    return dataclasses.replace(
        found,
        summary=f"{probed.summary} {meaning[0].upper()}{meaning[1:]}.",
        next=(*probed.next, *steps),
        also=(*probed.also, Also(cause=text.cause, why=f"{text.because[0].fact} (pasted; the check disagrees)")),
        missing=(*probed.missing, _SAME),
    )


def _with(probed: Verdict, text: Verdict, fact: str) -> Verdict:
    """The check's verdict with one more fact, cited from what was pasted."""
    return dataclasses.replace(
        probed, because=(*probed.because, Because(observation=text.because[0].observation, fact=fact))
    )

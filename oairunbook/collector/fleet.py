"""Looking from many places, some at a time. One that does not answer holds up nobody but itself."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Union

from oairunbook.collector.carrier import NotCollectedError, NowhereError
from oairunbook.collector.place import Place
from oairunbook.collector.there import look_there
from oairunbook.evidence import ErrorLink, Evidence, NotTried, ToolFailed
from oairunbook.observe import CutShortError

Outcome = Union[Evidence, NotTried, ToolFailed]
"""A record, or why there is none: the member could not be asked, or the collector failed there. Neither says that a path is broken."""

Arrived = Callable[[str, Outcome], None]
"""Called with a member's name and what came of it, as soon as it is known; never twice at once."""

ONE_FLEET = "a fleet"
"""Its members count as one place for the fingerprints of keys, so that the same key in two of them is seen to be the same."""

INTERRUPTED = NotTried(reason="interrupted before its turn")


def look_from_each(
    places: Mapping[str, Place],
    arrived: Arrived,
    *,
    parallel: int,
    cancelled: threading.Event,
    sent: Mapping[str, str] | None = None,
    **options: Any,
) -> None:
    """Look at the path once from each place, *parallel* of them at a time; see `look_there` for *sent* and *options*."""
    one_at_a_time = threading.Lock()

    def look(name: str, place: Place) -> None:
        outcome: Outcome = INTERRUPTED
        if not cancelled.is_set():
            alike = dataclasses.replace(place, fingerprinted_as=ONE_FLEET)
            outcome = from_one(lambda: look_there(alike, sent=sent, cancelled=cancelled, **options))
        with one_at_a_time:
            arrived(name, outcome)

    with ThreadPoolExecutor(max_workers=parallel, thread_name_prefix="oairunbook fleet") as pool:
        for done in [pool.submit(look, name, place) for name, place in places.items()]:
            done.result()


def from_one(look: Callable[[], Evidence]) -> Outcome:
    """What one look comes to, whatever becomes of it."""
    try:
        return look()
    except CutShortError as cut:
        # What had been seen is worth a verdict, which says that it was cut short.
        return cut.evidence
    except KeyboardInterrupt:
        return NotTried(reason="interrupted before anything was seen")
    except NowhereError as error:
        return NotTried(reason=str(error))
    except NotCollectedError as error:
        return tool_failed(str(error))


def tool_failed(text: str) -> ToolFailed:
    """The collector was sent, and failed there."""
    return ToolFailed(errors=(ErrorLink(type="oairunbook.NotCollected", text=text),))

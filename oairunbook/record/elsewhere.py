"""The evidence of a run that looks from another place: collected there once, before the first notebook, which then judges the record."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from oairunbook.collector.place import Place
from oairunbook.collector.there import look_there
from oairunbook.evidence import Evidence
from oairunbook.observe import CutShortError
from oairunbook.record.archive import fingerprint_key
from oairunbook.record.runbooks import ParameterError, Value
from oairunbook.record.source import BEFORE_A_RECORD

_LOOK = ("base_url", "model", "route", "timeout", "budget", "idle", "control_url")
"""Parameters of the notebooks that say how to look."""


def looking_from(
    place: Place, sent: Mapping[str, str], interrupted: threading.Event, progress: Callable[[str], None]
) -> Callable[[Mapping[str, Value], Path], Evidence]:
    """What `oairunbook.record.run.run` takes as *look*.

    Raises, once it is called:
        ParameterError: A parameter asks for other evidence than one look there, or the archive cannot be written. Nothing was sent.
        NowhereError, NotCollectedError, KeyboardInterrupt: See `look_there`.
    """

    def look(values: Mapping[str, Value], root: Path) -> Evidence:
        other = [name for name in ("evidence", *BEFORE_A_RECORD) if values.get(name)]
        other += ["repeat"] if values.get("repeat", 1) != 1 else []
        if other:
            raise ParameterError(
                f"A place to look from is given, and one look is made there: {', '.join(other)} cannot be given as well. "
                "Nothing was sent, nothing was run."
            )
        try:
            key = fingerprint_key(root)
        except OSError as error:
            raise ParameterError(
                f"The archive {root} cannot be written: {error.strerror}. Nothing was sent, nothing was run."
            ) from error
        options: dict[str, Any] = {name: value for name, value in values.items() if name in _LOOK}
        options["idle"] = options.get("idle") or None
        progress("collecting …")
        try:
            return look_there(place, sent=sent, fingerprint_key=key, cancelled=interrupted, **options)
        except CutShortError as cut:
            progress(f"{cut}: {cut.__cause__}")
            return cut.evidence

    return look

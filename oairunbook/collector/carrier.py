"""Starting the command, feeding it, and finding the answer among whatever else comes back."""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import json
import os
import re
import selectors
import signal
import subprocess
import threading
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from oairunbook.collector.stream import without_echo

_MOST_RECEIVED_BYTES = 32_000_000
"""A terminal in between sends everything back that it was sent."""

_MOST_DOCUMENT_BYTES = 32_000_000
_KEPT_BYTES = 20_000
_LONGEST_LINE_BYTES = 100_000
"""No line of an answer is so long; what is longer is none, and is not kept until its end comes."""

_GRACE_SECONDS = 5.0
"""How long what was interrupted may take to send what it saw, and a command to end once its answer is here."""

_LOOK_SECONDS = 0.1


class NowhereError(Exception):
    """There is no place to go to: the command or the interpreter is the wrong one. Nothing was sent on the path."""


class NotCollectedError(Exception):
    """The collector was sent, and no record came back. The text says what did, and what to do next."""


class Answers:
    """The framed lines of one answer, wherever they stand in the output; see `loader.Answer`."""

    def __init__(self, nonce: str, progress: Callable[[str], None] | None = None) -> None:
        mark = rb"@oairunbook " + re.escape(nonce.encode("ascii"))
        self._line = re.compile(mark + rb" (\.|\d{1,7}) ([A-Za-z0-9+/=]+)")
        self._last_line = re.compile(mark + rb" end (\d{1,7}) (\d{1,9}) ([0-9a-f]{64})")
        self._progress = progress
        self._rest = b""
        self._parts: dict[int, bytes] = {}
        self._end: tuple[int, int, str] | None = None

    def feed(self, data: bytes) -> None:
        """Take in what came."""
        *lines, rest = (self._rest + data).split(b"\n")
        self._rest = rest[-_LONGEST_LINE_BYTES:]
        for line in lines:
            if last := self._last_line.search(line):
                self._end = (int(last[1]), int(last[2]), last[3].decode("ascii"))
            elif (found := self._line.search(line)) is None:
                continue
            elif found[1] == b".":
                self._show(found[2])
            else:
                self._parts[int(found[1])] = found[2]

    def _show(self, content: bytes) -> None:
        if self._progress is not None:
            with contextlib.suppress(binascii.Error):
                self._progress(base64.b64decode(content).decode("utf-8", "replace"))

    @property
    def begun(self) -> bool:
        """Whether any part of the document has come."""
        return bool(self._parts)

    @property
    def ended(self) -> bool:
        """Whether the document's last line has come."""
        return self._end is not None

    def document(self) -> dict[str, Any] | None:
        """The document; None if it is not whole."""
        if self._end is None:
            return None
        number, length, digest = self._end
        try:
            packed = base64.b64decode(b"".join(self._parts[index] for index in range(number)), validate=True)
            if len(packed) != length or hashlib.sha256(packed).hexdigest() != digest:
                return None
            unpacked = zlib.decompressobj().decompress(packed, _MOST_DOCUMENT_BYTES)
            document = json.loads(unpacked)
        except (KeyError, ValueError, RecursionError, zlib.error):
            return None
        return document if isinstance(document, dict) else None


class Came:
    """What came back of one command."""

    def __init__(self) -> None:
        self.stdout = b""
        self.stderr = b""
        self.received_bytes = 0
        self.ended: str = ""
        """Why it was ended from here: `time`, `size`, `interrupt`; empty if it ended by itself or had answered."""

        self.status: int | None = None

    def last_words(self) -> str:
        """The end of what it wrote, standard error first, without what a terminal in between sends back: that holds the job."""
        for stream in (self.stderr, self.stdout):
            # Where its beginning is gone, the first line is a part of one.
            whole = stream.partition(b"\n")[2] if len(stream) >= _KEPT_BYTES else stream
            if shown := without_echo(whole).strip():
                return shown[-1500:].decode("utf-8", "replace")
        return ""

    def said_after(self, words: str) -> str | None:
        """The next word behind *words*, on either stream: a terminal in between makes one of both. None if they were not said."""
        found = re.search(re.escape(words).encode() + rb"([\w.+]+)", self.stdout + b"\n" + self.stderr)
        return found[1].decode("ascii", "replace") if found else None


def carry(
    argv: Sequence[str],
    stream: bytes,
    answers: Answers,
    *,
    environment: Mapping[str, str],
    seconds: float,
    interrupt: Sequence[str] = (),
    cancelled: threading.Event | None = None,
) -> Came:
    """Start the command, feed it *stream*, and read until the answer is here or cannot come any more.

    The command stays in this process's group: ssh(1) may ask for a passphrase, and Ctrl-C reaches both. What is interrupted gets a moment
    to send what it has seen; *interrupt* is a command that tells it so, where the first one would not hand a signal on.

    Raises:
        NowhereError: The command cannot be started.
    """
    came = Came()
    try:
        process = subprocess.Popen(  # noqa: S603 - to start what the caller names is what this is for
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(environment),
            bufsize=0,
        )
    except OSError as error:
        raise NowhereError(f"{argv[0]} cannot be started: {error.strerror}. Nothing was sent.") from error
    feeding = threading.Thread(target=_feed, args=(process, stream), name="oairunbook stream", daemon=True)
    feeding.start()
    try:
        _read(process, answers, came, seconds, interrupt, cancelled)
    finally:
        if interrupt and came.ended in ("time", "size"):
            _interrupt(process, interrupt)
        _end(process, patient=not came.ended)
        feeding.join(_GRACE_SECONDS)
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
    came.status = process.returncode
    return came


def _feed(process: subprocess.Popen[bytes], stream: bytes) -> None:
    assert process.stdin is not None
    # It may end before it has read everything, for example because there is no Python.
    with contextlib.suppress(OSError):
        process.stdin.write(stream)
    with contextlib.suppress(OSError):
        process.stdin.close()


def _read(
    process: subprocess.Popen[bytes],
    answers: Answers,
    came: Came,
    seconds: float,
    interrupt: Sequence[str],
    cancelled: threading.Event | None,
) -> None:
    assert process.stdout is not None
    assert process.stderr is not None
    last = time.monotonic() + seconds
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ, "stdout")
        selector.register(process.stderr, selectors.EVENT_READ, "stderr")
        while selector.get_map() and not answers.ended:
            try:
                if time.monotonic() > last:
                    came.ended = came.ended or "time"
                    return
                if came.received_bytes > _MOST_RECEIVED_BYTES:
                    came.ended = "size"
                    return
                if cancelled is not None and cancelled.is_set() and not came.ended:
                    raise KeyboardInterrupt
                for key, _ in selector.select(_LOOK_SECONDS):
                    _take(selector, key, answers, came)
            except KeyboardInterrupt:
                if came.ended:
                    # Asked twice: it is not waited for.
                    return
                came.ended = "interrupt"
                last = time.monotonic() + _GRACE_SECONDS
                _interrupt(process, interrupt)


def _interrupt(process: subprocess.Popen[bytes], command: Sequence[str]) -> None:
    """Ask the look to end, once; that it cannot be asked changes nothing, as it has a clock of its own."""
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        if command:
            subprocess.run(  # noqa: S603 - it belongs to the place that the caller names
                command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_GRACE_SECONDS, check=False
            )
        else:
            process.send_signal(signal.SIGINT)


def _take(selector: selectors.BaseSelector, key: selectors.SelectorKey, answers: Answers, came: Came) -> None:
    data = os.read(key.fd, 65536)
    if not data:
        selector.unregister(key.fileobj)
        return
    came.received_bytes += len(data)
    if key.data == "stdout":
        answers.feed(data)
        came.stdout = (came.stdout + data)[-_KEPT_BYTES:]
    else:
        came.stderr = (came.stderr + data)[-_KEPT_BYTES:]


def _end(process: subprocess.Popen[bytes], *, patient: bool) -> None:
    """Wait a moment for the command's own end, if it may come, then end it."""
    for number in (*([None] if patient else []), signal.SIGTERM, signal.SIGKILL):
        if number is not None:
            process.send_signal(number)
        try:
            process.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            continue
        return

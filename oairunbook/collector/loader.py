"""What runs first there: makes the carried modules importable from memory, and frames what comes back. Nothing is written to any disk.

This is the one file in the syntax and library of Python 3.6: an older Python must live long enough to say that it is too old.
"""

import base64
import hashlib
import importlib.abc
import importlib.util
import json
import os
import sys
import threading
import zlib
from typing import Any, Callable, Dict, Tuple

OLDEST = (3, 9)
_LINE_CHARACTERS = 160


class Carried(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Modules that came with this text, compiled when they are imported."""

    def __init__(self, modules: Dict[str, Tuple[bool, str]]) -> None:
        self._modules = modules

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:  # noqa: ARG002
        """The module's spec; None for everything that is not carried."""
        if name not in self._modules:
            return None
        return importlib.util.spec_from_loader(name, self, origin="<carried>", is_package=self._modules[name][0])

    def exec_module(self, module: Any) -> None:
        """Compile and run it."""
        name = module.__name__
        exec(compile(self._modules[name][1], "<carried " + name + ">", "exec", dont_inherit=True), module.__dict__)  # noqa: S102


class Answer:
    """The way back. Each line bears the nonce and its number, so that banners, prompts and warnings in between do no harm."""

    def __init__(self, nonce: str) -> None:
        self._mark = "@oairunbook " + nonce
        self._out = os.fdopen(os.dup(1), "wb")
        self._lock = threading.Lock()

    def progress(self, text: str) -> None:
        """Say which step is under way."""
        self._write([" . " + base64.b64encode(text.encode("utf-8", "replace")).decode("ascii")])

    def document(self, document: Dict[str, Any]) -> None:
        """The one document: numbered lines of base64, then their number, the length and the SHA-256 of the packed document."""
        packed = zlib.compress(json.dumps(document).encode("ascii"))
        text = base64.b64encode(packed).decode("ascii")
        parts = [text[start : start + _LINE_CHARACTERS] for start in range(0, len(text), _LINE_CHARACTERS)]
        lines = [" %d %s" % (number, part) for number, part in enumerate(parts)]
        self._write([*lines, " end %d %d %s" % (len(parts), len(packed), hashlib.sha256(packed).hexdigest())])

    def _write(self, lines: "list[str]") -> None:
        # A line feed first: a prompt may stand at the beginning of this line.
        with self._lock:
            self._out.write("".join(["\n" + self._mark + line for line in lines] + ["\n"]).encode("ascii"))
            self._out.flush()


def older_dataclasses() -> None:
    """Teach the dataclasses of Python 3.9 `slots` and `kw_only`, which came with 3.10. This process is ours, and nobody else's."""
    import dataclasses

    plain = dataclasses.dataclass  # type: Any

    def dataclass(cls: Any = None, slots: bool = False, kw_only: bool = False, **options: Any) -> Any:
        if cls is None:
            return lambda made: dataclass(made, slots=slots, kw_only=kw_only, **options)
        if not kw_only:
            return plain(cls, **options)
        declared = cls.__dict__.get("__annotations__", {})
        # Fields with a default go last while __init__ is made; the order in which they are declared is that of the record.
        cls.__annotations__ = dict(sorted(declared.items(), key=lambda item: item[0] in cls.__dict__))
        made = plain(cls, **options)
        made.__annotations__ = declared
        made.__dataclass_fields__ = {name: made.__dataclass_fields__[name] for name in declared}
        return made

    dataclasses.dataclass = dataclass


def start(modules: Dict[str, Tuple[bool, str]], job: Dict[str, Any]) -> None:
    """Do the job, send one document back, and end this process: an interactive Python would wait for more."""
    answer = Answer(job["nonce"])
    try:
        answer.document(_done(modules, job, answer.progress))
    except BrokenPipeError:
        # Nobody listens any more.
        pass
    finally:
        os._exit(0)


def _where(error: BaseException) -> str:
    """The file of that runtime in which it came up; empty if it is ours."""
    frame, file = error.__traceback__, ""
    while frame is not None:
        file, frame = frame.tb_frame.f_code.co_filename, frame.tb_next
    return "" if file.startswith("<") else ", in " + file


def _done(modules: Dict[str, Tuple[bool, str]], job: Dict[str, Any], progress: Callable[[str], None]) -> Dict[str, Any]:
    version = "Python %d.%d.%d at %s" % (*sys.version_info[:3], sys.executable or "an unknown path")
    if sys.version_info[:2] < OLDEST:
        return {"failed": "old_python", "text": version}
    try:
        # What lies in the working folder must not stand in for the standard library.
        sys.path[:] = [path for path in sys.path if path]
        sys.meta_path.insert(0, Carried(modules))
        if sys.version_info[:2] < (3, 10):
            older_dataclasses()
        from oairunbook.observe import portable
    except Exception as error:
        # A standard library without ssl, one that may not be read, one that a local module stands in for: nothing was looked at yet.
        text = "%s: %s: %s" % (version, type(error).__name__, error)
        return {"failed": "library", "text": text + _where(error)}
    return portable.answer(job, progress)

"""The application's own client, from where its code makes it: `MODULE:FACTORY`, as servers and schedulers name such a thing."""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
import traceback
from collections.abc import Iterator
from typing import Any

from oairunbook.observe.awaiting import Awaiting
from oairunbook.observe.errors import error_chain, every_exception

_DEBUG_VARIABLE = "OAIRUNBOOK_DEBUG"


class NoClientError(ValueError):
    """No client can be had from what was named. The text says why, and that nothing was sent."""


class _TooLong(BaseException):
    """Making the client takes longer than it may. It is no Exception: the application's own code must not take it for one of its failures."""


def load_client(spec: str, awaiting: Awaiting, seconds: float | None = None) -> Any:
    """Import a module, and take from it a client of the SDK, or call what makes one.

    The working folder is looked into first, as it is by a server that is started there.

    Args:
        spec: `MODULE:NAME`; NAME may have dots, and names a client or something to call without arguments, also a coroutine function.
        awaiting: Waits for a coroutine.
        seconds: How long all of it may take, in the main thread; what a library waits for outside of Python is not interrupted. None for no limit.

    Raises:
        NoClientError: There is no such module or name, one of them raised or took too long, or what came is no client of the SDK.
    """
    try:
        with _within(seconds):
            return _load(spec, awaiting)
    except _TooLong as error:
        where = _link(error).partition(" at ")[2]
        raise _none(
            spec,
            f"making it had not ended after {seconds:g} s, the budget and some seconds to start{f', at {where}' if where else ''}",
        ) from error


def _load(spec: str, awaiting: Awaiting) -> Any:
    module_name, colon, name = spec.partition(":")
    if not (module_name and colon and name):
        raise _none(spec, "it is not of the form MODULE:FACTORY, for example app.llm:make_client")
    item = _attribute(spec, _module(spec, module_name), name)
    if not _is_client(item):
        if not callable(item):
            raise _none(spec, f"{name} is a {_kind(item)}, neither a client of the OpenAI SDK nor something to call")
        try:
            item = awaiting.wait(item())
        except (Exception, SystemExit) as error:
            # `sys.exit(0)` in the application's code would end this process as if the path were proven healthy.
            raise _none(spec, f"calling {name} failed: {_chain(error)}") from error
        if not _is_client(item):
            raise _none(spec, f"{name} returned a {_kind(item)}, which is no client of the OpenAI SDK")
    return item


@contextlib.contextmanager
def _within(seconds: float | None) -> Iterator[None]:
    if seconds is None:
        yield
        return

    def over(*_: Any) -> None:
        raise _TooLong

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _module(spec: str, name: str) -> Any:
    folder = str(os.getcwd())  # noqa: PTH109 - as sys.path has it
    added = folder not in sys.path
    if added:
        sys.path.insert(0, folder)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            where = f"{folder} and the path of {sys.executable}"
            raise _none(spec, f"there is no module {error.name} in {where}") from error
        raise _none(spec, f"importing {name} failed: {_chain(error)}") from error
    except (Exception, SystemExit) as error:
        raise _none(spec, f"importing {name} failed: {_chain(error)}") from error
    finally:
        if added:
            sys.path.remove(folder)


def _attribute(spec: str, module: Any, name: str) -> Any:
    item = module
    for part in name.split("."):
        try:
            item = getattr(item, part)
        except AttributeError as error:
            raise _none(spec, f"{getattr(module, '__name__', spec)} has no {name}") from error
    return item


def _is_client(item: Any) -> bool:
    """Whether it is a client of the SDK, by what it has: an application may derive a class of its own. A class is none."""
    return not isinstance(item, type) and all(
        hasattr(item, name) for name in ("base_url", "_client", "with_options", "chat")
    )


def _kind(item: Any) -> str:
    return f"{type(item).__module__}.{type(item).__qualname__}".removeprefix("builtins.")


def _chain(error: BaseException) -> str:
    """Each exception's class and where it was raised: the text of one may hold a secret that no variable does."""
    if os.environ.get(_DEBUG_VARIABLE):
        return "; ".join(f"{link.type}: {link.text}" for link in error_chain(error))
    links = "; ".join(_link(link) for link, _ in every_exception(error))
    return f"{links} ({_DEBUG_VARIABLE}=1 in that environment shows the text)"


def _link(error: BaseException) -> str:
    where = ""
    for frame, line in traceback.walk_tb(error.__traceback__):
        file = frame.f_code.co_filename
        # Neither this module, which called it, nor the machinery of imports is where it was raised.
        module = str(frame.f_globals.get("__name__"))
        if not file.startswith("<frozen ") and module != "importlib" and not module.startswith("oairunbook."):
            where = f"{file}:{line}"
    if isinstance(error, SyntaxError) and error.filename:
        where = f"{error.filename}:{error.lineno}"
    if type(error) is TypeError and not where:
        where = "the call itself: it is made without arguments"
    if type(error) is ModuleNotFoundError and error.name:
        where = f"{where}, for the module {error.name}"
    return f"{_kind(error)} at {where}" if where else _kind(error)


def _none(spec: str, why: str) -> NoClientError:
    return NoClientError(
        f"--client {spec}: {why}. Nothing was sent.\nNext: name the module and what makes the client in it, from the application's folder "
        "and by its interpreter: oairunbook check --python /app/.venv/bin/python --client app.llm:make_client"
    )

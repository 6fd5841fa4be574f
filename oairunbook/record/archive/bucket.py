"""The bucket of an archive on object storage, through fsspec's s3fs: the few requests that the archive makes, with short deadlines."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any

from oairunbook.record.archive.chain import ArchiveError
from oairunbook.record.archive.refusals import answer_of, next_step
from oairunbook.redaction import Secrets

_CONNECT_SECONDS, _READ_SECONDS = 5, 15
_ATTEMPTS = 3
"""Of a request that gets no answer, or one of a server that is busy or fails by itself (429, 500, 502, 503, 504, SlowDown)."""

_BODY_ATTEMPTS = 2
"""Of an answer that breaks off: it is asked for again from the start."""

_CALL_SECONDS = 60
"""For one call with all its attempts. aiohttp does not always notice that nothing comes, after a PUT that waits for `100 Continue`."""

_TAKEN = ("PreconditionFailed", "412", "ConditionalRequestConflict", "409")
_MOST_DELETED = 1000
_MOST_CONNECTIONS = 32
_LONGEST_ERROR = 300


class BucketError(OSError):
    """The bucket did not do what was asked. `strerror` says which bucket, why, and what to do if that is known, and holds no secret."""

    def __init__(self, url: str, why: str, *, code: str = "", advice: str = "") -> None:
        super().__init__(errno.EIO, f"{url}: {why}" + (f". Next: {advice}." if advice else ""))
        self.why = why
        self.code = code
        """Of S3's answer; empty if there was none."""

        self.advice = advice
        """What to do next, without a full stop; empty if it is not known."""

    @property
    def taken(self) -> bool:
        """Whether there is an object already, or is being created, where one was to be created."""
        return self.code in _TAKEN


@dataclass(frozen=True, slots=True)
class Listed:
    """One object, as the bucket's listing tells it."""

    key: str
    size: int
    """In bytes."""

    version: str
    """Entity tag and time: every put makes another one, and nobody who puts can choose it."""


class Bucket:
    """One archive's objects. Keys are relative to the archive's prefix. A context manager: it closes its connections.

    Every method raises `BucketError` if the bucket refuses, cannot be reached, or is silent, and `ArchiveError` if it does not exist.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._name, _, prefix = url.removeprefix("s3://").partition("/")
        self._prefix = f"{prefix}/" if prefix else ""

    def __enter__(self) -> Bucket:
        import s3fs
        from aiobotocore.session import AioSession

        with self._told():
            session = AioSession()
            session.register_component("data_loader", _descriptions())
            session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=_moment)
            self._s3 = s3fs.S3FileSystem(
                session=session,
                skip_instance_cache=True,
                use_listings_cache=False,
                # Of one object at a time: otherwise each is asked for its size before it is read.
                max_concurrency=1,
                config_kwargs={
                    "connect_timeout": _CONNECT_SECONDS,
                    "read_timeout": _READ_SECONDS,
                    # Of so many objects that are asked for at once.
                    "max_pool_connections": _MOST_CONNECTIONS,
                    "retries": {"mode": "standard", "total_max_attempts": _ATTEMPTS},
                },
            )
            # What s3fs tries again by itself, beside AWS' own client.
            self._s3.retries = _BODY_ATTEMPTS
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        from fsspec.asyn import sync

        client = self._s3._s3
        if client is not None:
            try:
                sync(self._s3.loop, client.__aexit__, None, None, None, timeout=_CONNECT_SECONDS)
            except Exception:
                # They end with this process at the latest.
                pass

    def create(self, key: str, data: bytes) -> bool:
        """Create an object; False if there is one already, or somebody creates it just now (RFC 9110 section 13.1.2)."""
        try:
            with self._told():
                self._s3.pipe_file(self._path(key), data, mode="create", timeout=_CALL_SECONDS)
        except BucketError as error:
            if error.taken:
                return False
            raise
        return True

    def put_many(self, objects: Mapping[str, bytes]) -> None:
        """Write objects, several at once, whatever is there. Where it fails, any of them may be written."""
        with self._told():
            self._s3.pipe({self._path(key): data for key, data in objects.items()}, timeout=_CALL_SECONDS)

    def get(self, key: str) -> bytes | None:
        """An object; None if there is none."""
        return self.get_many([key])[0]

    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """Small objects, in the order of their keys, several at once; None for one that is not there. Keys hold no wildcard."""
        paths = [self._path(key) for key in keys]
        with self._told():
            found = self._s3.cat(paths, on_error="return", timeout=_CALL_SECONDS)
            # One path comes back as its bytes, several as a dictionary.
            bodies = [found[path] for path in paths] if isinstance(found, dict) else [found]
            for body in bodies:
                if isinstance(body, BaseException) and not isinstance(body, FileNotFoundError):
                    raise body
        return [body if isinstance(body, bytes) else None for body in bodies]

    def download(self, keys: Sequence[str], folder: Path) -> None:
        """Write objects into files of the folder; each is named like the last part of its key."""
        if keys:
            paths = [self._path(key) for key in keys]
            with self._told():
                self._s3.get(paths, [str(folder / key.rpartition("/")[2]) for key in keys], timeout=_CALL_SECONDS)

    def objects(self, below: str = "", after: str = "") -> Iterator[tuple[str, int]]:
        """Keys and sizes in bytes, in the order of the keys; only those behind *after*, if a key is given."""
        for item in self.listed(below, after):
            yield item.key, item.size

    def listed(self, below: str = "", after: str = "") -> Iterator[Listed]:
        """As `objects`, with all that a listing says."""
        more = {"StartAfter": self._prefix + after} if after else {}
        while True:
            with self._told():
                page = self._call("list_objects_v2", Prefix=self._prefix + below, **more)
            for item in page.get("Contents", ()):
                yield Listed(
                    item["Key"].removeprefix(self._prefix),
                    int(item["Size"]),
                    f"{item.get('ETag', '')} {item.get('LastModified', '')}",
                )
            if not page.get("IsTruncated"):
                return
            more = {"ContinuationToken": page["NextContinuationToken"]}

    def delete(self, keys: Sequence[str]) -> None:
        """Delete objects; those that are gone already are no error."""
        for start in range(0, len(keys), _MOST_DELETED):
            wanted = [{"Key": self._prefix + key} for key in keys[start : start + _MOST_DELETED]]
            with self._told():
                done = self._call("delete_objects", Delete={"Objects": wanted, "Quiet": True})
                if done.get("Errors"):
                    one = done["Errors"][0]
                    code, key = str(one.get("Code")), str(one.get("Key")).removeprefix(self._prefix)
                    raise BucketError(
                        self.url,
                        f"{key} and {len(done['Errors']) - 1} more were not deleted: {code}",
                        code=code,
                        advice=next_step("DeleteObjects", code),
                    )

    def _call(self, method: str, **arguments: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self._s3.call_s3(method, Bucket=self._name, timeout=_CALL_SECONDS, **arguments)
        return answer

    def _path(self, key: str) -> str:
        return f"{self._name}/{self._prefix}{key}"

    @contextmanager
    def _told(self) -> Iterator[None]:
        """s3fs raises what botocore, aiohttp, asyncio and itself raise; here it becomes one error, without secrets."""
        try:
            yield
        except (BucketError, ArchiveError):
            raise
        except Exception as error:
            operation, code, message = answer_of(error)
            kind = type(error).__name__
            if code == "NoSuchBucket":
                raise ArchiveError(f"{self.url}: there is no such bucket.") from None
            if isinstance(error, TimeoutError):
                raise BucketError(self.url, f"it did not answer within {_CALL_SECONDS} s") from None
            secrets = Secrets.from_environment(os.environ)
            told = secrets.redact_text(" ".join((message if operation else str(error)).split()))[:_LONGEST_ERROR]
            why = f"{operation} was answered {code}" + f" ({told})" * bool(told) if operation else f"{kind}: {told}"
            # Without its cause: what a notebook shows of an error is its whole chain.
            raise BucketError(self.url, why.rstrip("."), code=code, advice=next_step(operation, code or kind)) from None


def _moment(text: str) -> datetime:
    """What botocore's own parser says, in a hundredth of its time, which of a listing is more than all else together."""
    try:
        return datetime.fromisoformat(text)
    except (TypeError, ValueError):
        from botocore.utils import parse_timestamp

        other: datetime = parse_timestamp(text)
        return other


@cache
def _descriptions() -> Any:
    """What botocore knows of the services: reading it takes longer than all else that a client needs."""
    from aiobotocore.session import AioSession

    return AioSession().get_component("data_loader")

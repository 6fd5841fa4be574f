"""Check an archive on object storage: a copy of its chain is fetched anew and checked like a folder's, run by run with the files of each."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from oairunbook.record.archive.bucket import Bucket
from oairunbook.record.archive.chain import MANIFEST, UNFINISHED, ArchiveError, Entry, newest, read_chain
from oairunbook.record.archive.objects import bring, bucket_of, copy_chain, is_known, run_of
from oairunbook.record.archive.signing import SIGNATURE, PublicKey
from oairunbook.record.archive.verify import Checked, Problem, Walk, run_folders, walk_through


def check_objects(mirror: Path, public_keys: Sequence[PublicKey], *, files: bool, knows: str) -> Checked:
    """See `oairunbook.record.archive.verify.check`. Of the mirror itself nothing is believed.

    Files of a run that no object of the chain names count for nothing, as those of a killed run in a folder: somebody is putting them,
    or was killed meanwhile. With *files* false no file but the objects of the chain is looked at.
    """
    with bucket_of(mirror) as bucket, tempfile.TemporaryDirectory(prefix="oairunbook-verify-") as folder:
        copy = Path(folder)
        # Before the chain: a run that is entered meanwhile is in the chain by then.
        keys = [key for key, _ in bucket.objects()] if files else []
        copy_chain(copy, bucket, verbatim=True)
        known = {entry.run for entry in read_chain(copy) if isinstance(entry, Entry)}
        checked = walk_through(Walk(copy, public_keys, files, partial(_fetched, copy, bucket)), knows=knows)
        strange = {key for key in keys if not is_known(key) and not run_of(key)}
        lost = {run for key in keys if (run := run_of(key))} - known
        pruned = _pruned_since(copy, bucket) if checked.problems else set()
        problems = [one for one in checked.problems if "/".join(one.path.split("/")[:4]) not in pruned]
        problems += [Problem(path=key, what="was inserted: it is no part of an archive") for key in sorted(strange)]
        return replace(
            checked,
            problems=tuple(problems),
            runs=checked.runs - len(pruned),
            pruned=checked.pruned + len(pruned),
            unfinished=tuple(sorted(lost | {name for name in run_folders(mirror) if name.endswith(UNFINISHED)})),
        )


@contextmanager
def _fetched(copy: Path, bucket: Bucket, run: str) -> Iterator[None]:
    """The files of one run, as long as they are looked at: an archive may be larger than this disk."""
    bring(bucket, run, copy / run)
    yield
    for path in (copy / run).iterdir():
        if path.name not in (MANIFEST, SIGNATURE):
            path.unlink()


def _pruned_since(copy: Path, bucket: Bucket) -> set[str]:
    """Runs that somebody has pruned while this check was under way."""
    there = set(run_folders(copy))
    try:
        copy_chain(copy, bucket, newest(copy))
    except ArchiveError:
        # Its last line is none; that is told.
        return set()
    return there - set(run_folders(copy))

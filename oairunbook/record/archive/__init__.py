"""The archive: one folder a run, each with a manifest, and one chain through all manifests.

```
ARCHIVE/2026/11/24/20261124T140211Z-api-7f9c-1a2b3c4d/
    01_response_evidence.ipynb …  evidence.json  verdict.json  packet.md  packet.json  manifest.json  manifest.sig
ARCHIVE/chain.jsonl        one line a run, in the order in which they were entered; each holds the hash of the line before
ARCHIVE/.lock              held while a run is entered
ARCHIVE/.fingerprint-key   makes fingerprints of keys comparable within this archive, and useless outside it
```
A run is written to a folder that ends in `.partial` and gets its name when it is finished. What a killed run leaves behind keeps that
name, whatever its manifest says.
"""

from oairunbook.record.archive.chain import MANIFEST, UNFINISHED, ArchiveError
from oairunbook.record.archive.draft import MANIFEST_SCHEMA, Draft, Kind, State, begin
from oairunbook.record.archive.fingerprint import fingerprint_key
from oairunbook.record.archive.verify import Checked, check, verify
from oairunbook.record.archive.walk import Problem

__all__ = [
    "MANIFEST",
    "MANIFEST_SCHEMA",
    "UNFINISHED",
    "ArchiveError",
    "Checked",
    "Draft",
    "Kind",
    "Problem",
    "State",
    "begin",
    "check",
    "fingerprint_key",
    "verify",
]

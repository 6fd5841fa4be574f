"""Golden copies: each notebook executed on a record, with what it showed, kept as it stood.

A notebook that judges a record sends nothing and looks at nothing of this machine, so it shows the same anywhere; nbval holds
what it shows now against the copy. The records were made against the practice lab.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent
RECORDS = FOLDER / "records"


@dataclass(frozen=True)
class Copy:
    """One notebook on one record."""

    notebook: str
    fault: str
    """The lab's fault; the record is what this notebook, or the one named in `recorded_by`, left of it."""

    recorded_by: str = ""
    more: tuple[tuple[str, str], ...] = ()
    """Further parameters; a value that names a record leads to it."""

    @property
    def path(self) -> Path:
        return FOLDER / f"{self.notebook}-{self.fault}.ipynb"

    @property
    def record(self) -> Path:
        return RECORDS / f"{self.recorded_by or self.notebook}-{self.fault}.json"

    @property
    def parameters(self) -> dict[str, str]:
        """What papermill is given: paths are relative to `FOLDER`, in which the kernel runs."""
        return {"evidence": str(self.record.relative_to(FOLDER)), **dict(self.more)}


_UNTRUSTED = "records/02_same_path-tls.untrusted_issuer.json"

COPIES = (
    Copy("01_response_evidence", "api.rate_limited"),
    Copy("02_same_path", "tls.untrusted_issuer"),
    Copy("02_same_path", "proxy.denied"),
    Copy("02_same_path", "ok"),
    Copy("03_sdk_controls", "http.read_timeout"),
    Copy("04_browser", "ok.cors_absent"),
    Copy("04_route_azure", "api.azure_network_denied.private"),
    Copy("04_route_direct", "tls.expired"),
    Copy("04_route_gateway", "api.gateway_upstream_failed"),
    Copy("04_serverless_container", "dns.nxdomain"),
    Copy("05_owner_auth", "api.invalid_key"),
    Copy("05_owner_quota_rate", "api.rate_limited"),
    Copy("05_owner_server", "api.overloaded"),
    Copy("06_compare", "ok", recorded_by="02_same_path", more=(("other", _UNTRUSTED),)),
    Copy("07_escalate", "tls.untrusted_issuer", recorded_by="02_same_path"),
    Copy("08_verify_fix", "ok", more=(("failing", _UNTRUSTED),)),
)
"""Without `09_audit` and `10_fleet`, which look at archives and at many records, and without `game_day` and
`triage`, which wait for somebody at the controls."""

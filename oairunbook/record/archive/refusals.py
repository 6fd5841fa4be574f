"""What it means when a bucket refuses, and what to do next: the codes of S3's errors, and what its client says without an answer."""

from __future__ import annotations

from typing import Any

_PERMISSIONS = {
    "PutObject": "s3:PutObject",
    "GetObject": "s3:GetObject, and s3:ListBucket, without which an object that is not there is called denied as well",
    "ListObjectsV2": "s3:ListBucket",
    "DeleteObjects": "s3:DeleteObject",
}
"""By operation. Source: Amazon S3's "Required permissions for Amazon S3 API operations"."""

_CREDENTIALS = (
    "see which credentials are found (AWS_ACCESS_KEY_ID, AWS_SESSION_TOKEN, AWS_PROFILE, AWS' own files, the platform's role), "
    "and whether they are of this storage"
)
_PLACE = (
    "set the bucket's own region (AWS_DEFAULT_REGION), and, unless it is Amazon's, its endpoint (AWS_ENDPOINT_URL_S3)"
)
_LATER = "try again later (it was tried more than once)"
_NEXT = {
    "ExpiredToken": "fetch new credentials: these have expired",
    "TokenRefreshRequired": "fetch new credentials: these have expired",
    "InvalidAccessKeyId": _CREDENTIALS,
    "InvalidToken": _CREDENTIALS,
    "SignatureDoesNotMatch": _CREDENTIALS,
    "RequestTimeTooSkewed": "set this machine's clock (timedatectl status): it and the storage's are too far apart",
    "PermanentRedirect": _PLACE,
    "TemporaryRedirect": _PLACE,
    "AuthorizationHeaderMalformed": _PLACE,
    "IllegalLocationConstraintException": _PLACE,
    "SlowDown": _LATER,
    "ServiceUnavailable": _LATER,
    "InternalError": _LATER,
    "QuotaExceeded": "make room in the bucket, or have its quota raised",
    "InvalidObjectState": "restore that object, and keep lifecycle rules that move objects to cold storage off the archive",
    # Of the client itself, without an answer.
    "NoCredentialsError": _CREDENTIALS,
    "PartialCredentialsError": _CREDENTIALS,
    "ProfileNotFound": _CREDENTIALS,
    "EndpointConnectionError": "see whether that endpoint (AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL) can be reached from here",
    "ConnectTimeoutError": "see whether that endpoint (AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL) can be reached from here",
}


def answer_of(error: BaseException) -> tuple[str, str, str]:
    """The operation, the code and the text of S3's answer, which s3fs keeps as the cause of what it raises; empty if there was none."""
    for one in (error, error.__cause__):
        response: Any = getattr(one, "response", None)
        if isinstance(response, dict):
            told = response.get("Error", {})
            # The code is the status where the answer has no body, as of a HEAD request.
            return str(getattr(one, "operation_name", "")), str(told.get("Code", "")), str(told.get("Message") or "")
    return "", "", ""


def next_step(operation: str, code: str) -> str:
    """What to do about it, without a full stop; empty if it is not known.

    Args:
        operation: Of S3, for example `PutObject`.
        code: Of S3's answer; or, without one, the name of the client's exception.
    """
    if code in ("AccessDenied", "AllAccessDisabled", "403"):
        permission = _PERMISSIONS.get(operation)
        return f"have these credentials allowed {permission} there, or take others" if permission else _CREDENTIALS
    return _NEXT.get(code, _LATER if code in ("500", "502", "503", "504") else "")

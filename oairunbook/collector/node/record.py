"""What Node.js saw, as the evidence that every other runtime gives: its error codes, certificates and bodies in the terms of this package.

Who can answer for that place can send anything. What came is taken as data, and the document made of it is checked strictly against its types.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import json
from collections.abc import Callable, Mapping
from typing import Any

from oairunbook import __version__, identity, practice
from oairunbook.collector.node.certificates import certificate
from oairunbook.evidence import (
    Credential,
    Evidence,
    EvidenceError,
    ProxyDecision,
    Route,
    Runtime,
    Setting,
    TrustStore,
    load_evidence,
    to_document,
)
from oairunbook.observe.bodies import classify
from oairunbook.observe.http import kept_headers
from oairunbook.redaction import without_credentials
from oairunbook.route.base_url import resolve_base_url
from oairunbook.route.resolver import resolver_configuration
from oairunbook.runtime import labels, platform_marks, region_of

_ERRNO_NAMES = {
    "ENOTFOUND": "EAI_NONAME",
    "EAI_NODATA": "EAI_NODATA",
    "UND_ERR_CONNECT_TIMEOUT": "ETIMEDOUT",
    "ETIMEOUT": "ETIMEDOUT",
}
"""Codes of Node.js whose name is another than that of the errno or the EAI code that they mean. c-ares says ETIMEOUT."""

_VERIFY_CODES = {
    "UNABLE_TO_GET_ISSUER_CERT": 2,
    "CERT_NOT_YET_VALID": 9,
    "CERT_HAS_EXPIRED": 10,
    "DEPTH_ZERO_SELF_SIGNED_CERT": 18,
    "SELF_SIGNED_CERT_IN_CHAIN": 19,
    "UNABLE_TO_GET_ISSUER_CERT_LOCALLY": 20,
    "UNABLE_TO_VERIFY_LEAF_SIGNATURE": 21,
    "CERT_REVOKED": 23,
    "INVALID_CA": 24,
    "INVALID_PURPOSE": 26,
    "CERT_UNTRUSTED": 27,
    "CERT_REJECTED": 28,
    "ERR_TLS_CERT_ALTNAME_INVALID": 62,
    "HOSTNAME_MISMATCH": 62,
}
"""X509_V_ERR_… by the names of Node.js (`X509ErrorCode` of its crypto_common.cc)."""

_SSL = "ERR_SSL_"


def evidence_of(came: Mapping[str, Any], job: Mapping[str, Any]) -> Evidence:
    """The evidence of one look by Node.js.

    Args:
        came: What `start.js` sent.
        job: What it had been asked for.

    Raises:
        EvidenceError: It is no record that this version can read.
    """
    try:
        about = came["about"]
        rehearsal = practice.current(about["variables"])
        document = {
            "collected_at": came["collected_at"],
            "seconds": came["seconds"],
            "route": to_document(route_of(about, job)),
            "runtime": to_document(_runtime(about)),
            "observations": [_observation(item) for item in came["observations"]],
            "tool_version": __version__,
            "practice": rehearsal.fault if rehearsal else None,
            "schema": "oairunbook.evidence/1",
            "redactions": [f"known secret: {came['removed']} in what Node.js saw"] if came["removed"] else [],
            "cut_short": came["cut_short"] or None,
        }
        text = json.dumps(document)
    except (KeyError, TypeError, AttributeError, ValueError, IndexError, binascii.Error) as error:
        raise EvidenceError(f"what Node.js sent is no record: {type(error).__name__}: {error}") from error
    return load_evidence(text)


# -- route and runtime --------------------------------------------------------------------------------------------


def route_of(about: Mapping[str, Any], job: Mapping[str, Any]) -> Route:
    """The route as the openai package of Node.js resolves it: variables are trimmed, and an empty one counts as not set."""
    variables = {name: value.strip() for name, value in about["variables"].items() if value.strip()}
    options, url = job["options"], about["url"]
    base = resolve_base_url(options["base_url"] or None, variables, options["route"])
    problems: tuple[str, ...] = ()
    if url["problem"]:
        problems = base.problems or (url["problem"],)
    proxy = about["proxy"]
    trust, credential, sdk = about["trust"], about["credential"], about["sdk"]
    host = base.host if url["problem"] else url["host"]
    model = options["model"] or (variables.get("AZURE_OPENAI_DEPLOYMENT") if base.family == "azure" else None)
    source = "argument" if options["model"] else "AZURE_OPENAI_DEPLOYMENT"
    return Route(
        base_url=Setting(value=without_credentials(url["value"]), source=base.setting.source),
        family=base.family,
        family_reason=base.family_reason,
        scheme=base.scheme if url["problem"] else url["scheme"],
        host=host,
        port=0 if url["problem"] else url["port"],
        path=base.path if url["problem"] else url["path"],
        problems=problems,
        surface=base.surface,
        api_version=base.api_version,
        model=Setting(value=model, source=source) if model else None,
        proxy=ProxyDecision(
            url=proxy["url"],
            rule=proxy["rule"],
            variable=proxy.get("variable"),
            scheme=proxy.get("scheme"),
            host=proxy.get("host"),
            port=proxy.get("port"),
            has_credentials=proxy.get("has_credentials", False),
            configured=proxy.get("configured"),
        ),
        trust=TrustStore(origin="node", path=None, reason=trust["reason"], ignored=trust["ignored"]),
        sdk=sdk.get("version"),
        transport=about["transport"],
        credential=Credential(
            present=credential["present"],
            source=credential.get("source"),
            fingerprint=credential.get("fingerprint"),
            problems=tuple(credential.get("problems", ())),
            oddities=tuple(credential.get("oddities", ())),
        ),
        resolver=resolver_configuration((proxy.get("host") if proxy["url"] else host) or "", variables, _files(about)),
        settings=(
            *(Setting(value=value, source=name) for name, value in variables.items() if name != practice.VARIABLE),
            *(
                Setting(value=identity.SET, source=name)
                for name in about["set"]
                if name in identity.SECRET_VARIABLES and base.family == "azure"
            ),
        ),
    )


def _files(about: Mapping[str, Any]) -> Callable[[str], str]:
    texts = {**about["resolver"], "/etc/hosts": about["hosts"]}
    return lambda path: str(texts.get(path, ""))


def _runtime(about: Mapping[str, Any]) -> Runtime:
    environment = {**dict.fromkeys(about["set"], "set"), **about["variables"]}
    marks = {tuple(mark) for mark in about["marks"]}
    platforms = platform_marks(
        environment, lambda path: path in about["exist"], lambda path, mark: (path, mark) in marks
    )
    version = about["sdk"].get("version")
    return Runtime(
        host=about["host"],
        system=about["system"],
        python="",
        executable=about["executable"],
        openssl=about["openssl"],
        user=about["user"],
        packages=(*((f"openai {version}",) if version else ()), about["transport"]),
        platforms=labels(platforms),
        region=region_of(environment),
        timezone=about["timezone"],
        nodejs=about["node"],
    )


# -- observations -------------------------------------------------------------------------------------------------


def _observation(item: Mapping[str, Any]) -> dict[str, Any]:
    seconds = {name: round(float(item[name]), 6) for name in ("started_seconds", "seconds")}
    return {**item, **seconds, "outcome": _outcome(item["outcome"])}


def _outcome(found: Mapping[str, Any]) -> dict[str, Any]:
    """One outcome in the terms of `oairunbook.evidence`; what no field has a place for is dropped."""
    outcome = dict(found)
    if "errors" in outcome:
        outcome["errors"] = [link(error) for error in outcome["errors"]]
    if "headers" in outcome:
        flat = [str(text) for text in outcome["headers"]]
        outcome["headers"] = to_document(kept_headers(list(zip(flat[::2], flat[1::2], strict=True))))
    if "chain" in outcome:
        outcome["chain"] = [to_document(certificate(base64.b64decode(sent["der"]))) for sent in outcome["chain"]]
    if "content" in outcome:
        body = classify(outcome.pop("content_type"), outcome.pop("content").encode("utf-8", "replace"))
        outcome["body"] = to_document(dataclasses.replace(body, size_bytes=outcome.pop("size")))
    if "page" in outcome:
        page = classify(None, outcome.pop("page").encode("utf-8", "replace"))
        outcome["title"] = page.title or (page.error.message if page.error else None) or page.sample[:200] or None
    if outcome["kind"] == "tls_failed":
        outcome |= _of_a_failed_handshake(outcome)
    if outcome["kind"] == "dns_answer":
        outcome["replies"] = [dict(reply) for reply in outcome["replies"]]
    if outcome.get("answer"):
        outcome["answer"] = _outcome(outcome["answer"])
    if "url" in outcome:
        outcome["url"] = without_credentials(outcome["url"])
    return outcome


def link(error: Mapping[str, Any]) -> dict[str, Any]:
    """One link of Node.js' chain of causes: its code as errno, as verify code, or as OpenSSL's reason."""
    code = error.get("code")
    found: dict[str, Any] = {"type": error["type"], "text": error["text"], "relation": error["relation"]}
    if not isinstance(code, str):
        return found
    if code in _VERIFY_CODES:
        found["verify_code"] = _VERIFY_CODES[code]
    elif code.startswith(_SSL):
        found["ssl_reason"] = code.removeprefix(_SSL).replace("SSL/TLS_ALERT_", "SSLV3_ALERT_")
    elif code in _ERRNO_NAMES or (code.startswith("E") and not code.startswith("ERR_") and code.isupper()):
        found["errno_name"] = _ERRNO_NAMES.get(code, code)
    if code not in error["text"]:
        found["text"] = f"{error['text']} ({code})"
    return found


def _of_a_failed_handshake(outcome: Mapping[str, Any]) -> dict[str, Any]:
    from oairunbook.observe.tls import alert_of

    codes = [error["verify_code"] for error in outcome["errors"] if error.get("verify_code") is not None]
    reasons = [error.get("ssl_reason") for error in outcome["errors"]]
    return {
        "verify_code": codes[0] if codes else None,
        "verify_message": outcome.get("message") if codes else None,
        "alert": alert_of(reasons),
    }

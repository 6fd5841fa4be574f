# ruff: noqa: E501 - one answer a line, so that the tables can be read as tables
"""Answers that are known, with what each means and what to do. Which row an answer is, status and words decide, and then the verdict's cause.

Source: developers.openai.com guide "error-codes", help.openai.com 6614457 and 5955604, and answers recorded in public.
"""

from __future__ import annotations

from oairunbook.diagnose.reading import telling_answer
from oairunbook.evidence import Evidence
from oairunbook.records import dataclass
from oairunbook.verdict import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownAnswer:
    """One row: an answer by its status and by what is said in it."""

    status: str
    """One status or several with `/` between them; empty where the status does not matter."""

    shown: str
    """Code or beginning of the message, as it is seen."""

    cause: str
    means: str
    do: str
    sign: str | None = None
    """What to look for in code, type and message, in lower case; *shown* if None, nothing if empty: then status and cause suffice."""

    shape: str | None = None
    """How the body has to say it (`ApiError.shape`); None if that does not matter."""


def row(
    status: str, shown: str, cause: str, means: str, do: str, sign: str | None = None, shape: str | None = None
) -> KnownAnswer:
    """One row; see `KnownAnswer`."""
    return KnownAnswer(status=status, shown=shown, cause=cause, means=means, do=do, sign=sign, shape=shape)


def seen_in(known: tuple[KnownAnswer, ...], evidence: Evidence, verdict: Verdict) -> KnownAnswer | None:
    """The row that the telling answer is; None if it is none of them, or no answer came.

    Words alone do not choose a row: an answer that the rules judge otherwise is that other thing.
    """
    telling = telling_answer(evidence)
    if telling is None:
        return None
    answer = telling[1]
    error = answer.body.error
    said = (error.code, error.type, error.message) if error else (answer.body.title, answer.body.sample)
    words = " ".join(part for part in said if part).lower()
    shape = error.shape if error else None
    fitting = [
        row
        for row in known
        if row.cause == verdict.cause
        and str(answer.status) in (row.status or str(answer.status))
        and row.shape in (None, shape)
    ]
    return next((row for row in fitting if (row.shown.lower() if row.sign is None else row.sign) in words), None)


_TO_15 = "A change takes up to 15 minutes to act."

AUTH = (
    row("401", "invalid_api_key", "api.invalid_key", "The key is wrong, cut off, or revoked.",
         "Compare its fingerprint with that of the application's key, and look for quotes or white space. Only if it was revoked, issue a new one."),
    row("401", "incorrect_hostname", "api.invalid_key", "The key's project lives on the host of another region.",
         "Set the base URL to that region's host. The key is good: do not rotate it."),
    row("401", "Invalid Authentication", "api.invalid_key", "Key and organization do not fit together.", "Unset OPENAI_ORG_ID, or take a key of that organization.", "invalid authentication"),
    row("401", "Missing bearer or basic authentication in header", "api.missing_key", "No credentials arrived: none were set, or something on the way removed the header.",
         "Look whether the process has the variable; then whether a proxy, gateway or redirect to another host dropped Authorization.", "missing bearer"),
    row("401", "You didn't provide an API key", "api.missing_key", "The same, in older words.", "As above."),
    row("401", "mismatched_organization", "api.organization_mismatch", "The header OpenAI-Organization names another organization than the key's.", "Correct or unset OPENAI_ORG_ID.", "organization header should match"),
    row("401", "mismatched_project", "api.organization_mismatch", "The header OpenAI-Project names another project than the key's.", "Correct or unset OPENAI_PROJECT_ID."),
    row("401", "You must be a member of an organization", "api.organization_mismatch", "The key's owner belongs to no organization any more.", "Have the owner invited again, or take a key of a project.", "member of an organization"),
    row("401", "ip_not_authorized", "api.ip_not_allowed", "The source address, as it looks behind NAT, VPN and proxy, is not on the allow list.",
         f"Have the egress address added. A project's list replaces its organization's; with Private Link the list does not work. {_TO_15}"),
    row("401", "customer_storage_not_ready", "api.permission_denied", "The project's external storage is not ready.", "Finish the storage's setup; the key is good."),
    row("401/403", "Missing scopes: …", "api.permission_denied", "The key is restricted and lacks the scope that the message names.", f"Give the key that scope. {_TO_15}", "missing scopes"),
    row("401/403", "insufficient_permissions", "api.permission_denied", "The key, or its owner's role, may not do this.", f"Give the permission. {_TO_15}"),
    row("401/403", "account_deactivated", "api.permission_denied", "The account is closed.", "Only its owner can settle this with the provider."),
    row("403", "unsupported_country_region_territory", "api.region_unsupported", "The source address counts as one of an unsupported place.",
         "Look where the egress really leaves: a VPN, proxy or NAT in another country counts, not the machine."),
    row("403/404", "model_not_found", "api.model_not_found", "The project has no access to this model, or there is none of that name. A 403 of this kind is no matter of the key.", "Compare the model's name with the list that this key sees."),
    row("403", "a page, without a request id", "http.blocked_page", "A filter or the edge's firewall answered. No key was looked at.", "Ask who runs the filter that the page names; leave the key alone.", ""),
    row("401", "Access denied due to invalid subscription key or wrong API endpoint", "api.azure_auth_failed", "Azure: the key of another resource and a wrong host give the same answer.",
         "Compare resource name and key; see 04_route_azure."),
    row("401", "Access token is missing, invalid, audience is incorrect", "api.azure_auth_failed", "Azure: the token is absent, expired, or made for another audience.", "Look at the scope that the application asks for; see 04_route_azure.", "audience is incorrect"),
    row("401", "PermissionDenied: the principal lacks the required data action", "api.azure_auth_failed", "Azure: the identity has no role on this resource. Azure answers 401 here, not 403.",
         "Assign Cognitive Services OpenAI User; a role takes at least 5 minutes to act.", "lacks the required data action"),
    row("403", "AuthenticationTypeDisabled", "api.azure_auth_failed", "Azure: keys are switched off on this resource.", "Use a token of Entra ID.", "authentication is disabled"),
    row("400/401/403", "a gateway's own refusal", "api.gateway_auth_failed", "The gateway refuses the key that it expects from its callers. The API has not seen anything.", "Ask who runs the gateway; see 04_route_gateway.", ""),
)  # fmt: skip

ACTS_AFTER = (
    ("A key is revoked", "seconds"),
    ("Any other change of a key or permission", "up to 15 minutes"),
    ("The IP allow list is changed", "up to 15 minutes"),
    ("Azure: a role is assigned", "5 minutes or more"),
    ("Azure: firewall or network rules are changed", "10 to 30 minutes"),
    ("Azure: a deployment is created", "up to 5 minutes"),
)
"""How long a change takes before a test can show it. A test that is made earlier proves nothing."""

QUOTA_AND_RATE = (
    row("429", "rate_limit_exceeded", "api.rate_limited", "Requests or tokens of a minute or a day are used up for this model.", "Wait for the reset, slow down, send less at once. It passes by itself."),
    row("429", "credit_balance_exhausted", "api.insufficient_quota", "No credits are left.", "Have credits added."),
    row("429", "organization_spend_limit_exceeded", "api.insufficient_quota", "The organization reached the spend limit that it set itself.", "Have the limit raised, or wait for the next period."),
    row("429", "project_spend_limit_exceeded", "api.insufficient_quota", "The project reached its own spend limit.", "Have the project's limit raised."),
    row("429", "organization_usage_limit_exceeded", "api.insufficient_quota", "The usage limit of the organization's tier is reached.", "Have the tier raised."),
    row("429", "billing_hard_limit_reached", "api.insufficient_quota", "A hard limit of billing is reached.", "Have it raised."),
    row("429", "billing_not_active", "api.insufficient_quota", "Billing is not set up, or a payment failed.", "Have billing set right."),
    # Behind the others: it is the type of all of them, and the code of none but the oldest.
    row("429", "insufficient_quota", "api.insufficient_quota", "Credit or quota is used up; also the old name of all billing limits.", "Have billing and limits of organization and project checked. It does not pass by itself, so do not retry."),
    row("429", "slow_down", "api.overloaded", "Traffic grew too fast, although it is within the limits. The API protects itself.", "Raise the load slowly; see 05_owner_server."),
    row("429", "Azure: have exceeded token rate limit of your current … pricing tier", "api.rate_limited", "Tokens per minute of this Azure deployment are used up.", "Wait as long as Retry-After says; have more of the subscription's quota given to this deployment.", "rate limit of your current"),
    row("403/429", "API Management: a token limit policy", "api.rate_limited", "A policy of the gateway: 429 where a rate is exceeded, 403 where a quota is.", "Ask who runs API Management.", "token limit is exceeded"),
    row("429", "LiteLLM: Crossed TPM / RPM / Max Parallel Request Limit", "api.rate_limited", "A limit that the gateway set for this key; the provider has not refused anything.", "Ask who runs the gateway.", "crossed tpm"),
    row("400/422/429", "LiteLLM: budget_exceeded", "api.insufficient_quota", "The budget that the gateway gave this key is spent.", "Ask who runs the gateway.", "budget_exceeded"),
    row("402", "OpenRouter: credits", "api.insufficient_quota", "Credits are used up, or too many requests are in flight for what is left.", "With Retry-After wait; without it have credits added.", "credits"),
)  # fmt: skip

SERVER = (
    row("500", "server_error", "api.server_error", "The application failed while it worked on the request.", "Retry with backoff; keep the request id."),
    row("500", "auth_subrequest_error / internal_error", "api.server_error", "The API's own authentication service failed. The key is not the reason.", "Retry with backoff; do not touch the key.", "auth_subrequest_error"),
    row("503", "server_is_overloaded", "api.overloaded", "More load than capacity, for everybody.", "Wait as long as Retry-After says, else back off; consider another model or service tier."),
    row("503", "The engine is currently overloaded", "api.overloaded", "The same, in older words.", "As above.", "currently overloaded"),
    row("429/503", "slow_down", "api.overloaded", "The load of this organization grew too fast.", "Go back to the earlier rate, hold it for some minutes, then raise it slowly."),
    row("503", "external_storage_validation_unavailable", "api.server_error", "External storage could not be checked.", "Retry; if it stays, look at the storage's status."),
    row("502", "cf_bad_gateway, code 502 as a number, no request id", "http.gateway_error", "The edge could not reach the application. It looks like an API error and is none.", "Retry with backoff; quote the cf-ray.", "cf_bad_gateway"),
    row("520/521/522/523/524/525/526/527/530", "a page of the edge: api.openai.com | 52x", "http.gateway_error", "The edge could not reach or understand the application.", "Retry with backoff; quote the cf-ray.", ""),
    row("503", "upstream connect error or disconnect/reset before headers", "http.gateway_error", "An Envoy found no server behind it: with cf-ray and x-request-id the API's, without both a mesh on this side.", "Without these marks: ask who runs the service mesh here.", "upstream connect error"),
    row("200", "an error event inside a stream", "api.server_error", "The stream had begun when it failed. The status was sent long before.", "Retry the whole request; the SDK raises APIError without a status.", "server_error"),
    row("408", "Azure: The operation was timeout", "api.server_error", "Azure gave up waiting for the model.", "Retry with backoff; quote apim-request-id.", "the operation was timeout"),
    row("500/503", "Azure: InternalServerError, ServiceUnavailable", "api.server_error", "The Azure resource or its model failed.", "Retry with backoff; look at Azure's own status; quote apim-request-id.", "internalservererror"),
)  # fmt: skip

PROVES: dict[str, tuple[str, ...]] = {
    "api.invalid_key": ("The credentials arrived and were looked at.", "The limits, the model and the request were not looked at yet."),
    "api.missing_key": ("The request arrived without credentials.", "Nothing is known of the key itself."),
    "api.organization_mismatch": ("The credentials arrived; organization or project named beside them does not fit.",),
    "api.permission_denied": ("The key is valid, and lacks a right.", "A new key with the same rights ends the same way."),
    "api.ip_not_allowed": ("The key is valid; the source address is not allowed.", "A new key of the same project ends the same way."),
    "api.region_unsupported": ("The source address was judged, not the key.",),
    "api.azure_auth_failed": ("Azure's front answered before any model did.", "The same answer stands for a wrong key and for a wrong resource."),
    "api.gateway_auth_failed": ("The gateway refused its caller. Of the API behind it nothing is known.",),
    "api.rate_limited": ("Authentication passed: limits are looked at behind it.", "It passes by itself, and comes back under the same load."),
    "api.insufficient_quota": ("Authentication passed: billing is looked at behind it.", "It does not pass by itself; a retry only adds load."),
    "api.server_error": ("The request was taken in, and failed behind the entrance.", "Key, quota and path of this side are not the reason."),
    "api.overloaded": ("The request arrived and was not worked on for want of capacity.", "Key, quota and path of this side are not the reason."),
    "api.model_not_found": ("Authentication passed; the model is not there, or not for this key.",),
    "http.gateway_error": ("Somebody before the application answered: the request did not get that far.", "A status without a request id of the API is no answer of the API."),
    "http.blocked_page": ("A filter or firewall answered. No key was looked at: a 403 of this kind is no matter of authentication.",),
    "ok": ("Name, TCP, TLS, credentials, quota, model and request: all of them worked for one minimal request.",),
}  # fmt: skip
"""What an answer of each cause proves beyond that it came: the path is open up to whoever gave it."""

"""What an upstream's failure means: status and body, or an error object inside a stream, to one typed error.

The status outranks the text: names that a provider gives its errors (`insufficient_quota`, Zen's `ModelError`) refine
it, and free text decides only under 400, 401, 413 and 422, where providers put everything, between a rate and a quota
(429), between a model and a service that ended (410), and for errors in a stream, which have no status.
"""

import email.utils
import re
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from app import errors
from app.errors import GatewayError, Origin, Phase
from app.providers.complaint import Complaint, read_complaint
from app.providers.excerpt import excerpt
from app.providers.mismatch import Mismatch, is_mismatch
from app.providers.relayed import BEHIND, gateways_message
from app.secret import Secret

BODY_LIMIT: Final = 64 * 1024
"""Bytes of an error body that are read; the rest is never looked at."""
_FAR_S: Final = 3600.0
"""A retry-after of an hour or more is a quota, not a rate."""
_SHOWN_NAME_LIMIT: Final = 80


_NAMED: Final[Mapping[str, type[GatewayError]]] = {
    # OpenAI and those who follow it
    "insufficient_quota": errors.InsufficientCredits,
    "billing_not_active": errors.InsufficientCredits,
    "billing_hard_limit_reached": errors.SpendLimitReached,
    "insufficient_credits": errors.InsufficientCredits,
    "unsupported_country_region_territory": errors.RegionNotAllowed,
    "model_not_found": errors.ModelNotFound,
    "context_length_exceeded": errors.ContextLengthExceeded,
    "content_policy_violation": errors.ContentFiltered,
    "content_filter": errors.ContentFiltered,
    "invalid_api_key": errors.AuthenticationFailed,
    "rate_limit_exceeded": errors.RateLimited,
    "server_error": errors.ProviderInternalError,
    "insufficient_system_resource": errors.ProviderOverloaded,  # DeepSeek, as a finish reason
    # Anthropic: https://docs.anthropic.com/en/api/errors
    "authentication_error": errors.AuthenticationFailed,
    "billing_error": errors.InsufficientCredits,
    "permission_error": errors.PermissionDenied,
    "not_found_error": errors.ModelNotFound,
    "request_too_large": errors.ContextLengthExceeded,
    "rate_limit_error": errors.RateLimited,
    "timeout_error": errors.ProviderTimeout,
    "api_error": errors.ProviderInternalError,
    "overloaded_error": errors.ProviderOverloaded,
    # Google: https://cloud.google.com/apis/design/errors
    "unauthenticated": errors.AuthenticationFailed,
    "api_key_invalid": errors.AuthenticationFailed,
    "permission_denied": errors.PermissionDenied,
    "not_found": errors.ModelNotFound,
    "resource_exhausted": errors.RateLimited,
    "internal": errors.ProviderInternalError,
    "unavailable": errors.ProviderUnavailable,
    "deadline_exceeded": errors.ProviderTimeout,
    # OpenCode Zen: its console's zen handler
    "autherror": errors.AuthenticationFailed,
    "modelerror": errors.ModelNotFound,
    "creditserror": errors.InsufficientCredits,
    "monthlylimiterror": errors.SpendLimitReached,
    "userlimiterror": errors.SpendLimitReached,
    "freetiererror": errors.FreeTierRestricted,
    "regionerror": errors.RegionNotAllowed,
    "ratelimiterror": errors.RateLimited,
    "freeusagelimiterror": errors.QuotaExhausted,
    "gousagelimiterror": errors.QuotaExhausted,
    "blackusagelimiterror": errors.QuotaExhausted,
}

_BY_STATUS: Final[Mapping[int, type[GatewayError]]] = {
    400: errors.InvalidRequest,
    401: errors.AuthenticationFailed,
    402: errors.InsufficientCredits,
    403: errors.PermissionDenied,
    404: errors.ModelNotFound,
    405: errors.InvalidProviderResponse,
    408: errors.ProviderTimeout,
    409: errors.ProviderUnavailable,  # a conflict inside the provider: its documented remedy is to try again
    410: errors.ProviderRetired,
    413: errors.ContextLengthExceeded,
    415: errors.InvalidProviderResponse,
    422: errors.InvalidRequest,
    429: errors.RateLimited,
    451: errors.RegionNotAllowed,
    500: errors.ProviderInternalError,
    502: errors.ProviderUnavailable,
    503: errors.ProviderUnavailable,
    504: errors.ProviderTimeout,
    524: errors.ProviderTimeout,
    529: errors.ProviderOverloaded,
}

_REFINES: Final[Mapping[type[GatewayError], tuple[type[GatewayError], ...]]] = {
    errors.InvalidRequest: (
        errors.AuthenticationFailed,
        errors.ContentFiltered,
        errors.ContextLengthExceeded,
        errors.InsufficientCredits,
        errors.ModelNotFound,
        errors.RegionNotAllowed,
    ),
    errors.AuthenticationFailed: (
        errors.ModelNotFound,
        errors.InsufficientCredits,
        errors.SpendLimitReached,
        errors.RegionNotAllowed,
    ),
    errors.PermissionDenied: (
        errors.FreeTierRestricted,
        errors.RegionNotAllowed,
        errors.InsufficientCredits,
        errors.ModelNotFound,
        errors.SpendLimitReached,
    ),
    errors.RateLimited: (errors.InsufficientCredits, errors.QuotaExhausted, errors.SpendLimitReached),
    errors.ProviderInternalError: (errors.ProviderOverloaded,),
    errors.ProviderUnavailable: (errors.ProviderOverloaded,),
    errors.ContextLengthExceeded: (),
}
"""Which named errors may refine what the status says; any other name beside a status is decoration."""

_TEXTS: Final[tuple[tuple[re.Pattern[str], type[GatewayError]], ...]] = tuple(
    (re.compile(pattern, re.IGNORECASE), kind)
    for pattern, kind in (
        (r"api.?key not valid|(?:invalid|incorrect) api.?key|api_key_invalid", errors.AuthenticationFailed),
        (
            (
                r"context.?(?:length|window)|maximum context|prompt is too long|(?:input|prompt) (?:is )?too long"
                r"|too many (?:input )?tokens|exceeds? the (?:maximum|limit)[^.]{0,40}tokens|input token count"
            ),
            errors.ContextLengthExceeded,
        ),
        (r"content.?(?:policy|management|filter)|safety (?:system|policy)|flagged", errors.ContentFiltered),
        (
            (
                r"model\b.{0,120}(?:does not exist|not found|not (?:a )?valid|is not (?:supported|available)|unknown"
                r"|decommissioned|deprecated)|(?:invalid|unknown|no such|unsupported) model|not a valid model"
            ),
            errors.ModelNotFound,
        ),
        (r"credit balance is too low|insufficient (?:credit|balance|funds)", errors.InsufficientCredits),
    )
)
_TEXT_STATUSES: Final = frozenset({400, 401, 413, 422})
_QUOTA_TEXT: Final = re.compile(r"per.?day|daily|monthly|weekly|quota", re.IGNORECASE)


def refusal(  # noqa: PLR0913 - the response, and what is known of who sent it
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    origin: Origin,
    key: Secret | None = None,
    mismatch: Mismatch | None = None,
) -> GatewayError:
    """Give the error for a response with `status`, which is not a usable success.

    `headers` have names in lower case; `body` is cut at `BODY_LIMIT`. `key` is taken out of the excerpt. `mismatch` is
    the provider's way to say `EndpointMismatch`.
    """
    complaint = read_complaint(body[:BODY_LIMIT])
    named = _described(origin, complaint, key, status=status, headers=headers)
    retry_after = _retry_after(headers)
    kind = _kind(status, complaint, retry_after)
    if is_mismatch(mismatch, status, complaint):
        kind = errors.EndpointMismatch
    elif complaint.relayed:
        kind = BEHIND.get(kind, kind)
    message = _special_message(kind, status, complaint, body, named)
    retry = retry_after if kind.retryable or kind is errors.QuotaExhausted else None
    return kind(message, origin=named, phase=Phase.FIRST_TOKEN, retry_after_s=retry)


def in_stream(complaint: Complaint, *, origin: Origin, phase: Phase, key: Secret | None = None) -> GatewayError:
    """Give the error for an error object that came with a success status, in a stream or instead of one."""
    named = _described(origin, complaint, key, status=complaint.status, headers={})
    kind = _named_kind(complaint) or _text_kind(complaint)
    if complaint.status is not None and complaint.status >= _FIRST_ERROR_STATUS:
        kind = _kind(complaint.status, complaint, None)
    return (kind or errors.ProviderInternalError)(origin=named, phase=phase)


def not_a_stream(head: bytes, headers: Mapping[str, str], *, origin: Origin, key: Secret | None = None) -> GatewayError:
    """Give the error for a success whose body held no event: HTML, nothing, or plain JSON."""
    complaint = read_complaint(head[:BODY_LIMIT])
    if complaint.structured and (complaint.names or complaint.status):
        error = in_stream(complaint, origin=origin, key=key, phase=Phase.FIRST_TOKEN)
        if not isinstance(error, errors.ProviderInternalError):
            return error
    text = head.lstrip()[:1]
    found = {b"": "nothing", b"<": "an HTML page", b"{": "plain JSON", b"[": "plain JSON"}.get(text, "other text")
    return errors.InvalidProviderResponse(
        f"{origin.label} answered with {found} instead of a stream.",
        origin=_described(origin, complaint, key, status=200, headers=headers),
        phase=Phase.FIRST_TOKEN,
    )


_FIRST_ERROR_STATUS: Final = 400
_FIRST_REDIRECT_STATUS: Final = 300
_FIRST_SERVER_STATUS: Final = 500


def _kind(status: int, complaint: Complaint, retry_after: float | None) -> type[GatewayError]:
    if status < _FIRST_ERROR_STATUS:
        return errors.InvalidProviderResponse
    fallback = errors.ProviderUnavailable if status >= _FIRST_SERVER_STATUS else errors.InvalidRequest
    kind = _BY_STATUS.get(status, fallback)
    if status == 404 and not complaint.structured:  # noqa: PLR2004 - the status itself
        return errors.InvalidProviderResponse
    if kind is errors.ProviderRetired and re.search(r"\bmodel\b", complaint.message, re.IGNORECASE):
        return errors.ModelNotFound
    allowed = _REFINES.get(kind, ())
    named = _named_kind(complaint)
    if named in allowed:
        kind = named or kind
    elif status in _TEXT_STATUSES and (by_text := _text_kind(complaint)) in allowed:
        kind = by_text or kind
    if kind is errors.RateLimited and _is_quota(complaint, retry_after):
        return errors.QuotaExhausted
    return kind


def _is_quota(complaint: Complaint, retry_after: float | None) -> bool:
    if retry_after is not None:
        return retry_after >= _FAR_S
    return bool(_QUOTA_TEXT.search(complaint.message))


def _named_kind(complaint: Complaint) -> type[GatewayError] | None:
    return next((_NAMED[name.lower()] for name in complaint.names if name.lower() in _NAMED), None)


def _text_kind(complaint: Complaint) -> type[GatewayError] | None:
    text = complaint.message[:2000]
    return next((kind for pattern, kind in _TEXTS if pattern.search(text)), None)


def _special_message(
    kind: type[GatewayError], status: int, complaint: Complaint, body: bytes, origin: Origin
) -> str | None:
    label = origin.label
    if kind is errors.InvalidProviderResponse:
        if _FIRST_REDIRECT_STATUS <= status < _FIRST_ERROR_STATUS:
            return f"{label} answered with a redirect ({status}), which is never followed."
        return f"{label} answered with status {status}: there is no chat API at this address."
    if kind is errors.PermissionDenied and not complaint.structured and body.lstrip()[:1] == b"<":
        return f"{label} refused the call with an HTML page ({status}), as a firewall or a proxy in between does."
    if kind is errors.ProviderTimeout:
        return f"{label} gave up waiting for its own answer ({status})."
    return gateways_message(kind, status, complaint, origin)


def _described(
    origin: Origin, complaint: Complaint, key: Secret | None, *, status: int | None, headers: Mapping[str, str]
) -> Origin:
    request_id = headers.get("x-request-id") or headers.get("request-id") or headers.get("x-goog-request-id")
    return replace(
        origin,
        upstream_status=status,
        upstream_code=_safe_name(complaint.names[0], key) if complaint.names else None,
        upstream_request_id=_safe_name(request_id, key) if request_id else origin.upstream_request_id,
        upstream_message=excerpt(complaint.message, key) if complaint.message and not origin.private else None,
    )


def _safe_name(name: str, key: Secret | None) -> str | None:
    if key is not None and key.reveal().lower() in name.lower():
        return None
    return name[:_SHOWN_NAME_LIMIT] if re.fullmatch(r"[A-Za-z0-9._:/ -]+", name) else None


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Read Retry-After in both forms of RFC 9110 section 10.2.3: seconds or a date."""
    value = headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}(?:\.\d{1,6})?", value):
        return float(value)
    if not value:
        return None
    try:
        when = email.utils.parsedate_to_datetime(value)
    except (ValueError, TypeError):
        return None
    return max(0.0, when.timestamp() - time.time())

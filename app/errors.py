"""Every error the gateway can answer with: one class per code, one object on the wire.

    GatewayError                       never raised itself
    +- CallerError                     the request, or who sends it
    |  +- NotAuthenticated, Forbidden, NotFound, InvalidInput, ConversationBusy, IdempotencyMismatch
    |  +- InvalidModelForProvider, ProviderNotAvailable, ProviderRetired
    +- CredentialError                 the caller's provider key
    |  +- MissingCredential, CredentialUnreadable, AuthenticationFailed, PermissionDenied
    +- PolicyError                     an account or a content rule of the provider
    |  +- FreeTierRestricted, RegionNotAllowed, InsufficientCredits, SpendLimitReached
    |  +- QuotaExhausted, RateLimited, ContentFiltered
    +- ProviderError                   the provider answered, wrongly
    |  +- ModelNotFound, InvalidRequest, ContextLengthExceeded
    |  +- ProviderInternalError, ProviderUnavailable, ProviderOverloaded
    |  +- InvalidProviderResponse, StreamInterrupted, StreamStalled, UnknownError
    +- NetworkError                    the provider was not reached
    |  +- ProviderUnreachable, TlsError, ProviderTimeout
    +- ToolError
    |  +- ToolValidationError, ToolExecutionError, ToolLoopLimit
    +- OwnError                        the gateway itself
       +- AuthUnavailable, StorageUnavailable, ServerShutdown, TooManyRuns, BudgetExceeded
       +- GatewayRateLimited, Cancelled, Interrupted, InternalError

The set is closed: a new code needs a class here, and the tests ask for its row in `docs/errors.md`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, Final

from typing_extensions import override

DOCS_PAGE: Final = "docs/errors.md"
UPSTREAM_EXCERPT_LIMIT: Final = 300
_RESERVED: Final = frozenset({"error", "error_category", "error_detail", "detail"})


class ConfigError(Exception):
    """The configuration cannot be used; stops the start with one line that names the setting, never its value."""


class Fault(StrEnum):
    """Whose turn it is to act."""

    CALLER = "caller"
    CREDENTIAL = "credential"
    POLICY = "policy"
    PROVIDER = "provider"
    GATEWAY = "gateway"
    NETWORK = "network"


class Phase(StrEnum):
    """How far the request had come."""

    REQUEST = "request"
    CONNECT = "connect"
    FIRST_TOKEN = "first_token"  # noqa: S105 - a phase, not a password
    MID_STREAM = "mid_stream"
    TOOL = "tool"
    STORAGE = "storage"


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where an error comes from, for the person (`label`) and for the machine (the rest)."""

    provider: str | None = None
    label: str = "The provider"
    model: str | None = None
    upstream_status: int | None = None
    upstream_code: str | None = None
    upstream_request_id: str | None = None
    upstream_message: str | None = None
    """Already cleaned: at most `UPSTREAM_EXCERPT_LIMIT` characters without URL, host, markup or key."""
    private: bool = False
    """Whether the account is the operator's: what the provider says about it is not for callers."""


NOWHERE: Final = Origin()


class GatewayError(Exception):
    """Base of all errors; never raised itself."""

    code: ClassVar[str]
    status: ClassVar[int]
    fault: ClassVar[Fault]
    retryable: ClassVar[bool] = False
    phase_default: ClassVar[Phase] = Phase.REQUEST
    says: ClassVar[str]
    """The sentence for a person; `{provider}` and `{model}` are filled in from the origin."""
    action_default: ClassVar[str] = ""

    def __init__(  # noqa: PLR0913 - one keyword per field of the wire's object
        self,
        message: str | None = None,
        *,
        origin: Origin = NOWHERE,
        action: str | None = None,
        phase: Phase | None = None,
        http_status: int | None = None,
        retry_after_s: float | None = None,
        did_you_mean: Sequence[str] = (),
        fields: Mapping[str, Sequence[str]] | None = None,
        run_id: str | None = None,
    ) -> None:
        """Build the error; whatever is not given comes from the class."""
        named = {"provider": origin.label, "model": origin.model or "this model"}
        self.message = message if message is not None else self.says.format(**named)
        self.action = action if action is not None else self.action_default.format(**named)
        self.origin = origin
        self.phase = phase or self.phase_default
        self.http_status = http_status or self.status
        self.retry_after_s = retry_after_s
        self.did_you_mean = tuple(did_you_mean)
        self.fields = dict(fields or {})
        self.run_id = run_id
        super().__init__(self.message)

    @property
    def sentence(self) -> str:
        """What is wrong and what to do, as shown to a person."""
        return f"{self.message} {self.action}".strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorBody:
    """The one error object, the same in an HTTP body, in the terminal event and in the stored message."""

    error: GatewayError
    request_id: str | None = None
    run_id: str | None = None
    partial_text: str = ""
    """Text the person has already seen; the Voyage reader replaces its bubble by `error`, so it leads there."""
    partial: bool | None = None
    """Whether text was kept, where it is not in `partial_text`."""

    def as_dict(self) -> dict[str, Any]:
        """Give the object as JSON-ready data; `error` and `detail` are always non-empty strings."""
        error = self.error
        sentence = error.sentence
        shown = f"{self.partial_text}\n\n⚠ {sentence}" if self.partial_text else sentence
        arrays = {name: list(texts) for name, texts in error.fields.items() if name not in _RESERVED}
        return arrays | {
            "error": shown,
            "error_category": error.code,
            "detail": sentence,
            "error_detail": self._detail(),
        }

    def _detail(self) -> dict[str, Any]:
        error, origin = self.error, self.error.origin
        return {
            "code": error.code,
            "message": error.message,
            "action": error.action,
            "fault": error.fault.value,
            "phase": error.phase.value,
            "retryable": error.retryable,
            "retry_after_s": error.retry_after_s,
            "http_status": error.http_status,
            "provider": origin.provider,
            "model": origin.model,
            "upstream_status": origin.upstream_status,
            "upstream_code": origin.upstream_code,
            "upstream_request_id": origin.upstream_request_id,
            "upstream_message": origin.upstream_message,
            "did_you_mean": list(error.did_you_mean),
            "fields": {name: list(texts) for name, texts in error.fields.items()},
            "partial": bool(self.partial_text) if self.partial is None else self.partial,
            "request_id": self.request_id,
            "run_id": self.run_id or error.run_id,
            "docs_url": f"{DOCS_PAGE}#{error.code}",
        }

    @override
    def __str__(self) -> str:
        return self.error.sentence


class CallerError(GatewayError):
    """The request, or who sends it; never raised itself."""

    fault = Fault.CALLER


class NotAuthenticated(CallerError):
    """No valid caller."""

    code, status = "not_authenticated", 401
    says, action_default = "You are not signed in.", "Sign in, or send a valid token."


class Forbidden(CallerError):
    """The caller may not do this: scope, origin or CSRF."""

    code, status = "forbidden", 403
    says, action_default = "This request is not allowed.", "Use an account or an origin that may do it."


class NotFound(CallerError):
    """Unknown, or somebody else's: both look the same."""

    code, status = "not_found", 404
    says, action_default = "Not found.", "Check the address and the id."


class InvalidInput(CallerError):
    """A body, an id or a limit; `fields` names what is wrong. HTTP 400, 405, 413, 415 or 422."""

    code, status = "validation_error", 400
    says, action_default = "The request is not valid.", "Correct the named field and send it again."


class InvalidModelForProvider(CallerError):
    """The model's prefix names another provider; `did_you_mean` has the corrected id."""

    code, status = "invalid_model_for_provider", 400
    says = "{model} is not a model id of {provider}."
    action_default = "Use the suggested id, or choose the provider the prefix names."


class ProviderNotAvailable(CallerError):
    """Unknown or disabled provider."""

    code, status = "provider_not_available", 400
    says, action_default = "Provider is not available for chat.", "Choose one of the listed providers."


class ProviderRetired(CallerError):
    """The provider has ended its service."""

    code, status = "provider_retired", 410
    says, action_default = "{provider} has ended its service.", "Choose another provider."


class ConversationBusy(CallerError):
    """A run is active in this conversation; `run_id` names it."""

    code, status, retryable = "conversation_busy", 409, True
    says = "An answer is still being written in this conversation."
    action_default = "Wait for it to end, or cancel it."


class IdempotencyMismatch(CallerError):
    """The same idempotency key came with another body."""

    code, status = "idempotency_mismatch", 422
    says, action_default = "This idempotency key was used with another body.", "Use a new key."


class CredentialError(GatewayError):
    """The caller's provider key; never raised itself."""

    fault = Fault.CREDENTIAL


class MissingCredential(CredentialError):
    """No key is stored for the provider."""

    code, status = "missing_credential", 409
    says, action_default = "No API key found for provider: {provider}.", "Please add one in Settings."


class CredentialUnreadable(CredentialError):
    """The stored key cannot be opened: other master key, moved row or changed base URL."""

    code, status = "credential_unreadable", 409
    says, action_default = "The stored key for {provider} cannot be opened.", "Enter the key again in Settings."


class AuthenticationFailed(CredentialError):
    """The provider refused the key."""

    code, status, phase_default = "authentication_failed", 424, Phase.FIRST_TOKEN
    says, action_default = "{provider} refused the API key.", "Check the {provider} key in Settings."


class PermissionDenied(CredentialError):
    """The provider knows the key and forbids the call."""

    code, status, phase_default = "permission_denied", 424, Phase.FIRST_TOKEN
    says = "{provider} does not allow this key to use {model}."
    action_default = "Give the key the permission at {provider}, or choose another model."


class PolicyError(GatewayError):
    """A rule of the provider on the account or the content; never raised itself."""

    fault, phase_default = Fault.POLICY, Phase.FIRST_TOKEN


class FreeTierRestricted(PolicyError):
    """The free tier is closed to this client."""

    code, status = "free_tier_restricted", 424
    says, action_default = "{provider} does not offer {model} on its free tier here.", "Choose a paid model."


class RegionNotAllowed(PolicyError):
    """The provider does not serve this region."""

    code, status = "region_not_allowed", 424
    says, action_default = "{provider} does not offer {model} in this region.", "Choose another model or provider."


class InsufficientCredits(PolicyError):
    """The account has no credit left."""

    code, status = "insufficient_credits", 402
    says, action_default = "The {provider} account has no credit left.", "Add credit at {provider}."


class SpendLimitReached(PolicyError):
    """A spending cap of the account or workspace is reached."""

    code, status = "spend_limit_reached", 402
    says, action_default = "A spending limit at {provider} is reached.", "Raise the limit at {provider}."


class RateLimited(PolicyError):
    """Too many requests; `retry_after_s` says when to come back, if the provider did."""

    code, status, retryable = "rate_limited", 429, True
    says, action_default = "{provider} is limiting requests right now.", "Wait a moment and send it again."


class QuotaExhausted(PolicyError):
    """A daily or plan quota is used up: waiting seconds does not help."""

    code, status = "quota_exhausted", 429
    says = "The quota at {provider} is used up."
    action_default = "Wait until it resets, raise it at {provider}, or choose another provider."


class ContentFiltered(PolicyError):
    """The provider's content rules stopped the request or the answer."""

    code, status = "content_filtered", 422
    says, action_default = "{provider} stopped this by its content rules.", "Rephrase the message."


class ProviderError(GatewayError):
    """The provider answered, but not with an answer; never raised itself."""

    fault, phase_default = Fault.PROVIDER, Phase.FIRST_TOKEN


class ModelNotFound(ProviderError):
    """The provider does not know the model, or does not offer it to this key."""

    code, status, fault = "model_not_found", 404, Fault.CALLER
    says, action_default = "{provider} does not know the model {model}.", "Choose a model from the provider's list."


class InvalidRequest(ProviderError):
    """The provider refused the request for a reason that has no code of its own."""

    code, status = "invalid_request", 422
    says = "{provider} refused the request as invalid."
    action_default = "Try another model, or change the request as upstream_message says."


class ContextLengthExceeded(ProviderError):
    """The conversation is longer than the model can read."""

    code, status, fault = "context_length_exceeded", 413, Fault.CALLER
    says = "The conversation is too long for {model}."
    action_default = "Shorten the message or start a new conversation."


class ProviderInternalError(ProviderError):
    """HTTP 500 of the provider."""

    code, status, retryable = "provider_internal_error", 502, True
    says, action_default = "{provider} failed with an internal error.", "Try again; if it stays, choose another model."


class ProviderUnavailable(ProviderError):
    """HTTP 502 or 503 of the provider, or the error page of something in front of it."""

    code, status, retryable = "provider_unavailable", 503, True
    says, action_default = "{provider} is not available right now.", "Try again in a moment."


class ProviderOverloaded(ProviderError):
    """The provider says that it is overloaded (529, `overloaded_error`)."""

    code, status, retryable = "provider_overloaded", 503, True
    says, action_default = "{provider} is overloaded right now.", "Try again in a moment or choose another model."


class InvalidProviderResponse(ProviderError):
    """A success status with something that is no answer: HTML, nothing, plain JSON, a broken event, a redirect."""

    code, status = "invalid_provider_response", 502
    says = "{provider} answered with something that is not a chat answer."
    action_default = "Check the provider's base URL."


class StreamInterrupted(ProviderError):
    """The answer ended before the provider said that it was finished."""

    code, status, phase_default = "stream_interrupted", 502, Phase.MID_STREAM
    says, action_default = "The answer of {provider} was cut off.", "What arrived is kept; send the message again."


class StreamStalled(ProviderError):
    """Silence in the middle of an answer."""

    code, status, phase_default = "stream_stalled", 504, Phase.MID_STREAM
    says = "{provider} stopped sending in the middle of the answer."
    action_default = "What arrived is kept; send the message again."


class UnknownError(ProviderError):
    """Nothing else fits; the recorded corpus of failures has none."""

    code, status = "unknown_error", 502
    says, action_default = "{provider} failed in an unknown way.", "Report the request id."


class NetworkError(GatewayError):
    """The provider was not reached; never raised itself."""

    fault, phase_default = Fault.NETWORK, Phase.CONNECT


class ProviderUnreachable(NetworkError):
    """Refused, no such host, or closed before the first byte."""

    code, status, retryable = "provider_unreachable", 502, True
    says, action_default = "{provider} cannot be reached.", "Check the provider's base URL and the network."


class TlsError(NetworkError):
    """The certificate or the handshake failed."""

    code, status = "tls_error", 502
    says, action_default = "The TLS certificate of {provider} is not valid.", "Correct the certificate or the base URL."


class ProviderTimeout(NetworkError):
    """A deadline passed before the first token, or the total one; the message says which."""

    code, status, retryable = "provider_timeout", 504, True
    says, action_default = "{provider} did not answer in time.", "Try again or choose another model."


class ToolError(GatewayError):
    """A tool of a run; never raised itself."""

    fault, phase_default = Fault.PROVIDER, Phase.TOOL


class ToolValidationError(ToolError):
    """The model called a tool with unusable arguments."""

    code, status = "tool_validation_error", 422
    says, action_default = "The model called a tool with wrong arguments.", "Say it in other words."


class ToolExecutionError(ToolError):
    """A tool failed."""

    code, status = "tool_execution_error", 502
    says, action_default = "A tool could not be completed.", "Try again."


class ToolLoopLimit(ToolError):
    """The model kept calling tools."""

    code, status = "tool_loop_limit", 422
    says, action_default = "The model called too many tools without answering.", "Ask for less at once."


class OwnError(GatewayError):
    """The gateway itself; never raised itself."""

    fault = Fault.GATEWAY


class AuthUnavailable(OwnError):
    """Who the caller is cannot be asked right now."""

    code, status, retryable = "auth_unavailable", 503, True
    says, action_default = "Your sign-in cannot be checked right now.", "Try again in a moment."


class StorageUnavailable(OwnError):
    """The database is down, locked or full."""

    code, status, retryable, phase_default = "storage_unavailable", 503, True, Phase.STORAGE
    says, action_default = "The gateway cannot store anything right now.", "Try again in a moment."


class ServerShutdown(OwnError):
    """The gateway is stopping and takes no new work."""

    code, status, retryable = "server_shutdown", 503, True
    says, action_default = "The gateway is restarting.", "Try again in a moment."


class TooManyRuns(OwnError):
    """The cap on concurrent runs is reached."""

    code, status, retryable, fault = "too_many_runs", 429, True, Fault.POLICY
    says, action_default = "Too many answers are being written right now.", "Try again in a moment."


class BudgetExceeded(OwnError):
    """A budget set by the operator is used up."""

    code, status, fault = "budget_exceeded", 402, Fault.POLICY
    says, action_default = "The budget is used up.", "Ask the operator to raise it."


class GatewayRateLimited(OwnError):
    """A rate limit set by the operator."""

    code, status, retryable, fault = "gateway_rate_limited", 429, True, Fault.POLICY
    says, action_default = "Too many requests.", "Wait a moment and send it again."


class Cancelled(OwnError):
    """The caller stopped the run."""

    code, status, fault = "cancelled", 409, Fault.CALLER
    says, action_default = "The answer was stopped.", "What arrived is kept."


class Interrupted(OwnError):
    """A crash or a deploy of the gateway ended the run."""

    code, status, retryable = "interrupted", 503, True
    says, action_default = "The gateway was restarted during the answer.", "What arrived is kept; send it again."


class InternalError(OwnError):
    """A bug of the gateway."""

    code, status = "internal_error", 500
    says, action_default = "The gateway failed in an unexpected way.", "Report the request id."


def all_errors(base: type[GatewayError] = GatewayError) -> Iterator[type[GatewayError]]:
    """Walk the classes that have a code, in the order of this file."""
    for kind in base.__subclasses__():
        if "code" in vars(kind):
            yield kind
        yield from all_errors(kind)

"""Errors of the provider: its rules, its answers, the way to it, and the tools of a run."""

from app.errors.base import Fault, GatewayError, Phase


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


class EndpointMismatch(ProviderError):
    """The provider knows the model, but serves it on none of the wires that it was asked on."""

    code, status = "endpoint_mismatch", 502
    says = "{provider} does not serve {model} on any protocol it was asked on."
    action_default = "Choose another model."


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


class ProviderResting(ProviderUnavailable):
    """It has failed so often that it is not asked for a while; no call was made. `retry_after_s` says how long."""


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

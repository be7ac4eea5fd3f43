"""Errors of the gateway itself."""

from app.errors.base import Fault, GatewayError, Phase


class OwnError(GatewayError):
    """The gateway itself; never raised itself."""

    fault = Fault.GATEWAY


class AuthUnavailable(OwnError):
    """Who the caller is cannot be asked right now."""

    code, status, retryable = "auth_unavailable", 503, True
    says, action_default = "Your sign-in cannot be checked right now.", "Try again in a moment."


class VoyageUnavailable(OwnError):
    """Voyage, which the request needs data from, does not answer or not in a usable way."""

    code, status, retryable = "voyage_unavailable", 503, True
    says, action_default = "The trip cannot be read from Voyage right now.", "Try again in a moment."


class KeyStorageNotConfigured(OwnError):
    """No master key is set, so that provider keys can be neither sealed nor opened."""

    code, status = "key_storage_not_configured", 503
    says = "FIELD_ENCRYPTION_KEY is not configured. API key storage is unavailable."
    action_default = "Ask the operator to set it, or GATEWAY_CREDENTIAL_KEYS_FILE."


class StorageUnavailable(OwnError):
    """The database is down, locked or full."""

    code, status, retryable, phase_default = "storage_unavailable", 503, True, Phase.STORAGE
    says, action_default = "The gateway cannot store anything right now.", "Try again in a moment."


class ServerShutdown(OwnError):
    """The gateway is stopping and takes no new work."""

    code, status, retryable = "server_shutdown", 503, True
    says, action_default = "The gateway is restarting.", "Try again in a moment."


class NotReady(OwnError):
    """What every message needs could not be loaded, and is tried again."""

    code, status, retryable = "not_ready", 503, True
    says, action_default = "The gateway can reach no model right now.", "Try again in a moment."


class TooManyRuns(OwnError):
    """The cap on concurrent runs is reached, and no place got free while the request waited."""

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

"""Errors that the caller can mend: the request, who sends it, and the provider key."""

from app.errors.base import Fault, GatewayError, Phase


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
    """A body, an id or a limit; `fields` names what is wrong. HTTP 400, 405, 408, 409, 413, 415 or 422."""

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


class AddressNotAllowed(CallerError):
    """The endpoint's address is not one that requests may be sent to from here: private, or unencrypted."""

    code, status, phase_default = "address_not_allowed", 400, Phase.CONNECT
    says = "Nothing may be sent to the address of {provider} from here."
    action_default = "Use an endpoint with a public address and https, or ask the operator to allow its network."


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

"""Errors of gateways: about their own account at the provider behind them, or about a model that they do not offer."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from app import errors
from app.errors import GatewayError, Origin
from app.providers.complaint import Complaint

BEHIND: Final[Mapping[type[GatewayError], type[GatewayError]]] = MappingProxyType(
    {
        errors.AuthenticationFailed: errors.ProviderInternalError,
        errors.InsufficientCredits: errors.ProviderInternalError,
        errors.PermissionDenied: errors.ProviderInternalError,
        errors.SpendLimitReached: errors.ProviderInternalError,
        errors.QuotaExhausted: errors.RateLimited,
    }
)
"""What a relayed error means, by what it would mean if the gateway spoke for itself; the others mean the same."""

_UNAUTHORIZED: Final = 401


def gateways_message(kind: type[GatewayError], status: int, complaint: Complaint, origin: Origin) -> str | None:
    """Give the sentence for an error that only gateways have; None where the error's own says it."""
    if kind is errors.ModelNotFound and status == _UNAUTHORIZED:
        # OpenCode Zen: unknown, switched off for the workspace, or no longer free; `upstream_message` says which.
        return f"{origin.label} does not offer {origin.model or 'this model'} to this account."
    if kind is errors.ProviderInternalError and complaint.relayed:
        return f"{origin.label} was refused by the provider behind it."
    return None

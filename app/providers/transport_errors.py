"""What a failure before a response's head means."""

import ssl
from typing import Final

import aiohttp
import structlog

from app.errors import (
    AddressNotAllowed,
    GatewayError,
    InvalidProviderResponse,
    Origin,
    ProviderTimeout,
    ProviderUnreachable,
    TlsError,
)
from app.providers.address import ForbiddenAddress
from app.providers.outgoing_url import UnusableUrl
from app.providers.provider import Deadlines

_log: Final = structlog.stdlib.get_logger(__name__)
_BEFORE_HEAD: Final[tuple[tuple[type[Exception], type[GatewayError], str], ...]] = (
    (aiohttp.ConnectionTimeoutError, ProviderTimeout, "{label} could not be connected to in {connect_s:g} s."),
    (TimeoutError, ProviderTimeout, "{label} did not begin to answer in {first_token_s:g} s."),
    (aiohttp.ClientConnectorCertificateError, TlsError, "The TLS certificate of {label} is not valid."),
    (aiohttp.ClientConnectorSSLError, TlsError, "The TLS handshake with {label} failed."),
    (ssl.SSLError, TlsError, "The TLS handshake with {label} failed."),
    (aiohttp.ClientConnectorDNSError, ProviderUnreachable, "{label} cannot be reached: its host name has no address."),
    (aiohttp.ClientConnectorError, ProviderUnreachable, "{label} cannot be reached: the connection {failed}."),
    (aiohttp.ClientResponseError, InvalidProviderResponse, "{label} did not answer in valid HTTP."),
    (aiohttp.InvalidURL, ProviderUnreachable, "The base URL of {label} is not valid."),
    (UnusableUrl, ProviderUnreachable, "The base URL of {label} is not valid."),
)
"""The first row that fits stands, so the special come first."""
_CLOSED: Final = (ProviderUnreachable, "{label} cannot be reached: it closed the connection without an answer.")


def explain(error: Exception, deadlines: Deadlines, origin: Origin) -> GatewayError:
    """Give the typed error for what the client or the guard raised; a refused address is logged for the operator."""
    forbidden = _forbidden(error)
    if forbidden is not None:
        _log.warning(
            "address_not_allowed",
            provider=origin.provider,
            address=forbidden.address,
            hint="GATEWAY_ALLOWED_NETWORKS names the networks that users' endpoints may be in.",
        )
        return AddressNotAllowed(origin=origin)
    kind, text = next(((kind, text) for foreign, kind, text in _BEFORE_HEAD if isinstance(error, foreign)), _CLOSED)
    refused = isinstance(getattr(error, "os_error", None), ConnectionRefusedError)
    message = text.format(
        label=origin.label,
        connect_s=deadlines.connect_s,
        first_token_s=deadlines.first_token_s,
        failed="was refused" if refused else "failed",
    )
    return kind(message, origin=origin)


def _forbidden(error: Exception) -> ForbiddenAddress | None:
    """Give the guard's refusal, bare or in what the connector made of it."""
    inner: object = getattr(error, "os_error", error)
    return inner if isinstance(inner, ForbiddenAddress) else None

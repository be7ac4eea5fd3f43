"""Every error the gateway can answer with: one class per code, one object on the wire.

    GatewayError                       never raised itself
    +- CallerError                     the request, or who sends it
    |  +- NotAuthenticated, Forbidden, NotFound, InvalidInput, ConversationBusy, IdempotencyMismatch
    |  +- InvalidModelForProvider, ProviderNotAvailable, ProviderRetired, AddressNotAllowed
    +- CredentialError                 the caller's provider key
    |  +- MissingCredential, CredentialUnreadable, AuthenticationFailed, PermissionDenied
    +- PolicyError                     an account or a content rule of the provider
    |  +- FreeTierRestricted, RegionNotAllowed, InsufficientCredits, SpendLimitReached
    |  +- QuotaExhausted, RateLimited, ContentFiltered
    +- ProviderError                   the provider answered, wrongly
    |  +- ModelNotFound, EndpointMismatch, InvalidRequest, ContextLengthExceeded
    |  +- ProviderInternalError, ProviderUnavailable (and ProviderResting), ProviderOverloaded
    |  +- InvalidProviderResponse, StreamInterrupted, StreamStalled, UnknownError
    +- NetworkError                    the provider was not reached
    |  +- ProviderUnreachable, TlsError, ProviderTimeout
    +- ToolError
    |  +- ToolValidationError, ToolExecutionError, ToolLoopLimit
    +- OwnError                        the gateway itself
       +- AuthUnavailable, VoyageUnavailable, KeyStorageNotConfigured, StorageUnavailable
       +- ServerShutdown, NotReady, TooManyRuns, BudgetExceeded
       +- GatewayRateLimited, Cancelled, Interrupted, InternalError

The set is closed: a new code needs a class in this package, and the tests ask for its row in `docs/errors.md`.
"""

from app.errors.base import (
    DOCS_PAGE,
    NOWHERE,
    UPSTREAM_EXCERPT_LIMIT,
    ConfigError,
    ErrorBody,
    Fault,
    GatewayError,
    Origin,
    Phase,
    all_errors,
    text_with_error,
)
from app.errors.caller import (
    AddressNotAllowed,
    AuthenticationFailed,
    CallerError,
    ConversationBusy,
    CredentialError,
    CredentialUnreadable,
    Forbidden,
    IdempotencyMismatch,
    InvalidInput,
    InvalidModelForProvider,
    MissingCredential,
    NotAuthenticated,
    NotFound,
    PermissionDenied,
    ProviderNotAvailable,
    ProviderRetired,
)
from app.errors.own import (
    AuthUnavailable,
    BudgetExceeded,
    Cancelled,
    GatewayRateLimited,
    InternalError,
    Interrupted,
    KeyStorageNotConfigured,
    NotReady,
    OwnError,
    ServerShutdown,
    StorageUnavailable,
    TooManyRuns,
    VoyageUnavailable,
)
from app.errors.upstream import (
    ContentFiltered,
    ContextLengthExceeded,
    EndpointMismatch,
    FreeTierRestricted,
    InsufficientCredits,
    InvalidProviderResponse,
    InvalidRequest,
    ModelNotFound,
    NetworkError,
    PolicyError,
    ProviderError,
    ProviderInternalError,
    ProviderOverloaded,
    ProviderResting,
    ProviderTimeout,
    ProviderUnavailable,
    ProviderUnreachable,
    QuotaExhausted,
    RateLimited,
    RegionNotAllowed,
    SpendLimitReached,
    StreamInterrupted,
    StreamStalled,
    TlsError,
    ToolError,
    ToolExecutionError,
    ToolLoopLimit,
    ToolValidationError,
    UnknownError,
)

__all__ = [
    "DOCS_PAGE",
    "NOWHERE",
    "UPSTREAM_EXCERPT_LIMIT",
    "AddressNotAllowed",
    "AuthUnavailable",
    "AuthenticationFailed",
    "BudgetExceeded",
    "CallerError",
    "Cancelled",
    "ConfigError",
    "ContentFiltered",
    "ContextLengthExceeded",
    "ConversationBusy",
    "CredentialError",
    "CredentialUnreadable",
    "EndpointMismatch",
    "ErrorBody",
    "Fault",
    "Forbidden",
    "FreeTierRestricted",
    "GatewayError",
    "GatewayRateLimited",
    "IdempotencyMismatch",
    "InsufficientCredits",
    "InternalError",
    "Interrupted",
    "InvalidInput",
    "InvalidModelForProvider",
    "InvalidProviderResponse",
    "InvalidRequest",
    "KeyStorageNotConfigured",
    "MissingCredential",
    "ModelNotFound",
    "NetworkError",
    "NotAuthenticated",
    "NotFound",
    "NotReady",
    "Origin",
    "OwnError",
    "PermissionDenied",
    "Phase",
    "PolicyError",
    "ProviderError",
    "ProviderInternalError",
    "ProviderNotAvailable",
    "ProviderOverloaded",
    "ProviderResting",
    "ProviderRetired",
    "ProviderTimeout",
    "ProviderUnavailable",
    "ProviderUnreachable",
    "QuotaExhausted",
    "RateLimited",
    "RegionNotAllowed",
    "ServerShutdown",
    "SpendLimitReached",
    "StorageUnavailable",
    "StreamInterrupted",
    "StreamStalled",
    "TlsError",
    "TooManyRuns",
    "ToolError",
    "ToolExecutionError",
    "ToolLoopLimit",
    "ToolValidationError",
    "UnknownError",
    "VoyageUnavailable",
    "all_errors",
    "text_with_error",
]

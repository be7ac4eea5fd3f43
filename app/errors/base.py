"""What all errors have in common, and the one object that they become on the wire."""

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
        shown = text_with_error(self.partial_text, sentence)
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


def text_with_error(text: str, sentence: str) -> str:
    """Give what a person reads where an answer broke off: what had arrived, then what is wrong."""
    return f"{text}\n\n⚠ {sentence}" if text else sentence


def all_errors(base: type[GatewayError] = GatewayError) -> Iterator[type[GatewayError]]:
    """Walk the classes that have a code, in the order in which they were defined."""
    for kind in base.__subclasses__():
        if "code" in vars(kind):
            yield kind
        yield from all_errors(kind)

"""Structured logs on stderr: one line per event, with the ids of the request and the run, and without secrets."""

import logging
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, cast

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger
from typing_extensions import override

HIDDEN: Final = "[redacted]"
MAX_TEXT_CHARS: Final = 16_384
_MAX_DEPTH: Final = 6

AUDIT: Final = "audit"
"""The logger of what must be found out later: who acted for whom. The operator's level never silences it."""
QUOTING_LOGGERS: Final = ("client", "mcp")
"""At ERROR these print pieces of what a server has answered; what they raise is told without."""
LEAKY_LOGGERS: Final = (
    # At DEBUG (some at INFO) these print prompts, SQL parameters, headers or every chunk of a stream.
    "LiteLLM",
    "LiteLLM Proxy",
    "LiteLLM Router",
    "aiohttp",
    "aiosqlite",
    "alembic",
    "anthropic",
    "asyncio",
    "asyncpg",
    "httpcore",
    "httpx",
    "httpx2",
    "litellm",
    "openai",
    "python_multipart",
    "sqlalchemy",
    "sqlalchemy.engine",
    "sqlalchemy.pool",
    "sse_starlette",
    "urllib3",
    "uvicorn.access",
)

_SECRET_NAME: Final = re.compile(
    r"(?:^|[_.-])(?:api_?key|authorization|cookies?|credentials?|password|passwd|secrets?|session_?id|token)$",
    re.IGNORECASE,
)
_HEADERS: Final = (
    r"(?:proxy-)?authorization|x-api-key|x-goog-api-key|api[-_]?key|set-cookie|cookie|password|passwd|sessionid"
)
_PATTERNS: Final = (
    # A header or a field in any spelling: `x-api-key: v`, `'api_key': 'v'`, `(b'authorization', b'Bearer v')`.
    re.compile(
        rf"(?P<kept>(?:{_HEADERS})[\"']?\s{{0,4}}[:=,]\s{{0,4}}b?[\"']?(?:(?:bearer|basic|token)\s{{1,4}})?)"
        r"[^\s\"',;&)}\]]+",
        re.IGNORECASE,
    ),
    re.compile(r"(?P<kept>\b(?:bearer|basic)\s{1,4})[A-Za-z0-9._~+/=-]{6,}", re.IGNORECASE),
    re.compile(r"(?P<kept>://[^\s/:@]{0,200}:)[^\s/@]+(?=@)"),
    re.compile(r"(?P<kept>(?:key|token|secret)[\"']?\s{0,4}[:=]\s{0,4}[\"']?)[A-Za-z0-9._~+/=-]{16,}", re.IGNORECASE),
    re.compile(r"(?P<kept>)\bsk-[A-Za-z0-9_-]{6,}"),
    re.compile(r"(?P<kept>)\b(?:vgw|gsk|hf|ghp|gho|github_pat|xai|pplx|nvapi|csk|fw|r8)[_-][A-Za-z0-9_-]{16,}"),
    re.compile(r"(?P<kept>)\bvgw_[A-Za-z0-9_]{4,}"),
    re.compile(r"(?P<kept>)\bAIza[A-Za-z0-9_-]{16,}"),
    re.compile(r"(?P<kept>)\bgAAAA[A-Za-z0-9_=-]{20,}"),
    re.compile(r"(?P<kept>)\bv1\.[A-Za-z0-9_-]{1,40}\.[A-Za-z0-9_-]{38,}"),
    re.compile(r"(?P<kept>)\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"),
)


def configure(level: str, format: Literal["json", "console"]) -> None:  # noqa: A002 - the setting's own word
    """Send all logs, structlog's and the standard library's, to stderr at `level` (`"INFO"`) in one format.

    The logger `AUDIT` writes from INFO on, whatever `level` is.
    Replaces the handlers of the root logger; calling it again changes level and format.
    """
    threshold = logging.getLevelNamesMapping()[level.upper()]
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.processors.StackInfoRenderer(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            redact_event,
            *_renderers(format),
        ],
        foreign_pre_chain=shared,
    )
    handler = _Handler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    for old in [old for old in root.handlers if isinstance(old, _Handler)] or list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(threshold)
    for name in LEAKY_LOGGERS:
        logging.getLogger(name).setLevel(max(threshold, logging.WARNING))
    for name in QUOTING_LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    logging.getLogger(AUDIT).setLevel(logging.INFO)


def redact(text: str) -> str:
    """Give `text` without anything that looks like a key; a very long text keeps its last lines only."""
    if len(text) > MAX_TEXT_CHARS:
        # Cut at a line's end: half a key would no longer look like one. The end of a traceback says most.
        _, _, kept = text[-MAX_TEXT_CHARS:].partition("\n")
        text = f"[{len(text) - len(kept)} characters left out]\n{kept}"
    for pattern in _PATTERNS:
        text = pattern.sub(rf"\g<kept>{HIDDEN}", text)
    return text


def redact_event(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Redact every value of a finished event, formatted tracebacks included; structlog's processor signature."""
    return {name: _redacted(name, value, _MAX_DEPTH) for name, value in event.items()}


def _redacted(name: str, value: object, depth: int) -> Any:  # noqa: ANN401 - whatever JSON has
    if value is None or isinstance(value, bool | int | float):
        return value
    if _SECRET_NAME.search(name):
        return HIDDEN
    if isinstance(value, str):
        return redact(value)
    if depth > 0 and isinstance(value, Mapping):
        items = cast("Mapping[object, object]", value).items()
        return {redact(str(key)): _redacted(str(key), inner, depth - 1) for key, inner in items}
    if depth > 0 and isinstance(value, Sequence | set | frozenset) and not isinstance(value, bytes | bytearray):
        return [_redacted("", inner, depth - 1) for inner in cast("Sequence[object]", value)]
    return redact(repr(value))


def _renderers(style: Literal["json", "console"]) -> list[Processor]:
    if style == "json":
        return [structlog.processors.EventRenamer("message"), structlog.processors.JSONRenderer()]
    plain = structlog.dev.plain_traceback
    return [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)]


class _Handler(logging.StreamHandler[Any]):
    """A stream handler that never prints a record it could not format: the default prints its raw arguments."""

    @override
    def handleError(self, record: logging.LogRecord) -> None:
        kind = sys.exc_info()[0]
        failure = kind.__name__ if kind else "unknown"
        try:
            self.stream.write(f"a log record of {record.name} could not be written: {failure}\n")
        except (OSError, ValueError):  # stderr itself is gone: nobody is left to tell
            return

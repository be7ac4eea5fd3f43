"""Loads litellm and takes from it whatever it would do on its own: look-ups, retries, logs, other people's keys.

Each setting answers a measured behaviour of litellm 1.106.2; docs/decisions/0003 has the list with reasons.
"""

import gc
import logging
import os
import sys
import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import wraps
from importlib.machinery import EXTENSION_SUFFIXES
from types import ModuleType
from typing import Any, Final

import httpx
from typing_extensions import override

_ENVIRONMENT: Final = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
    "LITELLM_LOCAL_BLOG_POSTS": "True",
    "REPEATED_STREAMING_CHUNK_LIMIT": "100000000",
    "HF_HUB_OFFLINE": "1",
}
_SWITCH_S: Final = 0.0005
_RESPONSES: Final = "responses/"
_LOGGERS: Final = ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy", "openai", "httpx", "httpcore", "mcp")


class _NoSyncTransport(httpx.BaseTransport):
    """Refuses litellm's synchronous look-ups, which would block the event loop and send nobody's key."""

    @override
    def handle_request(self, request: httpx.Request) -> httpx.Response:
        message = "synchronous requests are not sent"
        raise httpx.ConnectError(message)


class _NoTransport(httpx.AsyncBaseTransport):
    """Refuses what litellm sends through a client of its own making."""

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        message = "only requests of an exchange are sent"
        raise httpx.ConnectError(message)


def load() -> ModuleType:
    """Import litellm and apply the settings; takes seconds of CPU, so call it in a thread. May be tried again."""
    before = frozenset(sys.modules)
    with gently():
        try:
            return _load()
        except BaseException:
            _drop_orphans(before)
            raise


def _load() -> ModuleType:
    os.environ.update(_ENVIRONMENT)
    import litellm  # noqa: PLC0415 - 3 s and 170 MB, wanted only here
    from litellm.llms.custom_httpx.http_handler import AsyncHTTPHandler, HTTPHandler  # noqa: PLC0415 - see above
    from litellm.llms.openai.responses.transformation import OpenAIResponsesAPIConfig  # noqa: PLC0415 - see above

    module: Any = litellm
    module.disable_hf_tokenizer_download = True
    # It would count the tokens of an answer that broke off, in the event loop: 150 ms for two megabytes.
    module.disable_token_counter = True
    module.suppress_debug_info = True
    module.drop_params = True
    module.disable_streaming_logging = True
    module.turn_off_message_logging = True
    module.telemetry = False
    module.callbacks = []
    module.module_level_client = HTTPHandler(client=httpx.Client(transport=_NoSyncTransport()))
    module.client_session = httpx.Client(transport=_NoSyncTransport())
    # Clients that litellm makes for itself cannot send: every call of ours brings its own.
    handler: Any = AsyncHTTPHandler
    handler.create_async_transport = staticmethod(_no_transport)
    handler._create_async_transport = staticmethod(_no_transport)  # noqa: SLF001 - its older name, still called
    handler.create_httpx_proxy_mounts = staticmethod(_no_mounts)
    # An id that litellm does not know would be asked for without streaming and cut into pieces afterwards.
    responses: Any = OpenAIResponsesAPIConfig
    responses.should_fake_stream = _never
    # Nor would an id be asked for on /responses that litellm knows from another vendor, whatever its name here says.
    main: Any = module.main
    check: Any = main.responses_api_bridge_check
    main.responses_api_bridge_check = _named_first(getattr(check, "__wrapped__", check))
    # litellm fills its own models with the wrong types, and pydantic says so on every stream.
    warnings.filterwarnings("ignore", message="Pydantic serializer warnings", category=UserWarning)
    warnings.filterwarnings("ignore", message="Items? '.*' on TypedDict class", category=UserWarning)
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        logger.setLevel(logging.WARNING)
        # Handlers of its own would print past our redaction.
        logger.handlers.clear()
        logger.propagate = True
    return litellm


def _drop_orphans(before: frozenset[str]) -> None:
    """Drop what was imported since then of packages whose own import failed.

    Python takes only the package out. Its submodules would be found the next time and not be set as its attributes.
    Compiled ones stay: many cannot be loaded twice.
    """
    while orphans := [name for name in sys.modules.keys() - before if _is_orphan(name)]:
        for name in orphans:
            del sys.modules[name]


def _is_orphan(name: str) -> bool:
    package = name.rpartition(".")[0]
    file = getattr(sys.modules[name], "__file__", None) or ""
    return package not in {"", *sys.modules} and not file.endswith(tuple(EXTENSION_SUFFIXES))


def _no_transport(*_args: object, **_options: object) -> httpx.AsyncBaseTransport:
    return _NoTransport()


def _no_mounts(*_args: object, **_options: object) -> None:
    return None


def _named_first(check: Callable[..., Any]) -> Callable[..., Any]:
    """Give `check` so that a name which asks for /responses has it."""

    @wraps(check)
    def checked(model: str, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - litellm's own types
        if model.startswith(_RESPONSES):
            return {"mode": "responses"}, model.removeprefix(_RESPONSES)
        return check(model, *arguments, **options)

    return checked


def _never(*_args: object, **_options: object) -> bool:
    return False


@contextmanager
def gently() -> Generator[None]:
    """Let the event loop's thread run while this one works for seconds; may be nested.

    A full garbage collection over litellm's objects would hold every thread for 200 ms, so it rests, and what was
    made is left out of later ones. Each system call of the loop gives the interpreter away: getting it back takes a
    switch interval, 5 ms by default and ten of them in one request.
    """
    was, interval = gc.isenabled(), sys.getswitchinterval()
    gc.disable()
    sys.setswitchinterval(_SWITCH_S)
    try:
        yield
    finally:
        sys.setswitchinterval(interval)
        if was:
            gc.freeze()
            gc.enable()

"""Guards around every test: a clean environment, and no traffic that leaves this machine."""

import ipaddress
import os
import sys
from collections.abc import Iterator
from typing import Any, cast

import pytest
from blockbuster import BlockBuster
from hypothesis import settings

pytest_plugins = ["tests.databases"]

# A busy machine is no finding; the suite has its own time limit for each test.
settings.register_profile("gateway", deadline=None)
settings.load_profile("gateway")

_FOREIGN = ("GATEWAY_", "VOYAGE_", "FIELD_ENCRYPTION_KEY", "LITELLM_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


def _refuse_far_sockets(event: str, arguments: tuple[Any, ...]) -> None:
    if event != "socket.connect":
        return
    address: Any = arguments[1]
    host = str(cast("tuple[object, ...]", address)[0]) if isinstance(address, tuple) else "127.0.0.1"
    if not ipaddress.ip_address(host.partition("%")[0]).is_loopback:
        message = f"a test tried to connect to {host}"
        raise RuntimeError(message)


sys.addaudithook(_refuse_far_sockets)


@pytest.fixture(autouse=True)
def _clean_environment() -> Iterator[None]:
    """Take away settings and keys of the machine; what a test sets is gone after it."""
    before = dict(os.environ)
    for name in before:
        if name.upper().startswith(_FOREIGN) or name.upper().endswith("_API_KEY"):
            del os.environ[name]
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(autouse=True)
def _no_blocking_calls() -> Iterator[None]:
    """Make a blocking call of the product inside an event loop an error."""
    watch = BlockBuster(scanned_modules=["app"])
    watch.activate()
    for path_question in ("os.path.abspath", "os.getcwd", "os.stat"):
        # Database drivers ask these while they connect; the kernel answers from memory.
        watch.functions[path_question].deactivate()
    yield
    watch.deactivate()

"""Every client that can call a model, by name: what holds for one lane is tested on all."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from types import MappingProxyType
from typing import Final

from app.providers.model import ModelClient
from tests.providers.calls import open_lane

LANES: Final[Mapping[str, Callable[[], AbstractAsyncContextManager[ModelClient]]]] = MappingProxyType(
    {"litellm": open_lane}
)

"""What an operator can set about the tools of a run."""

from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings


class ToolSettings(BaseSettings):
    """A part of `Settings`; times in seconds."""

    tool_approval: Literal["never", "writes"] = "never"
    """Which calls of the gateway's tools wait until the caller has approved them; a message may ask for more."""
    tool_rounds: int = Field(default=10, ge=1, le=100)
    """Model steps of one answer that may call tools."""
    tool_calls: int = Field(default=32, ge=1, le=128)
    """Calls of one step."""
    tools_at_once: int = Field(default=4, ge=1, le=128)
    """Calls of one step that are under way at the same time."""
    tool_call_seconds: float = Field(default=30.0, gt=0, le=600, allow_inf_nan=False)
    tool_total_seconds: float = Field(default=600.0, gt=0, le=3600, allow_inf_nan=False)
    """What the steps of one answer may take together before no further one begins."""
    tool_wait_seconds: float = Field(default=600.0, gt=0, le=3000, allow_inf_nan=False)
    """How long an answer waits for its caller: for the results of its tools, or for its approval."""
    tool_result_chars: int = Field(default=20_000, ge=1_000, le=1_000_000)
    """What of a result a model is told; the person sees all of it."""

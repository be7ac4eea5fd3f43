"""Bodies of a diagnosis: what is asked for, and one line for each step."""

from typing import Annotated, Final, Literal

from pydantic import BaseModel, StringConstraints

from app.schemas.body import Body

MODEL_CHARS: Final = 200


class DiagnosisBody(Body):
    """What to look at; without it, what a message without a model would meet, and no tokens are spent."""

    model: Annotated[str, StringConstraints(strip_whitespace=True, max_length=MODEL_CHARS)] | None = None
    """Absent or blank: the one that a message without a model goes to."""
    spend: bool = False
    """Whether the model is asked for a few words, which costs a few tokens."""
    tools: bool = False
    """Whether it is asked to call a tool too; only together with `spend`."""


class DiagnosisStep(BaseModel):
    """One thing that was looked at."""

    step: str
    """`key_stored`, `key_opens`, `base_url`, `dns`, `tcp`, `tls`, `http`, `clock`, `auth`, `model`, `wire`, `stream` or
    `tool_call`; more may come."""
    status: Literal["pass", "warn", "fail", "skip"]
    ms: int
    cause: str
    """One sentence: what was found."""
    remedy: str
    """One sentence: what to do; empty where there is nothing."""
    code: str | None
    """The code that a message would fail with."""
    upstream_status: int | None
    upstream_message: str | None
    """A cleaned excerpt of what the provider says, of at most 300 characters."""


class DiagnosisAnswer(BaseModel):
    """A whole diagnosis; `failed_step` is what to mend first."""

    provider: str
    model: str | None
    wire: str
    spend: bool
    status: Literal["pass", "warn", "fail"]
    failed_step: str | None
    ms: int
    steps: list[DiagnosisStep]

"""What a diagnosis says: one line for each step, and nothing secret in any of them."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from app.errors import GatewayError


class StepName(StrEnum):
    """What is looked at, in this order."""

    KEY_STORED = "key_stored"
    KEY_OPENS = "key_opens"
    BASE_URL = "base_url"
    DNS = "dns"
    TCP = "tcp"
    TLS = "tls"
    HTTP = "http"
    CLOCK = "clock"
    AUTH = "auth"
    MODEL = "model"
    WIRE = "wire"
    STREAM = "stream"
    TOOL_CALL = "tool_call"


class Verdict(StrEnum):
    """How a step went."""

    PASS = "pass"  # noqa: S105 - a verdict, not a password
    WARN = "warn"
    """Messages may work; somebody should look at it."""
    FAIL = "fail"
    SKIP = "skip"
    """Not looked at, and `cause` says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one step found; `cause` and `remedy` are one sentence each."""

    verdict: Verdict
    cause: str
    remedy: str = ""
    code: str | None = None
    """The code that a message would fail with; None where it would not."""
    upstream_status: int | None = None
    upstream_message: str | None = None
    """What the provider itself says: the cleaned excerpt of the error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A finding with its place and its duration."""

    name: StepName
    ms: int
    finding: Finding

    def as_dict(self) -> dict[str, Any]:
        """Give it as JSON-ready data."""
        found = self.finding
        return {
            "step": self.name.value,
            "status": found.verdict.value,
            "ms": self.ms,
            "cause": found.cause,
            "remedy": found.remedy,
            "code": found.code,
            "upstream_status": found.upstream_status,
            "upstream_message": found.upstream_message,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A whole diagnosis."""

    provider: str
    model: str | None
    wire: str
    spend: bool
    ms: int
    steps: tuple[Step, ...]

    @property
    def verdict(self) -> Verdict:
        """The worst of its steps; skipped ones do not count."""
        found = {step.finding.verdict for step in self.steps}
        return next((verdict for verdict in (Verdict.FAIL, Verdict.WARN) if verdict in found), Verdict.PASS)

    @property
    def failed(self) -> Step | None:
        """The first step that failed: what to mend first."""
        return next((step for step in self.steps if step.finding.verdict is Verdict.FAIL), None)

    def as_dict(self) -> dict[str, Any]:
        """Give it as JSON-ready data."""
        failed = self.failed
        return {
            "provider": self.provider,
            "model": self.model,
            "wire": self.wire,
            "spend": self.spend,
            "status": self.verdict.value,
            "failed_step": failed.name.value if failed is not None else None,
            "ms": self.ms,
            "steps": [step.as_dict() for step in self.steps],
        }


def passed(cause: str) -> Finding:
    """Give a finding without anything to do."""
    return Finding(verdict=Verdict.PASS, cause=cause)


def skipped(cause: str) -> Finding:
    """Give why a step was not done."""
    return Finding(verdict=Verdict.SKIP, cause=cause)


def warned(cause: str, remedy: str) -> Finding:
    """Give what somebody should look at."""
    return Finding(verdict=Verdict.WARN, cause=cause, remedy=remedy)


def failed(error: GatewayError, *, cause: str | None = None, remedy: str | None = None) -> Finding:
    """Give what a message would fail with; `cause` and `remedy` in place of the error's own where they are known."""
    return Finding(
        verdict=Verdict.FAIL,
        cause=cause or error.message,
        remedy=remedy or error.action,
        code=error.code,
        upstream_status=error.origin.upstream_status,
        upstream_message=error.origin.upstream_message,
    )

"""The end of a run in its two forms: the terminal event and what is stored."""

from dataclasses import dataclass
from typing import Any

from app.errors import ErrorBody
from app.events import RunEnded
from app.runs.answer import Answer
from app.runs.live import LiveRun
from app.runs.outcome import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """Everything that is told about a run that is over."""

    run: LiveRun
    answer: Answer
    outcome: Outcome
    latency_ms: int
    request_id: str | None

    def event(self) -> RunEnded:
        """Give the terminal event; its error leads with the text that was shown, as the Voyage reader replaces it."""
        draft = self.answer.draft
        return RunEnded(
            status=self.outcome.status,
            message_id=str(self.run.message_id),
            provider=self.run.provider,
            model=self.run.model,
            finish_reason=draft.finish,
            usage=draft.usage,
            ttft_ms=self.answer.ttft_ms,
            latency_ms=self.latency_ms,
            error=self._error(partial_text=draft.message_content),
        )

    def stored(self) -> dict[str, Any]:
        """Give the columns; the error is bare, as the text stands beside it."""
        draft = self.answer.draft
        error = self._error(partial_text="")
        return {
            "status": self.outcome.status,
            "content": draft.message_content,
            "tool_calls": draft.tool_calls_json(),
            "finish_reason": draft.finish,
            "error": error.as_dict() if error else None,
            "usage": draft.usage.as_dict() if draft.usage else None,
            "attempts": self.answer.attempts,
            "ttft_ms": self.answer.ttft_ms,
            "latency_ms": self.latency_ms,
        }

    def logged(self) -> dict[str, Any]:
        """Give the fields of the log line: ids, sizes and times, never text; names follow OpenTelemetry's GenAI."""
        outcome, usage = self.outcome, self.answer.draft.usage
        return {
            "run_id": str(self.run.run_id),
            "status": outcome.status.value,
            "error.type": outcome.error.code if outcome.error else None,
            "gen_ai.provider.name": self.run.provider,
            "gen_ai.request.model": self.run.model,
            "gen_ai.usage.input_tokens": usage.input if usage else None,
            "gen_ai.usage.output_tokens": usage.output if usage else None,
            "upstream_status": outcome.error.origin.upstream_status if outcome.error else None,
            "attempts": len(self.answer.attempts),
            "ttft_ms": self.answer.ttft_ms,
            "latency_ms": self.latency_ms,
        }

    def _error(self, *, partial_text: str) -> ErrorBody | None:
        if self.outcome.error is None:
            return None
        return ErrorBody(
            error=self.outcome.error,
            request_id=self.request_id,
            run_id=str(self.run.run_id),
            partial_text=partial_text,
            extra={"partial": bool(self.answer.draft.message_content)},
        )

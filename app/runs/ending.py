"""The end of a run in its two forms: the terminal event and what is stored."""

from dataclasses import dataclass, replace
from typing import Any, Self

from app.db.runs import RunEnd
from app.errors import ErrorBody
from app.events import FinishReason, RunEnded, Usage
from app.runs.answer import Answer
from app.runs.live import LiveRun
from app.runs.outcome import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """Everything that is told about a run that is over; without an answer's figures it is bare."""

    run: LiveRun
    request_id: str | None
    outcome: Outcome
    before: str = ""
    """The text of the steps before, which called tools: it is part of what was shown."""
    content: str = ""
    tool_calls: list[dict[str, Any]] | None = None
    finish_reason: FinishReason | None = None
    usage: Usage | None = None
    message_usage: Usage | None = None
    """Of the last step alone, where there were several."""
    attempts: list[dict[str, Any]] | None = None
    ttft_ms: int | None = None
    latency_ms: int | None = None

    def of(self, answer: Answer, outcome: Outcome) -> Self:
        """Give the whole end of a run: what `answer` holds by now, and how it is judged."""
        draft = answer.draft
        return replace(
            self,
            outcome=outcome,
            before=answer.said_before,
            content=draft.message_content,
            tool_calls=draft.tool_calls_json(),
            finish_reason=draft.finish,
            usage=answer.usage,
            message_usage=answer.step_usage if self.run.earlier else None,
            attempts=answer.attempts,
            ttft_ms=answer.ttft_ms,
            latency_ms=answer.elapsed_ms,
        )

    def event(self) -> RunEnded:
        """Give the terminal event; its error leads with the text that was shown, as the Voyage reader replaces it."""
        return RunEnded(
            status=self.outcome.status,
            message_id=str(self.run.message_id),
            earlier=tuple(map(str, self.run.earlier)),
            provider=self.run.provider,
            model=self.run.model,
            finish_reason=self.finish_reason,
            usage=self.usage,
            ttft_ms=self.ttft_ms,
            latency_ms=self.latency_ms,
            error=self._error(partial_text=self.before + self.content),
        )

    def stored(self) -> RunEnd:
        """Give the columns; the error goes without the text, which stands beside it."""
        error = self._error(partial_text="")
        return RunEnd(
            status=self.outcome.status,
            content=self.content,
            tool_calls=self.tool_calls,
            finish_reason=self.finish_reason.value if self.finish_reason else None,
            error=error.as_dict() if error else None,
            usage=self.usage.as_dict() if self.usage else None,
            message_usage=self.message_usage.as_dict() if self.message_usage else None,
            attempts=self.attempts,
            ttft_ms=self.ttft_ms,
            latency_ms=self.latency_ms,
            provider=self.run.provider or None,
            model=self.run.model or None,
        )

    def logged(self) -> dict[str, Any]:
        """Give the fields of the log line: ids, sizes and times, never text; names follow OpenTelemetry's GenAI."""
        outcome, usage = self.outcome, self.usage
        return {
            "run_id": str(self.run.run_id),
            "status": outcome.status.value,
            "error.type": outcome.error.code if outcome.error else None,
            "gen_ai.provider.name": self.run.provider,
            "gen_ai.request.model": self.run.model,
            "gen_ai.usage.input_tokens": usage.input if usage else None,
            "gen_ai.usage.output_tokens": usage.output if usage else None,
            "upstream_status": outcome.error.origin.upstream_status if outcome.error else None,
            "attempts": len(self.attempts or ()),
            "wire": self.attempts[-1].get("wire") if self.attempts else None,
            "ttft_ms": self.ttft_ms,
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
            partial=bool(self.before or self.content),
        )

import asyncio

import pytest

from app.errors import Cancelled, GatewayError, Interrupted, Origin, ProviderOverloaded
from app.events import FinishReason, RunStatus
from app.providers.model import Finish, ToolCallPiece
from app.runs.assembler import Draft
from app.runs.outcome import judge

ACME = Origin(label="Acme")


def finished(reason: FinishReason | None = FinishReason.STOP, arguments: str = "{}") -> Draft:
    draft = Draft()
    draft.add(ToolCallPiece(0, "a", "weather", arguments))
    if reason is not None:
        draft.add(Finish(reason))
    return draft


@pytest.mark.parametrize(
    ("draft", "failure", "stopped_by", "status", "code"),
    [
        (finished(), None, None, RunStatus.COMPLETED, None),
        (finished(FinishReason.TOOL_CALLS), None, None, RunStatus.COMPLETED, None),
        (finished(FinishReason.LENGTH, '{"cut'), None, None, RunStatus.INCOMPLETE, None),
        (finished(FinishReason.CONTENT_FILTER), None, None, RunStatus.FAILED, "content_filtered"),
        (finished(arguments='{"cut'), None, None, RunStatus.FAILED, "stream_interrupted"),
        (finished(arguments='{"city": Bern}'), None, None, RunStatus.FAILED, "tool_validation_error"),
        (finished(arguments="{}}"), None, None, RunStatus.FAILED, "tool_validation_error"),
        (finished(FinishReason.LENGTH, "{city"), None, None, RunStatus.INCOMPLETE, None),
        (finished(), None, Cancelled(), RunStatus.COMPLETED, None),
        (finished(None), asyncio.CancelledError(), Cancelled(), RunStatus.CANCELLED, None),
        (finished(None), asyncio.CancelledError(), Interrupted(), RunStatus.INTERRUPTED, "interrupted"),
        (finished(None), asyncio.CancelledError(), None, RunStatus.INTERRUPTED, "interrupted"),
        (finished(None), ProviderOverloaded(), Cancelled(), RunStatus.CANCELLED, None),
        (finished(None), ProviderOverloaded(), None, RunStatus.FAILED, "provider_overloaded"),
        (finished(None), ValueError("secret"), None, RunStatus.FAILED, "internal_error"),
    ],
)
def test_the_verdict(
    draft: Draft,
    failure: BaseException | None,
    stopped_by: GatewayError | None,
    status: RunStatus,
    code: str | None,
) -> None:
    outcome = judge(draft, failure, stopped_by, origin=ACME)

    assert outcome.status is status
    assert (outcome.error.code if outcome.error else None) == code
    assert "secret" not in str(outcome)

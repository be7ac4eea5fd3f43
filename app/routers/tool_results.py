"""What a caller says of the tool calls that a run holds for it: results, and approvals."""

from typing import Final

from fastapi import APIRouter, Request

from app.db.session import Session
from app.deps import ChatCallerDep, RunId, ServicesDep
from app.errors import InvalidInput, NotFound, ServerShutdown, TooManyRuns
from app.runs.tools.answering import Approval, Given, Result, Taken, take_answers
from app.runs.tools.held import answers_topic
from app.schemas.error import answers
from app.schemas.tool_results import ToolResultBody, ToolResultsAnswer, ToolResultsBody

router: Final = APIRouter(prefix="/api/chat", tags=["runs"])


@router.post(
    "/runs/{run_id}/tool_results/",
    status_code=202,
    responses=answers(NotFound, InvalidInput, TooManyRuns, ServerShutdown, body=True, conflict=True),
)
async def send_tool_results(
    caller: ChatCallerDep, services: ServicesDep, run_id: RunId, body: ToolResultsBody, request: Request
) -> ToolResultsAnswer:
    """Give results of calls that a run waits for, or approve calls; with the last one it goes on.

    Asking again changes nothing.
    """
    given = [_given(one) for one in body.results]

    async def job(session: Session) -> Taken:
        return await take_answers(session, user_id=caller.user_id, run_id=run_id, given=given)

    taken = await services.database.do(job)
    services.runner.wakeups.tell(answers_topic(run_id))
    if not taken.over:
        request_id: str = request.state.request_id
        await services.runner.go_on(caller.user_id, run_id, session=caller.session, request_id=request_id)
    return ToolResultsAnswer(
        run_id=str(run_id), awaited=list(taken.awaited), stream_url=f"/api/chat/runs/{run_id}/stream/"
    )


def _given(one: ToolResultBody) -> Given:
    if one.approved is not None:
        return Approval(call_id=one.tool_call_id, approved=one.approved, reason=one.error)
    if one.error is not None:
        return Result(one.tool_call_id, {"error": one.error}, failed=True)
    return Result(one.tool_call_id, one.result, failed=False)

"""What the chat API says about itself: its beginnings, and the tools that models are offered."""

from typing import Final

from fastapi import APIRouter

from app.deps import ChatCallerDep, ServicesDep
from app.runs.tools.box import open_box
from app.schemas.capabilities import CapabilitiesAnswer, ChatRootAnswer, ToolAnswer, ToolSourceAnswer
from app.schemas.error import answers
from app.tools.tool import ToolCaller

router: Final = APIRouter(prefix="/api/chat", tags=["capabilities"])
# Paths only: a whole address would have to believe the Host header.
_ROOT: Final = ChatRootAnswer(conversations="/api/chat/conversations/", providers="/api/chat/providers/")


@router.get("/", responses=answers())
async def get_chat_root(_caller: ChatCallerDep) -> ChatRootAnswer:
    """Tell where conversations and providers are."""
    return _ROOT


@router.get("/capabilities/", responses=answers())
async def get_capabilities(caller: ChatCallerDep, services: ServicesDep) -> CapabilitiesAnswer:
    """List the tools that the gateway runs itself for this caller, and the sources that give none now."""
    on_behalf_of = ToolCaller(user_id=caller.user_id, session=caller.session)
    async with open_box(services.runner.tools, on_behalf_of, services.runner.tool_limits) as box:
        tools = [
            ToolAnswer(name=one.tool.name, description=one.tool.description, source=one.source, writes=one.tool.writes)
            for one in box.offered.values()
        ]
        sources = [
            ToolSourceAnswer(
                name=source.name, available=source.name not in box.missing, reason=box.missing.get(source.name)
            )
            for source in services.runner.tools
        ]
    approval = "writes" if services.runner.tool_limits.approve_writes else "never"
    return CapabilitiesAnswer(tools=tools, sources=sources, tool_approval=approval)

"""What the chat API says about itself: its beginnings, and the tools that models are offered."""

from typing import Final

from fastapi import APIRouter

from app.deps import ChatCallerDep, ServicesDep
from app.schemas.capabilities import CapabilitiesAnswer, ChatRootAnswer, ToolAnswer
from app.schemas.error import answers

router: Final = APIRouter(prefix="/api/chat", tags=["capabilities"])
# Paths only: a whole address would have to believe the Host header.
_ROOT: Final = ChatRootAnswer(conversations="/api/chat/conversations/", providers="/api/chat/providers/")


@router.get("/", responses=answers())
async def get_chat_root(_caller: ChatCallerDep) -> ChatRootAnswer:
    """Tell where conversations and providers are."""
    return _ROOT


@router.get("/capabilities/", responses=answers())
async def get_capabilities(_caller: ChatCallerDep, services: ServicesDep) -> CapabilitiesAnswer:
    """List the tools that the gateway runs itself."""
    return CapabilitiesAnswer(
        tools=[ToolAnswer(name=tool.name, description=tool.description) for tool in services.tools]
    )

"""What the caller prefers to talk to: at most one row, in a list because the Voyage UI reads its first entry.

Stored as it was sent; answered as the lists of providers and models write it, because the UI drops a saved model
that is not literally in the list.
"""

from typing import Final

from fastapi import APIRouter

from app.db import ai_settings
from app.db.ai_settings import AiSettingsChange
from app.db.models import AiSettings
from app.deps import Services, ServicesDep, SettingsCallerDep, SettingsId
from app.errors import NotFound
from app.runs.choice import saved_pair
from app.runs.fallback import Fallback
from app.runs.fallback_check import check_fallbacks
from app.schemas.ai_settings import AiSettingsAnswer, AiSettingsBody, FallbackAnswer
from app.schemas.error import answers

router: Final = APIRouter(prefix="/api/integrations/ai-settings", tags=["AI settings"])


@router.get("/", responses=answers())
async def list_ai_settings(caller: SettingsCallerDep, services: ServicesDep) -> list[AiSettingsAnswer]:
    """Give the caller's settings, or an empty array."""
    async with services.database.read() as session:
        stored = await ai_settings.find_ai_settings(session, user_id=caller.user_id)
    return [] if stored is None else [_answer(stored, services)]


@router.post("/", responses=answers(body=True))
async def put_ai_settings(caller: SettingsCallerDep, services: ServicesDep, body: AiSettingsBody) -> AiSettingsAnswer:
    """Store the caller's settings; what is left out stays as it is."""
    async with services.database.write() as session:
        stored = await ai_settings.put_ai_settings(
            session,
            user_id=caller.user_id,
            new_id=services.runner.new_id(),
            change=_change(body, services),
            now=services.runner.clock.now(),
        )
    return _answer(stored, services)


@router.get("/{settings_id}/", responses=answers(NotFound))
async def get_ai_settings(
    caller: SettingsCallerDep, services: ServicesDep, settings_id: SettingsId
) -> AiSettingsAnswer:
    """Give the caller's settings by their id."""
    async with services.database.read() as session:
        stored = await ai_settings.get_ai_settings(session, user_id=caller.user_id, settings_id=settings_id)
    return _answer(stored, services)


@router.put("/{settings_id}/", responses=answers(NotFound, body=True))
async def replace_ai_settings(
    caller: SettingsCallerDep, services: ServicesDep, settings_id: SettingsId, body: AiSettingsBody
) -> AiSettingsAnswer:
    """Do the same as PATCH, as Voyage does: no field is required, so what is left out stays."""
    return await change_ai_settings(caller, services, settings_id, body)


@router.patch("/{settings_id}/", responses=answers(NotFound, body=True))
async def change_ai_settings(
    caller: SettingsCallerDep, services: ServicesDep, settings_id: SettingsId, body: AiSettingsBody
) -> AiSettingsAnswer:
    """Change the caller's settings; what is left out stays as it is."""
    async with services.database.write() as session:
        stored = await ai_settings.update_ai_settings(
            session,
            user_id=caller.user_id,
            settings_id=settings_id,
            change=_change(body, services),
            now=services.runner.clock.now(),
        )
    return _answer(stored, services)


@router.delete("/{settings_id}/", status_code=204, responses=answers(NotFound))
async def delete_ai_settings(caller: SettingsCallerDep, services: ServicesDep, settings_id: SettingsId) -> None:
    """Forget what the caller prefers."""
    async with services.database.write() as session:
        await ai_settings.delete_ai_settings(session, user_id=caller.user_id, settings_id=settings_id)


def _change(body: AiSettingsBody, services: Services) -> AiSettingsChange:
    """Give what the body names; raises `InvalidInput` for a fallback that cannot be used."""
    change: AiSettingsChange = {}
    if "preferred_provider" in body.model_fields_set:
        change["preferred_provider"] = body.preferred_provider
    if "preferred_model" in body.model_fields_set:
        change["preferred_model"] = body.preferred_model
    if "fallbacks" in body.model_fields_set:
        entries = [Fallback(entry.provider, entry.model) for entry in body.fallbacks or ()]
        check_fallbacks(services.registry, entries)
        change["fallbacks"] = [entry.model_dump() for entry in body.fallbacks or ()]
    return change


def _answer(stored: AiSettings, services: Services) -> AiSettingsAnswer:
    provider, model = saved_pair(services.registry, stored)
    return AiSettingsAnswer(
        id=stored.id,
        preferred_provider=provider,
        preferred_model=model,
        fallbacks=[FallbackAnswer(**entry) for entry in stored.fallbacks or ()],
        created_at=stored.created_at,
        updated_at=stored.updated_at,
    )

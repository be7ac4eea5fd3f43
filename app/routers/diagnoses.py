"""Why a provider does not answer, step by step, for the caller who has to mend it."""

from typing import Final

from fastapi import APIRouter

from app.deps import ChatCallerDep, ServicesDep
from app.doctor.wish import Wish
from app.errors import (
    GatewayRateLimited,
    InvalidInput,
    InvalidModelForProvider,
    ProviderNotAvailable,
    ProviderRetired,
    ServerShutdown,
)
from app.schemas.diagnosis import DiagnosisAnswer, DiagnosisBody
from app.schemas.error import answers

router: Final = APIRouter(prefix="/api/chat/providers", tags=["providers"])


@router.post(
    "/{provider_id}/diagnose/",
    responses=answers(
        InvalidModelForProvider, ProviderNotAvailable, ProviderRetired, GatewayRateLimited, ServerShutdown, body=True
    ),
)
async def diagnose_provider(
    caller: ChatCallerDep, services: ServicesDep, provider_id: str, body: DiagnosisBody | None = None
) -> DiagnosisAnswer:
    """Look at everything that a message to this provider would meet; the body may be left out.

    What is wrong is in the answer, which is 200 all the same. One at a time and ten a minute for each user.
    """
    wanted = body or DiagnosisBody()
    if wanted.tools and not wanted.spend:
        text = "A tool can only be tried with tokens."
        raise InvalidInput(text, action='Send "spend": true with it.', fields={"tools": [text]})
    report = await services.doctor.diagnose(
        Wish(
            user_id=caller.user_id,
            provider=provider_id,
            model=wanted.model or None,
            spend=wanted.spend,
            tools=wanted.tools,
        )
    )
    return DiagnosisAnswer.model_validate(report.as_dict())

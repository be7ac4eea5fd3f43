"""Whether this process lives, and whether it can serve; for load balancers, so without a caller."""

from typing import Final

from fastapi import APIRouter, Response

from app.db import credentials
from app.db.revision import current_revision_is_head, is_migrated_further
from app.deps import Services, ServicesDep
from app.errors import StorageUnavailable
from app.providers.litellm_lane import LitellmLane, LoadState
from app.schemas.health import CheckStatus, LiveAnswer, ReadyAnswer

router: Final = APIRouter(prefix="/health", tags=["health"])


@router.head("/live", include_in_schema=False)
@router.get("/live")
async def live() -> LiveAnswer:
    """Answer; nothing else is asked."""
    return LiveAnswer()


@router.head("/ready", include_in_schema=False)
@router.get("/ready", responses={503: {"model": ReadyAnswer, "description": "Send nobody here yet"}})
async def ready(services: ServicesDep, response: Response) -> ReadyAnswer:
    """Say what works: 503 while something that every message needs does not."""
    checks: dict[str, CheckStatus] = {"litellm": litellm_status(services.lane)}
    checks["shutdown"] = "failed" if services.hub.stopping else "ok"
    unreadable = await _check_database(services, checks)
    if any(status in {"failed", "loading"} for status in checks.values()):
        response.status_code = 503
        return ReadyAnswer(status="not_ready", checks=checks, unreadable_credentials=unreadable)
    status = "degraded" if "degraded" in checks.values() else "ready"
    return ReadyAnswer(status=status, checks=checks, unreadable_credentials=unreadable)


def litellm_status(lane: LitellmLane | None) -> CheckStatus:
    """Say how litellm is; where nothing the operator chose needs it, everything else works without it."""
    match lane.state if lane is not None else LoadState.READY:
        case LoadState.FAILED:
            return "failed" if lane is not None and lane.needed else "degraded"
        case LoadState.WAITING | LoadState.LOADING if lane is not None and lane.needed:
            return "loading"
        case _:
            return "ok"


async def _check_database(services: Services, checks: dict[str, CheckStatus]) -> int | None:
    try:
        async with services.database.read() as session:
            at_head = await current_revision_is_head(session)
            further = not at_head and await is_migrated_further(session)
            checks["database"] = "ok"
            # While a newer version comes, this one serves until it is replaced.
            checks["migrations"] = "ok" if at_head else "degraded" if further else "failed"
            counts = await credentials.count_by_kid(session) if at_head or further else {}
    except StorageUnavailable:
        checks["database"] = "failed"
        return None
    known = services.vault.kids if services.vault is not None else ()
    unreadable = sum(count for kid, count in counts.items() if kid not in known)
    checks["credentials"] = "degraded" if unreadable else "ok"
    return unreadable

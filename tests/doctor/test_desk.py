"""Who owns a diagnosis that was asked for, from its beginning to its end."""

import asyncio
from collections.abc import Sequence

import pytest

from app.doctor.desk import Doctor
from app.doctor.diagnosis import Means
from app.doctor.network import Network
from app.doctor.wish import Archive, Wish
from app.errors import GatewayRateLimited
from tests.routers.gateway import Gateway


async def test_a_diagnosis_whose_caller_has_left_keeps_its_place_and_its_owner_until_it_has_ended(
    gateway: Gateway,
) -> None:
    reached, ended = asyncio.Event(), asyncio.Event()

    async def slow_to_end(_host: str, _port: int) -> Sequence[str]:
        reached.set()
        try:
            await asyncio.Event().wait()
        finally:
            try:
                await asyncio.Event().wait()  # until it is told a second time
            finally:
                ended.set()
        return ()

    services = gateway.services
    archive = Archive(database=services.database, vault=services.vault, registry=services.registry)
    doctor = Doctor(archive, Means(transport=services.transport, network=Network(lookup=slow_to_end)))
    wish = Wish(user_id="ada", provider="groq")
    asking = asyncio.create_task(doctor.diagnose(wish))
    await asyncio.wait_for(reached.wait(), 5)
    asking.cancel()
    await asyncio.wait({asking})

    with pytest.raises(GatewayRateLimited):
        await doctor.diagnose(wish)

    await doctor.close()
    assert ended.is_set()

"""Where the service asks for diagnoses: finds out what a message of the caller's would use, and looks at that."""

import asyncio
from typing import Final, final
from uuid import UUID

from app.db import credentials, key_reports
from app.db.models import Credential
from app.db.session import Session
from app.doctor.case import Case
from app.doctor.diagnosis import Means, diagnose
from app.doctor.gate import Gate
from app.doctor.report import Report
from app.doctor.saved_keys import SavedKeys
from app.doctor.wish import Archive, Wish, find_case
from app.errors import GatewayError, NotFound, ServerShutdown
from app.providers.provider import Provider

SHUTDOWN_RETRY_S: Final = 5.0


@final
class Doctor:
    """Diagnoses for callers, one at a time for each, and looks at keys that were saved. `close` it."""

    def __init__(self, archive: Archive, means: Means, *, gate: Gate | None = None, looks_at_keys: bool = True) -> None:
        """Use `means`, which must be open as long as this is."""
        self._archive = archive
        self._means = means
        self._gate = gate or Gate()
        self._looks_at_keys = looks_at_keys
        self._saved_keys = SavedKeys(self._look)
        self._running: set[asyncio.Task[Report]] = set()
        self._stopping = False

    async def diagnose(self, wish: Wish) -> Report:
        """Look at what a message of this caller to this provider would meet.

        Raises what `Registry.resolve` raises for a provider or a model that cannot be asked for, `GatewayRateLimited`,
        `ServerShutdown` and `StorageUnavailable`. Whatever is wrong with the key or at the provider is in the report.
        """
        provider = self._archive.registry.get(wish.provider)
        if self._stopping:
            raise ServerShutdown(retry_after_s=SHUTDOWN_RETRY_S)
        task = asyncio.create_task(self._diagnose(wish, provider), name=f"diagnose {provider.id}")
        self._running.add(task)
        task.add_done_callback(self._done)
        try:
            await asyncio.wait({task})
        finally:
            task.cancel()  # who asked has gone; it is in `_running` until it has ended
        if task.cancelled():
            raise ServerShutdown(retry_after_s=SHUTDOWN_RETRY_S)
        return task.result()

    def saved(self, user_id: str, credential_id: UUID) -> None:
        """Look at a key that was just saved, soon and without tokens; what is found is stored with it."""
        if self._looks_at_keys and not self._stopping:
            self._saved_keys.saved(user_id, credential_id)

    async def idle(self) -> None:
        """Wait until every key that was saved has been looked at."""
        await self._saved_keys.idle()

    def begin_shutdown(self) -> None:
        """Take nothing new, and end what runs: who waits is told to come again."""
        self._stopping = True
        for task in self._running:
            task.cancel()

    async def close(self) -> None:
        """End everything."""
        self.begin_shutdown()
        await asyncio.gather(*self._running, return_exceptions=True)
        await self._saved_keys.close()

    async def _diagnose(self, wish: Wish, provider: Provider) -> Report:
        """Hold the user's place as long as anything of the diagnosis is under way."""
        with self._gate.admit(wish.user_id):
            async with self._archive.database.read() as session:
                case = await find_case(session, self._archive, wish, provider)
            return await diagnose(case, self._means)

    def _done(self, task: asyncio.Task[Report]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # counts as seen, as nobody may be waiting any more

    async def _look(self, user_id: str, credential_id: UUID) -> None:
        archive = self._archive
        async with archive.database.read() as session:
            try:
                stored = await credentials.get_credential(session, user_id=user_id, credential_id=credential_id)
            except NotFound:
                return  # deleted meanwhile
            case = await self._saved_case(session, user_id, stored)
        if case is None:
            return
        report = await diagnose(case, self._means)
        async with archive.database.write() as session:
            await key_reports.put_key_report(
                session,
                credential_id=credential_id,
                was=stored.sealed,
                report=report.as_dict(),
                now=archive.clock.now(),
            )

    async def _saved_case(self, session: Session, user_id: str, stored: Credential) -> Case | None:
        """Give what is looked at for a saved key; None for a provider that is none here, or not any more."""
        try:
            provider = self._archive.registry.get(stored.provider)
            wish = Wish(user_id=user_id, provider=provider.id)
            return await find_case(session, self._archive, wish, provider)
        except GatewayError:
            return None

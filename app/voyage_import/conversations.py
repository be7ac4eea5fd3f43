"""Conversations with their messages, a few hundred to a transaction."""

from collections.abc import AsyncIterator, Mapping, Sequence
from functools import partial
from uuid import UUID

from app.db.imports import read_conversations, store_conversations
from app.db.voyage_tables import MessageOutline, VoyageConversation, VoyageMessage
from app.voyage_import.job import Job
from app.voyage_import.merge import Part, cut, decide, missing_messages
from app.voyage_import.report import Kind, Verdict
from app.voyage_import.settle import settle


async def import_conversations(job: Job) -> None:
    """Import every conversation with its messages, a few hundred to a transaction.

    Raises `VoyageUnavailable` or `StorageUnavailable`; what was imported by then stays.
    """
    after = None
    while page := await job.source.conversations(after=after, limit=job.limits.rows):
        after = page[-1].id
        async for parts in _parts(job, page):
            await _import_parts(job, parts)


async def _parts(job: Job, page: Sequence[VoyageConversation]) -> AsyncIterator[list[Part]]:
    """Give the conversations with their messages' outlines, so many that these are within the limit.

    A conversation with more messages than that comes alone, in several parts.
    """
    group: list[VoyageConversation] = []
    for conversation in page:
        if group and sum(each.messages for each in [*group, conversation]) > job.limits.messages:
            async for parts in _group_parts(job, group):
                yield parts
            group = []
        group.append(conversation)
    async for parts in _group_parts(job, group):
        yield parts


async def _group_parts(job: Job, group: Sequence[VoyageConversation]) -> AsyncIterator[list[Part]]:
    ids, limit = [conversation.id for conversation in group], job.limits.messages
    outlines = await job.source.outlines(ids, after=None, limit=limit)
    left = sum(conversation.messages for conversation in group) - len(outlines)
    while left > 0:  # then the group is this one conversation
        yield [Part(conversation=group[0], outlines=outlines, last=False)]
        outlines = await job.source.outlines(ids, after=outlines[-1], limit=limit)
        left -= len(outlines)
    of: dict[UUID, list[MessageOutline]] = {conversation.id: [] for conversation in group}
    for outline in outlines:
        of[outline.conversation_id].append(outline)
    yield [Part(conversation=each, outlines=of[each.id], last=True) for each in group]


async def _import_parts(job: Job, parts: Sequence[Part]) -> None:
    ids, message_ids = _ids(parts)
    async with job.database.read() as session:
        here = await read_conversations(session, kind=Kind.CONVERSATIONS, ids=ids, message_ids=message_ids, lock=False)
    missing = missing_messages(parts, here)
    for some in cut(parts, missing, job.limits.message_bytes):
        wanted = [outline.id for part in some for outline in part.outlines if outline.id in missing]
        job.report.add(await _store(job, some, await job.source.messages(wanted)))


async def _store(job: Job, parts: Sequence[Part], messages: Mapping[UUID, VoyageMessage]) -> Sequence[Verdict]:
    ids, message_ids = _ids(parts)
    return await settle(
        job,
        read=partial(read_conversations, kind=Kind.CONVERSATIONS, ids=ids, message_ids=message_ids),
        decide=lambda here: decide(parts, here, messages),
        store=partial(store_conversations, kind=Kind.CONVERSATIONS),
    )


def _ids(parts: Sequence[Part]) -> tuple[list[UUID], list[UUID]]:
    conversations = [part.conversation.id for part in parts]
    return conversations, [outline.id for part in parts for outline in part.outlines]

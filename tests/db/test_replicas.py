from app.db.replicas import put_beat, read_beats, remove_dead, remove_others, remove_replica
from app.db.session import Database


async def beat(database: Database, replica_id: str) -> None:
    async with database.write() as session:
        await put_beat(session, replica_id=replica_id)


async def beats(database: Database) -> dict[str, int]:
    async with database.read() as session:
        return await read_beats(session)


async def test_a_process_that_lives_has_a_beat_that_grows(database: Database) -> None:
    assert await beats(database) == {}
    await beat(database, "a")
    assert await beats(database) == {"a": 1}
    await beat(database, "b")
    await beat(database, "a")

    assert await beats(database) == {"a": 2, "b": 1}


async def test_who_was_taken_for_dead_comes_back(database: Database) -> None:
    for one in ("a", "b", "c"):
        await beat(database, one)
    await beat(database, "b")
    async with database.write() as session:
        await remove_dead(session, {"a": 1, "b": 1, "unknown": 1})
        await remove_dead(session, {})
    assert await beats(database) == {"b": 2, "c": 1}, "b has given another sign of life"

    await beat(database, "a")

    assert await beats(database) == {"a": 1, "b": 2, "c": 1}


async def test_one_or_all_others_are_forgotten(database: Database) -> None:
    for one in ("a", "b", "c"):
        await beat(database, one)
    async with database.write() as session:
        await remove_replica(session, "a")
    assert await beats(database) == {"b": 1, "c": 1}
    async with database.write() as session:
        await remove_others(session, "c")

    assert await beats(database) == {"c": 1}

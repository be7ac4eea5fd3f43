"""A message that is stopped in the moment in which its turn comes."""

import asyncio

from app.db.session import Database
from app.runs.send import OnConflict
from tests.runs.desk import Desk, ending, open_desk
from tests.runs.scripted import Pause, ScriptedClient, words


async def race(desk: Desk, turns: int) -> str:
    """Stop a waiting run so many turns of the loop after the one before it may end; give how it ended."""
    pause = Pause()
    desk.client.scripts[:] = [[pause, *words("Rome.")], words("Athens.")]
    desk.client.requests.clear()
    before = await desk.send()
    await pause.reached.wait()
    run = await desk.send("And then?", on_conflict=OnConflict.ENQUEUE)
    pause.release.set()
    await ending(before)
    for _ in range(turns):
        await asyncio.sleep(0)
    desk.hub.cancel(run.run_id, "ada")
    told = await ending(run)
    await desk.idle()
    row = await desk.run_row(run)

    assert (row.status, row.last_seq, (await desk.answer()).status) == (told["status"], told["seq"], told["status"])
    return row.status


async def test_stopping_while_the_turn_comes_gives_one_end(database: Database) -> None:
    async with open_desk(database, ScriptedClient()) as desk:
        ends = {await race(desk, turns) for turns in range(0, 120, 3)}

    assert "cancelled" in ends

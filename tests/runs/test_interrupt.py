"""A message that stops the answer before it."""

import pytest

from app.db.session import Database
from app.errors import ConversationBusy
from app.providers.model import TextDelta
from app.runs.send import OnConflict
from tests.runs.desk import ending, open_desk
from tests.runs.scripted import STOP, Pause, ScriptedClient, words


async def test_it_stops_the_answer_and_is_answered(database: Database) -> None:
    pause = Pause()
    async with open_desk(database, ScriptedClient([TextDelta("Ro"), pause, STOP], words("Yes."))) as desk:
        first = await desk.send()
        await pause.reached.wait()
        second = await desk.send("Stop.", on_conflict=OnConflict.INTERRUPT)

        assert (await ending(first))["type"] == "run.cancelled"
        assert (await ending(second))["type"] == "run.completed"


async def test_where_others_wait_it_is_refused_and_stops_nothing(database: Database) -> None:
    pause = Pause()
    async with open_desk(database, ScriptedClient([TextDelta("Ro"), pause, STOP], words("Yes."))) as desk:
        first = await desk.send()
        await pause.reached.wait()
        waiting = await desk.send("And then?", on_conflict=OnConflict.ENQUEUE)
        assert (await desk.run_row(waiting)).attempts == [], "no model was asked yet"
        with pytest.raises(ConversationBusy):
            await desk.send("Stop.", on_conflict=OnConflict.INTERRUPT)
        pause.release.set()

        assert (await ending(first))["type"] == "run.completed"
        assert (await ending(waiting))["type"] == "run.completed"

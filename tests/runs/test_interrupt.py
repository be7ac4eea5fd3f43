"""A message that stops the answer before it."""

import pytest

from app.db.session import Database
from app.errors import ConversationBusy, TooManyRuns
from app.providers.model import TextDelta
from app.runs.hub import RunHub
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


async def test_it_needs_no_place_beside_the_answer_that_it_stops(database: Database) -> None:
    pause, hub = Pause(), RunHub(max_runs_per_user=1)
    async with open_desk(database, ScriptedClient([TextDelta("Ro"), pause, STOP], words("Yes.")), hub=hub) as desk:
        first = await desk.send()
        await pause.reached.wait()
        with pytest.raises(ConversationBusy) as busy:
            await desk.send("Stop.")
        with pytest.raises(TooManyRuns):
            await desk.send("Stop.", on_conflict=OnConflict.ENQUEUE)
        second = await desk.send("Stop.", on_conflict=OnConflict.INTERRUPT)

        assert busy.value.run_id == str(first.run_id)
        assert (await ending(first))["type"] == "run.cancelled"
        assert (await ending(second))["type"] == "run.completed"

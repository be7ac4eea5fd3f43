"""Regenerate, edit, and going on from an old answer: each is a branch of its own, and nothing is lost."""

import asyncio
from typing import Any

import httpx
import pytest

from app.errors import AuthenticationFailed, Origin
from app.providers.model import TextDelta, ToolCallPiece
from app.runs.history import NOT_RUN
from tests.routers.drop_in import open_drop_in
from tests.routers.gateway import UNKNOWN_ID, Gateway, assert_error, open_gateway
from tests.runs.scripted import STOP, Pause, Step, words
from tests.voyage_reader import read_cut

REFUSED = AuthenticationFailed(origin=Origin(provider="local", label="Local"))


async def regenerate(gateway: Gateway, message_id: str, **fields: Any) -> httpx.Response:
    return await gateway.http.post(f"/api/chat/messages/{message_id}/regenerate/", json=fields or None)


async def edit(gateway: Gateway, message_id: str, message: str, **fields: Any) -> httpx.Response:
    return await gateway.http.post(f"/api/chat/messages/{message_id}/edit/", json={"message": message, **fields})


async def shown(gateway: Gateway, conversation_id: str, **params: Any) -> list[dict[str, Any]]:
    found = await gateway.http.get(f"/api/chat/conversations/{conversation_id}/", params=params)
    messages: list[dict[str, Any]] = found.json()["messages"]
    return messages


async def texts(gateway: Gateway, conversation_id: str, **params: Any) -> list[str]:
    return [message["content"] for message in await shown(gateway, conversation_id, **params)]


def sent(gateway: Gateway) -> list[str]:
    """What the model was sent last, the system prompt aside."""
    return [message.content for message in gateway.model.requests[-1].messages[1:]]


SCRIPTS: list[list[Step]] = [words(text) for text in ("A1", "A2", "A3", "A4", "A5", "A6")]


async def test_another_answer_is_a_sibling_and_the_first_one_is_kept(database_url: str) -> None:
    async with open_gateway(database_url, *SCRIPTS) as gateway:
        id_ = await gateway.new_conversation()
        await gateway.tell(id_, "Q1")
        question, first = await shown(gateway, id_)

        response = await regenerate(gateway, first["id"])

        assert response.status_code == 200
        assert read_cut(response.content, 7).bubble == "A2 "
        _, second = await shown(gateway, id_)
        assert (second["id"], second["content"]) == (response.headers["x-message-id"], "A2 ")
        assert second["run_id"] == response.headers["x-run-id"]
        every = await shown(gateway, id_, all_branches=True)
        assert [(message["id"], message["parent_id"]) for message in every] == [
            (question["id"], None),
            (first["id"], question["id"]),
            (second["id"], question["id"]),
        ]
        assert sent(gateway) == ["Q1"], "the model sees nothing of the other answer"


async def test_a_question_can_be_named_instead_of_its_answer(database_url: str) -> None:
    async with open_gateway(database_url, *SCRIPTS) as gateway:
        id_ = await gateway.new_conversation()
        await gateway.tell(id_, "Q1")
        await gateway.tell(id_, "Q2")
        question = (await shown(gateway, id_))[0]

        assert (await regenerate(gateway, question["id"])).status_code == 200

        assert await texts(gateway, id_) == ["Q1", "A3 "]
        assert await texts(gateway, id_, all_branches=True) == ["Q1", "A1 ", "Q2", "A2 ", "A3 "]
        assert sent(gateway) == ["Q1"]


async def test_regenerating_takes_another_model_and_what_else_a_message_takes(database_url: str) -> None:
    async with open_gateway(database_url, *SCRIPTS) as gateway:
        id_ = await gateway.new_conversation()
        await gateway.tell(id_, "Q1")
        tool = {"type": "function", "function": {"name": "noop"}}

        await regenerate(
            gateway, (await shown(gateway, id_))[1]["id"], model="local-2", tools=[tool], tool_results="end"
        )

        request = gateway.model.requests[-1]
        assert (request.route.model, [tool.name for tool in request.tools]) == ("local-2", ["noop"])
        assert [message["model"] for message in await shown(gateway, id_)] == [None, "local-2"]


async def test_an_edited_message_leaves_what_came_after_it_on_the_old_branch(database_url: str) -> None:
    async with open_gateway(database_url, *SCRIPTS) as gateway:
        id_ = await gateway.new_conversation()
        for text in ("Q1", "Q2", "Q3"):
            await gateway.tell(id_, text)
        second = (await shown(gateway, id_))[2]

        response = await edit(gateway, second["id"], "  Q2, but shorter ")

        assert read_cut(response.content, 3).bubble == "A4 "
        assert sent(gateway) == ["Q1", "A1 ", "Q2, but shorter"]
        assert await texts(gateway, id_) == ["Q1", "A1 ", "Q2, but shorter", "A4 "]
        old = ["Q1", "A1 ", "Q2", "A2 ", "Q3", "A3 "]
        assert await texts(gateway, id_, all_branches=True) == [*old, "Q2, but shorter", "A4 "]
        await gateway.tell(id_, "Q4")
        assert sent(gateway) == ["Q1", "A1 ", "Q2, but shorter", "A4 ", "Q4"], "the conversation goes on there"


async def test_the_first_message_can_be_edited_again_and_again(database_url: str) -> None:
    async with open_gateway(database_url, *SCRIPTS) as gateway:
        id_ = await gateway.new_conversation()
        await gateway.tell(id_, "Q1")
        for text in ("Q1b", "Q1c"):
            await edit(gateway, (await shown(gateway, id_))[0]["id"], text)
            assert sent(gateway) == [text]

        assert await texts(gateway, id_) == ["Q1c", "A3 "]
        every = await shown(gateway, id_, all_branches=True)
        assert [message["parent_id"] for message in every if message["role"] == "user"] == [None, None, None]
        assert (await gateway.http.get(f"/api/chat/conversations/{id_}/")).json()["title"] == "Q1"


async def test_a_message_can_follow_an_old_answer(database_url: str) -> None:
    async with open_gateway(database_url, *SCRIPTS) as gateway:
        id_ = await gateway.new_conversation()
        await gateway.tell(id_, "Q1")
        first = (await shown(gateway, id_))[1]
        await regenerate(gateway, first["id"])
        await gateway.tell(id_, "Q2")
        assert sent(gateway) == ["Q1", "A2 ", "Q2"]

        await gateway.tell(id_, "Q3", parent_id=first["id"])

        assert sent(gateway) == ["Q1", "A1 ", "Q3"]
        assert await texts(gateway, id_) == ["Q1", "A1 ", "Q3", "A4 "]
        by_id = {message["id"]: message for message in await shown(gateway, id_, all_branches=True)}
        path: list[str] = []
        at = (await shown(gateway, id_))[-1]["id"]
        while at is not None:
            path.insert(0, by_id[at]["content"])
            at = by_id[at]["parent_id"]
        assert path == ["Q1", "A1 ", "Q3", "A4 "], "parent_id leads from each message to the first"


async def test_an_answer_that_failed_can_be_asked_for_again_and_followed(database_url: str) -> None:
    async with open_gateway(database_url, [TextDelta("Half"), REFUSED], *SCRIPTS) as gateway:
        id_ = await gateway.new_conversation()
        await gateway.tell(id_, "Q1")
        failed = (await shown(gateway, id_))[1]
        assert failed["status"] == "failed"

        await gateway.tell(id_, "Q2", parent_id=failed["id"])
        assert sent(gateway) == ["Q1", "Half", "Q2"]
        await regenerate(gateway, failed["id"])

        assert await texts(gateway, id_) == ["Q1", "A2 "]


async def test_wrong_targets_are_refused_and_nothing_is_stored(database_url: str) -> None:
    async with open_gateway(database_url, *SCRIPTS) as gateway:
        id_, other = await gateway.new_conversation(), await gateway.new_conversation()
        await gateway.tell(id_, "Q1")
        await gateway.tell(other, "Q2")
        question, answer = await shown(gateway, id_)
        elsewhere = (await shown(gateway, other))[1]
        before = gateway.rows()

        for unknown in (UNKNOWN_ID, "7"):
            assert_error(await regenerate(gateway, unknown), 404, "not_found")
            assert_error(await edit(gateway, unknown, "Q"), 404, "not_found")
        foreign = f"/api/chat/messages/{question['id']}"
        assert_error(await gateway.bob.post(f"{foreign}/regenerate/"), 404, "not_found")
        assert_error(await gateway.bob.post(f"{foreign}/edit/", json={"message": "Q"}), 404, "not_found")
        assert_error(await gateway.nobody.post(f"{foreign}/regenerate/"), 401, "not_authenticated")
        body = assert_error(await edit(gateway, answer["id"], "Q"), 400, "validation_error")
        assert body["message_id"] == ["Only a message of the user can be edited."]
        assert_error(await gateway.send(id_, parent_id=UNKNOWN_ID), 404, "not_found")
        assert_error(await gateway.send(id_, parent_id=elsewhere["id"]), 404, "not_found")
        body = assert_error(await gateway.send(id_, parent_id=question["id"]), 400, "validation_error")
        assert body["parent_id"] == ["A message can only follow an answer that has ended."]
        for bad in ({"message": ""}, {"message": " \n"}, {"message": None}, {}):
            response = await gateway.http.post(f"{foreign}/edit/", json=bad)
            assert assert_error(response, 400, "validation_error")["message"]
        assert gateway.rows() == before


async def test_a_running_answer_is_neither_followed_nor_asked_for_again(database_url: str) -> None:
    pause = Pause()
    async with open_gateway(database_url, [TextDelta("A1 "), pause, STOP], *SCRIPTS) as gateway:
        id_ = await gateway.new_conversation()
        sending = asyncio.create_task(gateway.send(id_, "Q1"))
        await pause.reached.wait()
        question, answer = await shown(gateway, id_)
        before = gateway.rows()

        assert_error(await gateway.send(id_, parent_id=answer["id"]), 400, "validation_error")
        for response in (
            await regenerate(gateway, answer["id"]),
            await regenerate(gateway, question["id"]),
            await edit(gateway, question["id"], "Q1b"),
        ):
            body = assert_error(response, 409, "conversation_busy")
            assert body["error_detail"]["run_id"] == answer["run_id"]
        assert gateway.rows() == before
        pause.release.set()
        await sending
        assert (await regenerate(gateway, answer["id"])).status_code == 200
        assert await texts(gateway, id_) == ["Q1", "A1 "]


async def test_an_edit_can_stop_the_answer_to_what_it_edits(database_url: str) -> None:
    pause = Pause()
    async with open_gateway(database_url, [TextDelta("A1 "), pause, STOP], *SCRIPTS) as gateway:
        id_ = await gateway.new_conversation()
        sending = asyncio.create_task(gateway.send(id_, "Q1"))
        await pause.reached.wait()

        response = await edit(gateway, (await shown(gateway, id_))[0]["id"], "Q1b", on_conflict="interrupt")

        assert read_cut(response.content, 5).bubble == "A1 "
        assert sent(gateway) == ["Q1b"]
        assert b"run.cancelled" in (await sending).content
        statuses = [message["status"] for message in await shown(gateway, id_, all_branches=True)]
        assert statuses == ["complete", "cancelled", "complete", "completed"]


@pytest.mark.parametrize("way", ["regenerate", "edit"])
async def test_the_same_request_again_is_the_same_run(database_url: str, way: str) -> None:
    async with open_gateway(database_url, *SCRIPTS) as gateway:
        id_ = await gateway.new_conversation()
        await gateway.tell(id_, "Q1")
        question = (await shown(gateway, id_))[0]
        path = f"/api/chat/messages/{question['id']}/{way}/"
        body = {"message": "Q1b"} if way == "edit" else {}
        headers = {"Idempotency-Key": "again"}

        first, second = [await gateway.http.post(path, json=body, headers=headers) for _ in range(2)]
        changed = await gateway.http.post(path, json=body | {"model": "local-2"}, headers=headers)

        assert first.content == second.content
        assert (first.headers.get("idempotency-replayed"), second.headers["idempotency-replayed"]) == (None, "true")
        assert_error(changed, 422, "idempotency_mismatch")
        assert len(gateway.model.requests) == 2


async def test_tool_pairs_stay_whole_on_a_branch(database_url: str) -> None:
    asking: list[Step] = [ToolCallPiece(0, "c1", "noop", "{}"), STOP]
    async with open_gateway(database_url, asking, [TextDelta("  "), REFUSED], *SCRIPTS) as gateway:
        id_ = await gateway.new_conversation()
        tool = {"type": "function", "function": {"name": "noop"}}
        await gateway.tell(id_, "Q1", tools=[tool], tool_results="end")
        calling = (await shown(gateway, id_))[1]
        await regenerate(gateway, calling["id"])
        empty = (await shown(gateway, id_))[1]

        await gateway.tell(id_, "Q2", parent_id=calling["id"])
        assert sent(gateway) == ["Q1", "", NOT_RUN, "Q2"]
        assert gateway.model.requests[-1].messages[3].tool_call_id == "c1"
        await gateway.tell(id_, "Q3", parent_id=empty["id"])
        assert sent(gateway) == ["Q1", "Q3"], "an answer with nothing in it is nothing"


async def test_a_regenerated_conversation_reads_well_on_voyages_page(database_url: str) -> None:
    async with open_drop_in(database_url, *SCRIPTS) as drop_in:
        page = await drop_in.chat()
        assert [await page.send(text) for text in ("Q1", "Q2")] == ["A1 ", "A2 "]
        path = f"/api/chat/conversations/{page.selected}/"
        messages = (await drop_in.ada.get(path)).json()["messages"]
        await drop_in.ada.post(f"/api/chat/messages/{messages[3]['id']}/regenerate/", {})

        again = await drop_in.chat(storage=page.storage)
        assert [(bubble.role, bubble.text) for bubble in again.bubbles] == [
            ("user", "Q1"),
            ("assistant", "A1 "),
            ("user", "Q2"),
            ("assistant", "A3 "),
        ]
        assert await again.send("Q3") == "A4 "
        assert again.titles == ["Q1"]
        await drop_in.ada.post(f"/api/chat/messages/{messages[0]['id']}/edit/", {"message": "Q1b"})
        await again.select(str(again.selected))
        assert [bubble.text for bubble in again.bubbles] == ["Q1b", "A5 "]

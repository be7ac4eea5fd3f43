"""The form of every answer that Voyage's pages get: as Voyage gives it, with what else is in it said here."""

import json
import re
from typing import Any, Final, cast

from typing_extensions import override

from tests.voyage.frontend import Answer, Frontend

UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z")
"""UTC in microseconds; Django leaves out a fraction of zero."""
TEXT: Final = (str, None)
CALL: Final = {"id": str, "type": re.compile("function"), "function": {"name": str, "arguments": str}}
MESSAGE: Final = {
    "id": UUID,
    "role": re.compile("user|assistant|system|tool"),
    "content": str,
    "tool_calls": ([CALL], None),
    "tool_call_id": TEXT,
    "name": TEXT,
    "created_at": TIME,
    # The UI reads none of the others.
    "text": str,
    "seq": int,
    "status": str,
    "finish_reason": TEXT,
    "error": (dict, None),
    "usage": (dict, None),
    "provider": TEXT,
    "model": TEXT,
    "run_id": (UUID, None),
    "parent_id": (UUID, None),
}
LINE: Final = {"id": UUID, "title": str, "updated_at": TIME}
CONVERSATION: Final = {
    **LINE,
    "created_at": TIME,
    "messages": [MESSAGE],
    "active_run": ({"id": UUID, "status": re.compile("queued|running"), "last_seq": int}, None),
}
KEY: Final = {
    "id": UUID,
    "provider": str,
    "masked_api_key": re.compile(r"[!-~]{3}\*+[!-~]{3}"),
    "check": (dict, None),  # beyond Voyage's own answer
    "created_at": TIME,
    "updated_at": TIME,
    "status": re.compile("ok|unreadable"),
}
SETTINGS: Final = {
    "id": UUID,
    "preferred_provider": TEXT,
    "preferred_model": TEXT,
    "fallbacks": [dict],  # beyond Voyage's own answer
    "created_at": TIME,
    "updated_at": TIME,
}
PROVIDER: Final = {
    "id": str,
    "label": str,
    "available_for_chat": bool,
    "needs_api_key": (bool, None),
    "default_model": TEXT,
    "api_base": TEXT,
    "instance_configured": bool,
    "user_configured": bool,
}
DETAIL: Final = {
    "id": str,
    "label": str,
    "context_tokens": (int, None),
    "max_output_tokens": (int, None),
    "tools": bool,
    "price": ({"input": float, "output": float}, None),
    "status": (re.compile("available|deprecated|retired"), None),
    "family": TEXT,
    "source": re.compile("live|snapshot|configured|unknown"),
}
MODELS: Final = {
    "models": [str],
    # The UI reads none of the others.
    "wires": dict,
    "details": [DETAIL],
    "age_seconds": (int, None),
    "stale": bool,
    "source": re.compile("live|snapshot|configured"),
    "warning": TEXT,
}
PLACE: Final = {"name": str, "location": str, "price_level": str}
FORMS: Final[dict[str, tuple[int, Any]]] = {
    "GET /api/chat/": (200, {"conversations": str, "providers": str}),
    "GET /api/chat/capabilities/": (
        200,
        {
            "tools": [{"name": str, "description": str, "source": str, "writes": bool}],
            "sources": [{"name": str, "available": bool, "reason": (str, None)}],
            "tool_approval": str,
        },
    ),
    "GET /api/chat/conversations/": (200, [LINE]),
    "POST /api/chat/conversations/": (201, CONVERSATION),
    "GET /api/chat/conversations/<id>/": (200, CONVERSATION),
    "PUT /api/chat/conversations/<id>/": (200, CONVERSATION),
    "PATCH /api/chat/conversations/<id>/": (200, CONVERSATION),
    "DELETE /api/chat/conversations/<id>/": (204, None),
    "GET /api/chat/providers/": (200, [PROVIDER]),
    "GET /api/chat/providers/local/models/": (200, MODELS),
    "POST /api/chat/suggestions/day/": (200, {"suggestions": [PLACE]}),
    "GET /api/integrations/api-keys/": (200, [KEY]),
    "POST /api/integrations/api-keys/": (201, KEY),
    "GET /api/integrations/api-keys/<id>/": (200, KEY),
    "PUT /api/integrations/api-keys/<id>/": (200, KEY),
    "PATCH /api/integrations/api-keys/<id>/": (200, KEY),
    "DELETE /api/integrations/api-keys/<id>/": (204, None),
    "GET /api/integrations/ai-settings/": (200, [SETTINGS]),
    "POST /api/integrations/ai-settings/": (200, SETTINGS),
    "GET /api/integrations/ai-settings/<id>/": (200, SETTINGS),
    "PUT /api/integrations/ai-settings/<id>/": (200, SETTINGS),
    "PATCH /api/integrations/ai-settings/<id>/": (200, SETTINGS),
    "DELETE /api/integrations/ai-settings/<id>/": (204, None),
}
"""Status and form of every answer, as Voyage gives it and with what is said above."""


def fits(value: object, form: object) -> bool:
    """Tell whether a value of JSON has a form: a type, a pattern, alternatives, an array of one form, an object."""
    if isinstance(form, tuple):
        return any(fits(value, one) for one in cast("tuple[object, ...]", form))
    if isinstance(form, list):
        item = cast("list[object]", form)[0]
        return isinstance(value, list) and all(fits(one, item) for one in cast("list[object]", value))
    if isinstance(form, dict):
        fields = cast("dict[str, object]", form)
        given = cast("dict[str, object]", value) if isinstance(value, dict) else {}
        return given.keys() == fields.keys() and all(fits(given[name], fields[name]) for name in fields)
    if isinstance(form, re.Pattern):
        return isinstance(value, str) and re.fullmatch(cast("re.Pattern[str]", form), value) is not None
    return value is None if form is None else isinstance(form, type) and type(value) is form


class Watched(Frontend):
    """A browser that checks status and form of whatever succeeds, but a stream, which its transport checks."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.seen: set[str] = set()
        """Questions whose answers were checked, as they stand in `FORMS`."""

    @override
    async def ask(self, method: str, path: str, json: Any = None) -> Answer:
        return self._checked(method, path, await super().ask(method, path, json))

    @override
    async def server_load(self, path: str) -> Answer:
        return self._checked("GET", path, await super().server_load(path))

    def _checked(self, method: str, path: str, answer: Answer) -> Answer:
        question = f"{method} {UUID.sub('<id>', path)}"
        if answer.ok:
            status, form = FORMS[question]
            assert answer.status == status, f"{question} is {answer.status}"
            if form is not None:
                check_form(answer.body, form)
            self.seen.add(question)
        return answer


def check_form(body: bytes, form: object) -> None:
    value = json.loads(body)
    assert fits(value, form), f"another form: {value}"
    assert json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() == body, "not compact"

"""A Voyage with everything in it that years of use leave behind, and what of it must arrive."""

import json
import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from cryptography.fernet import Fernet

from app.voyage_import import Kind
from tests.voyage_import.voyage import NOON, TABLES, Voyage, call

TEXTS: Final = (
    "",
    "Where to?",
    "🗺️ São Tomé, 東京, עברית",
    "line\nbreak\ttab \\u0000 %s {0}",
    "x" * 3000,
    "o'clock\"",
)
TITLES: Final = ("", "Lisbon", "🗺️" * 50, "t" * 100, "t" * 255, "  blank  ")
BAD_ROLES: Final = ("function", "User", "", "developer")
BAD_CALLS: Final[tuple[Any, ...]] = ({}, {"id": "c"}, "calls", 5, True, [1], [[]], [None, call()])
FIRST: Final = ("users_customuser", *TABLES)
"""An order in which rows find what they refer to."""
PROVIDERS: Final = ("openai", "anthropic", "groq", "mistral", "google_maps", "openrouter")


@dataclass
class Expected:
    """What must stand in the target, and in the report."""

    messages: dict[UUID, list[UUID]] = field(default_factory=dict[UUID, list[UUID]])
    """Readable ones, in order, by conversation."""
    keys: dict[UUID, str] = field(default_factory=dict[UUID, str])
    counts: dict[Kind, Counter[str]] = field(default_factory=dict[Kind, Counter[str]])

    def saw(self, kind: Kind, *what: str) -> None:
        self.counts.setdefault(kind, Counter()).update(what)


@dataclass
class Generator:
    """Makes the same rows again for the same seed; ids and times too."""

    seed: int
    bad_share: float = 0.01
    fernet_key: bytes = field(default_factory=Fernet.generate_key)
    tables: dict[str, list[dict[str, Any]]] = field(default_factory=dict[str, list[dict[str, Any]]])
    expected: Expected = field(default_factory=Expected)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)  # noqa: S311 - test data
        self._fernet, self._other = Fernet(self.fernet_key), Fernet(Fernet.generate_key())

    def make(self, *, users: int, messages: int, keys: int) -> None:
        ids = [*range(1, users), 2**40 + 7]
        for id_ in ids:
            row = {"id": id_, "username": f"user{id_}", "is_active": id_ % 5 > 0, "uuid": self._uuid()}
            self._add("users_customuser", row)
        made = 0
        while made < messages:
            made += self._conversation(self._random.choice(ids), messages - made)
        self._conversation(ids[0], 0)
        places = [(user, provider) for user in ids for provider in PROVIDERS]
        for user, provider in self._random.sample(places, keys):
            self._key(user, provider)
        for user in ids[::2]:
            self._settings(user)
        self._add("chat_chatsystemprompt", {"id": 1, "prompt_text": "Plan trips. ✈", "updated_at": NOON})
        self.expected.saw(Kind.PROMPT, "imported")

    async def fill(self, voyage: Voyage) -> None:
        """Store everything, in no order."""
        voyage.fernet_key = self.fernet_key
        for table in sorted(self.tables, key=FIRST.index):
            rows = self._random.sample(self.tables[table], len(self.tables[table]))
            await voyage.insert(table, rows)

    def _conversation(self, user: int, most: int) -> int:
        id_, moment = self._uuid(), NOON + timedelta(minutes=self._random.randrange(10**6))
        began = moment
        found: list[dict[str, Any]] = []
        size = min(most, self._random.choice((0, 1, 2, 6, 20, 80)))
        while len(found) < size:
            moment += timedelta(microseconds=self._random.choice((0, 0, 1, 10**6)))
            found.append(self._message(id_, moment))
        row = {
            "id": id_,
            "user_id": user,
            "title": self._random.choice(TITLES),
            "created_at": began,
            "updated_at": moment,
        }
        self._add("chat_chatconversation", row)
        readable = [row for row in found if row["role"] not in BAD_ROLES]
        self.expected.messages[id_] = [row["id"] for row in sorted(readable, key=_place)]
        self.expected.saw(Kind.CONVERSATIONS, "imported")
        return size

    def _message(self, conversation: UUID, moment: Any) -> dict[str, Any]:
        role, calls, call_id = (
            self._random.choice(("user", "user", "assistant", "assistant", "tool", "system")),
            None,
            None,
        )
        if role == "assistant" and self._random.random() < 0.5:
            calls = json.dumps(
                self._random.choice(([call()], [call("c1"), call("c2", arguments='{"a": 1}')], [], None))
            )
        if role == "tool":
            call_id = "c1"
        if self._bad():
            role = self._random.choice(BAD_ROLES)
            self.expected.saw(Kind.MESSAGES, "unreadable", "unreadable, unknown role")
        elif role == "assistant" and self._bad():
            calls = json.dumps(self._random.choice(BAD_CALLS))
            reason = "imported, without its tool calls, which are no list of objects"
            self.expected.saw(Kind.MESSAGES, "imported", reason)
        else:
            self.expected.saw(Kind.MESSAGES, "imported")
        row = {
            "id": self._uuid(),
            "conversation_id": conversation,
            "role": role,
            "content": self._random.choice(TEXTS),
            "tool_calls": calls,
            "tool_call_id": call_id,
            "name": "get_weather" if call_id else None,
            "created_at": moment,
        }
        self._add("chat_chatmessage", row)
        return row

    def _key(self, user: int, provider: str) -> None:
        id_, key = self._uuid(), f"sk-planted-{self._random.getrandbits(128):032x}"
        token = self._fernet.encrypt(key.encode()).decode()
        if self._bad():
            other = self._other.encrypt(key.encode()).decode()
            token = self._random.choice((other, token[:-9], "", "gAAAA", key))
            reason = "unreadable, not encrypted with this FIELD_ENCRYPTION_KEY, or damaged"
            self.expected.saw(Kind.KEYS, "unreadable", reason)
        elif self._bad():
            token = self._fernet.encrypt(self._random.choice((b"x" * 513, b"has a space in it"))).decode()
            self.expected.saw(Kind.KEYS, "unreadable")
        else:
            unknown = ["imported, for a provider that is not known here"] if provider == "google_maps" else []
            self.expected.saw(Kind.KEYS, "imported", *unknown)
            self.expected.keys[id_] = key
        moments = {"created_at": NOON, "updated_at": NOON + timedelta(microseconds=self._random.getrandbits(40))}
        row = {"id": id_, "user_id": user, "provider": provider, "encrypted_api_key": token}
        self._add("integrations_userapikey", row | moments)

    def _settings(self, user: int) -> None:
        provider, model = self._random.choice(((None, None), ("openai", " gpt-4o "), ("", "m" * 100), (" groq", "")))
        row = {"id": self._uuid(), "user_id": user, "preferred_provider": provider, "preferred_model": model}
        self._add("integrations_useraisettings", row | {"created_at": NOON, "updated_at": NOON})
        self.expected.saw(Kind.SETTINGS, "imported")

    def _add(self, table: str, row: dict[str, Any]) -> None:
        self.tables.setdefault(table, []).append(row)

    def _uuid(self) -> UUID:
        return UUID(int=self._random.getrandbits(128), version=4)

    def _bad(self) -> bool:
        return self._random.random() < self.bad_share


def _place(row: dict[str, Any]) -> tuple[Any, int, UUID]:
    """The order that a conversation is read in, said once more in other words."""
    calls = json.loads(row["tool_calls"]) if row["tool_calls"] else None
    turn = ["system", "user", "calls", "tool", "assistant"]
    step = "calls" if row["role"] == "assistant" and isinstance(calls, list) and calls else row["role"]
    return row["created_at"], turn.index(step), row["id"]

"""An MCP server as Voyage's Django has one: two sync workers, JSON answers, sessions in a store.

`python -m tests.tools.mcp_server` prints its port. `GET /page/` is a page of the same two workers; `GET /state/` is
answered beside them, and tells what was asked.
"""

import gzip
import json
import socketserver
import sys
import threading
import time
import uuid
from collections import Counter
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

WORKERS = 2
TOKENS = {"Token of-ada": "ada", "Token of-ben": "ben", "Token of-out": "out"}
LARGE = 5_000_000


class State:
    """What the server knows and has seen."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.workers = threading.Semaphore(WORKERS)
        self.sessions: dict[str, str] = {}
        self.seen: Counter[str] = Counter()
        self.calls: list[tuple[str, str]] = []
        """The user and the name."""
        self.effects = 0
        self.busy = 0
        """Pages that are being made."""


STATE = State()


def _tool(name: str, *, reads: bool) -> dict[str, Any]:
    schema = {"type": "object", "properties": {"seconds": {"type": "number"}}}
    return {"name": name, "description": name, "inputSchema": schema, "annotations": {"readOnlyHint": reads}}


READS = ("who", "sleep", "fail", "many", "none", "large", "odd", "forget", "rpc", "packed")
UNFIT = ("odd name!", "x" * 65, "")
TOOLS = [*(_tool(name, reads=True) for name in (*READS, *UNFIT)), _tool("write", reads=False)]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Say nothing."""

    def do_GET(self) -> None:
        if self.path == "/state/":
            with STATE.lock:
                seen = {
                    "seen": STATE.seen,
                    "open": len(STATE.sessions),
                    "calls": STATE.calls,
                    "effects": STATE.effects,
                    "busy": STATE.busy,
                }
                self._json(200, seen)
            return
        with STATE.workers:
            if self.path.startswith("/page/"):
                with STATE.lock:
                    STATE.busy += 1
                time.sleep(float(self.path.partition("seconds=")[2] or 0.02))
                with STATE.lock:
                    STATE.busy -= 1
                self._json(200, {"page": True})
                return
            self._note("GET")
            time.sleep(30)
            self._json(500, {"error": "no stream"})

    def do_DELETE(self) -> None:
        with STATE.workers:
            self._note("DELETE")
            with STATE.lock:
                gone = STATE.sessions.pop(self.headers.get("Mcp-Session-Id", ""), None)
            self._json(200 if gone else 404, {})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        with STATE.workers:
            self._note("POST")
            user = TOKENS.get(self.headers.get("Authorization", ""))
            if user is None or (user == "out" and b"tools/list" in body):
                self._json(401, {"detail": "Invalid token."})
                return
            self._answer(json.loads(body), user)

    def _answer(self, message: dict[str, Any], user: str) -> None:
        method, number = message["method"], message.get("id")
        if method == "initialize":
            session = uuid.uuid4().hex
            with STATE.lock:
                STATE.sessions[session] = user
            offered: dict[str, Any] = {
                "protocolVersion": "2025-06-18",
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "django", "version": "1"},
            }
            self._json(200, {"jsonrpc": "2.0", "id": number, "result": offered}, session=session)
            return
        session = self.headers.get("Mcp-Session-Id", "")
        if not session:
            self._json(400, {"error": "Session required for stateful server"})
        elif session not in STATE.sessions:
            self._json(404, {"error": "Session not found"})
        elif number is None:
            self._json(202, None)
        elif method == "tools/list":
            self._json(200, {"jsonrpc": "2.0", "id": number, "result": {"tools": TOOLS}})
        elif method == "tools/call":
            self._call(message, user, session)
        else:
            self._json(400, {"error": f"unknown: {method}"})

    def _call(self, message: dict[str, Any], user: str, session: str) -> None:
        name: str = message["params"]["name"]
        arguments: dict[str, Any] = message["params"].get("arguments") or {}
        with STATE.lock:
            STATE.calls.append((user, name))
        if name == "write":
            with STATE.lock:
                STATE.effects += 1
        if name == "forget":
            with STATE.lock:
                STATE.sessions.pop(session, None)
        time.sleep(float(arguments.get("seconds", 0)))
        if status := arguments.get("status"):
            self._json(status, {"error": "No."})
            return
        if name == "rpc":
            error = {"code": arguments["code"], "message": "boom"}
            self._json(200, {"jsonrpc": "2.0", "id": message["id"], "error": error})
            return
        if name == "packed":
            self._raw(200, gzip.compress(b" " * LARGE * 20), coding="gzip")
            return
        if name == "odd":
            self._raw(
                200, b'{"jsonrpc": "2.0", "id": 1, "result": {"content": [{"type": "text", "text": "\xff\xfe"}]}}'
            )
            return
        texts, failed = self._texts(name, user)
        content = [{"type": "text", "text": text} for text in texts]
        result = {"content": content, "isError": failed}
        self._json(200, {"jsonrpc": "2.0", "id": message["id"], "result": result})

    @staticmethod
    def _texts(name: str, user: str) -> tuple[list[str], bool]:
        match name:
            case "fail":
                return ["Error executing tool fail: [ErrorDetail(string='No.', code='invalid')]"], True
            case "many":
                return ['{"id": 1}', '{"id": 2}'], False
            case "none":
                return [], False
            case "large":
                return ["x" * LARGE], False
            case _:
                return [json.dumps({"user": user})], False

    def _note(self, what: str) -> None:
        with STATE.lock:
            STATE.seen[what] += 1

    def _json(self, status: int, value: Any, *, session: str = "") -> None:
        self._raw(status, b"" if value is None else json.dumps(value).encode(), session=session)

    def _raw(self, status: int, body: bytes, *, session: str = "", coding: str = "") -> None:
        try:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            if coding:
                self.send_header("Content-Encoding", coding)
            if session:
                self.send_header("Mcp-Session-Id", session)
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            self.close_connection = True


class Server(socketserver.ThreadingMixIn, HTTPServer):
    daemon_threads = True
    request_queue_size = 128


def main() -> None:
    server = Server(("127.0.0.1", 0), Handler)
    sys.stdout.write(f"{server.server_address[1]}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main()

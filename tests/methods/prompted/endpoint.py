"""A small endpoint on loopback that speaks OpenAI's protocol, and really works its answers out."""

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "a-key"
Speaker = Callable[[str], str]


def calculate(question: str) -> str:
    """The product, with the steps of long multiplication before it."""
    a, b = map(int, re.findall(r"[0-9]+", question))
    rows = [a * int(digit) * 10**place for place, digit in enumerate(reversed(str(b)))]
    return f"{' + '.join(map(str, rows))} #### {a * b}"


class Endpoint:
    """What was asked of it, and how it answers.

    requests  bodies of the requests that were answered
    failures  statuses that the next requests get instead of an answer
    speak     answers the last message
    cut       say that every answer was cut off
    broken    bytes that stand for every answer
    """

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.failures: list[int] = []
        self.speak: Speaker = calculate
        self.cut = False
        self.broken = b""
        self.lock = threading.Lock()
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                body = json.loads(self.rfile.read(length))
                status, answer = endpoint.reply(self.path, self.headers["Authorization"], body)
                content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.send_header("Retry-After-Ms", "1")
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"

    def reply(self, path: str, key: str, body: dict[str, Any]) -> tuple[int, Any]:
        """Status and content."""
        if path != "/v1/chat/completions":
            return 404, {"error": {"message": f"no {path} here"}}
        if key != f"Bearer {KEY}":
            return 401, {"error": {"message": "wrong key"}}
        with self.lock:
            if self.failures:
                return self.failures.pop(0), {"error": {"message": f"not now, with {key}"}}
            if self.broken:
                return 200, self.broken
            self.requests.append(body)
        content = self.speak(body["messages"][-1]["content"])
        words = sum(len(message["content"].split()) for message in body["messages"])
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": content},
            "finish_reason": "length" if self.cut else "stop",
        }
        usage = {"prompt_tokens": words, "completion_tokens": 10, "total_tokens": words + 10}
        return 200, {"id": "1", "object": "chat.completion", "choices": [choice], "usage": usage}


@contextmanager
def served() -> Iterator[Endpoint]:
    """An endpoint while it is there."""
    endpoint = Endpoint()
    thread = threading.Thread(target=endpoint.server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield endpoint
    finally:
        endpoint.server.shutdown()
        endpoint.server.server_close()
        thread.join()

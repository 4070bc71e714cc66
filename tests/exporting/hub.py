"""A small stand-in on loopback for the hub's HTTP API: it takes uploads and keeps them."""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Hub:
    """What was uploaded.

    repositories  files by path, for each "models/OWNER/NAME"
    tokens        that requests came with
    refuse        answer every request with 403 and this message
    """

    def __init__(self) -> None:
        self.repositories: dict[str, dict[str, bytes]] = {}
        self.tokens: set[str | None] = set()
        self.refuse = ""
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hub.tokens.add(self.headers["Authorization"])
                status, answer = hub.reply(self.path, body)
                content = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                if hub.refuse:
                    self.send_header("X-Error-Message", hub.refuse)
                self.end_headers()
                self.wfile.write(content)

            def do_GET(self) -> None:
                self.send_error(403 if hub.refuse else 404)

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def reply(self, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
        """Status and answer of a request."""
        if self.refuse:
            return 403, {"error": self.refuse}
        if path == "/api/repos/create":
            wanted = json.loads(body)
            kind = f"{wanted.get('type') or 'model'}s"
            name = "/".join(filter(None, (wanted.get("organization"), wanted["name"])))
            self.repositories.setdefault(f"{kind}/{name}", {})
            front = "" if kind == "models" else f"{kind}/"
            return 200, {"url": f"{self.url}/{front}{name}"}
        if path == "/api/validate-yaml":
            return 200, {"errors": [], "warnings": []}
        repository, action = path.removeprefix("/api/").rsplit("/", 2)[:2]
        if action == "preupload":
            files = json.loads(body)["files"]
            modes = [
                {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False}
                for file in files
            ]
            return 200, {"files": modes}
        for line in map(json.loads, body.splitlines()):
            if line["key"] == "file":
                value = line["value"]
                self.repositories[repository][value["path"]] = base64.b64decode(value["content"])
        front = repository.removeprefix("models/")
        url = f"{self.url}/{front}/commit/{40 * '0'}"
        return 200, {"success": True, "commitUrl": url, "commitOid": 40 * "0"}


@contextmanager
def hub_at_work() -> Iterator[Hub]:
    """A hub that answers."""
    hub = Hub()
    thread = threading.Thread(target=hub.server.serve_forever)
    thread.start()
    try:
        yield hub
    finally:
        hub.server.shutdown()
        thread.join()
        hub.server.server_close()

"""What huggingface_hub asks of the Hub, served from memory: models with one branch, whose files are
small or in Git LFS. Written from the requests that huggingface_hub 2.4 makes."""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "Bearer hf_of_a_test"  # without it, nothing is written


class Hub(ThreadingHTTPServer):
    """models: the files of each model by its name. gated: those whose files nobody may read. asked:
    what was asked for."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.models: dict[str, dict[str, bytes]] = {}
        self.large: dict[str, bytes] = {}  # by SHA-256
        self.gated: set[str] = set()
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def commit(self, name: str) -> str:
        """The hash of what a model holds now."""
        digest = hashlib.sha1(name.encode())
        for path, data in sorted(self.models[name].items()):
            digest.update(path.encode() + data)
        return digest.hexdigest()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Hub

    def do_GET(self) -> None:
        path, models = self.path.partition("?")[0], self.server.models
        self.server.asked.append(f"{self.command} {path}")
        parts = path.strip("/").split("/")
        name = "/".join(parts[2:4] if parts[0] == "api" else parts[:2])
        if name not in models:
            self.refuse(404, "RepoNotFound")
        elif parts[4:5] == ["revision"]:
            self.revision(name, parts[5])
        elif parts[4:5] == ["tree"]:
            self.answer([about(*file) for file in models[name].items()])
        elif name in self.server.gated:
            self.refuse(403, "GatedRepo")
        elif (file := "/".join(parts[4:])) in models[name]:
            data = models[name][file]
            etag = about(file, data)["oid"]
            self.send(200, data, **{"ETag": f'"{etag}"', "X-Repo-Commit": self.server.commit(name)})
        else:
            self.refuse(404, "EntryNotFound")

    do_HEAD = do_GET

    def revision(self, name: str, revision: str) -> None:
        if revision == "main":
            self.answer({"id": name, "sha": self.server.commit(name)})
        else:
            self.refuse(404, "RevisionNotFound")

    def do_PUT(self) -> None:
        self.server.large[self.path[-64:]] = self.body()
        self.send(200, b"")

    def do_POST(self) -> None:
        body, path, hub = self.body(), self.path.partition("?")[0], self.server
        self.server.asked.append(f"POST {path}")
        if path == "/api/validate-yaml":
            self.answer({"warnings": [], "errors": []})
        elif self.headers["Authorization"] != TOKEN:
            self.refuse(401, "")
        elif path == "/api/repos/create":
            asked = json.loads(body)
            name = f"{asked['organization']}/{asked['name']}"
            status = 409 if name in hub.models else 200
            hub.models.setdefault(name, {})
            self.answer({"url": f"{hub.url}/{name}"}, status)
        elif "/preupload/" in path:
            modes = [
                {"path": f["path"], "uploadMode": mode_of(f["path"]), "shouldIgnore": False}
                for f in json.loads(body)["files"]
            ]
            self.answer({"files": modes})
        elif path.endswith("/objects/batch"):
            asked = json.loads(body)["objects"]
            actions = lambda oid: {"upload": {"href": f"{hub.url}/lfs/{oid}"}}
            self.answer({"objects": [{**o, "actions": actions(o["oid"])} for o in asked]})
        else:
            name = "/".join(path.split("/")[3:5])
            for line in map(json.loads, body.splitlines()):
                value = line["value"]
                if line["key"] == "file":
                    hub.models[name][value["path"]] = base64.b64decode(value["content"])
                elif line["key"] == "lfsFile":
                    hub.models[name][value["path"]] = hub.large[value["oid"]]
            sha = hub.commit(name)
            self.answer({"commitUrl": f"{hub.url}/{name}/commit/{sha}", "commitOid": sha})

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers["Content-Length"]))

    def answer(self, value: Any, status: int = 200) -> None:
        self.send(status, json.dumps(value).encode(), **{"Content-Type": "application/json"})

    def refuse(self, status: int, code: str) -> None:
        self.send(status, b"{}", **{"X-Error-Code": code})

    def send(self, status: int, data: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, *args: Any) -> None:
        pass


def mode_of(path: str) -> str:
    return "lfs" if path.endswith((".safetensors", ".gif")) else "regular"


def about(path: str, data: bytes) -> dict[str, Any]:
    """A file as the Hub lists it; `oid` is its hash in Git, or in LFS."""
    entry = {"type": "file", "path": path, "size": len(data)}
    if mode_of(path) == "regular":
        return entry | {"oid": hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()}
    sha = hashlib.sha256(data).hexdigest()
    lfs = {"oid": sha, "size": len(data), "pointerSize": 130}
    return entry | {"oid": sha, "lfs": lfs}


@contextmanager
def stand_in() -> Iterator[Hub]:
    with Hub() as hub:
        threading.Thread(target=hub.serve_forever, args=(0.05,), daemon=True).start()
        yield hub
        hub.shutdown()

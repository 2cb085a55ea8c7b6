"""A hub on this machine, with the few addresses that its client needs to list, read, create and write models."""

import base64
import hashlib
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class HubServer(ThreadingHTTPServer):
    """Keeps models in memory: files by the name of the model."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.models: dict[str, dict[str, bytes]] = {}
        self.private: set[str] = set()
        self.reads: list[str] = []
        Thread(target=self.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: HubServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments: object) -> None:
        pass

    def _reply(self, status: int, content: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _json(self, content: object, status: int = 200, **headers: str) -> None:
        self._reply(status, json.dumps(content).encode(), Content_Type="application/json", **headers)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = self.path.partition("?")[0].strip("/")
        parts = path.split("/")
        if path == "api/whoami-v2":
            self._json({"type": "user", "name": "me", "auth": {}})
        elif parts[:2] == ["api", "models"]:
            self._describe("/".join(parts[2:4]), parts[4:])
        else:
            self._read("/".join(parts[:2]), "/".join(parts[4:]))

    def _describe(self, name: str, rest: list[str]) -> None:
        files = self.server.models.get(name)
        if files is None:
            self._json({"error": "Repository not found"}, 404, X_Error_Code="RepoNotFound")
        elif rest[:1] == ["tree"]:
            entries = [
                {"type": "file", "path": path, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
                for path, content in files.items()
            ]
            self._json(entries)
        else:
            siblings = [{"rfilename": path} for path in files]
            self._json({"id": name, "sha": COMMIT, "private": name in self.server.private, "siblings": siblings})

    def _read(self, name: str, path: str) -> None:
        content = self.server.models.get(name, {}).get(path)
        if content is None:
            self._json({"error": "Entry not found"}, 404, X_Error_Code="EntryNotFound")
            return
        if self.command == "GET":
            self.server.reads.append(path)
        self._reply(200, content, ETag=f'"{hashlib.sha1(content).hexdigest()}"', X_Repo_Commit=COMMIT)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = self.path.partition("?")[0].strip("/").split("/")
        if parts == ["api", "repos", "create"]:
            asked = json.loads(body)
            name = f"{asked.get('organization') or 'me'}/{asked['name']}"
            self.server.models.setdefault(name, {".gitattributes": b""})
            if asked.get("private") or asked.get("visibility") == "private":
                self.server.private.add(name)
            self._json({"url": f"{self.server.address}/{name}", "id": name})
        elif "preupload" in parts:
            files = json.loads(body)["files"]
            self._json({"files": [{"path": f["path"], "uploadMode": "regular", "shouldIgnore": False} for f in files]})
        elif "commit" in parts:
            name = "/".join(parts[2:4])
            for line in body.decode().splitlines():
                row = json.loads(line)
                if row["key"] == "file":
                    value = row["value"]
                    self.server.models[name][value["path"]] = base64.b64decode(value["content"])
            url = f"{self.server.address}/{name}/commit/{COMMIT}"
            self._json({"success": True, "commitOid": COMMIT, "commitUrl": url})
        else:
            self._json({"valid": True, "message": ""})

# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A read-only registry for an OCI layout. Every pull, even of a missing image, ends as with a real registry.

usage: registry.py LAYOUT ADDRESS PORT
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

LAYOUT = Path(sys.argv[1])
ENTRIES = json.loads((LAYOUT / "index.json").read_text())["manifests"]
DIGESTS = {entry["annotations"]["io.containerd.image.name"]: entry["digest"] for entry in ENTRIES}
TYPES = {entry["digest"]: entry["mediaType"] for entry in ENTRIES}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path in ("/v2", "/v2/"):
            self.answer(200, b"{}")
            return
        found = re.fullmatch(r"/v2/(.+)/(?:manifests|blobs)/([^/]+)", parts.path)
        if not found:
            self.answer(404, b"{}")
            return
        name, reference = found.groups()
        if not reference.startswith("sha256:"):
            host = parse_qs(parts.query).get("ns", ["docker.io"])[0]
            reference = DIGESTS.get(f"{host}/{name}:{reference}", "")
        blob = LAYOUT / "blobs" / "sha256" / reference[7:]
        if not re.fullmatch(r"sha256:[0-9a-f]{64}", reference) or not blob.exists():
            self.answer(404, b'{"errors": [{"code": "MANIFEST_UNKNOWN"}]}')
            return
        self.send_response(200)
        self.send_header("Content-Type", TYPES.get(reference, "application/octet-stream"))
        self.send_header("Content-Length", str(blob.stat().st_size))
        self.send_header("Docker-Content-Digest", reference)
        self.end_headers()
        if self.command == "GET":
            with blob.open("rb") as content:
                shutil.copyfileobj(content, self.wfile)

    def answer(self, code: int, body: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)


ThreadingHTTPServer((sys.argv[2], int(sys.argv[3])), Handler).serve_forever()

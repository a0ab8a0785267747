# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A managed process for tests, which answers with everything that it was started with. SIGHUP makes it read its files
again.

usage: server.py PORT [FILE ...]
"""

import contextlib
import http.server
import json
import os
import signal
import sys

files = {}


def read_files(*_):
    for path in sys.argv[2:]:
        with contextlib.suppress(FileNotFoundError), open(path) as stream:
            files[path] = stream.read()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"pid": os.getpid(), "env": dict(os.environ), "argv": sys.argv[2:], "files": files}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


read_files()
signal.signal(signal.SIGHUP, read_files)
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()

"""Print the state of HAProxy's servers as JSON: {"api-1": "UP", ...}. The argument is the admin socket of HAProxy."""

import csv
import json
import socket
import sys

with socket.socket(socket.AF_UNIX) as connection:
    connection.settimeout(5)
    connection.connect(sys.argv[1])
    connection.sendall(b"show stat\n")
    text = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
rows = csv.DictReader(text.lstrip("# ").splitlines())
print(
    json.dumps({row["svname"]: row["status"] for row in rows if row["pxname"] == "prefect_api" and row["type"] == "2"})
)

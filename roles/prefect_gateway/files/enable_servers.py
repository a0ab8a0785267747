"""Enable servers that an interrupted rolling restart has left in maintenance, and print their names.

The argument is HAProxy's admin socket.
"""

import socket
import sys

BACKEND = "prefect_api"


def ask(command: str) -> str:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        connection.connect(sys.argv[1])
        connection.sendall(command.encode() + b"\n")
        return b"".join(iter(lambda: connection.recv(65536), b"")).decode()


# The second line contains the names of the columns. srv_admin_state is 0 for an enabled server.
_version, header, *rows = ask(f"show servers state {BACKEND}").strip().splitlines()
columns = header.lstrip("# ").split()
for row in rows:
    server = dict(zip(columns, row.split()))
    if server["srv_admin_state"] != "0":
        ask(f"set server {BACKEND}/{server['srv_name']} state ready")
        print(server["srv_name"])

"""Print for how many days the certificate of each port is valid, or why a client with the CA certificate rejects it.

The arguments are the CA certificate in PEM format, and a JSON object {name: [address, port, postgresql]}. The last
value is true if the port uses PostgreSQL's protocol.
"""

import json
import socket
import ssl
import sys
import time

SSL_REQUEST = bytes((0, 0, 0, 8, 4, 210, 22, 47))  # the request that starts TLS in PostgreSQL's protocol


def days_left(context: ssl.SSLContext, host: str, port: int, asks: bool) -> float:
    with socket.create_connection((host, port), 5) as connection:
        if asks:
            connection.sendall(SSL_REQUEST)
            if connection.recv(1) != b"S":
                raise ConnectionError("it does not support TLS")
        with context.wrap_socket(connection, server_hostname=host) as encrypted:
            certificate = encrypted.getpeercert() or {}
    return (ssl.cert_time_to_seconds(str(certificate["notAfter"])) - time.time()) / 86400


found: dict = {}
trusting = ssl.create_default_context(cadata=sys.argv[1])
for name, (host, port, asks) in json.loads(sys.argv[2]).items():
    try:
        found[name] = days_left(trusting, host, port, asks)
    except OSError as error:
        found[name] = str(error) or type(error).__name__
print(json.dumps(found))

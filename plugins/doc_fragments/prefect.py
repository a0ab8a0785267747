# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  api_url:
    description:
      - Address of the Prefect API, for example V(http://127.0.0.1:4200/api).
      - There is no default, so that a forgotten address never reaches another server.
      - Falls back to the environment variable E(PREFECT_API_URL) of the machine where the module runs.
    type: str
    required: true
  auth_string:
    description:
      - Login of a server with basic authentication, as V(user:password).
      - Falls back to E(PREFECT_API_AUTH_STRING). Wins over O(api_key).
    type: str
  api_key:
    description:
      - Sent as bearer token, for a server behind a proxy that asks for one.
      - Falls back to E(PREFECT_API_KEY).
    type: str
  custom_headers:
    description:
      - HTTP headers for every request, also the one for the CSRF token.
      - Falls back to E(PREFECT_CLIENT_CUSTOM_HEADERS), a JSON object.
    type: dict
  validate_certs:
    description: Whether to verify the server's TLS certificate.
    type: bool
    default: true
  ca_path:
    description:
      - File with the certificates of the authorities to trust instead of those of the system.
      - Falls back to E(PREFECT_API_SSL_CERT_FILE).
    type: path
  client_cert:
    description: PEM file with the client certificate, when the server (or its proxy) asks for one.
    type: path
  client_key:
    description: PEM file with the key of O(client_cert), when it is not in the same file.
    type: path
  timeout:
    description: Seconds to wait for the server's answer to one request.
    type: float
    default: 30
  retry_timeout:
    description:
      - Seconds for which a server that refuses connections or answers 429, 502, 503 or 504 is asked again,
        counted from its last answer. V(0) fails at once.
      - A request that was not answered within O(timeout) is repeated at least once, unless this is V(0) or it creates
        something.
      - The server's C(Retry-After) is honoured; otherwise pauses grow from 0.5 seconds, with jitter.
      - A request that creates something is only repeated after a look whether the first one had an effect.
    type: float
    default: 30
  retry_max_delay:
    description: Longest pause between two tries, in seconds, when the server does not say how long.
    type: float
    default: 10
notes:
  - Options that are omitted are left alone. Options set to null are cleared, to what the option's description says.
  - Runtime fields such as held slots, status and ids are returned and never changed.
  - Proxies are taken from E(HTTP_PROXY), E(HTTPS_PROXY) and E(NO_PROXY).
  - A server with CSRF protection is recognised and served without an option.
"""

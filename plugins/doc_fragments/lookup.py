# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  api_url:
    description:
      - Address of the Prefect API, as the machine that runs Ansible reaches it; for example
        V(http://127.0.0.1:4200/api).
      - There is no default, so that a forgotten address never reaches another server.
    type: str
    required: true
    env:
      - name: PREFECT_API_URL
  auth_string:
    description: Login of a server with basic authentication, as V(user:password). Wins over O(api_key).
    type: str
    env:
      - name: PREFECT_API_AUTH_STRING
  api_key:
    description: Sent as bearer token, for a server behind a proxy that asks for one.
    type: str
    env:
      - name: PREFECT_API_KEY
  custom_headers:
    description: HTTP headers for every request, as a mapping or (as in the environment) a JSON object.
    type: raw
    env:
      - name: PREFECT_CLIENT_CUSTOM_HEADERS
  validate_certs:
    description: Whether to verify the server's TLS certificate.
    type: bool
    default: true
  ca_path:
    description: File with the certificates of the authorities to trust instead of those of the system.
    type: path
    env:
      - name: PREFECT_API_SSL_CERT_FILE
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
    type: float
    default: 30
  retry_max_delay:
    description: Longest pause between two tries, in seconds, when the server does not say how long.
    type: float
    default: 10
notes:
  - A lookup runs where Ansible runs, each time that its expression is evaluated. Set a fact to read once.
  - C(module_defaults) are for modules and do not reach lookups; the environment variables reach both.
  - Proxies are taken from E(HTTP_PROXY), E(HTTPS_PROXY) and E(NO_PROXY).
"""

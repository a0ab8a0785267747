# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  api_url:
    description:
      - URL of the Prefect API, as the control host reaches it. For example V(http://127.0.0.1:4200/api).
      - There is no default, so that a missing URL never leads to another server.
    type: str
    required: true
    env:
      - name: PREFECT_API_URL
  auth_string:
    description: Credentials for basic authentication, as V(user:password). They take precedence over O(api_key).
    type: str
    env:
      - name: PREFECT_API_AUTH_STRING
  api_key:
    description: Bearer token, for a server behind a proxy that requires one.
    type: str
    env:
      - name: PREFECT_API_KEY
  custom_headers:
    description: HTTP headers of every request, as a mapping or as the text of a JSON object.
    type: raw
    env:
      - name: PREFECT_CLIENT_CUSTOM_HEADERS
  validate_certs:
    description: Whether to verify the server's TLS certificate.
    type: bool
    default: true
  ca_path:
    description: File with CA certificates to trust instead of those of the system.
    type: path
    env:
      - name: PREFECT_API_SSL_CERT_FILE
  client_cert:
    description: PEM file with the client certificate, if the server or its proxy requires one.
    type: path
  client_key:
    description: PEM file with the key of O(client_cert), if it is not in the same file.
    type: path
  timeout:
    description: Timeout of one request, in seconds.
    type: float
    default: 30
  retry_timeout:
    description:
      - Time for which requests are retried if the server rejects connections or responds with 429, 502, 503 or 504, in
        seconds since its last response. V(0) disables retries.
    type: float
    default: 30
  retry_max_delay:
    description: Maximum delay between two retries, in seconds, if the server sends no C(Retry-After).
    type: float
    default: 10
notes:
  - A lookup runs on the control host each time that Ansible evaluates its expression. To read a value once, set a fact.
  - C(module_defaults) apply to modules only. The environment variables apply to modules and lookups.
  - The environment variables E(HTTP_PROXY), E(HTTPS_PROXY) and E(NO_PROXY) set the proxy.
"""

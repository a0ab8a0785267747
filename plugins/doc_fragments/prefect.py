# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  api_url:
    description:
      - URL of the Prefect API, for example V(http://127.0.0.1:4200/api).
      - There is no default, so that a missing URL never leads to another server.
      - Falls back to the environment variable E(PREFECT_API_URL) on the host where the module runs.
    type: str
    required: true
  auth_string:
    description:
      - Credentials for basic authentication, as V(user:password).
      - Falls back to E(PREFECT_API_AUTH_STRING). They take precedence over O(api_key).
    type: str
  api_key:
    description:
      - Bearer token, for a server behind a proxy that requires one.
      - Falls back to E(PREFECT_API_KEY).
    type: str
  custom_headers:
    description:
      - HTTP headers of every request, including the request for the CSRF token.
      - Falls back to E(PREFECT_CLIENT_CUSTOM_HEADERS), a JSON object.
    type: dict
  validate_certs:
    description: Whether to verify the server's TLS certificate.
    type: bool
    default: true
  ca_path:
    description:
      - File with CA certificates to trust instead of those of the system.
      - Falls back to E(PREFECT_API_SSL_CERT_FILE).
    type: path
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
      - A request that times out after O(timeout) is retried at least once, unless this option is V(0) or the request
        creates an object.
      - The delay between retries is the server's C(Retry-After). Without it, the delay starts at 0.5 seconds and grows,
        with jitter.
      - Before a request that creates an object is retried, the module checks whether the object exists.
    type: float
    default: 30
  retry_max_delay:
    description: Maximum delay between two retries, in seconds, if the server sends no C(Retry-After).
    type: float
    default: 10
notes:
  - An omitted option does not change the object. Null clears an option. Its description says to which value.
  - Runtime fields such as occupied slots, status and ids are returned and never changed.
  - The environment variables E(HTTP_PROXY), E(HTTPS_PROXY) and E(NO_PROXY) set the proxy.
  - The module detects CSRF protection of the server. It needs no option.
"""

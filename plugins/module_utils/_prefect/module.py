# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""Common code of the modules: connection options, null and omitted options, exit and failure."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.parameters import env_fallback

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.client import Client, PrefectError, Remarks

CONNECTION_OPTIONS: dict[str, Any] = {
    "api_url": {"type": "str", "required": True, "fallback": (env_fallback, ["PREFECT_API_URL"])},
    "auth_string": {"type": "str", "no_log": True, "fallback": (env_fallback, ["PREFECT_API_AUTH_STRING"])},
    "api_key": {"type": "str", "no_log": True, "fallback": (env_fallback, ["PREFECT_API_KEY"])},
    "custom_headers": {
        "type": "dict",
        "no_log": True,
        "fallback": (env_fallback, ["PREFECT_CLIENT_CUSTOM_HEADERS"]),
    },
    "validate_certs": {"type": "bool", "default": True},
    "ca_path": {"type": "path", "fallback": (env_fallback, ["PREFECT_API_SSL_CERT_FILE"])},
    "client_cert": {"type": "path"},
    "client_key": {"type": "path", "no_log": False},
    "timeout": {"type": "float", "default": 30.0},
    "retry_timeout": {"type": "float", "default": 30.0},
    "retry_max_delay": {"type": "float", "default": 10.0},
}


class PrefectModule(AnsibleModule):
    """An AnsibleModule that distinguishes null from omitted options."""

    def __init__(self, options: Mapping[str, Any], **kwargs: Any) -> None:
        self._written: dict[str, Any] = {}
        super().__init__(argument_spec={**CONNECTION_OPTIONS, **options}, supports_check_mode=True, **kwargs)
        self.given: dict[str, Any] = {
            name: value for name, value in given(self.params, self._written).items() if name in options
        }

        # Ansible has masked headers from the environment only as one string.
        headers = {str(value) for value in (self.params["custom_headers"] or {}).values()}
        self.no_log_values.update(headers)
        self._logins = {*headers, self.params["auth_string"], self.params["api_key"]}

    def heed(self, remarks: Remarks) -> None:
        """Emit warnings, and mask only the secrets of an option that Ansible would mask completely."""
        for text in remarks.warnings:
            self.warn(text)
        self.no_log_values = (self.no_log_values - (remarks.public - self._logins)) | remarks.secret

    def _load_params(self) -> None:
        super()._load_params()
        self._written = copy.deepcopy(self.params)


def given(checked: Any, written: Any) -> Any:
    """Return the validated value without the None of omitted suboptions."""
    if isinstance(checked, Mapping) and isinstance(written, Mapping):
        return {
            name: given(value, written.get(name))
            for name, value in checked.items()
            if value is not None or name in written
        }
    if isinstance(checked, list) and isinstance(written, list) and len(checked) == len(written):
        return [given(one, source) for one, source in zip(checked, written)]
    return checked


def run(module: PrefectModule, work: Callable[[Client], dict[str, Any]], *, read_only: bool = False) -> None:
    connection = {name: module.params[name] for name in CONNECTION_OPTIONS}
    remarks = Remarks()
    try:
        client = Client(
            connection.pop("api_url"),
            headers=connection.pop("custom_headers"),
            read_only=read_only or module.check_mode,
            **connection,
        )
        remarks = client.remarks
        result = work(client)
    except PrefectError as error:
        module.heed(remarks)
        module.fail_json(msg=str(error), **error.facts)
    module.heed(remarks)
    module.exit_json(**result)

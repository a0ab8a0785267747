# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lookup of the value of a Prefect variable."""

from __future__ import annotations

DOCUMENTATION = r"""
name: variable
short_description: Read a Prefect variable
version_added: 1.0.0
author: selfhosted.prefect contributors (@selfhosted-prefect)
description:
  - Returns the values of Prefect variables with their JSON types. Text with braces is not evaluated.
options:
  _terms:
    description: Names of variables.
    type: list
    elements: str
    required: true
  default:
    description: Value to return for a variable that does not exist. Without this option, the lookup fails.
    type: raw
extends_documentation_fragment:
  - selfhosted.prefect.lookup
seealso:
  - module: selfhosted.prefect.variable
  - module: selfhosted.prefect.variable_info
"""

EXAMPLES = r"""
- name: Show the bucket of the flows
  ansible.builtin.debug:
    msg: "{{ lookup('selfhosted.prefect.variable', 'report_bucket', api_url='http://127.0.0.1:4200/api') }}"

- name: Use a default value if the variable does not exist
  ansible.builtin.debug:
    msg: "{{ lookup('selfhosted.prefect.variable', 'no_such_limit', default=10, api_url='http://127.0.0.1:4200/api') }}"
"""

RETURN = r"""
_raw:
  description: The values, in the order of the terms.
  type: list
  elements: raw
"""

from collections.abc import Sequence
from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.client import PrefectError
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.lookup import objects
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.variable import VARIABLE


class LookupModule(LookupBase):
    def run(self, terms: Sequence[str], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[Any]:
        self.set_options(var_options=variables, direct=kwargs)
        options = self.get_options()
        items = [{"name": name} for name in terms]
        try:
            found = list(objects(VARIABLE, items, options, all_there="default" not in kwargs))
        except PrefectError as error:
            raise AnsibleLookupError(str(error)) from None
        return [options["default"] if one is None else one["value"] for one in found]

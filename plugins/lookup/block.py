# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lookup of the data of a Prefect block."""

from __future__ import annotations

DOCUMENTATION = r"""
name: block
short_description: Read a Prefect block
version_added: 1.0.0
author: selfhosted.prefect contributors (@selfhosted-prefect)
description:
  - "Returns the data of blocks. A reference to another block is V({$ref: type/name})."
  - Secrets are returned only with O(secrets). Ansible does not know that these values are secret and prints them. Set
    C(no_log=true) on every task that uses one.
options:
  _terms:
    description: Names of the blocks, as V(type/name).
    type: list
    elements: str
    required: true
  secrets:
    description: Whether to return secrets. Otherwise V(<secret>) replaces them.
    type: bool
    default: false
  default:
    description: Value to return for a block that does not exist. Without this option, the lookup fails.
    type: raw
extends_documentation_fragment:
  - selfhosted.prefect.lookup
seealso:
  - module: selfhosted.prefect.block_document
  - module: selfhosted.prefect.block_document_info
"""

EXAMPLES = r"""
- name: Show the data of a webhook block
  ansible.builtin.debug:
    msg: "{{ lookup('selfhosted.prefect.block', 'webhook/crm', api_url='http://127.0.0.1:4200/api') }}"

- name: Read a password from a block
  ansible.builtin.set_fact:
    crm_password: "{{ lookup('selfhosted.prefect.block', 'secret/crm', secrets=true, api_url=api).value }}"
  vars:
    api: http://127.0.0.1:4200/api
  no_log: true
"""

RETURN = r"""
_raw:
  description: The data of the blocks, in the order of the terms.
  type: list
  elements: dict
"""

from collections.abc import Sequence
from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.client import PrefectError
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.lookup import objects
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.block_document import BLOCK_DOCUMENT


class LookupModule(LookupBase):
    def run(self, terms: Sequence[str], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[Any]:
        self.set_options(var_options=variables, direct=kwargs)
        options = self.get_options()
        items = [dict(zip(BLOCK_DOCUMENT.key, term.split("/", 1))) for term in terms]
        for term, item in zip(terms, items):
            if len(item) < len(BLOCK_DOCUMENT.key):
                raise AnsibleLookupError(f"{term!r} must be written as type/name")
        try:
            found = list(objects(BLOCK_DOCUMENT, items, options, all_there="default" not in kwargs))
        except PrefectError as error:
            raise AnsibleLookupError(str(error)) from None
        shown = BLOCK_DOCUMENT.view if options["secrets"] else BLOCK_DOCUMENT.result
        return [options["default"] if one is None else shown(one)["data"] for one in found]

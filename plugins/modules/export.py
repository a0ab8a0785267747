#!/usr/bin/python
# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: export
short_description: Read a server's configuration as a document
version_added: 1.0.0
description:
  - Reads what is on a server as the document that M(selfhosted.prefect.configuration) takes, and as YAML for a file.
  - What the server does by default is left out. Applied to the same server, the document changes nothing; applied to an
    empty one, also of a newer version, it makes the same configuration, whose export is the same again.
  - Secrets of blocks, and variables whose name looks like a secret, become references to variables for Ansible Vault,
    whose names depend on nothing but the place of the secret. Other texts with Jinja braces are tagged C(!unsafe).
  - What Prefect makes itself is left out, such as its own block types and schemas, and automations that
    C(prefect deploy) makes for a deployment. So is what belongs to runs.
  - Block types of integrations that the other Prefect server does not bring have to be registered there.
options:
  kinds:
    description: The kinds of objects to read, all by default.
    type: list
    elements: str
    choices:
      # kinds: choices
      - variables
      - block_types
      - block_schemas
      - block_documents
      - global_concurrency_limits
      - tag_concurrency_limits
      - work_pools
      - flows
      - deployments
      - automations
      # end of kinds
  include:
    description: Shell patterns of names that are read. A name in several parts is meant as a whole, as C(flow/name) of
      a deployment or C(type/name) of a block.
    type: list
    elements: str
    default: ["*"]
  exclude:
    description: Shell patterns of names that are not read.
    type: list
    elements: str
    default: []
  vault_prefix:
    description: What the names of variables for secrets begin with.
    type: str
    default: vault_
extends_documentation_fragment:
  - selfhosted.prefect.prefect
  - selfhosted.prefect.attributes
author:
  - selfhosted.prefect contributors (@selfhosted-prefect)
seealso:
  - module: selfhosted.prefect.configuration
"""

EXAMPLES = r"""
- name: Read everything
  selfhosted.prefect.export:
    api_url: http://127.0.0.1:4200/api
  register: exported

- name: Keep it as a file for the role prefect_configuration
  ansible.builtin.copy:
    content: "{{ exported.yaml }}"
    dest: /tmp/prefect-export.yml
    mode: "0600"
  delegate_to: localhost

- name: Read the pools and limits of one team
  selfhosted.prefect.export:
    api_url: http://127.0.0.1:4200/api
    kinds: [work_pools, global_concurrency_limits, tag_concurrency_limits]
    include: [data-*]
    exclude: [data-sandbox]
"""

RETURN = r"""
yaml:
  description: The document as the text of a file, with a comment that names the variables for secrets.
  returned: success
  type: str
  sample: |
    ---
    variables:
      - name: region
        value: eu-central-1
configuration:
  description: The document, one list per kind. A secret is the text of its reference, which nothing evaluates any more.
  returned: success
  type: dict
  sample: {variables: [{name: region, value: eu-central-1}]}
vault_variables:
  description: Names of the variables that the references in the document need.
  returned: success
  type: list
  elements: str
  sample: [vault_slack_webhook__alerts__url]
summary:
  description: How many objects of each kind are in the document.
  returned: success
  type: dict
  sample: {variables: 1, work_pools: 3}
"""

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.export import OPTIONS, export
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.module import PrefectModule, run


def main() -> None:
    module = PrefectModule(OPTIONS)
    run(module, lambda client: export(client, module.given), read_only=True)


if __name__ == "__main__":
    main()

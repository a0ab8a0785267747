#!/usr/bin/python
# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: export
short_description: Export the configuration of a server as a document
version_added: 1.0.0
description:
  - Reads the objects of a server and returns them as a document for M(selfhosted.prefect.configuration), and as YAML.
  - Values that equal the server's defaults are omitted. Applied to the same server, the document changes nothing.
    Applied to an empty server of the same or a newer version, it creates the same configuration, with the same export.
  - Secrets of blocks, and variables with a name that looks like a secret, become references to variables for Ansible
    Vault. The variable names depend only on the location of the secret. Other texts with Jinja braces are tagged
    C(!unsafe).
  - Objects that Prefect creates itself are omitted, such as its built-in block types and schemas, and automations that
    C(prefect deploy) creates for a deployment. Runs and their data are omitted, too.
  - If block types of integrations are not built into the target server, register them there first.
options:
  kinds:
    description: Kinds of objects to export. By default, all kinds are exported.
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
    description: Shell patterns of names to export. A pattern is compared with the full name, which is C(flow/name) for
      a deployment and C(type/name) for a block.
    type: list
    elements: str
    default: ["*"]
  exclude:
    description: Shell patterns of names to omit.
    type: list
    elements: str
    default: []
  vault_prefix:
    description: Prefix of the names of variables for secrets.
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
- name: Export all objects
  selfhosted.prefect.export:
    api_url: http://127.0.0.1:4200/api
  register: exported

- name: Write the document to a file for the role prefect_configuration
  ansible.builtin.copy:
    content: "{{ exported.yaml }}"
    dest: /tmp/prefect-export.yml
    mode: "0600"
  delegate_to: localhost

- name: Export the work pools and limits of one team
  selfhosted.prefect.export:
    api_url: http://127.0.0.1:4200/api
    kinds: [work_pools, global_concurrency_limits, tag_concurrency_limits]
    include: [data-*]
    exclude: [data-sandbox]
"""

RETURN = r"""
yaml:
  description: The document as YAML, with a comment that lists the variables for secrets.
  returned: success
  type: str
  sample: |
    ---
    variables:
      - name: region
        value: eu-central-1
configuration:
  description: The document, with one list per kind. A secret is the literal text of its reference, which Ansible does
    not evaluate.
  returned: success
  type: dict
  sample: {variables: [{name: region, value: eu-central-1}]}
vault_variables:
  description: Names of the variables to which the document refers.
  returned: success
  type: list
  elements: str
  sample: [vault_slack_webhook__alerts__url]
summary:
  description: Number of objects of each kind in the document.
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

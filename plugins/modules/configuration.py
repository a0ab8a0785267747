#!/usr/bin/python
# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: configuration
short_description: Apply a whole document of Prefect objects
version_added: 1.0.0
description:
  - Bring any number of objects of all kinds to the wanted state in one run and over one connection.
  - Reads one list per kind, compares, and writes only what differs, in the order of dependencies.
  - A mistake in any item is reported before anything is written, together with all others. When writes fail, the rest
    is written nevertheless, then all failures are reported.
  - Objects that are not in the document are left alone.
options:
  variables:
    description: Variables, each with the
      options of M(selfhosted.prefect.variable), with C(state).
    type: list
    elements: dict
  block_types:
    description: Block types, each with the
      options of M(selfhosted.prefect.block_type), with C(state).
    type: list
    elements: dict
  block_schemas:
    description: Schemas of block types, each with the
      options of M(selfhosted.prefect.block_schema), with C(state). One that refers to another comes after it.
    type: list
    elements: dict
  block_documents:
    description: Blocks, each with the
      options of M(selfhosted.prefect.block_document), with C(state). One that refers to another comes after it.
    type: list
    elements: dict
  global_concurrency_limits:
    description: Global concurrency limits, each with the
      options of M(selfhosted.prefect.global_concurrency_limit), with C(state).
    type: list
    elements: dict
  tag_concurrency_limits:
    description: Concurrency limits of task run tags, each with the
      options of M(selfhosted.prefect.tag_concurrency_limit), with C(state).
    type: list
    elements: dict
  work_pools:
    description: Work pools with their queues, each with the
      options of M(selfhosted.prefect.work_pool), with C(state).
    type: list
    elements: dict
  flows:
    description: Flows, each with the
      options of M(selfhosted.prefect.flow), with C(state).
    type: list
    elements: dict
  deployments:
    description: Deployments with their schedules, each with the
      options of M(selfhosted.prefect.deployment), with C(state).
    type: list
    elements: dict
  automations:
    description: Automations, each with the
      options of M(selfhosted.prefect.automation), with C(state). One that pauses or resumes another comes after it.
    type: list
    elements: dict
extends_documentation_fragment:
  - selfhosted.prefect.prefect
  - selfhosted.prefect.attributes
author:
  - selfhosted.prefect contributors (@selfhosted-prefect)
seealso:
  - module: selfhosted.prefect.variable
  - module: selfhosted.prefect.block_type
  - module: selfhosted.prefect.block_schema
  - module: selfhosted.prefect.block_document
  - module: selfhosted.prefect.work_pool
  - module: selfhosted.prefect.global_concurrency_limit
  - module: selfhosted.prefect.tag_concurrency_limit
  - module: selfhosted.prefect.flow
  - module: selfhosted.prefect.deployment
  - module: selfhosted.prefect.automation
"""

EXAMPLES = r"""
- name: Everything that the API needs to know
  selfhosted.prefect.configuration:
    api_url: http://127.0.0.1:4200/api
    global_concurrency_limits:
      - name: external-api
        limit: 40
    tag_concurrency_limits:
      - tag: database
        concurrency_limit: 10
    work_pools:
      - name: fast
        type: process
        concurrency_limit: 50
        queues:
          - name: external-api
            concurrency_limit: 40
          - name: default
      - name: retired
        state: absent
    deployments:
      - flow: nightly-report
        name: production
        work_pool: fast
        work_queue: external-api
        path: /opt/flows
        entrypoint: report.py:nightly_report
"""

RETURN = r"""
changes:
  description: What was (or in check mode would be) written; when writes failed, what should have been.
  returned: success or when writes failed
  type: list
  elements: dict
  contains:
    kind: {description: The kind of object., type: str, returned: always, sample: work_pool}
    name: {description: Its natural key., type: str, returned: always, sample: fast}
    action: {description: What happens to it., type: str, returned: always, sample: update}
    options: {description: The options that differ in an update., type: list, elements: str, returned: always}
summary:
  description: How many objects of the document were created, updated, deleted or found right.
  returned: success or when writes failed
  type: dict
  sample: {create: 1, update: 2, delete: 0, unchanged: 40}
failures:
  description: One message per problem.
  returned: failure
  type: list
  elements: str
"""

from ansible_collections.selfhosted.prefect.plugins.module_utils._configuration import OPTIONS, configure
from ansible_collections.selfhosted.prefect.plugins.module_utils._module import PrefectModule, run


def main() -> None:
    module = PrefectModule(OPTIONS)
    run(module, lambda client: configure(client, module.given))


if __name__ == "__main__":
    main()

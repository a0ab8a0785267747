#!/usr/bin/python
# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: configuration
short_description: Apply a configuration document with Prefect objects
version_added: 1.0.0
description:
  - Bring any number of objects of all kinds to the desired state in one task and over one connection.
  - The module reads one list per kind, compares it with the server, and writes only differences, in the order of
    dependencies.
  - All invalid items, such as a reference to an object that is neither on the server nor in the document, are reported
    together before anything is written. If a write fails, the module continues with the other objects and then
    reports all failures.
  - Objects that are not in the document do not change, unless O(purge) names their kind.
  - C(--check --diff) shows all changes, grouped by kind, with masked secrets.
options:
  # kinds: lists
  variables:
    description: Variables, each with the options of M(selfhosted.prefect.variable), with C(state).
    type: list
    elements: dict
  block_types:
    description: Block types, each with the options of M(selfhosted.prefect.block_type), with C(state).
    type: list
    elements: dict
  block_schemas:
    description:
      - Schemas of block types, each with the options of M(selfhosted.prefect.block_schema), with C(state). A schema
        that refers to another must follow it.
    type: list
    elements: dict
  block_documents:
    description: Blocks, in any order, each with the options of M(selfhosted.prefect.block_document), with C(state).
    type: list
    elements: dict
  global_concurrency_limits:
    description:
      - Global concurrency limits, each with the options of M(selfhosted.prefect.global_concurrency_limit), with
        C(state).
    type: list
    elements: dict
  tag_concurrency_limits:
    description:
      - Concurrency limits of task run tags, each with the options of M(selfhosted.prefect.tag_concurrency_limit),
        with C(state).
    type: list
    elements: dict
  work_pools:
    description:
      - Work pools with their queues, each with the options of M(selfhosted.prefect.work_pool), with C(state).
    type: list
    elements: dict
  flows:
    description: Flows, each with the options of M(selfhosted.prefect.flow), with C(state).
    type: list
    elements: dict
  deployments:
    description:
      - Deployments with their schedules, each with the options of M(selfhosted.prefect.deployment), with C(state).
    type: list
    elements: dict
  deployment_schedules:
    description:
      - Single schedules of deployments, without effect on their other schedules, each with the options of
        M(selfhosted.prefect.deployment_schedule), with C(state).
    type: list
    elements: dict
  automations:
    description:
      - Automations, in any order, each with the options of M(selfhosted.prefect.automation), with C(state).
    type: list
    elements: dict
  # end of kinds
  purge:
    description:
      - Kinds of objects to purge. The module deletes objects of these kinds that the document does not list. By
        default, it deletes nothing.
      - The list of the kind is required, even if it is empty.
      - A kind with an empty mapping is purged with the defaults below. A kind that is null or omitted is not purged.
      - Objects that Prefect creates itself are never deleted. These are its built-in block types and schemas, work
        pools whose names start with C(prefect), queues named V(default), global limits of tags and deployments, and
        automations that C(prefect deploy) creates for a deployment.
      - Objects to which a remaining object refers are never deleted. RV(kept) lists them.
      - The module does not detect names in the code of flows. Protect these objects, or list them in the document.
    type: dict
    suboptions:
      # kinds: purge
      variables:
        description: Variables. Names in patterns are C(name).
        type: dict
        suboptions: &purge
          include:
            description: Shell patterns of names that may be deleted.
            type: list
            elements: str
            default: ["*"]
          protect:
            description: Shell patterns of names that are never deleted.
            type: list
            elements: str
            default: []
          maximum:
            description: Maximum number of objects to delete. If there are more, the task fails without a change.
            type: int
            default: 10
      block_types:
        description: Block types without blocks, with their schemas. Names in patterns are C(slug).
        type: dict
        suboptions: *purge
      block_schemas:
        description: Schemas of block types that no block uses. Names in patterns are C(block_type/version).
        type: dict
        suboptions: *purge
      block_documents:
        description: Blocks. Names in patterns are C(block_type/name).
        type: dict
        suboptions: *purge
      global_concurrency_limits:
        description: Global concurrency limits. Names in patterns are C(name).
        type: dict
        suboptions: *purge
      tag_concurrency_limits:
        description: Concurrency limits of task run tags. Names in patterns are C(tag).
        type: dict
        suboptions: *purge
      work_pools:
        description: Work pools with their queues. Names in patterns are C(name).
        type: dict
        suboptions: *purge
      work_queues:
        description: Queues of pools whose C(queues) list is given. Names in patterns are C(work_pool/name).
        type: dict
        suboptions: *purge
      flows:
        description: Flows without deployments, with their runs. Names in patterns are C(name).
        type: dict
        suboptions: *purge
      deployments:
        description: Deployments, with their schedules and scheduled runs. Names in patterns are C(flow/name).
        type: dict
        suboptions: *purge
      automations:
        description: Automations. Names in patterns are C(name).
        type: dict
        suboptions: *purge
      # end of kinds
  parallel:
    description:
      - Maximum of concurrent writes of objects that do not depend on each other. The minimum is V(1).
      - A server with SQLite writes one object at a time and reports that it is busy to other requests. A server with
        PostgreSQL and several API processes is faster with, for example, V(4).
    type: int
    default: 1
extends_documentation_fragment:
  - selfhosted.prefect.prefect
  - selfhosted.prefect.attributes
author:
  - selfhosted.prefect contributors (@selfhosted-prefect)
seealso:
  - module: selfhosted.prefect.export
  # kinds: seealso
  - module: selfhosted.prefect.variable
  - module: selfhosted.prefect.block_type
  - module: selfhosted.prefect.block_schema
  - module: selfhosted.prefect.block_document
  - module: selfhosted.prefect.global_concurrency_limit
  - module: selfhosted.prefect.tag_concurrency_limit
  - module: selfhosted.prefect.work_pool
  - module: selfhosted.prefect.flow
  - module: selfhosted.prefect.deployment
  - module: selfhosted.prefect.deployment_schedule
  - module: selfhosted.prefect.automation
  # end of kinds
"""

EXAMPLES = r"""
- name: Apply a configuration document
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

- name: Delete variables that are not listed, except those of the data team
  selfhosted.prefect.configuration:
    api_url: http://127.0.0.1:4200/api
    variables:
      - name: region
        value: eu-central-1
    purge:
      variables:
        protect: [data-*]
        maximum: 5
"""

RETURN = r"""
changes:
  description: The changes that were made, or would be in check mode. If writes failed, the planned changes.
  returned: success or when writes failed
  type: list
  elements: dict
  contains:
    kind: {description: The kind of object., type: str, returned: always, sample: work_pool}
    name: {description: Its natural key., type: str, returned: always, sample: fast}
    action: {description: The action., type: str, returned: always, sample: update}
    purged: {description: Whether O(purge) deletes it., type: bool, returned: always}
    options: {description: The options that differ in an update., type: list, elements: str, returned: always}
summary:
  description: Number of objects that were created, updated, deleted or unchanged.
  returned: success or when writes failed
  type: dict
  sample: {create: 1, update: 2, delete: 0, unchanged: 40}
kept:
  description: Objects that O(purge) keeps, because they are protected or a remaining object refers to them.
  returned: success or when writes failed
  type: list
  elements: dict
  contains:
    kind: {description: The kind of object., type: str, returned: always, sample: flow}
    name: {description: Its natural key., type: str, returned: always, sample: nightly-report}
    reason: {description: Why it is kept., type: str, returned: always, sample: protected}
failures:
  description: One message per problem.
  returned: failure
  type: list
  elements: str
"""

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.configuration import OPTIONS, configure
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.module import PrefectModule, run


def main() -> None:
    module = PrefectModule(OPTIONS)
    run(module, lambda client: configure(client, module.given))


if __name__ == "__main__":
    main()

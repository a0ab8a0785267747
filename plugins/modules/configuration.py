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
  - A mistake in any item, such as a reference to what is neither on the server nor in the document, is reported before
    anything is written, together with all others. When writes fail, the rest is written nevertheless, then all failures
    are reported.
  - Objects that are not in the document are left alone, unless O(purge) names their kind.
  - With C(--check --diff) the whole plan is shown, grouped by kind, with nothing but what changes, and secrets masked.
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
      - Schemas of block types, each with the options of M(selfhosted.prefect.block_schema), with C(state). One that
        refers to another comes after it.
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
      - Single schedules of deployments whose other schedules are left alone, each with the options of
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
      - Deletes objects that the document does not list, of the kinds that are named here. Without it, nothing is.
      - The list of the kind has to be given, even when it is empty.
      - A kind with an empty mapping is purged with the defaults below; a kind that is null or not named is not purged.
      - Never deleted are what Prefect makes itself (its own block types and schemas, pools whose name starts with
        C(prefect), queues named V(default), limits of tags and deployments among the global ones, automations that
        C(prefect deploy) makes for a deployment), and what an object that stays refers to. RV(kept) names the latter.
      - Names that flows mention in their code are not seen. Protect them, or list them in the document.
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
            description: With more to delete, nothing is changed at all, and the run fails.
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
        description: Deployments, with their schedules and runs that are due. Names in patterns are C(flow/name).
        type: dict
        suboptions: *purge
      automations:
        description: Automations. Names in patterns are C(name).
        type: dict
        suboptions: *purge
      # end of kinds
  parallel:
    description:
      - How many objects are written at the same time, where none of them needs another one. V(1) or more.
      - A server on SQLite writes one at a time anyway, and answers that it is busy to others. One on PostgreSQL with
        several API processes is faster with, for example, V(4).
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

- name: Variables that the document does not list are deleted, but for those of the data team
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
  description: What was (or in check mode would be) written; when writes failed, what should have been.
  returned: success or when writes failed
  type: list
  elements: dict
  contains:
    kind: {description: The kind of object., type: str, returned: always, sample: work_pool}
    name: {description: Its natural key., type: str, returned: always, sample: fast}
    action: {description: What happens to it., type: str, returned: always, sample: update}
    purged: {description: Whether it is deleted because the document does not list it., type: bool, returned: always}
    options: {description: The options that differ in an update., type: list, elements: str, returned: always}
summary:
  description: How many objects of the document were created, updated, deleted or found right.
  returned: success or when writes failed
  type: dict
  sample: {create: 1, update: 2, delete: 0, unchanged: 40}
kept:
  description: What O(purge) spares, because it is protected or something that stays refers to it.
  returned: success or when writes failed
  type: list
  elements: dict
  contains:
    kind: {description: The kind of object., type: str, returned: always, sample: flow}
    name: {description: Its natural key., type: str, returned: always, sample: nightly-report}
    reason: {description: Why it stays., type: str, returned: always, sample: protected}
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

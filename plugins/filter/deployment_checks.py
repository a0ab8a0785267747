# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether what was found of a deployment is what there should be."""

from __future__ import annotations

DOCUMENTATION = r"""
name: deployment_checks
short_description: Judge what was found of a deployment
version_added: 1.0.0
author: selfhosted.prefect contributors (@selfhosted-prefect)
description:
  - Compares what the role C(prefect_verify) has read with what the inventory asks for, on both platforms.
positional: expected
options:
  _input:
    description:
      - What was read. C(found), the registered results by name and by host, see
        P(selfhosted.prefect.registered_results#filter); C(configuration), the result of
        M(selfhosted.prefect.configuration); C(pods), from M(selfhosted.prefect.kubernetes_facts), none on hosts.
    type: dict
    required: true
  expected:
    description:
      - What there should be. C(platform), C(instance), C(version), C(replicas), C(components) (hosts by component),
        C(services_groups), C(workers) (from P(selfhosted.prefect.workers_of#filter)), C(overdue_seconds).
      - On hosts, C(worker_hosts) and C(certificate_days), too.
      - In a cluster, C(worker_deployments) (from P(selfhosted.prefect.worker_deployments#filter)),
        C(pgbouncer_replicas), C(postgres_kind) and C(separate_observer), too.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Which checks failed
  ansible.builtin.debug:
    msg: "{{ reading | selfhosted.prefect.deployment_checks(expected) | rejectattr('ok') }}"
  when: reading is defined
"""

RETURN = r"""
_value:
  description: One dictionary with C(check), C(ok), C(detail) and, for a failed one, C(remedy) per check.
  type: list
  elements: dict
"""

from typing import Any

from ansible_collections.selfhosted.prefect.plugins.plugin_utils._verification import verdicts


class FilterModule:
    """Ansible looks the filter up here."""

    def filters(self) -> dict[str, Any]:
        """Return the filter under its name."""
        return {"deployment_checks": verdicts}

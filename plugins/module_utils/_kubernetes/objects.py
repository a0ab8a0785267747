# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""A set of Kubernetes objects: apply, compare, wait and prune."""

from __future__ import annotations

from ansible_collections.selfhosted.prefect.plugins.module_utils._kubernetes.apply import Application
from ansible_collections.selfhosted.prefect.plugins.module_utils._kubernetes.prune import Pruning
from ansible_collections.selfhosted.prefect.plugins.module_utils._kubernetes.rollout import Rollout


class ObjectSet(Application, Pruning, Rollout):
    """A component whose objects are applied, waited for and pruned."""

# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
requirements:
  - PyYAML
options:
  kubeconfig:
    description:
      - Path of the kubeconfig file. The default is E(KUBECONFIG), then C(~/.kube/config). Inside a cluster without
        either, the module uses the service account of the pod.
    type: path
  context:
    description: Context of the kubeconfig. The default is its current context.
    type: str
"""

# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible loads this collection for all tests, so that its filters are available by their full names."""

from __future__ import annotations

from ansible.plugins.loader import init_plugin_loader
from defaults import ROOT

# This precedes any import of the collection: Ansible does not find a collection that Python alone has imported.
init_plugin_loader([str(ROOT / ".collections")])

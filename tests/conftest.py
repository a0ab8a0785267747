# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible imports this collection for all tests, so that its filters are known by their full names."""

from __future__ import annotations

from ansible.plugins.loader import init_plugin_loader
from defaults import ROOT

# Before a test imports a part of the collection: Ansible does not know a collection that Python imported alone.
init_plugin_loader([str(ROOT / ".collections")])

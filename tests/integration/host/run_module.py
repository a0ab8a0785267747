# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run process_group with the arguments on stdin, on a host with the checkout in /opt."""

from __future__ import annotations

import json
import sys

sys.path[:0] = ["/opt/python", "/opt/checkout/.collections"]
sys.dont_write_bytecode = True

from ansible.module_utils import basic

from ansible_collections.selfhosted.prefect.plugins.modules import process_group

# ansible.module_utils.testing does this, but ansible-core 2.18 does not have it.
basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": json.load(sys.stdin)}).encode()
basic._ANSIBLE_PROFILE = "legacy"
process_group.main()

# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run process_group with the arguments on standard input, on a machine that has the checkout in /opt."""

from __future__ import annotations

import json
import sys

sys.path[:0] = ["/opt/python", "/opt/checkout/.collections"]
sys.dont_write_bytecode = True

from ansible.module_utils.testing import patch_module_args

from ansible_collections.selfhosted.prefect.plugins.modules import process_group

with patch_module_args(json.load(sys.stdin)):
    process_group.main()

# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""A module with secrets in nested options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule


class NestedSecretsModule(AnsibleModule):
    """An AnsibleModule whose log entry in the journal of the host contains no options.

    AnsibleModule logs a nested option as one text, and masks a secret there only if it has one line.
    """

    def log(self, msg: str, log_args: Mapping[str, Any] | None = None) -> None:
        super().log("Invoked")

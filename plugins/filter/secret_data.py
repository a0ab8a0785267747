# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings as the data of a Kubernetes Secret."""

from __future__ import annotations

DOCUMENTATION = r"""
name: secret_data
short_description: Encode settings as the data of a Kubernetes Secret
version_added: 1.0.0
author: selfhosted.prefect contributors (@selfhosted-prefect)
description:
  - Booleans become C(true) and C(false). Null and empty values are left out.
options:
  _input:
    description: Settings by name.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: What a Secret would hold
  ansible.builtin.debug:
    msg: "{{ {'PREFECT_API_AUTH_STRING': 'admin:secret', 'PREFECT_API_URL': none} | selfhosted.prefect.secret_data }}"
"""

RETURN = r"""
_value:
  description: The values in base64, by name.
  type: dict
"""

import base64
from collections.abc import Mapping
from typing import Any


def secret_data(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return the C(data) of a Secret."""
    texts = {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in sorted(settings.items())
        if value not in (None, "")
    }
    return {name: base64.b64encode(text.encode()).decode() for name, text in texts.items()}


class FilterModule:
    """Ansible looks the filter up here."""

    def filters(self) -> dict[str, Any]:
        """Return the filter under its name."""
        return {"secret_data": secret_data}

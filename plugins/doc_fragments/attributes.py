# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
attributes:
  action_group:
    description: Take connection options from C(module_defaults) of the group C(selfhosted.prefect.prefect).
    support: full
    membership: [selfhosted.prefect.prefect]
  check_mode:
    description: Returns the exact result without a change. The module sends only read requests, with one exception. For
      a schedule or an automation that differs, it sends one request with the nil UUID, so that the server validates
      the data and saves nothing.
    support: full
  diff_mode:
    description: Shows the differences in terms of the options.
    support: full
"""

    INFO = r"""
attributes:
  action_group:
    description: Take connection options from C(module_defaults) of the group C(selfhosted.prefect.prefect).
    support: full
    membership: [selfhosted.prefect.prefect]
  check_mode:
    description: The module only reads, so it has the same result in check mode.
    support: full
  diff_mode:
    description: The module changes nothing.
    support: N/A
"""

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
    description: Predict the exact result without a change. Only reading requests are sent; and, of a schedule or an
      automation that is to be written, one to the id of nothing, for which the server checks it and saves nothing.
    support: full
  diff_mode:
    description: Show what differs, in the terms of the options.
    support: full
"""

    INFO = r"""
attributes:
  action_group:
    description: Take connection options from C(module_defaults) of the group C(selfhosted.prefect.prefect).
    support: full
    membership: [selfhosted.prefect.prefect]
  check_mode:
    description: Only reads, so it does the same in check mode.
    support: full
  diff_mode:
    description: Changes nothing, so there is nothing to show.
    support: N/A
"""

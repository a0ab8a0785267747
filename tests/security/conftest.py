# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The test hosts of tests/e2e, for tests that attack them."""

from e2e.conftest import MakeMachine, boxed, converged, deployment, make_machine

__all__ = ["MakeMachine", "boxed", "converged", "deployment", "make_machine"]

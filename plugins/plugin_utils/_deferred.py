# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""Functions whose code is imported on their first call.

To find one filter, Ansible imports all filter files of the collection in the process of each task, and compiles every
module that they import. The filter files therefore import only this module.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

PACKAGE = "ansible_collections.selfhosted.prefect.plugins.plugin_utils"


class Deferred:
    """A function of a C(module) of plugin_utils with its C(name)."""

    def __init__(self, module: str, name: str) -> None:
        self.module = module
        self.__name__ = name

    def target(self) -> Callable[..., Any]:
        """Return the function itself."""
        function: Callable[..., Any] = getattr(importlib.import_module(f"{PACKAGE}.{self.module}"), self.__name__)
        return function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.target()(*args, **kwargs)

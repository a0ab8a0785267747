# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One module per kind of object, each with its SAMPLE."""

from __future__ import annotations

import importlib
import pkgutil

from ..sample import Sample

SAMPLES: dict[str, Sample] = {
    module.name: importlib.import_module(f"{__name__}.{module.name}").SAMPLE
    for module in pkgutil.iter_modules(__path__)
}

# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ..sample import NAME, Sample, slug_of

SAMPLE = Sample(
    item=lambda name: {"slug": slug_of(name), "name": name, "documentation_url": "http://127.0.0.1/"},
    schemas=("BlockTypeCreate", "BlockTypeUpdate"),
    change=("description", "d"),
    cleared={"description": ("x", None)},
    awkward=[{"slug": "matrix", "name": NAME, "description": "{% raw %} ü"}],
)

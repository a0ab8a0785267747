# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ..sample import NAME, Sample

SAMPLE = Sample(
    item=lambda name: {"name": name, "tags": ["b", "a"]},
    schemas=("FlowCreate", "FlowUpdate"),
    free=True,
    change=("tags", ["z"]),
    cleared={"tags": (["a"], [])},
    awkward=[{"name": NAME, "tags": ["z", "y"]}],
)

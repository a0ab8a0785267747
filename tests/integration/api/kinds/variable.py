# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ..sample import Sample, slug_of

SAMPLE = Sample(
    item=lambda name: {"name": slug_of(name), "value": {"a": [1, None]}, "tags": ["b", "a"]},
    schemas=("VariableCreate", "VariableUpdate"),
    change=("tags", ["z"]),
    cleared={"tags": (["a"], [])},
    awkward=[{"name": "matrix", "value": {"text": "{{ customer }}", "list": [None, 1.5]}, "tags": ["b", "a"]}],
)

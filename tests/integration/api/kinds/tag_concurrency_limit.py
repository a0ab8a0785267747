# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ..sample import NAME, Sample

SAMPLE = Sample(
    item=lambda name: {"tag": name, "concurrency_limit": 3},
    schemas=("ConcurrencyLimitCreate",),
    free=True,
    change=("concurrency_limit", 9),
    sends_more=True,
    awkward=[{"tag": NAME, "concurrency_limit": 3}],
)

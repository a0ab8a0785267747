# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ..sample import NAME, Sample

RUNTIME = {"active_slots": "runtime", "denied_slots": "runtime"}
SAMPLE = Sample(
    item=lambda name: {"name": name, "limit": 3},
    schemas=("ConcurrencyLimitV2Create", "ConcurrencyLimitV2Update"),
    free=True,
    change=("limit", 9),
    cleared={"slot_decay_per_second": (0.5, 0.0), "active": (False, True)},
    awkward=[{"name": NAME, "limit": 4, "slot_decay_per_second": 0.25}],
    left_out={"ConcurrencyLimitV2Create": RUNTIME, "ConcurrencyLimitV2Update": RUNTIME},
)

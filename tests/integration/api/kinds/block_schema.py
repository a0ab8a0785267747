# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ..sample import Sample, slug_of

FIELDS = {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}}
SAMPLE = Sample(
    item=lambda name: {"block_type": slug_of(name), "version": "1", "fields": FIELDS},
    needs=("block_type",),
    schemas=("BlockSchemaCreate",),
    awkward=[
        {
            "block_type": "matrix",
            "version": "1",
            "fields": {
                "type": "object",
                "properties": {"host": {"type": "string"}, "password": {"type": "string"}, "next": {"type": "object"}},
                "secret_fields": ["password"],
            },
        }
    ],
    left_out={"BlockSchemaCreate": {"block_type_id": "option block_type, by slug"}},
    ours=("block_type_slug",),
)

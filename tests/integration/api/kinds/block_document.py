# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ..sample import PLANTED, Sample, slug_of

SAMPLE = Sample(
    item=lambda name: {"block_type": slug_of(name), "name": slug_of(name), "data": {"a": 1}},
    needs=("block_type", "block_schema"),
    schemas=("BlockDocumentCreate", "BlockDocumentUpdate"),
    change=("data", {"b": 2}),
    sends_more=True,
    cleared={"data": ({"a": 1}, {})},
    awkward=[
        {"block_type": "matrix", "name": "first", "data": {"host": "{{ host }}", "password": PLANTED}},
        {"block_type": "matrix", "name": "second", "data": {"host": "x", "next": {"$ref": "matrix/first"}}},
    ],
    left_out={
        "BlockDocumentCreate": {
            "block_type_id": "option block_type, by slug",
            "block_schema_id": "option block_schema, by version or checksum",
            "is_anonymous": "anonymous blocks are made by Prefect itself",
        },
        "BlockDocumentUpdate": {
            "block_schema_id": "option block_schema, by version or checksum",
            "merge_existing_data": "option replace; the server's own merge forgets references",
        },
    },
    ours=("block_type_slug",),
)

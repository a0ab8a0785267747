# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which images a deployment in a cluster takes, where the inventory names none."""

from __future__ import annotations

import re

import pytest
import yaml
from defaults import VERSION
from rendering import ROOT

# A release, with what it was packed for; a tag such as 7 or 17 is another image next week.
EXACT = re.compile(r"[a-z0-9./-]+:v?\d+\.\d+(\.\d+)?(-[a-z0-9.-]+)?(@sha256:[0-9a-f]{64})?")


def images() -> dict[str, str]:
    found: dict[str, str] = {}
    for path in sorted((ROOT / "roles").glob("*/defaults/main.yml")):
        variables = yaml.safe_load(path.read_text())
        named = {name: value for name, value in variables.items() if name.endswith("_image") and value}
        found |= {
            name: str(value).replace("{{ prefect_version }}", variables.get("prefect_version", ""))
            for name, value in named.items()
        }
    versions = yaml.safe_load((ROOT / "roles" / "prefect_postgres" / "vars" / "main.yml").read_text())[
        "__prefect_postgres_images"
    ]
    return found | {f"postgres {version}": image for version, image in versions.items()}


@pytest.mark.parametrize(("name", "image"), images().items())
def test_an_image_is_that_of_a_release(name: str, image: str) -> None:
    assert EXACT.fullmatch(image), f"{name}: {image} may be another one tomorrow"
    version = name.partition(" ")[2]
    assert not version or image.startswith(f"postgres:{version}.")


def test_the_cluster_of_the_tests_has_the_same() -> None:
    packed = (ROOT / "tests" / "cluster" / "images" / "pack.py").read_text().replace("{version}", VERSION)
    wanted = {name: image for name, image in images().items() if not name.startswith("postgres ")}
    assert len(wanted) >= 4
    wanted["postgres"] = images()["postgres 17"]
    assert {name: image for name, image in wanted.items() if f'/{image}"' not in packed} == {}

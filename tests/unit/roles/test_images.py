# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The images of a deployment in a cluster, if the inventory names none."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from defaults import VERSION
from rendering import ROOT, evaluated, template

from ansible_collections.selfhosted.prefect.plugins.plugin_utils._checks.deployment_problems import OLDEST_POSTGRESQL

# A release with its variant. A tag such as 7 or 17 refers to another image after some days.
EXACT = re.compile(r"[a-z0-9./-]+:v?\d+\.\d+(\.\d+)?(-[a-z0-9.-]+)?(@sha256:[0-9a-f]{64})?")


# Of parts that are off by default.
OFF = {"prefect_pgbouncer_exporter_image"}
VERSIONS: dict[str, dict[int, str]] = yaml.safe_load((ROOT / "roles/prefect_common/vars/main.yml").read_text())[
    "prefect_postgres_images"
]


def images() -> dict[str, str]:
    found: dict[str, str] = {}
    for path in sorted((ROOT / "roles").glob("*/defaults/main.yml")):
        variables = yaml.safe_load(path.read_text())
        named = {name: value for name, value in variables.items() if name.endswith("_image") and name not in OFF}
        found |= {
            name: str(value).replace("{{ prefect_version }}", variables.get("prefect_version", ""))
            for name, value in named.items()
            if name != "prefect_postgres_image"  # one of the versions
        }
    return found


@pytest.mark.parametrize(("name", "image"), images().items())
def test_an_image_is_that_of_a_release(name: str, image: str) -> None:
    assert EXACT.fullmatch(image), f"{name}: {image} may be another one tomorrow"


@pytest.mark.parametrize(
    ("kind", "start"), [("statefulset", "postgres:"), ("cloudnative_pg", "ghcr.io/cloudnative-pg/")]
)
def test_every_postgresql_is_the_release_of_its_version(kind: str, start: str) -> None:
    """With both kinds; a version without an image is left to the preflight, and never to a floating tag."""
    assert list(VERSIONS[kind]) == list(range(OLDEST_POSTGRESQL, 19))
    for version, image in VERSIONS[kind].items():
        assert EXACT.fullmatch(image)
        assert image.startswith(start)
        assert image.partition(":")[2].startswith(f"{version}.")
    for version in (17, 19):
        given = {"prefect_postgres_kind": kind, "prefect_postgres_version": version}
        expressions = {"image": "prefect_postgres_image", "objects": template(f"{kind}.yml.j2")}
        found = evaluated("development", "prefect_postgres", expressions, **given)
        assert found["image"] == VERSIONS[kind].get(version, "")
        specs = [item["spec"] for item in found["objects"] if item["kind"] in ("StatefulSet", "Cluster")]
        used = [spec["imageName"] if kind == "cloudnative_pg" else containers(spec)[0]["image"] for spec in specs]
        assert [image or "" for image in used] == [found["image"]]


def containers(spec: dict[str, Any]) -> list[dict[str, Any]]:
    return list(spec["template"]["spec"]["containers"])


def test_a_catalog_of_images_may_name_the_image_of_the_operator() -> None:
    catalog = {"imageCatalogRef": {"kind": "ClusterImageCatalog", "name": "postgresql-minimal-trixie", "major": 17}}
    given = {"prefect_postgres_kind": "cloudnative_pg", "prefect_postgres_cluster_patch": catalog}
    found = evaluated("development", "prefect_postgres", {"objects": template("cloudnative_pg.yml.j2")}, **given)
    (spec,) = (item["spec"] for item in found["objects"] if item["kind"] == "Cluster")
    assert "imageName" not in spec  # the operator refuses both
    assert spec["imageCatalogRef"]["major"] == 17


def test_the_cluster_of_the_tests_has_the_same() -> None:
    packed = (ROOT / "tests" / "cluster" / "images" / "pack.py").read_text().replace("{version}", VERSION)
    wanted = images()
    assert len(wanted) >= 4
    wanted["postgres"] = VERSIONS["statefulset"][17]
    assert {name: image for name, image in wanted.items() if f'/{image}"' not in packed} == {}

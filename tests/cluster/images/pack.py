# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write an OCI layout with every image of the test cluster, and a tar file of it.

usage: pack.py OUTPUT_DIRECTORY ROOT_FILE_SYSTEM PROGRAMS_DIRECTORY PREFECT_VERSION

The images of Prefect, PostgreSQL, PgBouncer and Redis share one large layer, the root file system. Each has the
official name and behaves like the official image as far as the manifests can tell. The images differ only in their
configuration.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CREATED = "2026-01-01T00:00:00Z"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
Layer = tuple[str, int]


class Layout:
    """An OCI layout under construction."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.blobs = directory / "blobs" / "sha256"
        self.manifests: list[dict[str, Any]] = []
        shutil.rmtree(directory, ignore_errors=True)
        self.blobs.mkdir(parents=True)

    def put_file(self, path: Path) -> Layer:
        digest = hashlib.sha256()
        with path.open("rb") as content:
            while block := content.read(1 << 20):
                digest.update(block)
        size = path.stat().st_size
        path.rename(self.blobs / digest.hexdigest())
        return digest.hexdigest(), size

    def put(self, document: Any) -> Layer:
        content = json.dumps(document, sort_keys=True).encode()
        digest = hashlib.sha256(content).hexdigest()
        (self.blobs / digest).write_bytes(content)
        return digest, len(content)

    def root_layer(self, root: Path) -> Layer:
        target = self.directory / "layer.tmp"
        left_out = ("dev/*", "proc/*", "sys/*", "tmp/*", "var/cache/apt/archives/*")
        words = [
            "tar",
            "-C",
            str(root),
            "--numeric-owner",
            "--sort=name",
            *(f"--exclude=./{path}" for path in left_out),
        ]
        subprocess.run([*words, "-cf", str(target), "."], check=True)
        return self.put_file(target)

    def program_layer(self, program: Path) -> Layer:
        """Return a layer with a single static program in its root directory."""
        target = self.directory / "layer.tmp"
        passwd = b"root:x:0:0:root:/:/sbin/nologin\nnobody:x:65534:65534::/:/sbin/nologin\n"
        with tarfile.open(target, "w") as archive:
            for name, mode in (("tmp", 0o1777), ("etc", 0o755)):
                entry = tarfile.TarInfo(name)
                entry.type, entry.mode = tarfile.DIRTYPE, mode
                archive.addfile(entry)
            entry = tarfile.TarInfo("etc/passwd")
            entry.size = len(passwd)
            archive.addfile(entry, io.BytesIO(passwd))
            entry = tarfile.TarInfo(program.name)
            entry.size, entry.mode = program.stat().st_size, 0o755
            with program.open("rb") as content:
                archive.addfile(entry, content)
        return self.put_file(target)

    def image(self, names: Iterable[str], layer: Layer, **configuration: Any) -> None:
        digest, size = layer
        config, config_size = self.put(
            {
                "architecture": "amd64",
                "os": "linux",
                "created": CREATED,
                "config": configuration,
                "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
                "history": [{"created": CREATED, "created_by": "tests/cluster"}],
            }
        )
        manifest, manifest_size = self.put(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": {
                    "mediaType": "application/vnd.oci.image.config.v1+json",
                    "digest": f"sha256:{config}",
                    "size": config_size,
                },
                "layers": [
                    {
                        "mediaType": "application/vnd.oci.image.layer.v1.tar",
                        "digest": f"sha256:{digest}",
                        "size": size,
                    }
                ],
            }
        )
        for name in names:
            self.manifests.append(
                {
                    "mediaType": MANIFEST,
                    "digest": f"sha256:{manifest}",
                    "size": manifest_size,
                    "platform": {"architecture": "amd64", "os": "linux"},
                    "annotations": {
                        "io.containerd.image.name": name,
                        "org.opencontainers.image.ref.name": name.rpartition(":")[2],
                    },
                }
            )

    def finish(self) -> None:
        index = {"schemaVersion": 2, "manifests": self.manifests}
        (self.directory / "index.json").write_text(json.dumps(index))
        (self.directory / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')


def main(output: Path, root: Path, programs: Path, version: str) -> None:
    layout = Layout(output / "oci")
    for name, program, user in (
        ("registry.k8s.io/pause:3.10.2", "pause", "65535:65535"),
        ("registry.k8s.io/coredns/coredns:v1.15.0", "coredns", ""),
        ("registry.k8s.io/metrics-server/metrics-server:v0.9.0", "metrics-server", "65534"),
    ):
        layout.image([name], layout.program_layer(programs / program), Entrypoint=[f"/{program}"], User=user)

    shared = layout.root_layer(root)
    layout.image(
        [
            f"docker.io/prefecthq/prefect:{version}-python3.11",
            f"docker.io/prefecthq/prefect:{version}-python3.11-kubernetes",
        ],
        shared,
        Entrypoint=["/usr/bin/tini", "-g", "--", "/opt/prefect/entrypoint.sh"],
        WorkingDir="/opt/prefect",
        Env=[f"PATH=/opt/venv/bin:{PATH}", "LANG=C.UTF-8", "LC_ALL=C.UTF-8", "PYTHONUNBUFFERED=1"],
    )
    layout.image(
        ["docker.io/library/postgres:15", "docker.io/library/postgres:17.10"],
        shared,
        Entrypoint=["docker-entrypoint.sh"],
        Cmd=["postgres"],
        StopSignal="SIGINT",
        ExposedPorts={"5432/tcp": {}},
        Env=[f"PATH={PATH}:/usr/lib/postgresql/15/bin", "PG_MAJOR=15", "PGDATA=/var/lib/postgresql/data"],
        Volumes={"/var/lib/postgresql/data": {}},
    )
    layout.image(
        ["docker.io/library/redis:7", "docker.io/library/redis:8.8.0"],
        shared,
        Entrypoint=["/usr/local/bin/redis-entrypoint.sh"],
        Cmd=["redis-server"],
        WorkingDir="/data",
        ExposedPorts={"6379/tcp": {}},
        Volumes={"/data": {}},
        Env=[f"PATH={PATH}"],
    )
    layout.image(
        ["docker.io/edoburu/pgbouncer:v1.24.1-p1", "docker.io/edoburu/pgbouncer:v1.25.2-p0"],
        shared,
        User="postgres",
        Entrypoint=["/usr/local/bin/pgbouncer-entrypoint.sh"],
        Cmd=["/usr/sbin/pgbouncer", "/etc/pgbouncer/pgbouncer.ini"],
        ExposedPorts={"5432/tcp": {}},
        Env=[f"PATH={PATH}"],
    )
    layout.finish()
    archive = output / "images.tar.tmp"
    subprocess.run(
        ["tar", "-C", str(layout.directory), "-cf", str(archive), "oci-layout", "index.json", "blobs"], check=True
    )
    archive.rename(output / "images.tar")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]), sys.argv[4])

# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""Block types."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.client import Client, PrefectError
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.kind import Field, Kind, check_name
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.reconcile import ChangeSet

SLUG = re.compile(r"[a-z0-9-]+")
SHOWN = 5  # names in an error message


def check_slug(kind: Kind, item: Mapping[str, Any], option: str) -> None:
    if not SLUG.fullmatch(item[option]):
        raise kind.refuse(item, option, "must be lowercase letters, digits and dashes")


# Block types that a server registers when it starts, besides the types that it marks as protected.
BUILTIN = frozenset((
    "aws-credentials", "aws-secret", "azure-blob-storage-container", "azure-blob-storage-credentials",
    "azure-container-instance-credentials", "azure-cosmos-db-credentials", "azureml-credentials",
    "bigquery-warehouse", "bitbucket-credentials", "bitbucket-repository", "custom-webhook",
    "database-credentials", "databricks-credentials", "dbt-cli-bigquery-target-configs",
    "dbt-cli-global-configs", "dbt-cli-postgres-target-configs", "dbt-cli-profile",
    "dbt-cli-snowflake-target-configs", "dbt-cli-target-configs", "dbt-cloud-credentials", "dbt-core-operation",
    "discord-webhook", "docker-host", "docker-registry-credentials", "email-server-credentials",
    "gcp-credentials", "gcpsecret", "gcs-bucket", "github-credentials", "github-repository",
    "gitlab-credentials", "gitlab-repository", "k8s-job", "kubernetes-cluster-config", "kubernetes-credentials",
    "lambda-function", "local-file-system", "mattermost-webhook", "minio-credentials", "ms-teams-webhook",
    "opsgenie-webhook", "pager-duty-webhook", "redis-database", "remote-file-system", "s3-bucket", "secret",
    "sendgrid-email", "shell-operation", "slack-credentials", "slack-webhook", "smb", "snowflake-connector",
    "snowflake-credentials", "sqlalchemy-connector", "twilio-sms", "webhook",
))  # fmt: skip


class BlockType(Kind):
    noun = "block_type"
    plural = "block_types"
    purge_documentation = "Block types without blocks, with their schemas"
    key = ("slug",)
    route = ("block_types",)
    fields = {
        "slug": Field("str"),
        "name": Field("str", nullable=False, needed=True, fixed=True),
        "description": Field("str"),
        "logo_url": Field("str"),
        "documentation_url": Field("str"),
        "code_example": Field("str"),
    }
    runtime = ("id", "created", "updated", "is_protected")

    def builtin(self, found: Mapping[str, Any]) -> bool:
        return bool(found["is_protected"]) or found["slug"] in BUILTIN

    def check(self, item: Mapping[str, Any]) -> None:
        super().check(item)
        check_slug(self, item, "slug")
        if "name" in item:
            check_name(self, item)

    def names(self, item: Mapping[str, Any]) -> list[str]:
        return ["slug", item["slug"]]

    def reference(self, item: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
        return [found["id"]]

    def plan(
        self, client: Client, item: Mapping[str, Any], found: Mapping[str, Any] | None, state: str = "present"
    ) -> ChangeSet:
        steps = super().plan(client, item, found, state)
        if steps.action == "create" and item["name"].lower().startswith("prefect"):
            raise self.refuse(item, "name", "the server reserves names that start with 'prefect': use another name")
        if steps.changed and found and found["is_protected"]:
            problem = "is a built-in type. The server rejects its deletion and resets it when it starts"
            raise self.refuse(item, "slug", problem)
        return steps

    def delete(self, client: Client, item: Mapping[str, Any], found: Mapping[str, Any]) -> None:
        refuse_if_used(self, client, item, block_types={"slug": {"any_": [item["slug"]]}})
        super().delete(client, item, found)


BLOCK_TYPE = BlockType()


def no_such_type(kind: Kind, client: Client, item: Mapping[str, Any]) -> PrefectError:
    slugs = [one["slug"] for one in BLOCK_TYPE.list_all(client)]
    close = difflib.get_close_matches(item["block_type"], slugs, n=3)
    hint = f"; did you mean {' or '.join(close)}?" if close else ""
    return kind.refuse(item, "block_type", f"there is no block type {item['block_type']!r}{hint}")


def refuse_if_used(kind: Kind, client: Client, item: Mapping[str, Any], **wanted: Any) -> None:
    """Raise if blocks use the object, because the server would delete the blocks, too."""
    blocks = client.pages("block_documents", "filter", block_documents={"is_anonymous": None}, **wanted)
    names = [f"{block['block_type']['slug']}/{block['name']}" for block in blocks]
    if names:
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        problem = f"blocks use it, and would be deleted with it: delete {', '.join(names[:SHOWN])}{more} first"
        raise kind.refuse(item, kind.key[0], problem)

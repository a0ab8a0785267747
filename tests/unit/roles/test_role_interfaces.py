# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables of a role are the same in its defaults, its argument specification and its documentation."""

from __future__ import annotations

import copy
import functools
import re
from collections.abc import Iterator, Mapping
from itertools import repeat
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from rendering import evaluated

from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.global_concurrency_limit import (
    GLOBAL_CONCURRENCY_LIMIT,
)
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.tag_concurrency_limit import (
    TAG_CONCURRENCY_LIMIT,
)
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.work_pool import WORK_POOL

ROOT = Path(__file__).resolve().parents[3]
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir())
# Dictionaries whose keys the server or the program defines, and checks.
FREE = {
    *("behavior", "resources", "egress", "runs_egress"),
    *("job", "job_manifest_patch", "base_job_template", "bundle_upload_step", "bundle_execution_step"),
    "prefect_configuration_purge",  # the module checks the kinds
}
NAME = re.compile(r"\bprefect_[a-z0-9_]+\b")


@functools.cache
def load(*parts: str) -> Any:
    path = ROOT.joinpath("roles", *parts)
    return (yaml.safe_load(path.read_text()) or {}) if path.exists() else {}


def defaults(role: str) -> dict[str, Any]:
    return dict(load(role, "defaults", "main.yml"))


def entry_points(role: str) -> dict[str, dict[str, Any]]:
    return dict(load(role, "meta", "argument_specs.yml")["argument_specs"])


def options(role: str) -> dict[str, Any]:
    return {name: option for spec in entry_points(role).values() for name, option in spec["options"].items()}


def text_of(description: Any) -> str:
    return description if isinstance(description, str) else " ".join(description)


EVERY_OPTION = {name: option for role in ROLES for name, option in options(role).items()}


def nested(specs: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """Yield all options, including those of nested dictionaries."""
    for name, option in specs.items():
        yield (*path, name), option
        yield from nested(option.get("options", {}), (*path, name))


NESTED = list(nested(EVERY_OPTION))


@pytest.mark.parametrize("role", ROLES)
def test_every_variable_is_specified(role: str) -> None:
    assert sorted(options(role)) == sorted(defaults(role))


@pytest.mark.parametrize("role", ROLES)
def test_a_role_says_what_it_is(role: str) -> None:
    for spec in entry_points(role).values():
        assert spec["version_added"]
        assert spec["short_description"]
        assert spec["description"]
    assert (ROOT / "roles" / role / "README.md").read_text().startswith(f"# {role}\n")


@pytest.mark.parametrize("role", ROLES)
def test_defaults_are_documented(role: str) -> None:
    """The default is in `default`, or in the description if Jinja computes it or if `default` would reject null."""
    for name, value in defaults(role).items():
        option = options(role)[name]
        if "default" in option:
            assert option["default"] == value, name
        elif isinstance(value, (int, float)):
            assert f"Default V({value})." in text_of(option["description"]), name
        else:
            assert "default" in text_of(option["description"]), name


def test_no_variable_belongs_to_two_roles() -> None:
    assert len(EVERY_OPTION) == sum(len(options(role)) for role in ROLES)


def test_a_role_prefixes_its_variables() -> None:
    for role in ROLES:
        prefix = "prefect_" if role == "prefect_common" else f"{role}_"
        assert [name for name in options(role) if not name.startswith(prefix)] == []


@pytest.mark.parametrize(("path", "option"), NESTED, ids=[".".join(path) for path, _option in NESTED])
def test_an_option_is_fully_typed(path: tuple[str, ...], option: dict[str, Any]) -> None:
    assert option["type"] in ("str", "int", "float", "bool", "path", "list", "dict")
    assert text_of(option["description"]).endswith(".")
    if option["type"] == "list":
        assert option["elements"]
    if "dict" in (option["type"], option.get("elements")):
        free = path[-1] in FREE or path[-1].endswith(
            ("_settings", "_environment", "_resources", "_patch", "_annotations", "_parent", "_egress")
        )
        assert free or option["options"]
    if path[-1].endswith(("_password", "_auth_string", "_redis_url")):
        assert option["no_log"]


GOOD: dict[str, Any] = {
    "prefect_services_groups": [{"name": "a", "services": ["scheduler"]}],
    "prefect_work_pools": [
        {
            "name": "a",
            "type": "process",
            "concurrency_limit": None,
            "queues": [{"name": "default", "priority": 1}],
            "job": {"anything": 1},
            "storage_configuration": {"bundle_upload_step": {"anything": 1}},
            "workers": {
                "min": 2,
                "max": None,
                "autoscaling": {"metric": "backlog", "prometheus": {"address": "http://a:9090", "query": "sum(a)"}},
                "query_seconds": 0.5,
            },
        }
    ],
    "prefect_global_concurrency_limits": [{"name": "a", "limit": 1}],
    "prefect_tag_concurrency_limits": [{"tag": "a", "concurrency_limit": 1}],
    "prefect_server_flow_runs_retention_days": None,
    "prefect_server_scheduler_loop_seconds": None,
    "prefect_server_settings": {"PREFECT_ANYTHING": 1},
}


# By part: what the roles give its processes.
ENVIRONMENTS = {
    "server": [
        "__prefect_server_common_environment",
        "__prefect_server_api_environment",
        "__prefect_server_database_environment",
        "__prefect_server_services_environment",
        "__prefect_server_migration_environment",
    ],
    "worker": ["__prefect_worker_environment"],
}
# No option disables a service, and only one decides about the CA of workers: prefect_tls.
NOT_OWN = {"PREFECT_API_SSL_CERT_FILE"}
REDIS = ["redis://u:p@r/0", "rediss://u:p@r/0", "redis+sentinel://u:p@r/master/0"]


@pytest.mark.parametrize("inventory", ["local", "production"])
@pytest.mark.parametrize("url", REDIS)
def test_the_preflight_knows_what_the_roles_set(inventory: str, url: str) -> None:
    """Each setting of Prefect, with an option that decides about it where there is one."""
    table = yaml.safe_load((ROOT / "roles/prefect_common/meta/settings.yml").read_text())
    given = {
        "prefect_redis_url": url,
        "prefect_address": "127.0.0.1",
        "prefect_host": {"ipv6": True, "ipv6_loopback": True},
    }
    for part, environments in ENVIRONMENTS.items():
        found = evaluated(inventory, f"prefect_{part}", {name: f"{name} | list" for name in environments}, **given)
        assert {name for names in found.values() for name in names} - NOT_OWN <= table[part].keys()
        for option in filter(None, table[part].values()):
            assert option in EVERY_OPTION, option
    assert set(table["aliases"].values()) <= {*table["server"], *table["worker"]}
    assert set(table["patches"].values()) <= EVERY_OPTION.keys()


def test_no_setting_is_set_elsewhere() -> None:
    """In templates: the URL of Docket, and what differs between workers. The rest is in the dictionaries above."""
    table = yaml.safe_load((ROOT / "roles/prefect_common/meta/settings.yml").read_text())
    texts = [path.read_text() for role in ("server", "worker") for path in template_files(f"prefect_{role}")]
    named = set(re.findall(r"^ *'?(PREFECT_[A-Z_]+)'?:|'(PREFECT_[A-Z_]+)':", "\n".join(texts), re.M))
    assert {name for pair in named for name in pair if name} <= {*table["server"], *table["worker"]}
    assert len(named) > 3


def template_files(role: str) -> list[Path]:
    return sorted((ROOT / "roles" / role / "templates").glob("*.j2"))


def errors(variables: dict[str, Any]) -> list[str]:
    return list(ArgumentSpecValidator(EVERY_OPTION).validate(variables).error_messages)


def test_good_variables_pass() -> None:
    assert errors(GOOD) == []


def test_the_local_inventory_passes() -> None:
    local = yaml.safe_load((ROOT / "inventories" / "local" / "group_vars" / "all" / "prefect.yml").read_text())
    assert errors(local) == []


def dictionaries(value: Any) -> Iterator[dict[str, Any]]:
    """Yield all nested dictionaries with options that the collection defines."""
    if isinstance(value, dict):
        yield value
        for name, inner in value.items():
            if name not in FREE:
                yield from dictionaries(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from dictionaries(inner)


def test_a_typo_is_refused_in_every_nested_option() -> None:
    names = [name for name in GOOD if isinstance(GOOD[name], list)]
    count = 0
    for name in names:
        for number in range(len(list(dictionaries(GOOD[name])))):
            variables = copy.deepcopy(GOOD)
            list(dictionaries(variables[name]))[number]["concurency_limit"] = 1
            (error,) = errors(variables)
            assert "concurency_limit" in error
            assert name in error
            count += 1
    assert count == 9


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("prefect_work_pools", [{"type": "process"}], "missing required arguments: name"),
        ("prefect_work_pools", [{"name": "a", "type": "process", "workers": {"min": "many"}}], "many"),
        (
            "prefect_work_pools",
            [{"name": "a", "type": "process", "workers": {"autoscaling": {"metric": "moon"}}}],
            "cpu, backlog",
        ),
        ("prefect_services_groups", [{"name": "a", "services": ["schedular"]}], "schedular"),
        ("prefect_service_manager", "openrc", "auto, systemd, supervisord"),
        ("prefect_server_steps", ["migrat"], "migrate, api, services"),
        ("prefect_postgres_memory_mb", "1 GB", "prefect_postgres_memory_mb"),
        ("prefect_logging_level", "info", "INFO"),
    ],
)
def test_bad_values_are_refused(variable: str, value: Any, words: str) -> None:
    (error,) = errors({variable: value})
    assert words in error


def types(specs: Mapping[str, Any]) -> dict[str, Any]:
    """Return only the types. Modules and roles may differ in required options, defaults and descriptions."""
    return {
        name: (option["type"], option.get("elements"), types(option.get("options", {})))
        for name, option in specs.items()
    }


@pytest.mark.parametrize(
    ("variable", "kind", "more"),
    [
        ("prefect_work_pools", WORK_POOL, {"workers", "pre_pull"}),
        ("prefect_global_concurrency_limits", GLOBAL_CONCURRENCY_LIMIT, set()),
        ("prefect_tag_concurrency_limits", TAG_CONCURRENCY_LIMIT, set()),
    ],
)
def test_objects_have_the_options_of_their_modules(variable: str, kind: Any, more: set[str]) -> None:
    mine = types(options("prefect_common")[variable]["options"])
    modules = {**types(kind.options), "state": ("str", None, {})}
    assert {name: option for name, option in mine.items() if name not in more} == modules
    assert set(mine) - set(modules) == more


def test_services_are_those_that_prefect_has() -> None:
    listed = options("prefect_common")["prefect_services_groups"]["options"]["services"]["choices"]
    assert listed == list(load("prefect_common", "vars", "main.yml")["prefect_background_services"])


def test_the_preflight_knows_every_role() -> None:
    others = {role for role in ROLES if options(role)}
    assert set(load("prefect_preflight", "vars", "main.yml")["__prefect_preflight_roles"]) == others


# Names that begin like a variable: a row of the capacity plan, and a metric of an exporter in an example.
OF_OTHERS = {"prefect_cores", "prefect_runs_due_or_active"}


def documents() -> list[Path]:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "roles").glob("*/README.md")]
    return sorted([*pages, *(ROOT / "plugins" / "filter").glob("*.yml"), *(ROOT / "inventories").rglob("*.yml")])


@pytest.mark.parametrize("path", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_variable_that_is_named_exists(path: Path) -> None:
    groups = re.findall(r"groups\['(\w+)'\]", (ROOT / "roles" / "prefect_common" / "defaults" / "main.yml").read_text())
    constants = [name for role in ROLES for name in load(role, "vars", "main.yml")]
    values = [value for role in ROLES for value in defaults(role).values() if isinstance(value, str)]
    known = {*EVERY_OPTION, *ROLES, *groups, *constants, *values, *OF_OTHERS}
    unknown = set(NAME.findall(path.read_text())) - known
    # `prefect_gateway_*` names all variables of a role.
    assert [
        name for name in unknown if not (name.endswith("_") and any(map(str.startswith, known, repeat(name))))
    ] == []


# Facts that roles and modules set for later plays.
PUBLISHED = {"prefect_phases", "prefect_pgbouncer_rolling_out"}
# Variables of roles that include this role: its parameters, and the results in its argument specification.
PARAMETERS = {"prefect_verify": {"prefect_configuration_only_compare", "prefect_configuration_result"}}
READING = ("defaults", "vars", "tasks", "handlers", "templates")
COMMENT = re.compile(r"^\s*#.*?$|\{#.*?#\}", re.MULTILINE | re.DOTALL)


def names_read(role: str) -> set[str]:
    paths = [path for kind in READING for path in (ROOT / "roles" / role / kind).glob("*")]
    return {name for path in paths for name in re.findall(r"\b_*prefect_\w+", COMMENT.sub("", path.read_text()))}


def owner(name: str) -> str:
    """Return the role whose name is the longest prefix of the variable."""
    return max((role for role in ROLES if f"{name.lstrip('_')}_".startswith(f"{role}_")), key=len, default="")


@pytest.mark.parametrize("role", ROLES)
def test_a_role_reads_its_own_variables_and_the_common_ones(role: str) -> None:
    shared = {*defaults("prefect_common"), *load("prefect_common", "vars", "main.yml")}
    names = names_read(role) - {name for name in shared if role == "prefect_common" or not name.startswith("_")}
    of_others = {
        name for name in names - PUBLISHED - PARAMETERS.get(role, set()) - set(ROLES) if owner(name) not in (role, "")
    }
    hidden = {name for name in names if name.startswith("_") and not name.startswith(f"__{role}_")}
    assert of_others | hidden == set()

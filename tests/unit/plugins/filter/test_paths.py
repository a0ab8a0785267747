# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options with paths: the preflight checks all of them, and reports invalid ones."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.selfhosted.prefect.plugins.module_utils._host import trust
from ansible_collections.selfhosted.prefect.plugins.module_utils._host.paths import state_of
from ansible_collections.selfhosted.prefect.plugins.module_utils._host.trust import weakness_of
from ansible_collections.selfhosted.prefect.plugins.modules import host_facts
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._checks.path_problems import path_problems

ROOT = Path(__file__).resolve().parents[4]
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir())
# Options whose names or descriptions mention files, directories or paths, but whose values are no paths.
NOT_PATHS = {
    "prefect_database_ca": "PEM text",
    "prefect_redis_ca": "PEM text",
    "prefect_instance": "a part of paths",
    "prefect_server_existing_secret": "the name of a Secret",
}


def load(role: str, name: str) -> dict[str, Any]:
    path = ROOT / "roles" / role / "meta" / name
    return dict(yaml.safe_load(path.read_text())) if path.exists() else {}


def options() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for role in ROLES:
        for entry in load(role, "argument_specs.yml")["argument_specs"].values():
            for name, option in entry["options"].items():
                yield role, name, option


def is_path(name: str, option: dict[str, Any]) -> bool:
    """Return whether an option is a path, by its type, its name or its description."""
    description = option["description"]
    text = description if isinstance(description, str) else " ".join(description)
    named = re.search(r"_(files?|dir|directory|path|certificate|key|kubeconfig|constraints|manifests)$", name)
    said = re.match(r"(Path|File|Files|Directory|Directories|Name of (a|the) (file|directory))\b", text)
    return "path" in (option["type"], option.get("elements")) or bool(named) or bool(said)


DECLARED = {name: what for role in ROLES for name, what in load(role, "paths.yml").items()}


def test_the_preflight_knows_every_option_with_a_path() -> None:
    paths = {(role, name) for role, name, option in options() if is_path(name, option)}
    declared = {(role, name) for role in ROLES for name in load(role, "paths.yml")}
    assert {(role, name) for role, name in paths if name not in NOT_PATHS} == declared


def test_an_option_with_a_path_has_that_type() -> None:
    for _role, name, option in options():
        if name in DECLARED:
            assert "path" in (option["type"], option.get("elements")), name


def test_a_declaration_is_complete() -> None:
    known = {"at", "kind", "use", "platform", "component", "longest", "separator", "relative_to"}
    for name, what in DECLARED.items():
        assert what.keys() <= known, name
        assert (what["at"], what["kind"], what["use"]) in {
            *(("control", kind, use) for kind in ("file", "directory") for use in ("read", "written")),
            ("control", "directory", "optional"),
            *(("host", kind, "read") for kind in ("file", "directory")),
            ("host", "directory", "made"),
        }, name


def test_the_preflight_reads_the_declarations_of_all_roles() -> None:
    variables = yaml.safe_load((ROOT / "roles/prefect_common/vars/main.yml").read_text())
    with_paths = [role for role in ROLES if load(role, "paths.yml")]
    assert sorted(variables["prefect_roles_with_paths"]) == with_paths


# --- States of paths ---


def test_states(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to("nothing")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
    expected = {
        "": "directory",
        "file": "file",
        "socket": "other",
        "dangling": "missing",
        "none": "missing",
        "none/further": "missing",
        "file/further": "blocked",
        "nul\0": "missing",
    }
    assert {name: state_of(str(tmp_path / name)) for name in expected} == expected


def test_states_of_who_is_not_root(tmp_path: Path) -> None:
    """Root can read and write everything, so the test uses another account."""
    place = tmp_path / "place"
    (place / "closed").mkdir(parents=True)
    for name, mode in (("secret", 0), ("text", 0o444), ("closed", 0)):
        (place / name).touch()
        (place / name).chmod(mode)
    place.chmod(0o555)
    for directory in tmp_path.parents[:2]:  # created by pytest
        directory.chmod(0o711)
    tmp_path.chmod(0o711)
    code = (
        "import os, sys; sys.path.insert(0, sys.argv[1]); from paths import state_of\n"
        "if os.geteuid() == 0: os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "print(*(state_of(f'{sys.argv[2]}/{name}', name in ('text', 'new'))"
        " for name in ('secret', 'text', 'new', 'closed/any')))"
    )
    command = [sys.executable, "-B", "-c", code, str(ROOT / "plugins/module_utils/_host"), str(place)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    for path in (place, place / "closed"):
        path.chmod(0o700)
    assert done.stdout.split() == ["unreadable", "unwritable", "unwritable", "denied"], done.stderr


# --- Accounts that can change a path ---

NOBODY = 65534
ON_HOSTS = sorted(name for name, what in DECLARED.items() if what["at"] == "host")


def given_away(path: Path) -> Path:
    path.mkdir(exist_ok=True)
    os.chown(path, NOBODY, NOBODY)
    return path


def opened(path: Path, mode: int) -> Path:
    path.mkdir()
    path.chmod(mode)
    return path


def linked(path: Path) -> Path:
    """A link of root's into a directory of another account."""
    (path.parent / "link").symlink_to(given_away(path))
    return path.parent / "link"


def link_of_another(path: Path) -> Path:
    path.symlink_to("/etc")
    os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    return path


# By what another account can do: a directory in which it can change or create an entry.
OTHERS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "owns it": (given_away, "/x belongs to the account nobody"),
    "is in its group": (lambda path: opened(path, 0o775), "/x can be written by others than its owner (mode 0775)"),
    "may write to it": (lambda path: opened(path, 0o757), "/x can be written by others than its owner (mode 0757)"),
    "may create entries": (lambda path: opened(path, 0o1777), "others can create entries in {place}/x (mode 1777)"),
    "owns what a link leads to": (linked, "/x belongs to the account nobody"),
    "has put a link": (link_of_another, "/x belongs to the account nobody"),
}


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory of root's. Its path is short enough for every option."""
    with tempfile.TemporaryDirectory() as directory:
        yield Path(directory)


@pytest.mark.root
@pytest.mark.parametrize("option", ON_HOSTS)
@pytest.mark.parametrize(("change", "words"), OTHERS.values(), ids=OTHERS.keys())
def test_root_uses_no_path_that_others_can_change(
    place: Path, option: str, change: Callable[[Path], Path], words: str
) -> None:
    """Neither what is there, nor what would be created there, from the facts to the refusal."""
    directory = change(place / "x")
    (place / "good").touch() if DECLARED[option]["kind"] == "file" else (place / "good").mkdir()
    wrong = [str(directory / "further" / "new"), str(directory / "new")]
    if DECLARED[option]["kind"] == "directory":
        wrong.append(str(directory))
    logs = wrong if option == "prefect_log_dir" else []
    found = host_facts.facts([], [], [], str(place), [*wrong, str(place / "good")], logs)
    assert found["weaknesses"].keys() == set(wrong)
    for path in wrong:
        told = [
            each
            for each in problems({option: path}, paths={}, weaknesses=found["weaknesses"])
            if "Root uses" in each["problem"]
        ]
        assert [each["option"] for each in told] == [option]
        assert f"Root uses {path} on db" in told[0]["problem"]
        assert words.format(place=place) in told[0]["problem"]
        assert "only root can change" in told[0]["remedy"]
        assert "make root the owner" in told[0]["remedy"]
    assert problems({option: str(place / "good")}, paths=found["paths"], weaknesses=found["weaknesses"]) == []


@pytest.mark.root
def test_the_log_daemon_may_change_directories_of_logs_alone(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In Ubuntu, /var/log belongs to root:syslog and has the mode 0775."""
    opened(place / "log", 0o775)
    os.chown(place / "log", 0, NOBODY)
    monkeypatch.setattr(trust, "_LOG_GROUPS", ("no-such-group", "nogroup"))
    assert weakness_of(str(place / "log" / "prefect"), logs=True) == ""
    assert "can be written by others" in weakness_of(str(place / "log" / "prefect"))
    (place / "log").chmod(0o777)
    assert "can be written by others" in weakness_of(str(place / "log" / "prefect"), logs=True)


def test_the_host_looks_at_every_option_with_a_path_on_hosts() -> None:
    variables = yaml.safe_load((ROOT / "roles/prefect_common/vars/main.yml").read_text())
    assert "selectattr('value.at', 'equalto', 'host')" in variables["__prefect_host_paths"]
    (task,) = yaml.safe_load((ROOT / "roles/prefect_host/tasks/read_facts.yml").read_text())
    assert "__prefect_host_paths" in task["selfhosted.prefect.host_facts"]["inspect"]


@pytest.mark.parametrize("path", ["", "tls.pem", "nul\0", "/etc/passwd/x", "/no/such/path"])
def test_a_path_that_is_wrong_in_another_way_has_no_weakness(path: str) -> None:
    assert weakness_of(path) == ""


# --- Problems ---

HOST = {
    "name": "db",
    "components": ["host", "gateway"],
    "platform": "host",
    "local": False,
    "paths": {},
    "weaknesses": {},
}
CERTIFICATE = "prefect_gateway_tls_certificate"


def problems(values: dict[str, Any], **host: Any) -> list[dict[str, str]]:
    return path_problems(values, DECLARED, {**HOST, "inventory": os.getcwd(), **host})


def test_nothing_is_wrong_with_what_is_empty_or_as_it_should_be(tmp_path: Path) -> None:
    (tmp_path / "pools.yml").touch()
    values = {
        CERTIFICATE: "/etc/ssl/prefect.pem",
        "prefect_data_dir": "/var/lib/prefect",
        "prefect_config_dir": "/etc/prefect",
        "prefect_plan_file": str(tmp_path / "new" / "plan.yml"),
        "prefect_kubeconfig": "/nowhere",  # not used on the platform `host`
        "prefect_configuration_files": ["pools.yml", str(tmp_path / "pools.yml")],
        "prefect_loadtest_directory": "",
        "prefect_lock_directory": str(tmp_path / "no" / "locks"),
    }
    found = {"/etc/ssl/prefect.pem": "file", "/var/lib/prefect": "directory", "/etc/prefect": "missing"}
    assert problems(values, paths=found, inventory=str(tmp_path)) == []
    assert problems({CERTIFICATE: "/no/such.pem"}, components=["api"]) == []


@pytest.mark.parametrize(
    ("values", "states", "words"),
    [
        (
            {CERTIFICATE: "/etc/no.pem"},
            {"/etc/no.pem": "missing"},
            ("The file /etc/no.pem does not exist on db", "Create it"),
        ),
        ({CERTIFICATE: "/etc"}, {"/etc": "directory"}, ("/etc on db is a directory", "Set a file")),
        ({CERTIFICATE: "/dev/null"}, {"/dev/null": "other"}, ("neither a file nor a directory", "Set a file")),
        ({CERTIFICATE: "/a/b"}, {"/a/b": "unreadable"}, ("cannot read /a/b", "Change the owner or the mode")),
        ({CERTIFICATE: "/a/b"}, {"/a/b": "denied"}, ("cannot read /a/b", "parent directories")),
        ({CERTIFICATE: "/a/b"}, {"/a/b": "blocked"}, ("one of its parent directories is a file", "another path")),
        ({CERTIFICATE: "tls.pem"}, {}, ("not a path that all programs accept", "absolute path")),
        ({CERTIFICATE: "/etc/my tls.pem"}, {}, ("not a path that all programs accept", "absolute path")),
        ({"prefect_data_dir": "/srv/a\nb"}, {}, ("not a path that all programs accept", "absolute path")),
        ({"prefect_data_dir": "/srv/%h"}, {}, ("not a path that all programs accept", "absolute path")),
        ({"prefect_data_dir": "/srv/../etc"}, {}, ("not a path that all programs accept", "absolute path")),
        ({"prefect_data_dir": "/srv/x/"}, {}, ("not a path that all programs accept", "a trailing slash")),
        ({"prefect_data_dir": "/var/lib"}, {}, ("a system directory", "/var/lib/prefect")),
        ({"prefect_data_dir": "/srv/x"}, {"/srv/x": "file"}, ("/srv/x on db is a file", "Set a directory")),
        ({"prefect_run_dir": "/run/" + "x" * 80}, {}, ("the limit is 70", "shorter")),
        (
            {"prefect_kubeconfig": "/no/kubeconfig"},
            None,
            ("The file /no/kubeconfig does not exist on the control host", "set another"),
        ),
        (
            {"prefect_configuration_files": ["no.yml"]},
            {},
            ("/no.yml does not exist on the control host", "set another"),
        ),
        ({"prefect_plan_file": "/tmp"}, {}, ("/tmp on the control host", "Set a file")),
        ({"prefect_loadtest_directory": __file__}, {}, ("is a file instead of a directory", "Set a directory")),
    ],
)
def test_problems_of_a_path(values: dict[str, Any], states: dict[str, str] | None, words: tuple[str, str]) -> None:
    cluster = {"platform": "kubernetes", "local": True} if states is None else {}
    (problem,) = problems(values, paths=states or {}, **cluster)
    assert problem["option"] == next(iter(values))
    assert words[0] in problem["problem"]
    assert words[1] in problem["remedy"]


@pytest.mark.parametrize("option", sorted(DECLARED))
def test_no_password_of_a_url_is_told(option: str) -> None:
    for url in ("https://user:hunter2@example.com/x", "user:hunter2\n@example.com"):
        for platform in ("host", "kubernetes"):
            assert "hunter2" not in str(problems({option: url}, platform=platform, local=True))
    assert "example.com" in str(problems({CERTIFICATE: "https://user:hunter2@example.com/x"}))


def test_a_search_path_may_have_missing_files(tmp_path: Path) -> None:
    (tmp_path / "config").touch()
    cluster = {"platform": "kubernetes", "local": True}
    assert problems({"prefect_kubeconfig": f"/no/kubeconfig:{tmp_path}/config"}, **cluster) == []
    assert len(problems({"prefect_kubeconfig": "/no/kubeconfig:/no/other"}, **cluster)) == 2
    # The modules run on another host, which has the file.
    assert problems({"prefect_kubeconfig": "/no/kubeconfig"}, platform="kubernetes") == []


def test_each_directory_is_one_of_its_own() -> None:
    same = {"prefect_data_dir": "/srv/x", "prefect_log_dir": "/srv/x", "prefect_config_dir": "/srv/y"}
    (problem,) = problems(same)
    assert problem["option"] == "prefect_log_dir"
    assert "/srv/x is also the value of prefect_data_dir" in problem["problem"]


def test_the_defaults_are_good() -> None:
    variables = yaml.safe_load((ROOT / "roles/prefect_common/defaults/main.yml").read_text())
    for instance in ("prefect", "x" * 25):
        values = {
            name: str(value).replace("{{ prefect_instance }}", instance)
            for name, value in variables.items()
            if name in DECLARED
        }
        assert problems(values) == []

# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of the repository (hooks, workflows, owners, templates) refer only to existing names, and pin versions."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import run
import yaml
from defaults import LOCKS

ROOT = Path(run.__file__).parent.parent
GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
TARGETS = re.findall(r"^([a-z0-9.%-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)
STAGES = [stage.name for stage in run.STAGES]
PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def jobs(path: Path) -> list[dict[str, Any]]:
    return list(load(path)["jobs"].values())


def scripts(path: Path) -> str:
    return "\n".join(step["run"] for job in jobs(path) for step in job["steps"] if "run" in step)


def make_targets(text: str) -> list[str]:
    """Return the targets of make commands. For core-${{ matrix.core }}, this is core-."""
    return [re.sub(r"\$\{\{.*", "", words) for words in re.findall(r"^make +(.*)$", text, re.MULTILINE)]


# Hooks


def hooks() -> list[dict[str, Any]]:
    (repository,) = load(ROOT / ".pre-commit-config.yaml")["repos"]
    assert repository["repo"] == "local"  # only the lock file contains versions
    return list(repository["hooks"])


def test_pre_commit_accepts_its_configuration() -> None:
    program = Path(sys.executable).parent / "pre-commit"
    subprocess.run([program, "validate-config", ROOT / ".pre-commit-config.yaml"], check=True)


@pytest.mark.parametrize("hook", hooks(), ids=lambda hook: str(hook["id"]))
def test_a_hook_runs_what_make_runs(hook: dict[str, Any]) -> None:
    program, *words = shlex.split(hook["entry"])
    (lint,) = (stage for stage in run.STAGES if stage.name == "lint")
    if program == "make":
        assert words == ["lint"]
    elif program.startswith(".venv/bin/"):
        assert program.removeprefix(".venv/bin/") in {command.line.split()[0] for command in lint.commands}
    else:
        assert (ROOT / program).is_file()


def test_the_environment_is_made_before_a_hook_uses_it() -> None:
    first, *others = hooks()
    assert first["entry"] == "scripts/bootstrap.sh test"
    assert set(first["stages"]) >= {stage for hook in others for stage in hook.get("stages", ["pre-commit"])}


# Workflows


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_actions_are_pinned_to_a_commit(workflow: Path) -> None:
    used = re.findall(r"uses: *(.*)", workflow.read_text())
    assert used
    assert [action for action in used if not PINNED.fullmatch(action)] == []


def test_an_action_has_the_same_version_everywhere() -> None:
    used = {action for workflow in WORKFLOWS for action in re.findall(r"uses: *(.*)", workflow.read_text())}
    names = [action.partition("@")[0] for action in used]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_what_a_workflow_calls_exists(workflow: Path) -> None:
    text = scripts(workflow)
    known = {*TARGETS, "core-", ""}  # "" is a target that comes from a matrix
    assert [words for words in make_targets(text) if words.partition(" ")[0] not in known] == []
    paths = re.findall(r"(?<![\w/.])(\.ci/\S+|scripts/\S+)", text)
    assert [path for path in paths if not (ROOT / path).is_file()] == []


# KUBECONFIG in the environment of this test makes no difference.
NEED_ROOT = {stage.name for stage in run.STAGES if stage.without_root is not None} | {"kubernetes", "test", "test-all"}


def stages_run(job: dict[str, Any], script: str) -> set[str]:
    """The targets that a step makes, or that the scripts of the repository make for it."""
    targets = {target for words in make_targets(script) for target in words.split()}
    if re.search(r"^make \$\{\{ matrix\.stage", script, re.MULTILINE):
        targets |= set(job["strategy"]["matrix"]["stage"])
    return targets | ({"test"} if ".ci/run" in script else set())


EVERY_JOB = {f"{path.stem}-{name}": job for path in WORKFLOWS for name, job in load(path)["jobs"].items()}
CONTAINERS = {name: job for name, job in EVERY_JOB.items() if "container" in job}
every_job = pytest.mark.parametrize("job", EVERY_JOB.values(), ids=EVERY_JOB)
in_a_container = pytest.mark.parametrize("job", CONTAINERS.values(), ids=CONTAINERS)


@every_job
def test_a_step_that_needs_root_has_it(job: dict[str, Any]) -> None:
    """The account of a runner is not root, that of a container is."""
    given = {"kubernetes"} if any("KUBECONFIG=" in step.get("run", "") for step in job["steps"]) else set()
    without = [step["run"] for step in job["steps"] if "run" in step and "container" not in job]
    assert [script for script in without if stages_run(job, script) & NEED_ROOT - given] == []


def test_every_stage_that_needs_root_is_found() -> None:
    found = {
        stage for job in EVERY_JOB.values() for step in job["steps"] for stage in stages_run(job, step.get("run", ""))
    }
    assert found >= NEED_ROOT - {"test-all"}


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_contributing_names_what_a_workflow_runs(workflow: Path) -> None:
    rows = [line for line in (ROOT / "CONTRIBUTING.md").read_text().splitlines() if line.startswith("| `")]
    (row,) = [line for line in rows if line.startswith(f"| `{workflow.name}` |")]
    if workflow.stem != "release":  # a section of its own has its steps
        targets = {
            target for job in jobs(workflow) for step in job["steps"] for target in stages_run(job, step.get("run", ""))
        }
        stages = targets & {*STAGES, "test"}
        assert stages == set(STAGES) or [stage for stage in stages if f"`make {stage}`" not in row] == []


@in_a_container
def test_a_checkout_in_a_container_is_a_repository(job: dict[str, Any]) -> None:
    """Without git, the action downloads an archive. Git rejects a directory of another account, that of the runner."""
    steps = job["steps"]
    place = next(number for number, step in enumerate(steps) if "actions/checkout" in step.get("uses", ""))
    before = " ".join(step["run"] for step in steps[:place])
    image = job["container"]["image"]
    assert (image.startswith("python:") and "-slim" not in image) or {"git", "ca-certificates"} <= set(before.split())
    assert 'safe.directory "$GITHUB_WORKSPACE"' in steps[place + 1]["run"]


@in_a_container
def test_a_step_in_a_container_uses_what_is_there(job: dict[str, Any]) -> None:
    """The programs of GitHub's runners are not in an image."""
    scripts = "\n".join(step.get("run", "") for step in job["steps"])
    used = set(re.findall(r"(?:^|[;|(]|&&)\s*([a-z][\w.-]*)(?=\s)", scripts, re.MULTILINE))
    assert used <= {"apt-get", "git", "make", "python3", "sed", "test"}
    assert not any("actions/setup-" in step.get("uses", "") for step in job["steps"])


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_has_limits(workflow: Path) -> None:
    assert "permissions" in load(workflow)
    for job in jobs(workflow):
        assert job["timeout-minutes"] <= 180


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_no_expression_stands_in_a_script(workflow: Path) -> None:
    """The shell would parse the value of the expression. The values of a matrix are part of this repository."""
    assert [
        text for text in re.findall(r"\$\{\{(.*?)\}\}", scripts(workflow)) if not text.strip().startswith("matrix.")
    ] == []


def test_every_stage_runs_in_whole_every_night() -> None:
    (job,) = jobs(GITHUB / "workflows" / "nightly.yml")
    assert job["strategy"]["matrix"]["stage"] == STAGES


def test_nodes_of_kind_are_three_minors_by_digest() -> None:
    (job, _newest_prefect) = jobs(GITHUB / "workflows" / "weekly.yml")
    rows = job["strategy"]["matrix"]["include"]
    minors = [int(row["kubernetes"].removeprefix("1.")) for row in rows]
    assert minors == list(range(minors[0], minors[0] - 3, -1))
    for row in rows:
        version = re.escape(row["kubernetes"])
        assert re.fullmatch(rf"kindest/node:v{version}\.\d+@sha256:[0-9a-f]{{64}}", row["node"])


def test_kind_has_the_newest_minor_that_the_test_cluster_has() -> None:
    (job, _newest_prefect) = jobs(GITHUB / "workflows" / "weekly.yml")
    newest = job["strategy"]["matrix"]["include"][0]["kubernetes"]
    programs = (ROOT / "tests" / "cluster" / "binaries" / "go.mod").read_text()
    assert re.search(rf"k8s\.io/kubernetes v{re.escape(newest)}\.", programs)


def test_releases_are_checked_before_they_are_published() -> None:
    text = scripts(GITHUB / "workflows" / "release.yml")
    order = [text.index(words) for words in ("make build", "make importer", "collection publish", "gh release")]
    assert order == sorted(order)


# Owners, templates, environments


def owned() -> list[str]:
    lines = (GITHUB / "CODEOWNERS").read_text().splitlines()
    return [line.split()[0] for line in lines if line.strip() and not line.startswith("#")]


@pytest.mark.parametrize("pattern", [pattern for pattern in owned() if pattern != "*"])
def test_what_has_an_owner_exists(pattern: str) -> None:
    path = ROOT / pattern.strip("/")
    assert path.is_dir() if pattern.endswith("/") else path.is_file()


@pytest.mark.parametrize("form", ["bug_report", "feature_request"])
def test_an_issue_form_is_one(form: str) -> None:
    content = load(GITHUB / "ISSUE_TEMPLATE" / f"{form}.yml")
    assert content.keys() >= {"name", "description", "body"}
    named = [field["id"] for field in content["body"] if field["type"] != "markdown"]
    assert named
    assert sorted(named) == sorted(set(named))
    for field in content["body"]:
        assert field["type"] in {"markdown", "input", "textarea", "dropdown", "checkboxes"}
        assert "label" in field["attributes"] or field["type"] == "markdown"


def test_links_to_the_repository_are_those_of_galaxy() -> None:
    repository = load(ROOT / "galaxy.yml")["repository"]
    for path in (GITHUB / "ISSUE_TEMPLATE" / "config.yml", ROOT / "SECURITY.md"):
        assert f"{repository}/security/advisories/new" in path.read_text()


def test_the_development_container_is_the_one_of_continuous_integration() -> None:
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())
    images = {job["container"]["image"] for workflow in WORKFLOWS for job in jobs(workflow) if "container" in job}
    assert {image for image in images if not image.startswith("python:")} == {container["image"]}
    assert (ROOT / container["postCreateCommand"].split()[0]).is_file()


def test_dependabot_is_given_what_it_can_update() -> None:
    content = load(GITHUB / "dependabot.yml")
    assert [update["package-ecosystem"] for update in content["updates"]] == ["github-actions"]


def test_the_guides_name_the_versions_that_have_a_lock_file() -> None:
    for path, pattern in (
        ("README.md", r"^\| Prefect, for deployments \|(.*?);"),
        ("docs/operations.md", r"newest patch release of each minor version:(.*?)[.] For"),
    ):
        found = re.search(pattern, (ROOT / path).read_text(), re.DOTALL | re.MULTILINE)
        assert found, path
        assert set(re.findall(r"\d+\.\d+\.\d+", found[1])) == set(LOCKS), path


@pytest.mark.parametrize("version", LOCKS)
def test_a_lock_file_is_complete(version: str) -> None:
    lock = LOCKS[version]
    text = lock.read_text()
    assert f"\nprefect=={version} \\\n" in text
    entries = re.split(r"^(?=\S)", re.sub(r"^ *#.*\n", "", text, flags=re.MULTILINE), flags=re.MULTILINE)[1:]
    assert {re.split("[=@ ]", entry)[0] for entry in entries} >= {"prefect", "prefect-kubernetes", "prefect-redis"}
    assert all("--hash=sha256:" in entry for entry in entries)
    facts = json.loads(lock.with_suffix(".json").read_text())
    assert facts["python"] in ("3.10", "3.11")
    assert {"PREFECT_API_URL", "PREFECT_REDIS_MESSAGING_URL", "PREFECT_SERVER_ENCRYPTION_KEY"} <= set(facts["settings"])

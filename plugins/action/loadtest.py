# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the loadtest module in the background of its host, and show its progress."""

from __future__ import annotations

import json
import os
import shlex
import time
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

MODULE = "selfhosted.prefect.loadtest"
LOOK_SECONDS = 2.0
PATIENCE = 3600  # seconds, in addition to the duration that the options set
display = Display()


class ActionModule(ActionBase):
    """A module has no output before it ends, so this plugin reads its progress from a file."""

    _supports_check_mode = True
    _supports_async = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        options = self._task.args
        watched = options.get("state", "present") == "present" and not self._task.check_mode
        if not watched or self._task.async_val:
            result.update(self._execute_module(MODULE, task_vars=task_vars, wrap_async=self._task.async_val))
            return result
        # Not in the temporary directory of the task, which Ansible removes as soon as the module has started.
        progress = self._remote_file()
        self._task.async_val = self._limit(options)
        job = self._execute_module(MODULE, {**options, "progress_file": progress}, task_vars=task_vars, wrap_async=True)
        self._task.async_val = 0
        if job.get("failed") or "ansible_job_id" not in job:
            result.update(job)
            return result
        try:
            result.update(self._wait(job["ansible_job_id"], progress, task_vars))
        finally:
            self._low_level_execute_command(f"rm -f {shlex.quote(progress)}")
        return result

    def _limit(self, options: dict[str, Any]) -> int:
        try:
            return PATIENCE + int(sum(float(options.get(name, 300)) for name in ("seconds", "drain_seconds")))
        except (TypeError, ValueError) as error:
            raise AnsibleError(f"seconds and drain_seconds must be numbers: {error}") from error

    def _remote_file(self) -> str:
        made = self._low_level_execute_command("umask 077 && mktemp /tmp/selfhosted-prefect-loadtest.XXXXXXXXXX")
        if made["rc"]:
            raise AnsibleError(f"cannot create the progress file: {made['stderr']}")
        return str(made["stdout"]).strip().splitlines()[-1]

    def _wait(self, job: str, progress: str, task_vars: dict[str, Any] | None) -> dict[str, Any]:
        shown, playbook = 0, os.getppid()
        while True:
            # This process has its own session, and would survive a playbook that is killed.
            if os.getppid() != playbook:
                raise AnsibleError("the playbook that waited for the load test has ended")
            status = self._execute_module(
                "ansible.legacy.async_status",
                {"jid": job, "_async_dir": self.get_shell_option("async_dir", default="~/.ansible_async")},
                task_vars=task_vars,
            )
            # The modification time tells the module that the playbook still waits for it.
            look = f"touch -c {shlex.quote(progress)} && cat {shlex.quote(progress)}"
            lines = self._low_level_execute_command(look)["stdout_lines"]
            for line in lines[shown:]:
                display.display(self._text(line))
            shown = max(shown, len(lines))
            if status.get("finished") or (status.get("failed") and "started" not in status):
                self._forget(job, task_vars)
                return {name: value for name, value in status.items() if name not in JOB}
            time.sleep(LOOK_SECONDS)

    def _forget(self, job: str, task_vars: dict[str, Any] | None) -> None:
        options = {"jid": job, "mode": "cleanup"}
        where = {"_async_dir": self.get_shell_option("async_dir", default="~/.ansible_async")}
        self._execute_module("ansible.legacy.async_status", {**options, **where}, task_vars=task_vars)

    def _text(self, line: str) -> str:
        try:
            at = json.loads(line)
        except ValueError:
            return line
        return (
            f"{at['seconds']:6d} s  {at['submitted']} of {at['total']} submitted, {at['waiting']} waiting,"
            f" {at['running']} running, {at['ended']} ended"
            + (f", {at['failed_requests']} failed requests" if at["failed_requests"] else "")
        )


# Keys that async_status adds to the result of the module.
JOB = frozenset(
    ("ansible_job_id", "results_file", "started", "finished", "stdout", "stderr", "stdout_lines", "stderr_lines")
)

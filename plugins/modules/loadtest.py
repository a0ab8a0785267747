#!/usr/bin/python
# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: loadtest
short_description: Put a server under the load of many flow runs, and measure how it does
version_added: 1.0.0
description:
  - Submits runs at a rate for a time, waits until they have ended, and counts and measures them.
  - With O(mode=real), workers execute runs of a deployment.
  - With O(mode=control-plane), nothing is executed. Synthetic workers ask the API for everything that real workers and
    runs of Prefect 3.9 ask for, websockets, events and logs included, so gateway, API, PgBouncer, PostgreSQL and Redis
    carry the full load. They poll a work pool of their own, C(selfhosted-prefect-loadtest), which no real worker
    polls. This needs a server of Prefect 3.9 or newer.
  - The runs stay, so that they can be looked at, until the module runs with O(state=absent) or once more. What an
    interrupted test has left goes, too.
  - Events of the runs are kept for as long as the server keeps events.
  - Shows a line of progress every ten seconds when it is run by a task, and not with C(async).
options:
  state:
    description:
      - V(present) runs the test.
      - V(absent) removes the runs, the pool, the flow and the deployment that load tests have left.
    type: str
    choices: [present, absent]
    default: present
  mode:
    description: Whether workers execute the runs, or only the API is used as if they did.
    type: str
    choices: [real, control-plane]
    default: control-plane
  deployment:
    description:
      - The deployment to run in O(mode=real), as V(flow/deployment). It gets the parameter C(seconds).
    type: str
  profile:
    description:
      - V(steady) keeps up O(rate), V(ramp) begins with nothing and ends with O(rate), and V(burst) submits all runs of
        O(burst_seconds) at once, so that the mean is O(rate).
    type: str
    choices: [steady, ramp, burst]
    default: steady
  rate:
    description: Runs per second.
    type: float
    default: 1
  seconds:
    description: For how long runs are submitted.
    type: float
    default: 60
  burst_seconds:
    description: Seconds between two bursts, with O(profile=burst).
    type: float
    default: 30
  max_runs:
    description: A test that would submit more runs than this is refused.
    type: int
    default: 10000
  run_seconds:
    description: Seconds that a run takes.
    type: float
    default: 0
  drain_seconds:
    description: Seconds after the last submission for which it waits for runs to end. The others count as lost.
    type: float
    default: 300
  workers:
    description: Synthetic workers, with O(mode=control-plane).
    type: int
    default: 4
  worker_limit:
    description: Runs that one synthetic worker has at once at the most. V(0) is for any number.
    type: int
    default: 0
  query_seconds:
    description: Seconds between two looks for work of a synthetic worker.
    type: float
    default: 5
  start_seconds:
    description: Seconds that the process of a synthetic run takes to start.
    type: float
    default: 0
  logs:
    description: Whether synthetic workers and runs send the log messages that real ones send at level C(INFO).
    type: bool
    default: true
  csrf:
    description:
      - Whether they look for a CSRF token before they write. Real ones do if C(PREFECT_CLIENT_CSRF_SUPPORT_ENABLED).
    type: bool
    default: true
  version_check:
    description:
      - Whether their clients begin with asking for the server's version. Real ones do if
        C(PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED).
    type: bool
    default: true
  retry_codes:
    description:
      - HTTP statuses after which all clients of the test send a request again, besides 408, 429, 502 and 503. Real ones
        do so for those in C(PREFECT_CLIENT_RETRY_EXTRA_CODES).
    type: list
    elements: int
    default: []
  objectives:
    description:
      - What has to be reached. The module does not fail when something is missed; RV(missed) says what.
    type: dict
    default: {}
    suboptions:
      p50_start_seconds:
        description: Seconds from a run's expected start to its start, for half of the runs.
        type: float
      p95_start_seconds: {description: The same for 95 of 100 runs., type: float}
      p99_start_seconds: {description: The same for 99 of 100 runs., type: float}
      p95_api_seconds: {description: Seconds that 95 of 100 requests may take., type: float}
      p99_api_seconds: {description: Seconds that 99 of 100 requests may take., type: float}
      max_backlog: {description: Runs that may wait at any moment (due or pending)., type: float}
      max_drain_seconds: {description: Seconds from the last submission to the end of the last run., type: float}
      max_not_submitted: {description: Runs that the server may refuse or not answer for., type: float}
      max_lost: {description: Runs that may be lost., type: float}
      max_duplicated: {description: Runs that may be started more than once., type: float}
      max_failed: {description: "Runs that may end in another state than C(COMPLETED).", type: float}
      max_failed_requests: {description: Requests that may fail for good., type: float}
      min_runs_per_second: {description: Runs that have to end in a second., type: float}
  progress_file:
    description:
      - A file to which a line of JSON is added every ten seconds. A task makes one, and sets its modification time
        whenever it looks. The test ends, and removes what it has made, when the file is removed, or when nobody has
        looked for a minute.
    type: path
extends_documentation_fragment:
  - selfhosted.prefect.prefect
attributes:
  action_group:
    description: Take connection options from C(module_defaults) of the group C(selfhosted.prefect.prefect).
    support: full
    membership: [selfhosted.prefect.prefect]
  check_mode:
    description: Checks the options and counts the runs that it would submit.
    support: full
  diff_mode:
    description: There is nothing to compare.
    support: none
notes:
  - The module runs on one core. It measures how much of it it uses, RV(result.generator). When that comes near V(1),
    or RV(result.generator.lag_seconds) grows, the generator and not the server is the limit.
  - It connects directly and knows no proxy.
author:
  - selfhosted.prefect contributors (@selfhosted-prefect)
seealso:
  - module: selfhosted.prefect.backlog_info
"""

EXAMPLES = r"""
- name: A run per second for ten seconds, executed by nobody
  selfhosted.prefect.loadtest:
    api_url: http://127.0.0.1:4200/api
    rate: 1
    seconds: 10
    objectives: {p95_start_seconds: 60, max_not_submitted: 0, max_lost: 0}
  register: load
  failed_when: load.missed | length > 0

- name: Remove the runs
  selfhosted.prefect.loadtest:
    api_url: http://127.0.0.1:4200/api
    state: absent
"""

RETURN = r"""
planned_runs:
  description: Runs that the options ask for.
  returned: success, with O(state=present)
  type: int
removed_runs:
  description: Runs that were there.
  returned: success, with O(state=absent)
  type: int
missed:
  description: A sentence for each of O(objectives) that was missed.
  returned: success, with O(state=present), not in check mode
  type: list
  elements: str
result:
  description: The figures. All times are in seconds.
  returned: success, with O(state=present), not in check mode
  type: dict
  contains:
    settings: {description: With which options and when., type: dict}
    runs:
      description:
        - How many were C(submitted), C(not_submitted), C(started), C(completed), C(failed), C(lost) and C(duplicated).
        - Not submitted is a planned run that the server refused, or for which it gave no answer. Lost is one that was
          submitted and has not ended, or is not there any more. Duplicated is one that was started more than once, that
          two workers were allowed to start, or that nobody submitted.
      type: dict
    rate: {description: "C(submitted_per_second) and C(completed_per_second).", type: dict}
    start_seconds:
      description: From the expected start to the start, as C(p50), C(p95), C(p99) and C(most).
      type: dict
    drain: {description: C(seconds) from the last submission to the end of the last run., type: dict}
    backlog:
      description: >-
        C(most) waiting and C(most_running) runs, and C(series), a list of moment, due, pending and running runs.
      type: dict
    api_seconds: {description: "How long all requests took, as C(p50), C(p95), C(p99) and C(most).", type: dict}
    requests:
      description: >-
        How many were C(sent), C(retried) and C(failed), which C(troubles) there were, what the server said to the
        C(first_refusal) of a run, and each C(by_request).
      type: dict
    timeline: {description: Runs per second and start latency over time., type: dict}
    generator:
      description: What the module itself used, as C(cpu_seconds), C(cores) and C(lag_seconds).
      type: dict
      contains:
        lag_seconds: {description: By how much submissions were late., type: dict}
    objectives:
      description: Each objective with its C(limit), what was C(seen) and whether that is C(ok).
      type: list
      elements: dict
"""

from ansible_collections.selfhosted.prefect.plugins.module_utils._loadtest import runner
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.module import PrefectModule, run


def main() -> None:
    module = PrefectModule(runner.OPTIONS)
    options = {**module.params}
    run(module, lambda client: runner.execute(client, options))


if __name__ == "__main__":
    main()

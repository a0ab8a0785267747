#!/usr/bin/python
# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: loadtest
short_description: Run a load test of a Prefect server
version_added: 1.0.0
description:
  - Submits flow runs at a rate for a period, waits until they have ended, and returns measurements.
  - With O(mode=real), workers execute runs of a deployment.
  - With O(mode=control-plane), no flow code runs. Synthetic workers send all requests that real workers and runs of
    Prefect 3.9 send, including websockets, events and logs. The gateway, API, PgBouncer, PostgreSQL and Redis therefore
    have the full load. Synthetic workers poll their own work pool, C(selfhosted-prefect-loadtest), which no real worker
    polls. This mode requires a server with Prefect 3.9 or newer.
  - The runs remain for inspection until the next load test or until O(state=absent). Both also remove the objects of an
    interrupted test.
  - The server keeps the events of the runs for its usual retention period.
  - A task shows one line of progress every ten seconds, except with C(async).
options:
  state:
    description:
      - V(present) runs the load test.
      - V(absent) deletes the runs, the work pool, the flow and the deployment of earlier load tests.
    type: str
    choices: [present, absent]
    default: present
  mode:
    description: V(real) for runs that workers execute, V(control-plane) for synthetic workers without flow code.
    type: str
    choices: [real, control-plane]
    default: control-plane
  deployment:
    description:
      - Deployment to run with O(mode=real), as V(flow/deployment). Its flow must accept the parameter C(seconds).
    type: str
  profile:
    description:
      - V(steady) submits runs at a constant O(rate). V(ramp) increases the rate from zero to O(rate). V(burst) submits
        all runs of O(burst_seconds) at the same time, so that the mean rate is O(rate).
    type: str
    choices: [steady, ramp, burst]
    default: steady
  rate:
    description: Submitted runs per second.
    type: float
    default: 1
  seconds:
    description: Duration of the submission, in seconds.
    type: float
    default: 60
  burst_seconds:
    description: Seconds between two bursts, with O(profile=burst).
    type: float
    default: 30
  max_runs:
    description: Maximum number of runs. If the options result in more runs, the task fails without a change.
    type: int
    default: 10000
  run_seconds:
    description: Duration of a run, in seconds.
    type: float
    default: 0
  drain_seconds:
    description: Maximum time to wait for runs to end after the last submission, in seconds. The remaining runs count as
      lost.
    type: float
    default: 300
  workers:
    description: Number of synthetic workers with O(mode=control-plane).
    type: int
    default: 4
  worker_limit:
    description: Maximum of concurrent runs of one synthetic worker. V(0) means no limit.
    type: int
    default: 0
  query_seconds:
    description: Polling interval of a synthetic worker, in seconds.
    type: float
    default: 5
  start_seconds:
    description: Start time of a synthetic run's process, in seconds.
    type: float
    default: 0
  logs:
    description: Whether synthetic workers and runs send the log messages of real ones at level C(INFO).
    type: bool
    default: true
  csrf:
    description:
      - Whether synthetic workers and runs request a CSRF token before they write. Real ones do so if
        C(PREFECT_CLIENT_CSRF_SUPPORT_ENABLED) is true.
    type: bool
    default: true
  version_check:
    description:
      - Whether the clients of synthetic workers and runs first request the server's version. Real ones do so if
        C(PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED) is true.
    type: bool
    default: true
  retry_codes:
    description:
      - HTTP statuses for which all clients of the test retry a request, in addition to 408, 429, 502 and 503. Real
        clients do so for the statuses in C(PREFECT_CLIENT_RETRY_EXTRA_CODES).
    type: list
    elements: int
    default: []
  objectives:
    description:
      - Objectives of the load test. The module does not fail if it misses an objective. RV(missed) lists missed
        objectives.
    type: dict
    default: {}
    suboptions:
      p50_start_seconds:
        description: Maximum start latency of 50% of the runs, in seconds from the expected start to the actual start.
        type: float
      p95_start_seconds: {description: Maximum start latency of 95% of the runs in seconds., type: float}
      p99_start_seconds: {description: Maximum start latency of 99% of the runs in seconds., type: float}
      p95_api_seconds: {description: Maximum duration of 95% of the requests in seconds., type: float}
      p99_api_seconds: {description: Maximum duration of 99% of the requests in seconds., type: float}
      max_backlog: {description: Maximum of due and pending runs at any time., type: float}
      max_drain_seconds: {description: Maximum seconds from the last submission to the last end., type: float}
      max_not_submitted: {description: Maximum of runs that the server rejects or does not confirm., type: float}
      max_lost: {description: Maximum of lost runs., type: float}
      max_duplicated: {description: Maximum of runs that start more than once., type: float}
      max_failed: {description: Maximum of runs that end in another state than C(COMPLETED)., type: float}
      max_failed_requests: {description: Maximum of requests that fail after all retries., type: float}
      min_runs_per_second: {description: Minimum of completed runs per second., type: float}
  progress_file:
    description:
      - File to which the module appends a line of JSON every ten seconds. The action plugin creates it and updates its
        modification time each time that it reads it.
      - If the file is removed, or its modification time does not change for a minute, the load test stops and deletes
        its objects.
    type: path
extends_documentation_fragment:
  - selfhosted.prefect.prefect
attributes:
  action_group:
    description: Take connection options from C(module_defaults) of the group C(selfhosted.prefect.prefect).
    support: full
    membership: [selfhosted.prefect.prefect]
  check_mode:
    description: Validates the options and returns the number of runs that the module would submit.
    support: full
  diff_mode:
    description: The module has no previous state to compare.
    support: none
notes:
  - The module uses one core and measures its own usage, see RV(result.generator). If C(cores) is close to V(1), or
    RV(result.generator.lag_seconds) grows, the load generator is the bottleneck, not the server.
  - The module connects to the server directly and does not support proxies.
author:
  - selfhosted.prefect contributors (@selfhosted-prefect)
seealso:
  - module: selfhosted.prefect.backlog_info
"""

EXAMPLES = r"""
- name: Submit one synthetic run per second for ten seconds
  selfhosted.prefect.loadtest:
    api_url: http://127.0.0.1:4200/api
    rate: 1
    seconds: 10
    objectives: {p95_start_seconds: 60, max_not_submitted: 0, max_lost: 0}
  register: load
  failed_when: load.missed | length > 0

- name: Delete the objects of the load test
  selfhosted.prefect.loadtest:
    api_url: http://127.0.0.1:4200/api
    state: absent
"""

RETURN = r"""
planned_runs:
  description: Number of runs that result from the options.
  returned: success, with O(state=present)
  type: int
removed_runs:
  description: Number of deleted runs.
  returned: success, with O(state=absent)
  type: int
missed:
  description: A sentence for each missed objective.
  returned: success, with O(state=present), not in check mode
  type: list
  elements: str
result:
  description: The measurements. All times are in seconds.
  returned: success, with O(state=present), not in check mode
  type: dict
  contains:
    settings: {description: Options and time of the test., type: dict}
    runs:
      description:
        - Number of runs by C(submitted), C(not_submitted), C(started), C(completed), C(failed), C(lost) and
          C(duplicated).
        - A planned run is C(not_submitted) if the server rejected it or did not respond. A submitted run is C(lost) if
          it has not ended or no longer exists. A run is C(duplicated) if it started more than once, if the server
          allowed two workers to start it, or if the test did not submit it.
      type: dict
    rate: {description: "C(submitted_per_second) and C(completed_per_second).", type: dict}
    start_seconds:
      description: Start latency from the expected to the actual start, as C(p50), C(p95), C(p99) and C(most).
      type: dict
    drain: {description: C(seconds) from the last submission to the end of the last run., type: dict}
    backlog:
      description: >-
        Maximum of waiting runs (C(most)) and running runs (C(most_running)), and C(series), a list of time, due,
        pending and running runs.
      type: dict
    api_seconds: {description: "Duration of all requests, as C(p50), C(p95), C(p99) and C(most).", type: dict}
    requests:
      description: >-
        Number of C(sent), C(retried) and C(failed) requests, their errors (C(troubles)), the server's response to the
        first rejected run (C(first_refusal)), and the figures per request (C(by_request)).
      type: dict
    timeline: {description: Runs per second and start latency over time., type: dict}
    generator:
      description: Resource usage of the module itself, as C(cpu_seconds), C(cores) and C(lag_seconds).
      type: dict
      contains:
        lag_seconds: {description: Delay of submissions., type: dict}
    objectives:
      description: Each objective with its C(limit), the measured value (C(seen)) and the result (C(ok)).
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

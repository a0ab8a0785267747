# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A load test whose server does what a real one does seldom. With real ones: tests/integration/api/test_loadtest*.py."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.selfhosted.prefect.plugins.module_utils import _load
from ansible_collections.selfhosted.prefect.plugins.module_utils._client import Address
from ansible_collections.selfhosted.prefect.plugins.module_utils._load_transport import Endpoint

NOWHERE = Endpoint(Address("127.0.0.1", 9, "/api", None, {}), None)
GOOD = {name: option.get("default") for name, option in _load.OPTIONS.items()}


def load_test(**options: Any) -> _load.Test:
    return _load.Test(NOWHERE, "3.9.1", {**GOOD, "mode": "real", "deployment": "a/b", **options}, {"id": "d"})


def ended(test: _load.Test, submissions: list[float]) -> dict[str, Any]:
    """The result of a test that has submitted runs at these seconds, of which the server knows none any more."""
    test.submitted = {str(number): moment for number, moment in enumerate(submissions)}
    test.wall, test.last_submission, test.length = 0.0, submissions[-1], submissions[-1] + 3
    return test.result([])


@pytest.mark.parametrize(
    ("seconds", "submissions", "rate"),
    [
        (60, [0.0] * 60 + [30.0] * 60, 2),  # two bursts
        (60, [0.0] * 60, 1),
        (10, [number / 2 for number in range(20)], 2),
        (10, [float(number) for number in range(41)], 1.025),  # the server was slow, and the last one came late
    ],
)
def test_the_rate_of_submissions_is_that_of_the_whole_time(
    seconds: float, submissions: list[float], rate: float
) -> None:
    found = ended(load_test(seconds=seconds), submissions)
    assert found["rate"]["submitted_per_second"] == rate

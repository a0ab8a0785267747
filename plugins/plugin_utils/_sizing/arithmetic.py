# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""Rounding, random arrivals, and number formats."""

from __future__ import annotations

import math

HOUR, DAY = 3600, 86400
MB, GB = 1e6, 1e9


def up_to(number: float, step: float = 1) -> int:
    """Round up to a multiple of the step, without floating-point errors in the last digits."""
    return int(math.ceil(round(number / step, 9)) * step)


def power_of_two(number: float, least: int) -> int:
    return int(max(least, 2 ** math.ceil(round(math.log2(max(number, 1)), 9))))


def two_digits(number: float) -> float:
    """Return the number, rounded down to two digits.

    The number of workers is a whole number, so a plan for the exact number could exceed the capacity.
    """
    step = 10.0 ** (math.floor(math.log10(number)) - 1)
    return math.floor(number / step) * step


def busiest(mean: float) -> float:
    """Return the maximum concurrent number of random arrivals with this mean.

    With random arrivals, the concurrent number has a Poisson distribution, whatever the distribution of the durations.
    It exceeds the mean by more than three standard deviations about 0.1 % of the time.
    """
    return mean + 3 * math.sqrt(mean)


def show(number: float) -> str:
    """Return the number with three significant digits and no exponent."""
    if number == int(number):
        return str(int(number))
    digits = max(0, 2 - math.floor(math.log10(abs(number))))
    return f"{number:.{digits}f}".rstrip("0").rstrip(".") if digits else f"{number:.0f}"

# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""Measured coefficients and their sources: the content of coefficients.yml."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import yaml

DATA = Path(__file__).with_name("coefficients.yml")


@functools.cache
def load() -> dict[str, Any]:
    """Return the content of coefficients.yml."""
    return dict(yaml.safe_load(DATA.read_text(encoding="utf-8")))


def value(name: str) -> float:
    return float(load()["coefficients"][name]["value"])

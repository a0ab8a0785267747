# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""URLs."""

from __future__ import annotations

from ansible_collections.selfhosted.prefect.plugins.plugin_utils._deferred import Deferred


class FilterModule:
    """Ansible looks the filters up here. Each is documented in the YAML file of its name."""

    def filters(self) -> dict[str, Deferred]:
        """Return the filters under their names."""
        return {
            "endpoint": Deferred("_urls", "endpoint"),
            "_masked_url": Deferred("_urls", "masked_url"),
            "postgresql_url": Deferred("_urls", "postgresql_url"),
            "_redis_ca": Deferred("_redis", "redis_ca"),
            "_redis_database": Deferred("_redis", "redis_database"),
            "_redis_ports": Deferred("_redis", "redis_ports"),
            "_redis_rules": Deferred("_redis", "redis_rules"),
            "_redis_settings": Deferred("_redis", "redis_settings"),
            "redis_url": Deferred("_urls", "redis_url"),
        }

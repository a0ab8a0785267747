"""Print what Redis says of its memory and its clients, as JSON.

Reads PREFECT_SERVER_DOCKET_URL. Runs in Prefect's environment, for the redis client in it; Prefect itself is not
imported.
"""

import json
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from redis_client import connect  # whose text stands before this one

NAMES = ("used_memory", "used_memory_peak", "connected_clients", "total_commands_processed")


if __name__ == "__main__":
    info = connect(os.environ["PREFECT_SERVER_DOCKET_URL"]).info()  # pylint: disable=used-before-assignment
    print(json.dumps({name: info[name] for name in NAMES}))

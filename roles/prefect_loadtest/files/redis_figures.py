"""Print the state of Redis' memory and clients as JSON.

Reads PREFECT_SERVER_DOCKET_URL. Runs in Prefect's environment, which contains the Redis client. Does not import Prefect
itself.
"""

import json
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from redis_client import connect  # its code is added before this code

NAMES = ("used_memory", "used_memory_peak", "connected_clients", "total_commands_processed")


if __name__ == "__main__":
    info = connect(os.environ["PREFECT_SERVER_DOCKET_URL"]).info()  # pylint: disable=used-before-assignment
    print(json.dumps({name: info[name] for name in NAMES}))

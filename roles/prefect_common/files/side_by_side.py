"""Run several Python programs at the same time, and print the result of each as JSON.

The argument is a JSON object: for each name, the source code of the program and its arguments.
"""

import json
import subprocess
import sys

OPTIONS = ["-I"] if sys.flags.isolated else []  # the same option as for this program
running = {
    name: subprocess.Popen(
        [sys.executable, *OPTIONS, "-c", *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    for name, words in json.loads(sys.argv[1]).items()
}
ended = {}
for name, process in running.items():
    output, errors = process.communicate()
    ended[name] = {"rc": process.returncode, "stdout": output, "stderr": errors}
print(json.dumps(ended))

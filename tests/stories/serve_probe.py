"""`llm-gateway serve` that writes the names of its modules to the file MODULES_FILE, at each SIGUSR1.

`python -m tests.stories.serve_probe`; imports nothing that the command does not.
"""

import json
import os
import signal
import sys
from pathlib import Path

from app.cli import main

if __name__ == "__main__":
    path = Path(os.environ["MODULES_FILE"])

    def tell(*_: object) -> None:
        half = path.with_suffix(".half")
        half.write_text(json.dumps(sorted(sys.modules)), encoding="utf-8")
        half.replace(path)

    signal.signal(signal.SIGUSR1, tell)
    main(["serve"], prog_name="llm-gateway")

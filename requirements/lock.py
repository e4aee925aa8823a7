"""Pins what requirements/*.in ask for: `make lock`. Newest versions that agree, each file built on those before it."""

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
# Each is constrained by those before it, so that all can be installed together.
ORDER = ("runtime", "local", "dev", "bench")
OPTIONS = """
--upgrade --generate-hashes --strip-extras --allow-unsafe --no-header --no-annotate
--no-emit-index-url --no-emit-find-links --no-emit-trusted-host --quiet
"""

for name in ORDER:
    print(f"requirements/{name}.txt", flush=True)
    subprocess.run(
        [sys.executable, "-m", "piptools", "compile", *OPTIONS.split(), "-o", f"{name}.txt", f"{name}.in"],
        cwd=HERE,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
        check=True,
    )

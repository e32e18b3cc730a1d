"""Running the programs of the TypeScript client's packages."""

from __future__ import annotations

import subprocess
from pathlib import Path


def run_node(folder: Path, program: str, *arguments: str) -> str:
    """A program of the `node_modules` in `folder`; what it wrote. Fails with that when it fails."""
    command = [f"node_modules/.bin/{program}", *arguments]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, f"{command}\n{ran.stdout}\n{ran.stderr}"
    return ran.stdout

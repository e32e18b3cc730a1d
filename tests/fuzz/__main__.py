"""`python -m tests.fuzz`: fuzz a server of its own by its schema, then try to reach another user's things.

Operations that end the session of the token are taken first, one by one with a person each, because after them every
answer would be a 401 that proves nothing; then all the others, with all checks. The second run signs two users in and
looks for one reading the other's; it is repeated on a server with a planted leak and must turn red there.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.fuzz.server import ADMINISTRATOR, LEAVERS, PEOPLE, FuzzServer, fuzz_server

FOLDER = Path(__file__).parent
ST = Path(sys.executable).parent / "st"
HOOKS = {"SCHEMATHESIS_HOOKS": "tests.fuzz.hooks"}
ENDS_SESSION = ("/api/auth/logout", "/api/auth/change-password", "/api/auth/me")
NEVER_ENDS = "/stream$"  # Tested apart.
OWNER_PRIVATE = (
    r"^/api/(garage|notifications|exports|sync/runs|saved-searches|bids|parking/(reservations|exports)"
    r"|workshop/(customers|service-tickets|my-tickets|jobs|invoices|credit-notes))"
)
PLANTED = "^/api/garage"  # Where `tests.fuzz.leaky` shows what it must not.
PEERS_CONFIG = """
[auth.wfc]
path = {path}
peers = ["alice", "bob"]
[checks]
enabled = false
object_level_authorization.enabled = true
not_a_server_error.enabled = true
"""


def main() -> int:
    """Returns 0 when nothing was found and the control was."""
    options = _options()
    red = []
    for seed in options.seeds:
        with fuzz_server() as server:
            red += _all_checks(server, seed=seed, examples=options.examples, phases=options.phases)
        with fuzz_server(whose="alice") as server:
            red += [f"two users, seed {seed}"] * (_two_users(server, seed, options.examples, options.phases) != 0)
        with fuzz_server(application="tests.fuzz.leaky:application", whose="alice") as server:
            if _two_users(server, seed, options.examples, options.phases, paths=PLANTED) == 0:
                red.append(f"seed {seed} did not find the planted leak: its two-user run proves nothing")
    for finding in red:
        print(f"FUZZ: {finding}")
    print(f"{'FAILED' if red else 'OK'}: seeds {options.seeds}, {options.examples} examples an operation")
    return 1 if red else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 7, 42])
    parser.add_argument("--examples", type=int, default=50, help="cases an operation and phase")
    parser.add_argument("--phases", default="examples,coverage,fuzzing,stateful")
    return parser.parse_args()


def _all_checks(server: FuzzServer, *, seed: int, examples: int, phases: str) -> list[str]:
    """Names of the runs that found something."""
    red = []
    for path, leaver in zip(ENDS_SESSION, LEAVERS, strict=True):
        if _run(server, server.token(leaver), seed, examples, "examples,coverage,fuzzing", "--include-path", path) != 0:
            red.append(f"{path}, seed {seed}")
    exclude = [part for path in ENDS_SESSION for part in ("--exclude-path", path)]
    exclude += ["--exclude-path-regex", NEVER_ENDS]
    token = server.token(ADMINISTRATOR)
    if _run(server, token, seed, examples, phases, *exclude) != 0:
        red.append(f"all other operations, seed {seed}")
    if not server.accepts(token):
        red.append(f"the token died during seed {seed}: what came after it was not tested")
    return red


def _run(server: FuzzServer, token: str, seed: int, examples: int, phases: str, *selection: str) -> int:
    command = [
        str(ST), "--config-file", str(FOLDER / "schemathesis.toml"), "--no-color", "run",
        f"{server.url}/api/schema", "--url", server.url, "--checks", "all", "--continue-on-failure",
        "-n", str(examples), "--seed", str(seed), "--workers", "2", "--phases", phases,
        "--generation-database", "none", *selection,
    ]  # fmt: skip
    facts = {f"FUZZ_{name.upper()}": str(value) for name, value in server.facts.items()}
    environment = os.environ | facts | {"FUZZ_TOKEN": token} | HOOKS
    return subprocess.run(command, env=environment, check=False).returncode


def _two_users(server: FuzzServer, seed: int, examples: int, phases: str, *, paths: str = OWNER_PRIVATE) -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        people = [
            {"name": email.split("@")[0], "fixedHeaders": [_authorization(server.token(email))]} for email in PEOPLE
        ]
        (folder / "people.yaml").write_text(json.dumps({"auth": people}))  # JSON is YAML.
        (folder / "st.toml").write_text(PEERS_CONFIG.format(path=json.dumps(str(folder / "people.yaml"))))
        command = [
            str(ST), "--config-file", str(folder / "st.toml"), "--no-color", "run",
            f"{server.url}/api/schema", "--url", server.url, "-n", str(examples), "--seed", str(seed),
            "--include-path-regex", paths, "--generation-database", "none", "--phases", phases,
        ]  # fmt: skip
        facts = {"FUZZ_POOLS": server.facts["pools"], "FUZZ_LOT": str(server.facts["lot"])}
        return subprocess.run(command, env=os.environ | HOOKS | facts, check=False).returncode


def _authorization(token: str) -> dict[str, str]:
    return {"name": "Authorization", "value": f"Bearer {token}"}


if __name__ == "__main__":
    sys.exit(main())

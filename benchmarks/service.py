"""The real service over the sandbox, in production mode: `python -m benchmarks.service --port P --sandbox-port S`.

`bff serve` with these settings would refuse to start, since all systems behind are simulated and say so; nothing else
differs but what a load needs: any document is answered, nobody's rate ends, and the head unit's certificate is believed
from this machine, which stands for the proxy that ends TLS. Tokens are signed by the sandbox's identity service, under
an issuer's name that production takes.
"""

from __future__ import annotations

import argparse
import os
import sys
from base64 import b64encode
from secrets import token_bytes, token_hex

import orjson

from benchmarks.lab import LAB, Process
from bff import settings as settings_module
from bff.production import serve_with
from bff.settings import DEFAULT_PILOTS, sandbox_url
from bff.upstreams import UPSTREAMS

ISSUER = "https://benchmark.test"


def environment(port: int, sandbox_port: int, workers: int) -> dict[str, str]:
    """Production's settings. The port after `port` is for operators; what is kept is in `.bench/`."""
    kept, endless = LAB / f"service-{port}", {"units": 10**12}
    behind = {name: sandbox_url(name, sandbox_port) for name, policy in UPSTREAMS.items() if policy.address is None}
    return {f"BFF_{name.upper()}_URL": url for name, url in behind.items()} | {
        "BFF_MODE": "production",
        "BFF_PORT": str(port),
        "BFF_WORKERS": str(workers),
        "BFF_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "BFF_PILOTS": DEFAULT_PILOTS,  # so that bookings come from both systems that keep them
        "BFF_OIDC_ISSUER": ISSUER,
        "BFF_OIDC_JWKS_URL": f"{behind['identity']}/.well-known/jwks.json",
        "BFF_TRUSTED_PROXIES": "127.0.0.1",
        "BFF_DOCUMENTS_ONLY": "0",
        "BFF_RATE_LIMITS": orjson.dumps({"caller": endless, "anonymous": endless}).decode(),
        "BFF_DRAIN_SECONDS": "0",
        "BFF_STATE_URL": f"sqlite:///{kept}/state.sqlite3",
        "BFF_EVENTS_URL": (kept / "events.jsonl").as_uri(),
        "BFF_RUN_DIR": str(kept),
        "BFF_PSEUDONYM_KEY": f"bench:{b64encode(token_bytes(32)).decode()}",
        "BFF_ADMISSION_KEYS": token_hex(32),
    }


def launch(running: list[Process], port: int, workers: int, core: int, load_core: int) -> Process:
    """The sandbox at `port` and the service a hundred above, which is returned; both go into `running`."""
    sandbox = Process("memory-sandbox", [sys.executable, "-m", "sandbox", "--port", str(port)], load_core, {})
    running.append(sandbox)
    for policy in UPSTREAMS.values():
        sandbox.wait_for(port + policy.offset)
    command = [sys.executable, "-m", "benchmarks.service", "--port", str(port + 100), "--sandbox-port", str(port)]
    service = Process("memory-service", [*command, "--workers", str(workers)], core, {})
    running.append(service)
    service.wait_for(port + 100)
    return service


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.service", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--sandbox-port", type=int, required=True, help="the sandbox's first")
    parser.add_argument("--workers", type=int, default=1)
    asked = parser.parse_args()
    os.environ.update(environment(asked.port, asked.sandbox_port, asked.workers))  # each worker reads them again
    return serve_with(settings_module.load(), asked.workers)


if __name__ == "__main__":
    sys.exit(main())

"""Several workers are forks of one warm parent, and it and its processes come and go together."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from uvicorn.supervisors import multiprocess

from bff.serving.workers import SEAM
from tests.telemetry.service import ROOT, Service, SlowSystem, ask, free_port, production_environ, serving

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="reads processes from /proc"),
]

CODES = [f"7K3M-9QX{last}" for last in "ABCDEFGH"]
MEGABYTE = 1024  # in kB, as the kernel counts


def stat_of(pid: int) -> tuple[str, int] | None:
    """State and parent; None for a process that is gone. One that nobody has collected yet is gone as well."""
    try:
        state, parent = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[:2]
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if state == "Z" else (state, int(parent))


def children(pid: int) -> set[int]:
    found = {int(each): stat_of(int(each)) for each in os.listdir("/proc") if each.isdigit()}
    return {each for each, stat in found.items() if stat is not None and stat[1] == pid}


def memory(pid: int) -> dict[str, int]:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    return {line.split(":")[0]: int(line.split()[1]) for line in lines}


def command(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


async def until(what: Callable[[], Awaitable[bool]]) -> None:
    for _ in range(600):
        with suppress(httpx.TransportError, json.JSONDecodeError):
            if await what():
                return
        await asyncio.sleep(0.05)
    raise AssertionError("it did not come about")


async def workers_of(service: Service) -> dict[str, int]:
    """Number → process, of workers that answer."""
    async with httpx.AsyncClient(timeout=20) as client:
        found = (await client.get(f"{service.management}/state")).json()["workers"]
    return {number: state["pid"] for number, state in found.items()}


async def test_all_processes_are_forks_that_share_the_parents_memory_and_end_with_it(tmp_path: Path) -> None:
    async with SlowSystem(0.0).running() as system, serving(system, tmp_path, workers=2) as service:
        workers = set((await workers_of(service)).values())
        processes = children(service.process.pid)
        assert len(workers) == 2
        assert len(processes - workers) == 1, "and one has the management port"
        assert {command(each) for each in processes} == {command(service.process.pid)}
        for each in processes:
            used = memory(each)
            assert used["Shared_Dirty"] > 20 * MEGABYTE
            assert used["Pss"] < 0.7 * used["Rss"]
        service.terminate()
        assert await asyncio.wait_for(service.process.wait(), 30) == 0, service.log.read_text()
        assert not any(stat_of(each) for each in processes)
    said = [json.loads(line)["event"] for line in service.log.read_text().splitlines()]
    for event, times in [("Started parent process", 1), ("Started server process", 2), ("Told to stop", 2)]:
        assert len([each for each in said if each.startswith(event)]) == times, said


async def test_killed_management_process_is_replaced_and_nobody_else_is(tmp_path: Path) -> None:
    async with SlowSystem(0.0).running() as system, serving(system, tmp_path, workers=2) as service:
        workers = set((await workers_of(service)).values())
        (management,) = children(service.process.pid) - workers
        os.kill(management, signal.SIGKILL)

        async def is_replaced() -> bool:
            return set((await workers_of(service)).values()) == workers

        await until(is_replaced)
        (successor,) = children(service.process.pid) - workers
        assert successor != management
        os.kill(successor, signal.SIGTERM)  # meant for all of a service: it tells until the end how that goes
        assert set((await workers_of(service)).values()) == workers
        assert stat_of(successor) is not None


async def test_killed_parent_leaves_nobody_behind_and_what_was_asked_is_answered(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    temporary = tmp_path_factory.mktemp("t")  # a short name: sockets have paths of 107 bytes at most
    async with (
        SlowSystem(3.0).running() as system,
        serving(system, tmp_path, workers=2, TMPDIR=str(temporary)) as service,
        httpx.AsyncClient(timeout=20) as client,
    ):
        processes = children(service.process.pid)
        assert len(processes) == 3
        assert list(temporary.glob("bff-workers-*"))
        asked = [asyncio.create_task(ask(client, service, code)) for code in CODES]
        await system.was_asked(len(CODES))
        service.process.kill()
        assert [answer.status_code for answer in await asyncio.gather(*asked)] == [200] * len(CODES)

        async def are_gone() -> bool:
            return not any(stat_of(each) for each in processes)

        await until(are_gone)
        assert not list(temporary.iterdir())
        with pytest.raises(httpx.ConnectError):
            await client.get(f"{service.url}/health/live")


async def test_hangup_replaces_every_worker_and_no_request_fails(tmp_path: Path) -> None:
    """A connection that is closed before a byte of an answer came is asked again, once, as any balancer does."""
    async with (
        SlowSystem(1.0).running() as system,
        serving(system, tmp_path, workers=2) as service,
        httpx.AsyncClient(timeout=20) as client,
    ):
        before = await workers_of(service)
        answers: list[int] = []
        is_over = asyncio.Event()

        async def keep_asking() -> None:
            while not is_over.is_set():
                body = {"query": "{ __typename }"}
                try:
                    answer = await client.post(f"{service.url}/graphql", json=body)
                except (httpx.RemoteProtocolError, httpx.ReadError):
                    answer = await client.post(f"{service.url}/graphql", json=body)
                answers.append(answer.status_code)

        asking = [asyncio.create_task(keep_asking()) for _ in range(4)]
        slow = [asyncio.create_task(ask(client, service, code)) for code in CODES]
        await system.was_asked(len(CODES))
        service.process.send_signal(signal.SIGHUP)

        async def are_replaced() -> bool:
            found = await workers_of(service)
            return len(found) == 2 and not set(found.values()) & set(before.values())

        await until(are_replaced)
        is_over.set()
        await asyncio.gather(*asking)
        assert [answer.status_code for answer in await asyncio.gather(*slow)] == [200] * len(CODES)
        assert answers
        assert set(answers) == {200}
        assert {command(each) for each in (await workers_of(service)).values()} == {command(service.process.pid)}


async def test_more_and_fewer_workers_on_signal_and_all_are_alive(tmp_path: Path) -> None:
    async with (
        SlowSystem(0.0).running() as system,
        serving(system, tmp_path, workers=2) as service,
        httpx.AsyncClient(timeout=20) as client,
    ):
        for number, wanted in ((signal.SIGTTIN, 3), (signal.SIGTTOU, 2), (signal.SIGTTOU, 1)):
            service.process.send_signal(number)

            async def are_alive(wanted: int = wanted) -> bool:
                live = await client.get(f"{service.management}/health/live")
                return (live.status_code, live.json()["workers"]) == (200, wanted)

            await until(are_alive)
            assert len(children(service.process.pid)) == wanted + 1


def test_setting_that_only_the_application_finds_wrong_ends_the_start_with_a_sentence(tmp_path: Path) -> None:
    environ = production_environ(f"http://127.0.0.1:{free_port()}", tmp_path) | {"BFF_DOCUMENTS": "nowhere.json"}
    start = "from bff.cli import main; main()"
    command = [sys.executable, "-c", start, "serve", "--port", str(free_port()), "--workers", "2"]
    done = subprocess.run(command, env=environ, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2, done.stderr
    assert "BFF_DOCUMENTS" in done.stdout
    assert "Traceback" not in done.stderr


# From here on a parent with next to nothing to share, which starts at once.

PROGRAM = """
import os, random, signal, sys, threading, uuid
import uvicorn
from bff.serving.workers import serve

SOURCES = {"random": random.random, "uuid4": lambda: str(uuid.uuid4())}
OPTIONS = {"port": int(sys.argv[1]), "workers": 2, "log_level": "info", "lifespan": "on"}

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    await receive()
    said = repr((os.getpid(), {name: make() for name, make in SOURCES.items()})).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"connection", b"close")]})
    await send({"type": "http.response.body", "body": said})

def create():
    return app

def warm_up():
    pass

"""
SERVE = 'sys.exit(serve(uvicorn.Config("__main__:create", factory=True, **OPTIONS), warm_up))\n'


@contextmanager
def program(folder: Path, changes: str) -> Iterator[tuple[subprocess.Popen[bytes], str, Path]]:
    path, log, port = folder / "program.py", folder / "program.log", free_port()
    path.write_text(PROGRAM + changes + SERVE)
    with log.open("wb") as out:
        environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
        process = subprocess.Popen([sys.executable, str(path), str(port)], env=environ, stdout=out, stderr=out)
    try:
        yield process, f"http://127.0.0.1:{port}", log
    finally:
        process.kill()
        process.wait()


def test_signal_right_after_the_fork_is_neither_lost_nor_taken_for_the_parents(tmp_path: Path) -> None:
    """The child has the parent's handlers then, which would note it on a list that nobody reads any more."""
    changes = """
from bff.serving.workers import Forked

handled = []
signal.signal(signal.SIGTERM, lambda number, frame: handled.append(number))
os.register_at_fork(after_in_child=lambda: os.kill(os.getpid(), signal.SIGTERM))
child = Forked(target=lambda: os._exit(0))
child.start()
child.join()
blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [])
print("ended by", -child.exitcode, "handled", len(handled), "blocked", len(blocked))
sys.exit(0)
"""
    with program(tmp_path, changes) as (process, _, log):
        assert process.wait(30) == 0
    assert log.read_text().splitlines() == ["ended by 15 handled 0 blocked 0"]


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param('def create():\n    raise ValueError("cannot be made")\n', id="the application cannot be made"),
        pytest.param(
            'async def app(scope, receive, send):\n    raise ValueError("cannot be made")\n', id="it cannot begin"
        ),
    ],
)
def test_worker_that_cannot_start_ends_the_parent_with_a_failure(tmp_path: Path, changes: str) -> None:
    with program(tmp_path, changes) as (process, _, log):
        assert process.wait(30) == 3
        assert not children(process.pid)
    assert "cannot be made" in log.read_text()


def test_parent_with_a_second_thread_is_refused(tmp_path: Path) -> None:
    changes = """
def warm_up():
    threading.Thread(target=threading.Event().wait, name="left-behind", daemon=True).start()
"""
    with program(tmp_path, changes) as (process, _, log):
        assert process.wait(30) == 1
    assert "workers are forked, which needs a parent of one thread; it has 1 more (MainThread, left-behind)" in (
        log.read_text()
    )


async def test_machine_without_room_for_a_process_is_asked_again(tmp_path: Path) -> None:
    changes = """
fork, asked = os.fork, []
def fork_at_times():
    asked.append(True)
    if len(asked) in (3, 4):
        raise BlockingIOError(11, "Resource temporarily unavailable")
    return fork()
os.fork = fork_at_times
"""
    with program(tmp_path, changes) as (process, url, log):
        async with httpx.AsyncClient() as client:

            async def is_serving() -> bool:
                return (await client.get(url)).status_code == 200 and len(children(process.pid)) == 2

            await until(is_serving)
            killed, other = children(process.pid)
            os.kill(killed, signal.SIGKILL)

            async def is_replaced() -> bool:
                return other in children(process.pid) and await is_serving()

            await until(lambda: _is_gone(killed))
            await until(is_replaced)
    assert log.read_text().count("No process can be started: [Errno 11]") == 2


async def _is_gone(pid: int) -> bool:
    return stat_of(pid) is None


async def test_what_is_drawn_at_random_differs_between_workers(tmp_path: Path) -> None:
    """With every generator that a module of the service keeps for itself."""
    changes = """
def warm_up():
    import bff.app
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in ("bff", "adapters", "resolvers"):
            for attribute, value in vars(module).items():
                if type(value) is random.Random:
                    SOURCES[f"{name}.{attribute}"] = value.random
"""
    drawn: dict[int, list[dict[str, Any]]] = {}
    with program(tmp_path, changes) as (_, url, _log):
        async with httpx.AsyncClient() as client:

            async def have_answered() -> bool:
                pid, values = eval((await client.get(url)).text)
                drawn.setdefault(pid, []).append(values)
                return len(drawn) == 2 and min(map(len, drawn.values())) >= 3

            await until(have_answered)
    first, second = drawn.values()
    assert {"bff.trace.ids", "random", "uuid4"} < set(first[0])
    for name in first[0]:
        assert not {each[name] for each in first} & {each[name] for each in second}, name


def test_parent_has_imported_all_that_a_worker_needs(tmp_path: Path) -> None:
    """Making an application, answering every example and telling how it went imports nothing any more."""
    script = """
import asyncio, sys, orjson, uvicorn
from bff import app, production, settings
from bff.serving import workers
from bff.serving.connection import server_options
from bff.serving.console import load_examples

production.warm_up(settings.load())
workers._import_server(uvicorn.Config("bff.app:create", factory=True, **server_options()))
before = set(sys.modules)
config = uvicorn.Config("bff.app:create", factory=True, log_config=None, **server_options())
config.load()

async def ask(application, example):
    body = orjson.dumps({"query": example.query, "variables": dict(example.variables)})
    headers = [(b"host", b"bff"), (b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    scope = {"type": "http", "http_version": "1.1", "method": "POST", "scheme": "http", "path": "/graphql",
             "raw_path": b"/graphql", "root_path": "", "query_string": b"", "headers": headers,
             "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2), "state": {}}
    sent, received = [], [{"type": "http.request", "body": body, "more_body": False}]
    async def receive():
        return received.pop() if received else await asyncio.Event().wait()  # the client stays
    async def send(message):
        sent.append(message)
    await application(scope, receive, send)
    assert sent[0]["status"] == 200, sent

async def main():
    application = config.loaded_app
    async with application._lifespan(None):
        for example in load_examples(app.EXAMPLES):
            await ask(application, example)
        application.process.metrics()

with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
    runner.run(main())
print(sorted(set(sys.modules) - before))
"""
    nowhere = f"http://127.0.0.1:{free_port()}"
    environ = production_environ(nowhere, tmp_path) | {"BFF_MODE": "production", "BFF_MANAGEMENT_PORT": "0"}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environ, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == "[]\n", done.stderr


def test_worker_begins_with_the_documents_that_its_parent_has_compiled(tmp_path: Path) -> None:
    manifest = tmp_path / "documents.json"
    bff = [sys.executable, "-c", "from bff.cli import main; main()"]
    subprocess.run([*bff, "documents", "examples/operations", "-o", str(manifest)], cwd=ROOT, check=True)
    script = """
from bff import app, production, settings
production.warm_up(settings.load())
compiled, weight = app.WARM[0].compiled, app.WARM[0].weight
plans = app.create().plans
print(len(plans), compiled, plans.compiled - compiled, plans.weight - weight)
"""
    nowhere = f"http://127.0.0.1:{free_port()}"
    environ = production_environ(nowhere, tmp_path) | {"BFF_MODE": "production", "BFF_DOCUMENTS": str(manifest)}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environ, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    documents = len(list((ROOT / "examples" / "operations").glob("*.graphql")))
    assert done.stdout == f"{documents} {documents} 0 0\n", done.stderr


def test_schema_is_built_once_for_parent_and_workers_also_without_documents(tmp_path: Path) -> None:
    """Plans that hold no operation are false: who asks them whether they are there builds another schema."""
    script = """
from bff import app, production, settings
built = []
build = app.build_schema
app.build_schema = production.build_schema = lambda **options: built.append(options) or build(**options)
production.warm_up(settings.load())
print(len(built), len(app.WARM[0]), app.create().plans is app.WARM[0], len(built))
"""
    nowhere = f"http://127.0.0.1:{free_port()}"
    environ = production_environ(nowhere, tmp_path) | {"BFF_MODE": "production"}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environ, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == "1 0 True 1\n", done.stderr


def test_uvicorns_supervisor_still_has_its_processes_made_at_the_seam() -> None:
    assert list(inspect.signature(getattr(multiprocess, SEAM)).parameters) == ["config", "target", "sockets"]
    assert f"{SEAM}(config, self.target, sockets)" in inspect.getsource(multiprocess.Process.__init__)

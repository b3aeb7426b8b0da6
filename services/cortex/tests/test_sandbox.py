"""Hostile programs, run warm and cold under the sandbox of this machine: each is stopped, and the engine goes on.

They are run by the runners themselves, without a database. Numbers are those of the threats.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
import textwrap
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from cortex.runner.commands import Commands
from cortex.runner.egress import Egress, Network
from cortex.runner.identity import RunnerId
from cortex.runner.job import Worker
from cortex.runner.process import Bounds, ProcessRunner, WarmRunner
from cortex.runner.protocol import CannotStart, Ended
from cortex.runner.zygote import Kind, Zygote
from cortex.runner.zygotes import Zygotes

HEAD = """
import json, os, sys, pathlib, socket, subprocess, time
job = pathlib.Path(sys.argv[1])
found = {}
def report():
    (job / "output" / "output.json").write_text(json.dumps({"success": True, "full": found}))
def attempt(name, call):
    try:
        found[name] = ["done", repr(call())]
    except BaseException as error:
        found[name] = ["refused", f"{type(error).__name__}: {error}"]
"""
MIB = 2**20


@dataclass
class Ward:
    """Runs programs; `kind` is warm or process."""

    kind: str
    folder: Path
    egress: Egress
    zygotes: Zygotes
    number: int = 0

    async def run(
        self,
        source: str,
        *,
        network: Network | None = None,
        time_limit: float = 30,
        bounds: Bounds | None = None,
        upstream: dict[str, str] | None = None,
    ) -> tuple[Ended, dict[str, Any], Path]:
        """How it ended, what it found, and its job folder."""
        self.number += 1
        program = self.folder / "analyzers" / "Hostile" / f"hostile{self.number}.py"
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(f"#!{sys.executable}\n{HEAD}{textwrap.dedent(source)}\nreport()\n")
        program.chmod(0o755)
        job = self.folder / "jobs" / f"cortex-job-{self.number}"
        for place in (job, job / "input", job / "output"):
            place.mkdir(parents=True, mode=0o700)
        (job / "input" / "input.json").write_text('{"data": "mine"}')
        bounds = bounds or Bounds(memory=1024 * MIB, disk=64 * MIB, processes=400)
        commands = Commands(sys.executable)
        runner: ProcessRunner | WarmRunner = (
            ProcessRunner(RunnerId.own(), self.zygotes, commands, bounds)
            if self.kind == "process"
            else WarmRunner(RunnerId.own(), self.zygotes, commands, bounds, preload=("json",))
        )
        worker = Worker("analyzer", "Hostile_1_0", str(program), str(self.folder / "analyzers"), {}, b"", None)
        leave = self.egress.open(network or Network(), upstream or {}, ("127.0.0.1", self.egress.port))
        try:
            ended = await runner.run(worker, job, leave, time_limit=time_limit)
        finally:
            self.egress.withdraw(leave)
        self.refused = leave.refused
        output = job / "output" / "output.json"
        return ended, json.loads(output.read_text())["full"] if output.exists() else {}, job

    async def refuses(self, source: str, *names: str, **options: Any) -> dict[str, Any]:
        """Every attempt of the program is refused."""
        ended, found, _ = await self.run(source, **options)
        assert found, ended
        assert {name: state for name, (state, _) in found.items()} == dict.fromkeys(names or found, "refused"), found
        return {name: text for name, (_, text) in found.items()}


@pytest_asyncio.fixture(params=["warm", "process"])
async def ward(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Ward]:
    egress = Egress(["127.0.0.0/8"])
    await egress.start()
    zygotes = Zygotes(egress, most=4)
    yield Ward(request.param, tmp_path, egress, zygotes)
    await zygotes.close()
    await egress.close()


@pytest.fixture
def server() -> Any:
    """A service of the house that listens on the machine's loopback."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening


def marked(mark: str) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            state = path.with_name("stat").read_text().rpartition(")")[2].split()[0]
            if mark.encode() in path.read_bytes() and state not in "ZX":
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


async def test_machine_gives_every_layer(ward: Ward) -> None:
    """The other tests prove nothing about a layer that is not there."""
    zygote = await ward.zygotes.get(Kind(sys.executable, ()))
    assert zygote.greeting.missing == {}


class TestFiles:
    async def test_s20_etc_shadow_cannot_be_read(self, ward: Ward) -> None:
        await ward.refuses('attempt("shadow", lambda: open("/etc/shadow").read())')

    async def test_s23_other_jobs_folders_cannot_be_read_or_listed(self, ward: Ward) -> None:
        other = ward.folder / "jobs" / "cortex-job-other" / "input"
        other.mkdir(parents=True)
        (other / "input.json").write_text("another's secret")
        await ward.refuses(f"""
            attempt("read", lambda: open("{other}/input.json").read())
            attempt("list", lambda: os.listdir("{other.parent.parent}"))
            attempt("link", lambda: os.link("{other}/input.json", job / "output" / "stolen"))
        """)

    async def test_s26_nothing_is_written_outside_of_the_job_folder(self, ward: Ward) -> None:
        await ward.refuses(f"""
            attempt("code", lambda: open(sys.argv[0], "a").write("x"))
            attempt("beside", lambda: open("{ward.folder}/evil", "w"))
            attempt("var", lambda: open("/var/tmp/evil", "w"))
            attempt("up", lambda: open(job / "output" / ".." / ".." / "evil", "w"))
            attempt("rename", lambda: os.rename(job / "output", "{ward.folder}/moved"))
        """)

    async def test_link_out_of_the_job_folder_leads_nowhere(self, ward: Ward) -> None:
        await ward.refuses("""
            os.symlink("/etc/shadow", job / "output" / "link")
            attempt("through", lambda: open(job / "output" / "link").read())
        """)

    async def test_home_and_service_files_cannot_be_read(self, ward: Ward) -> None:
        secret = ward.folder / "key.pem"
        secret.write_text("the house's key")
        await ward.refuses(f"""
            attempt("key", lambda: open("{secret}").read())
            attempt("home", lambda: os.listdir("/root"))
        """)

    async def test_disk_cannot_be_filled_by_one_file(self, ward: Ward) -> None:
        ended, found, _ = await ward.run("""
            def fill():
                with open(job / "output" / "big", "wb") as file:
                    while True:
                        file.write(bytes(1 << 20))
            attempt("fill", fill)
            (job / "output" / "big").unlink()
        """)
        assert found["fill"][0] == "refused" or ended.stopped == "disk" or ended.status != 0

    async def test_disk_cannot_be_filled_by_many_files(self, ward: Ward) -> None:
        ended, _, _ = await ward.run("""
            for i in range(100000):
                (job / "output" / str(i)).write_bytes(bytes(1 << 20))
                time.sleep(0.002)
        """)
        assert ended.stopped == "disk"


class TestProcesses:
    async def test_s20_services_environment_and_memory_cannot_be_read(self, ward: Ward) -> None:
        pids = [os.getpid(), os.getppid()]
        os.environ["CORTEX_CANARY"] = "the house's key"
        _, found, _ = await ward.run(f"""
            seen = {{}}
            for path in pathlib.Path("/proc").glob("[0-9]*/environ"):
                try:
                    seen[path.parent.name] = path.read_bytes().decode(errors="replace")
                except OSError:
                    pass
            found["canary"] = [name for name, text in seen.items() if "the house's key" in text]
            found["own"] = "the house's key" in json.dumps(dict(os.environ))
            for pid in {pids}:
                attempt(f"memory {{pid}}", lambda: open(f"/proc/{{pid}}/mem", "rb").read(1))
            attempt("memory of 1", lambda: open("/proc/1/mem", "r+b").read(1))
        """)
        del os.environ["CORTEX_CANARY"]
        assert (found.pop("canary"), found.pop("own")) == ([], False)
        assert {state for state, _ in found.values()} == {"refused"}

    async def test_parent_and_others_cannot_be_signalled(self, ward: Ward) -> None:
        me = os.getpid()
        await ward.refuses(f'attempt("service", lambda: os.kill({me}, 15))')
        _, found, _ = await ward.run(
            'attempt("all", lambda: os.kill(-1, 9))\nattempt("parent", lambda: os.kill(os.getppid(), 9))'
        )
        ended, found, _ = await ward.run('found["still"] = "works"')
        assert found == {"still": "works"} and ended.status == 0, "the zygote has survived"

    async def test_no_other_process_is_seen(self, ward: Ward) -> None:
        _, found, _ = await ward.run('found["pids"] = [p for p in os.listdir("/proc") if p.isdigit()]')
        assert set(found["pids"]) <= {"1", "2", "3"}

    async def test_processes_cannot_be_traced_nor_their_memory_written(self, ward: Ward) -> None:
        await ward.refuses("""
            import ctypes
            libc = ctypes.CDLL(None, use_errno=True)
            def call(number, *arguments):
                if libc.syscall(number, *arguments) < 0:
                    raise OSError(ctypes.get_errno(), "refused")
            child = os.fork() or time.sleep(20)
            attempt("ptrace", lambda: call(101, 16, child, 0, 0))
            attempt("process_vm_readv", lambda: call(310, child, 0, 0, 0, 0, 0))
        """)

    async def test_namespaces_mounts_keys_and_bpf_are_refused(self, ward: Ward) -> None:
        await ward.refuses("""
            import ctypes
            libc = ctypes.CDLL(None, use_errno=True)
            def call(number, *arguments):
                if libc.syscall(number, *arguments) < 0:
                    raise OSError(ctypes.get_errno(), "refused")
            attempt("unshare user", lambda: call(272, 0x10000000))
            attempt("clone user", lambda: call(56, 0x10000011, 0, 0, 0, 0))
            attempt("mount", lambda: call(165, b"none", job.as_posix().encode(), b"tmpfs", 0, None))
            attempt("chroot", lambda: os.chroot(job))
            attempt("keyctl", lambda: call(250, 0, 0, 0, 0, 0))
            attempt("bpf", lambda: call(321, 0, 0, 0))
            attempt("io_uring", lambda: call(425, 1, 0))
            attempt("userfaultfd", lambda: call(323, 0))
            attempt("setuid", lambda: os.setuid(0))
        """)

    async def test_forks_without_end_are_bounded(self, ward: Ward) -> None:
        ended, found, _ = await ward.run(
            """
            made = 0
            try:
                while made < 5000:
                    if not os.fork():
                        time.sleep(60)
                        os._exit(0)
                    made += 1
            except OSError as error:
                found["stopped after"] = made
            """,
            time_limit=60,
        )
        assert 0 < found["stopped after"] <= 400, ended

    async def test_memory_without_end_is_refused(self, ward: Ward) -> None:
        _, found, _ = await ward.run("""
            def grow():
                kept = []
                while True:
                    kept.append(bytearray(16 << 20))
            attempt("grow", grow)
        """)
        assert found["grow"] == ["refused", "MemoryError: "]

    async def test_outliving_the_timeout_in_a_new_session_ends_all_the_same(self, ward: Ward) -> None:
        ended, _, job = await ward.run(
            """
            import signal
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            if not os.fork():
                os.setsid()
                if not os.fork():
                    signal.signal(signal.SIGTERM, signal.SIG_IGN)
                    subprocess.run(["sh", "-c", f"sleep 300; : {job}"])
            time.sleep(300)
            """,
            time_limit=1,
        )
        assert ended.stopped == "time"
        assert marked(str(job)) == []

    async def test_what_flees_into_a_new_session_ends_with_the_program(self, ward: Ward) -> None:
        ended, _, job = await ward.run("""
            if not os.fork():
                os.setsid()
                subprocess.Popen(["sh", "-c", f"sleep 300; : {job}"])
                os._exit(0)
            time.sleep(0.3)
        """)
        assert ended.status == 0
        assert marked(str(job)) == []

    async def test_s22_data_is_never_a_command(self, ward: Ward) -> None:
        """The value reaches the program in a file; its command line holds the folder alone."""
        _, found, job = await ward.run('found["argv"] = sys.argv')
        assert found["argv"][1:] == [str(job)]

    async def test_nothing_of_the_zygote_is_left_open(self, ward: Ward) -> None:
        _, found, _ = await ward.run("""
            def target(number):
                try:
                    return os.readlink(f"/proc/self/fd/{number}")
                except OSError:
                    return None
            found["open"] = [t for t in map(target, range(3, 200)) if t and not t.startswith("/proc/")]
        """)
        assert found["open"] == []

    async def test_programs_do_not_run_as_root_and_have_no_capability(self, ward: Ward) -> None:
        _, found, _ = await ward.run("""
            status = dict(line.split(":\\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)
            found["status"] = {name: status[name] for name in ("CapEff", "CapPrm", "CapBnd", "NoNewPrivs", "Seccomp")}
            found["uid"] = os.getuid()
        """)
        zero = "0" * 16
        assert found["status"] == {"CapEff": zero, "CapPrm": zero, "CapBnd": zero, "NoNewPrivs": "1", "Seccomp": "2"}
        assert found["uid"] != 0


class TestNetwork:
    async def test_s20_loopback_of_the_machine_is_out_of_reach(self, ward: Ward, server: socket.socket) -> None:
        port = server.getsockname()[1]
        await ward.refuses(f'attempt("connect", lambda: socket.create_connection(("127.0.0.1", {port}), timeout=2))')

    async def test_undeclared_sockets_are_refused(self, ward: Ward) -> None:
        await ward.refuses("""
            attempt("udp", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            attempt("raw", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1))
            attempt("packet", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))
            attempt("unix", lambda: socket.socket(socket.AF_UNIX).connect("/var/run/docker.sock"))
            attempt("netlink", lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW))
            attempt("listen", lambda: socket.create_server(("127.0.0.1", 0)))
            attempt("public", lambda: socket.create_connection(("203.0.113.1", 80), timeout=2))
        """)

    async def test_declared_none_has_no_way_out_at_all(self, ward: Ward) -> None:
        text = await ward.refuses(
            f"""
            assert "http_proxy" not in os.environ
            attempt("proxy", lambda: socket.create_connection(("127.0.0.1", {ward.egress.port}), timeout=2))
            """,
            network=Network(hosts=()),
        )
        assert "PermissionError" in text["proxy"]

    async def test_declared_host_is_reached_by_name_through_the_proxy(self, ward: Ward, server: socket.socket) -> None:
        port = server.getsockname()[1]
        answered = asyncio.get_running_loop().run_in_executor(None, _answer_once, server)
        _, found, _ = await ward.run(
            f"""
            import urllib.request
            found["body"] = urllib.request.urlopen("http://localhost:{port}/path?q=1").read().decode()
            """,
            network=Network(hosts=("localhost",)),
        )
        assert found == {"body": "hello"}
        head = await answered
        assert head.startswith(b"GET /path?q=1 HTTP/1.1\r\n") and b"proxy-" not in head.lower()

    async def test_host_that_is_not_declared_is_refused_and_noted(self, ward: Ward, server: socket.socket) -> None:
        port = server.getsockname()[1]
        texts = await ward.refuses(
            f"""
            import urllib.request
            attempt("get", lambda: urllib.request.urlopen("http://localhost:{port}/"))
            attempt("tunnel", lambda: urllib.request.urlopen("https://localhost:{port}/"))
            """,
            network=Network(hosts=("api.example.org", ".example.net")),
        )
        assert "403" in texts["get"] and "403" in texts["tunnel"]
        assert ward.refused == [f"localhost:{port} is not among the hosts that the flavor declares"]

    async def test_s20_private_and_metadata_addresses_are_refused_however_written(self, ward: Ward) -> None:
        texts = await ward.refuses("""
            import urllib.request
            for host in ("10.0.0.1", "169.254.169.254", "[::ffff:10.0.0.1]", "0x0a000001", "192.168.1.1", "[fd00::1]"):
                attempt(host, lambda: urllib.request.urlopen(f"http://{host}/", timeout=5))
        """)
        assert all("403" in text for text in texts.values()), texts

    async def test_proxy_without_a_jobs_pass_answers_nobody(self, ward: Ward, server: socket.socket) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", ward.egress.port)
        writer.write(f"CONNECT localhost:{server.getsockname()[1]} HTTP/1.1\r\n\r\n".encode())
        assert (await reader.read()).startswith(b"HTTP/1.1 407 ")
        writer.close()

    async def test_direct_network_is_the_machines_own(self, ward: Ward, server: socket.socket) -> None:
        port = server.getsockname()[1]
        _, found, _ = await ward.run(
            f'attempt("connect", lambda: socket.create_connection(("127.0.0.1", {port}), timeout=5).getpeername()[1])',
            network=Network(direct=True),
        )
        assert found == {"connect": ["done", str(port)]}


def _answer_once(server: socket.socket) -> bytes:
    connection, _ = server.accept()
    with connection:
        head = connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
    return head


class TestRequire:
    async def test_missing_layer_refuses_the_job_and_best_effort_tells(self, ward: Ward) -> None:
        zygote = await ward.zygotes.get(Kind(sys.executable, () if ward.kind == "process" else ("json",)))
        zygote.greeting.missing["landlock"] = "this kernel has no Landlock"
        ended, found, _ = await ward.run('found["ran"] = True')
        assert found == {"ran": True} and ended.missing == {"landlock": "this kernel has no Landlock"}
        with pytest.raises(CannotStart, match=r"CORTEX_SANDBOX=require asks for\. Missing: landlock"):
            await ward.run("", bounds=Bounds(memory=0, disk=0, processes=0, required=True))


async def test_zygote_ends_with_the_runner_and_takes_its_jobs_along(tmp_path: Path) -> None:
    egress = Egress([])
    await egress.start()
    zygote = await Zygote.start(Kind(sys.executable, ()), proxy_port=egress.port)
    await zygote.close()
    assert zygote.lost
    await egress.close()


WITHOUT_NAMESPACES = """
import ctypes, os, sys
uid = os.getuid()
assert ctypes.CDLL(None).unshare(0x10000000) == 0
for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {os.getgid()} 1")):
    open(f"/proc/self/{name}", "w").write(text)
open("/proc/sys/user/max_user_namespaces", "w").write("0")
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


async def test_without_user_namespaces_the_other_layers_still_hold(tmp_path: Path) -> None:
    """As in a container whose seccomp profile forbids them: the tests above, but those of what only a namespace gives."""
    tests = "Files or Network or memory or signalled or flees or outliving or traced or command or open"
    arguments = ["-m", "pytest", "-n", "0", "-q", "-p", "no:cacheprovider", "--basetemp", str(tmp_path / "tests"), "-k", tests]
    command = [sys.executable, "-c", WITHOUT_NAMESPACES, *arguments, __file__]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT)
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()[-3000:]

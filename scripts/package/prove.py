#!/usr/bin/env python3
"""Runs the server as its packages would, and looks at what they are made of. `packages.sh` calls it.

    prove.py unit SERVICE BINARY CONFIG      under the filter, limits and user of a systemd unit, as far as one process can
    prove.py image DOCKERFILE PROFILE BINARY as a container of this image would, with this seccomp profile
    prove.py names METRICS FILE...           every metric that alert rules and dashboards name stands in docs/metrics.md
"""

import json
import os
import pathlib
import re
import resource
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

import seccomp
import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
NOBODY = 65532
PATIENCE = 30


def main():
    what, *arguments = sys.argv[1:]
    {"unit": unit, "image": image, "names": names}[what](*map(pathlib.Path, arguments))


# ---- a systemd unit


def unit(service, binary, config):
    settings = read_unit(service)
    allowed = call_filter(settings["SystemCallFilter"])
    program = filter_of({name: seccomp.ALLOW for name in allowed})
    limits = [
        limit("nofile", size(settings["LimitNOFILE"][-1])),
        limit("memlock", size(settings["LimitMEMLOCK"][-1])),
        limit("core", 0),
    ]
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        folder.chmod(0o755)
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notify.bind(str(folder / "notify"))
        (folder / "notify").chmod(0o777)
        notify.settimeout(PATIENCE)
        sandbox = [
            "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp", "--tmpfs", "/home", "--tmpfs", "/root",
            "--ro-bind", str(binary), "/tmp/signal-fish-server", "--ro-bind", str(config), "/tmp/config.json",
            "--bind", str(folder), "/tmp/run",
        ]  # fmt: skip
        environment = {"NOTIFY_SOCKET": "/tmp/run/notify"}
        command = ["/tmp/signal-fish-server", "--config", "/tmp/config.json", "--bind", "127.0.0.1", "--port", "0"]
        with Running(sandbox, program, environment, command, limits) as server:
            heard(notify, "READY=1")
            assert server.get("/healthz") == 200
            server.play()
            os.kill(server.pid, signal.SIGHUP)
            heard(notify, "RELOADING=1")
            heard(notify, "READY=1")
            os.kill(server.pid, signal.SIGTERM)
            heard(notify, "STOPPING=1")
            assert server.wait() == 0, server.log()
    print(f"{service.name}: ready, reloaded and stopped with {len(allowed)} system calls allowed")


def read_unit(path):
    """{key: [values]}; an empty value forgets those before it."""
    settings = {}
    for line in path.read_text().splitlines():
        key, is_setting, value = line.partition("=")
        if is_setting and not line.startswith("#"):
            settings.setdefault(key, []).append(value)
    return settings


def call_filter(lines):
    """The names that SystemCallFilter= leaves."""
    allowed = expand("@default")
    for line in lines:
        negative = line.startswith("~")
        for word in line.lstrip("~").split():
            names = expand(word)
            allowed = allowed - names if negative else allowed | names
    # What systemd itself calls between the filter and the program.
    return allowed | {"execve"}


def expand(word):
    if not word.startswith("@"):
        return {word}
    shown = subprocess.run(["systemd-analyze", "syscall-filter", word], check=True, capture_output=True, text=True).stdout
    names = set()
    for line in shown.splitlines()[1:]:
        if line.strip() and not line.strip().startswith("#"):
            names |= expand(line.strip())
    return names


def limit(name, wanted):
    """An argument for prlimit. Not every machine lets its root raise a limit."""
    _, hard = resource.getrlimit(getattr(resource, f"RLIMIT_{name.upper()}"))
    number = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    return f"--{name}={number}:{number}"


def size(text):
    number, unit = re.fullmatch(r"(\d+)([KMG]?)", text).groups()
    return int(number) * {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}[unit]


def heard(notify, line):
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if line in notify.recv(4096).decode().splitlines():
            return
    sys.exit(f"the service manager was not told {line}")


# ---- a container image


def image(dockerfile, profile, binary):
    stage = last_stage(dockerfile.read_text())
    assert "USER" in stage, "the image runs as root"
    user, group = map(int, stage["USER"][-1].split(":"))
    assert user != 0 and group != 0, stage["USER"]
    entry = json.loads(stage["ENTRYPOINT"][-1])
    profile = json.loads(profile.read_text())
    shutdown = getattr(signal, stage["STOPSIGNAL"][-1])
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        root.chmod(0o755)
        for mounted in ("dev", "proc", "sys"):
            (root / mounted).mkdir()
        for line in stage["COPY"]:
            *flags, source, target = shlex.split(line)
            # What the build stage makes is the binary.
            source = binary if any(flag.startswith("--from") for flag in flags) else ROOT / source
            assert source.exists(), f"COPY {line}: there is no {source}"
            place = root / target.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(source.read_bytes())
            place.chmod(0o755 if source == binary else 0o644)
        # The base has the C library of this machine's distribution, and nothing else of the host is there.
        for library in libraries(binary):
            place = root / library.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(pathlib.Path(library).read_bytes())
            place.chmod(0o755)
        sandbox = [
            "--ro-bind", str(root), "/", "--dev", "/dev", "--proc", "/proc", "--chdir", stage["WORKDIR"][-1],
            "--unshare-user", "--unshare-pid", "--unshare-ipc", "--uid", str(user), "--gid", str(group), "--clearenv",
        ]  # fmt: skip
        sandbox_without_sys = sandbox
        sandbox = [*sandbox, "--ro-bind", "/sys", "/sys"]
        # Here as in compose.yaml: the file in the image, and variables over it.
        environment = {"SIGNAL_FISH_BIND": "127.0.0.1", "SIGNAL_FISH__PORT": "0"}
        limits = [limit("memlock", 64 << 20)]
        with Running(sandbox, docker_filter(profile), environment, entry, limits) as server:
            assert server.get("/healthz") == 200
            server.play()
            os.kill(server.pid, shutdown)
            assert server.wait() == 0, server.log()
        without = json.loads(json.dumps(profile))
        for rule in without["syscalls"]:
            rule["names"] = [name for name in rule["names"] if not name.startswith("io_uring")]
        with Running(sandbox, docker_filter(without), environment, entry, limits, serves=False) as server:
            assert server.wait() == 1 and "seccomp filter blocks io_uring" in server.log(), server.log()
        with Running(sandbox_without_sys, docker_filter(profile), environment, entry, limits, serves=False) as server:
            assert server.wait() == 1 and "mount /sys" in server.log(), server.log()
    print(f"{dockerfile.name}: served as {user}:{group} with the profile, and said what is missing without io_uring")


def last_stage(text):
    """{instruction: [arguments]} of the last stage."""
    stage = {}
    text = re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE))
    for line in filter(None, map(str.strip, text.splitlines())):
        instruction, arguments = line.split(maxsplit=1)
        if instruction == "FROM":
            stage = {}
        stage.setdefault(instruction, []).append(arguments)
    return stage


def libraries(binary):
    shown = subprocess.run(["ldd", binary], check=True, capture_output=True, text=True).stdout
    return re.findall(r"(/\S+) \(0x", shown)


def docker_filter(profile):
    """What Docker makes of a profile for a container without capabilities."""
    assert profile["defaultAction"] == "SCMP_ACT_ERRNO"
    rules = {}
    for rule in profile["syscalls"]:
        action = seccomp.ALLOW if rule["action"] == "SCMP_ACT_ALLOW" else seccomp.ERRNO(rule["errnoRet"])
        arguments = [argument(of) for of in rule.get("args", [])]
        for name in rule["names"]:
            rules[name] = (action, *arguments)
    return filter_of(rules, profile["defaultErrnoRet"])


def argument(of):
    assert of["op"] == "SCMP_CMP_MASKED_EQ", of
    return seccomp.Arg(of["index"], seccomp.MASKED_EQ, of["value"], of["valueTwo"])


# ---- both


def filter_of(rules, errno=1):
    """A program of the kernel's filter, in a file."""
    made = seccomp.SyscallFilter(seccomp.ERRNO(errno))
    for name, rule in rules.items():
        action, *arguments = rule if isinstance(rule, tuple) else (rule,)
        try:
            made.add_rule(action, name, *arguments)
        except (RuntimeError, ValueError, OSError):
            # Not on this architecture.
            continue
    program = tempfile.TemporaryFile()
    made.export_bpf(program)
    program.seek(0)
    return program


class Running:
    """The server in a sandbox: no capabilities, no new privileges, the filter, the limits, another user."""

    def __init__(self, sandbox, program, environment, command, limits, serves=True):
        descriptor = program.fileno()
        os.set_inheritable(descriptor, True)
        for name, value in environment.items():
            sandbox = [*sandbox, "--setenv", name, value]
        if "--uid" not in sandbox:
            sandbox = ["--unshare-user", "--unshare-pid", "--uid", str(NOBODY), "--gid", str(NOBODY), *sandbox]
        self.output = tempfile.NamedTemporaryFile("w+")
        self.bwrap = subprocess.Popen(
            ["prlimit", *limits, "bwrap", "--die-with-parent", "--cap-drop", "ALL", *sandbox,
             "--seccomp", str(descriptor), "--", *command],
            pass_fds=[descriptor], stdout=self.output, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self.address = None
        self.pid = None
        if serves:
            self.find()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.bwrap.kill()
        self.bwrap.wait()

    def find(self):
        deadline = time.monotonic() + PATIENCE
        while not self.address:
            found = re.search(r"listening on (127\.0\.0\.1:\d+)", self.log())
            self.address = found and found[1]
            if time.monotonic() > deadline or self.bwrap.poll() is not None:
                sys.exit(f"the server did not start:\n{self.log()}")
            time.sleep(0.05)
        # bwrap's child is the first process of the namespace, whose child is the server.
        self.pid = self.bwrap.pid
        while name(self.pid) != "signal-fish-ser":
            self.pid = int(children(self.pid)[0])

    def log(self):
        return pathlib.Path(self.output.name).read_text()

    def get(self, path):
        with urllib.request.urlopen(f"http://{self.address}{path}", timeout=PATIENCE) as answer:
            return answer.status

    def play(self):
        """A player opens a room, with nothing but a socket."""
        host, port = self.address.split(":")
        with socket.create_connection((host, int(port)), timeout=PATIENCE) as player:
            player.sendall(
                b"GET /v2/ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            )
            text = b'{"type":"JoinRoom","data":{"game_name":"packages","player_name":"Alice"}}'
            player.sendall(bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text)
            answer = b""
            while b"RoomJoined" not in answer:
                more = player.recv(4096)
                assert more, answer
                answer += more

    def wait(self):
        return self.bwrap.wait(timeout=PATIENCE)


def name(pid):
    return pathlib.Path(f"/proc/{pid}/comm").read_text().strip()


def children(pid):
    return pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


# ---- alert rules and dashboards


def names(metrics, *files):
    known = set(re.findall(r"^\| `(\w+)` \|", metrics.read_text(), flags=re.MULTILINE))
    assert known, f"no metric in {metrics}"
    used = set()
    for file in files:
        text = "\n".join(expressions(file))
        used |= {(file.name, name) for name in re.findall(r"\b(?:signal_fish|process)_\w+", text)}
    assert used, "no metric is used"
    strangers = {
        (file, name) for file, name in used if name not in known and re.sub(r"_(bucket|sum|count)$", "", name) not in known
    }
    for file, stranger in sorted(strangers):
        print(f"{file}: {stranger} is no metric of the server")
    if strangers:
        sys.exit(1)
    print(f"{len({name for _, name in used})} metrics are named, and all of them exist")


def expressions(file):
    if file.suffix == ".json":
        dashboard = json.loads(file.read_text())
        for panel in dashboard["panels"]:
            for target in panel.get("targets", []):
                yield target["expr"]
        for variable in dashboard["templating"]["list"]:
            yield str(variable.get("query", ""))
    else:
        for group in yaml.safe_load(file.read_text())["groups"]:
            for rule in group["rules"]:
                yield rule["expr"]


if __name__ == "__main__":
    main()

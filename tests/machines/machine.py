# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disposable Debian test hosts with their own root, processes, network and sshd. See README.md beside this file.

A test host is systemd-nspawn on an overlay of a cached debootstrap root. The test hosts of one run share a bridge with
NAT to the outside. Every process of a test host is in one cgroup, so that one write to cgroup.kill ends all of them.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import ipaddress
import json
import os
import re
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "selfhosted-prefect" / "machines"
APT_INSTALL = Path(__file__).resolve().parents[2] / "scripts/apt-install.sh"
RUNS = CACHE / "runs"
DEBS = CACHE / "debs"
FORWARDED = Path("/run/selfhosted-prefect-forwarded")
MIRROR = os.environ.get("MACHINES_MIRROR", "http://deb.debian.org/debian")
SECURITY_MIRROR = os.environ.get("MACHINES_SECURITY_MIRROR", "http://deb.debian.org/debian-security")
RELEASES = ("bookworm", "trixie")

# The packages of a fresh test host: those that the README requires (python3, make), those that its first command needs
# (git over https), and those for access (ssh, sudo). With systemd, also those that Debian's installer always installs.
COMMON = ["python3", "make", "git", "ca-certificates", "sudo", "openssh-server"]
PACKAGES = {
    "none": [*COMMON, "systemd-standalone-sysusers"],  # otherwise, in Debian 13, openssh-server installs all of systemd
    "systemd": [*COMMON, "systemd-sysv", "dbus", "libpam-systemd", "iproute2", "iputils-ping", "procps"],
}

MACHINE_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
CA_VARIABLES = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO")
INDEX_VARIABLES = (
    "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_DEFAULT_TIMEOUT", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_INDEX",
    "UV_DEFAULT_INDEX", "http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY",
)  # fmt: skip

# The build runs in its own namespaces, so that none of its mounts and processes is left, even after a failure.
BUILD = r"""
debootstrap --variant=minbase --include=ca-certificates "$RELEASE" "$ROOT" "$MIRROR"
cat > "$ROOT/etc/apt/sources.list" <<END
deb $MIRROR $RELEASE main
deb $MIRROR $RELEASE-updates main
deb $SECURITY_MIRROR $RELEASE-security main
END
mount -t proc proc "$ROOT/proc"
printf '#!/bin/sh\nexit 101\n' > "$ROOT/usr/sbin/policy-rc.d"
chmod 755 "$ROOT/usr/sbin/policy-rc.d"
export DEBIAN_FRONTEND=noninteractive
chroot "$ROOT" update-ca-certificates
chroot "$ROOT" apt-get -q update
chroot "$ROOT" apt-get -qy dist-upgrade
chroot "$ROOT" apt-get -qy install --no-install-recommends $PACKAGES
chroot "$ROOT" useradd --create-home --shell /bin/bash admin
echo 'admin ALL=(ALL) NOPASSWD: ALL' > "$ROOT/etc/sudoers.d/admin"
chroot "$ROOT" apt-get clean
cd "$ROOT"
rm -rf usr/sbin/policy-rc.d etc/ssh/ssh_host_* var/lib/apt/lists/* var/lib/dbus/machine-id
: > etc/machine-id
"""

# nspawn exits with 133 if the test host has rebooted itself.
SUPERVISE = r"""
while systemd-nspawn "$@"; [ $? = 133 ]; do echo "rebooting"; done
"""

# Without systemd, a test host starts /etc/entrypoint, if a test has created it, and sshd.
ENTRYPOINT = "mkdir -p /run/sshd; [ ! -x /etc/entrypoint ] || /etc/entrypoint & exec /usr/sbin/sshd -D -e"


def die(message: str) -> NoReturn:
    sys.exit(f"machine: {message}")


def say(message: str) -> None:
    print(f"machine: {message}", file=sys.stderr, flush=True)


def attempt(*argv: object, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(a) for a in argv], check=False, text=True, capture_output=True, **options)


def run(*argv: object, **options: Any) -> str:
    """Run a command and return its output. If it fails, exit with its error message."""
    done = attempt(*argv, **options)
    if done.returncode:
        die(f"{shlex.join(str(a) for a in argv)}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


@contextlib.contextmanager
def locked(name: str) -> Iterator[None]:
    """Hold a lock on this host. All cache directories share it, because they share the network of the host."""
    with Path(f"/run/lock/selfhosted-prefect-{name}").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def install_tools() -> None:
    """Install the Debian packages of missing commands."""
    wanted = {"debootstrap": "debootstrap", "systemd-nspawn": "systemd-container", "nft": "nftables", "ip": "iproute2",
              "ssh": "openssh-client", "git": "git", "unshare": "util-linux"}  # fmt: skip
    missing = [package for command, package in wanted.items() if not shutil.which(command)]
    if missing:
        say("installing " + " ".join(missing))
        with locked("apt"):
            run(APT_INSTALL, *missing)


# --- the base roots ---


def certificates(bundle: Path) -> list[str]:
    pattern = r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----"
    return re.findall(pattern, bundle.read_text(errors="replace"), re.S) if bundle.exists() else []


def host_certificates() -> list[str]:
    return certificates(Path(os.environ.get("SSL_CERT_FILE") or MACHINE_BUNDLE))


def base(release: str, init: str) -> Path:
    """Return the cached root for this release and package list. Build it if it does not exist."""
    recipe = json.dumps([release, PACKAGES[init], MIRROR, SECURITY_MIRROR, BUILD, sorted(host_certificates())])
    target = CACHE / f"{release}-{init}-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"
    if not target.exists():
        with locked("bases"):
            if not target.exists():
                build_base(target, release, init)
    return target


def build_base(target: Path, release: str, init: str) -> None:
    say(f"building {target} (once)")
    started = time.monotonic()
    root = target.with_suffix(".partial")
    shutil.rmtree(root, ignore_errors=True)
    # CA certificates that the host trusts and Debian does not contain. As separate files, they survive package
    # upgrades.
    extra = root / "usr/local/share/ca-certificates"
    extra.mkdir(parents=True)
    for pem in host_certificates():
        (extra / f"host-{hashlib.sha256(pem.encode()).hexdigest()[:16]}.crt").write_text(pem + "\n")
    environment = {**os.environ, "RELEASE": release, "ROOT": str(root), "MIRROR": MIRROR,
                   "SECURITY_MIRROR": SECURITY_MIRROR, "PACKAGES": " ".join(PACKAGES[init])}  # fmt: skip
    log = target.with_suffix(".log")
    with log.open("w") as output:
        code = subprocess.call(
            ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-euxc", BUILD],
            env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)  # fmt: skip
    if code:
        die(f"the build failed, last lines of {log}:\n" + "".join(log.read_text().splitlines(True)[-15:]))
    root.rename(target)
    say(f"built in {time.monotonic() - started:.0f} s")


# --- The run: one bridge, one key, one ssh configuration ---


class Run:
    """Test hosts that can reach each other. All their resources have the tag of the run in their names."""

    def __init__(self, name: str) -> None:
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,40}", name):
            die(f"--run {name!r}: lower-case letters, digits and dashes only")
        self.name = name
        self.path = RUNS / name
        self.session = RUNS / f"{name}.session"
        self.tag = "spm" + hashlib.sha256(str(self.path).encode()).hexdigest()[:6]
        self.ssh_config = self.path / "ssh_config"

    @property
    def subnet(self) -> ipaddress.IPv4Network:
        return ipaddress.IPv4Network((self.path / "subnet").read_text())

    @property
    def claimed(self) -> list[Machine]:
        """Return all test hosts, including incomplete ones."""
        paths = sorted(self.path.iterdir()) if self.path.exists() else []
        return [Machine(self, path.name) for path in paths if path.is_dir() and not path.suffix]

    @property
    def machines(self) -> list[Machine]:
        return [machine for machine in self.claimed if machine.state.exists()]

    def machine(self, name: str) -> Machine:
        machine = Machine(self, name)
        if not machine.state.exists():
            there = ", ".join(m.name for m in self.machines) or "none"
            die(f"no machine {name!r} in run {self.name!r} (there: {there})")
        return machine

    def create(self, ip: str | None) -> None:
        """Create key, bridge and NAT. The caller holds the lock `runs`."""
        subnet = choose_subnet(ip)
        (self.path / "subnet").write_text(str(subnet))
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", self.tag, "-f", self.path / "id_ed25519")
        device = default_device()
        mtu = int(Path(f"/sys/class/net/{device}/mtu").read_text())
        run("ip", "link", "add", self.tag, "mtu", mtu, "type", "bridge")
        run("ip", "addr", "add", f"{subnet[1]}/24", "dev", self.tag)
        run("ip", "link", "set", self.tag, "up")
        forwarding(self.tag).write_text("1")
        if forwarding(device).read_text().strip() == "0":
            FORWARDED.write_text(device)  # restored when the last bridge is removed
            forwarding(device).write_text("1")
        rules = f"""
            table ip {self.tag} {{
              chain postrouting {{
                type nat hook postrouting priority srcnat
                ip saddr {subnet} oifname != "{self.tag}" masquerade
              }}
            }}
            """
        run("nft", "-f", "-", input=rules)

    def remove(self) -> None:
        """Remove what exists, because the creation may be incomplete. The caller holds the lock `runs`."""
        attempt("nft", "delete", "table", "ip", self.tag)
        attempt("ip", "link", "del", self.tag)
        shutil.rmtree(self.path, ignore_errors=True)
        if FORWARDED.exists() and not list(Path("/sys/class/net").glob("spm*")):
            forwarding(FORWARDED.read_text()).write_text("0")
            FORWARDED.unlink()

    def publish(self) -> None:
        """Write the names and addresses of all test hosts to them and to the ssh client. The caller holds the lock."""
        machines = self.machines
        (self.path / "known_hosts").write_text("".join(f"{m.ip},{m.name} {m.settings['host_key']}\n" for m in machines))
        lines = [f"Host {m.name}\n  HostName {m.ip}\n" for m in machines]
        lines.append(
            f"Host *\n  User root\n  IdentityFile {self.path}/id_ed25519\n  IdentitiesOnly yes\n  BatchMode yes\n"
            f"  UserKnownHostsFile {self.path}/known_hosts\n  GlobalKnownHostsFile /dev/null\n"
            "  StrictHostKeyChecking yes\n  LogLevel ERROR\n  ServerAliveInterval 15\n")  # fmt: skip
        self.ssh_config.write_text("".join(lines))
        mine = "  # test machine"
        for machine in machines:
            hosts = machine.root / "etc/hosts"
            kept = [line for line in hosts.read_text().splitlines() if not line.endswith(mine)]
            hosts.write_text("\n".join([*kept, *(f"{m.ip} {m.name}{mine}" for m in machines)]) + "\n")

    def inventory(self, groups: list[str]) -> dict[str, Any]:
        hosts = {m.name: {"ansible_host": m.name, "ansible_user": "root",
                          "ansible_python_interpreter": "/usr/bin/python3",
                          "ansible_ssh_common_args": f"-F {self.ssh_config}"} for m in self.machines}  # fmt: skip
        children = {}
        for group in groups:
            name, _equals, members = group.partition("=")
            children[name] = {"hosts": {member: None for member in members.split(",") if member}}
            unknown = set(children[name]["hosts"]) - set(hosts)
            if unknown:
                die(f"group {name}: no machine {', '.join(sorted(unknown))}")
        return {"all": {"hosts": hosts, "children": children}}


def default_device() -> str:
    routes = json.loads(run("ip", "-j", "-4", "route", "show", "default"))
    return str(routes[0]["dev"]) if routes else die("this host has no default route")


def forwarding(device: str) -> Path:
    return Path(f"/proc/sys/net/ipv4/conf/{device}/forwarding")


def choose_subnet(ip: str | None) -> ipaddress.IPv4Network:
    routes = [route["dst"] for route in json.loads(run("ip", "-j", "-4", "route"))]
    used = [ipaddress.IPv4Network(route) for route in routes if route != "default"]
    for wanted in [ip] if ip else (f"10.231.{third}.0" for third in range(256)):
        subnet = ipaddress.IPv4Network(f"{wanted}/24", strict=False)
        if not any(subnet.overlaps(other) for other in used):
            return subnet
    die(f"the addresses of {ip or '10.231.0.0/16'} are used by this host's routes")


# --- The test host ---


class Machine:
    def __init__(self, owner: Run, name: str) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9-]{0,20}", name):
            die(f"{name!r} is no machine name: lower-case letters, digits and dashes, 21 characters at most")
        self.run = owner
        self.name = name
        self.path = owner.path / name
        self.state = self.path / "machine.json"
        self.root = self.path / "root"
        self.upper = self.path / "upper"
        self.console = self.path / "console.log"
        self.id = f"{owner.tag}-{name}"

    @property
    def settings(self) -> dict[str, Any]:
        settings: dict[str, Any] = json.loads(self.state.read_text())
        return settings

    @property
    def ip(self) -> str:
        return str(self.settings["ip"])

    @property
    def veth(self) -> str:
        return f"{self.run.tag}.{self.ip.rsplit('.', 1)[1]}"

    @property
    def cgroups(self) -> list[Path]:
        """Return the cgroup in the unified hierarchy and, with version 1, the one that systemd-nspawn also uses."""
        mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
        unified = [Path(m[1]) for m in mounts if m[2] == "cgroup2"]
        named = [Path(m[1]) for m in mounts if m[2] == "cgroup" and "name=systemd" in m[3].split(",")]
        if not unified:
            die("this host mounts no cgroup2 hierarchy")
        return [mount / self.id for mount in unified[:1] + named[:1]]

    @property
    def alive(self) -> bool:
        events = self.cgroups[0] / "cgroup.events"
        return events.exists() and "populated 1" in events.read_text()

    # -- Creation --

    def reserve(self, ip: str | None, settings: dict[str, Any]) -> None:
        """Choose the address and create the host key. The caller holds the lock `runs`."""
        subnet = self.run.subnet
        taken = {m.ip for m in self.run.machines} | {str(subnet[1])}
        chosen = ip or next(str(host) for host in subnet.hosts() if str(host) not in taken)
        if chosen in taken or ipaddress.IPv4Address(chosen) not in subnet:
            die(f"--ip {chosen}: taken, or outside the run's {subnet}")
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", self.name, "-f", self.path / "host_key")
        host_key = (self.path / "host_key.pub").read_text().strip()
        self.state.write_text(json.dumps({**settings, "ip": chosen, "host_key": host_key}))

    def make_root(self, lower: Path, share_cache: bool) -> None:
        self.root.mkdir()
        if share_cache:  # before the mount, because hard links do not cross into an overlay
            link_debs(DEBS, self.upper / "var/cache/apt/archives")
        self.upper.mkdir(exist_ok=True)
        (self.path / "work").mkdir()
        layers = f"lowerdir={lower},upperdir={self.upper},workdir={self.path}/work"
        if attempt("mount", "-t", "overlay", "-o", layers, self.id, self.root).returncode:
            for layer in (lower, self.upper):  # some file systems do not support stacked overlays
                run("cp", "-a", "--reflink=auto", f"{layer}/.", self.root)
            shutil.rmtree(self.upper)
            self.upper.symlink_to(self.root)

    def personalise(self) -> None:
        key = (self.run.path / "id_ed25519.pub").read_text()
        for home, uid in (("root", 0), ("home/admin", 1000)):
            ssh = self.root / home / ".ssh"
            ssh.mkdir(mode=0o700, exist_ok=True)
            (ssh / "authorized_keys").write_text(key)
            for path in (ssh, ssh / "authorized_keys"):
                os.chown(path, uid, uid)
        etc = self.root / "etc"
        shutil.copy(self.path / "host_key", etc / "ssh/ssh_host_ed25519_key")
        shutil.copy(self.path / "host_key.pub", etc / "ssh/ssh_host_ed25519_key.pub")
        (etc / "hostname").write_text(self.name + "\n")
        (etc / "machine-id").write_text(uuid.uuid4().hex + "\n")
        (etc / "hosts").write_text("127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n")
        (etc / "resolv.conf").unlink(missing_ok=True)
        (etc / "resolv.conf").write_text(resolver())
        passed = {name: MACHINE_BUNDLE for name in CA_VARIABLES if name in os.environ}
        passed.update({name: os.environ[name] for name in INDEX_VARIABLES if name in os.environ})
        (etc / "environment").write_text("".join(f"{name}={value}\n" for name, value in passed.items()))

    def connect(self) -> None:
        mtu = Path(f"/sys/class/net/{self.run.tag}/mtu").read_text().strip()
        run("ip", "netns", "add", self.id)
        run("ip", "link", "add", self.veth, "mtu", mtu, "type", "veth",
            "peer", "name", "eth0", "mtu", mtu, "netns", self.id)  # fmt: skip
        run("ip", "link", "set", self.veth, "master", self.run.tag, "up")
        for command in (["link", "set", "lo", "up"], ["addr", "add", f"{self.ip}/24", "dev", "eth0"],
                        ["link", "set", "eth0", "up"],
                        ["route", "add", "default", "via", str(self.run.subnet[1])]):  # fmt: skip
            run("ip", "-n", self.id, *command)

    def start(self) -> subprocess.Popen[bytes]:
        options = [f"--directory={self.root}", f"--machine={self.id}", f"--hostname={self.name}", "--register=no",
                   "--keep-unit", "--console=pipe", "--resolv-conf=off", "--timezone=off", "--link-journal=no",
                   f"--network-namespace-path=/run/netns/{self.id}", *self.settings["mounts"]]  # fmt: skip
        if self.settings["init"] == "systemd":
            options.append("--boot")
        else:  # the stub of nspawn is PID 1 and reaps processes; sshd is started as the only other process
            options += ["--as-pid2", "--", "/bin/sh", "-c", ENTRYPOINT]
        environment = {
            "PATH": os.environ["PATH"],
            "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1",  # newer versions of systemd do not support version 1
            "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network",  # sysctls of the network namespace
            "SYSTEMD_NSPAWN_TMPFS_TMP": "0",  # /tmp on disk, as in Debian
        }
        for cgroup in self.cgroups:
            cgroup.mkdir(exist_ok=True)
        with self.console.open("a") as console:
            return subprocess.Popen(
                ["sh", "-c", SUPERVISE, "sh", *options], env=environment, stdin=subprocess.DEVNULL,
                stdout=console, stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=self.join)  # fmt: skip # noqa: PLW1509

    def join(self) -> None:
        """Move this process into the cgroups of the test host before it starts any other process."""
        for cgroup in self.cgroups:
            (cgroup / "cgroup.procs").write_text(str(os.getpid()))

    def ssh(self, *command: str, user: str = "root", options: tuple[str, ...] = ()) -> list[str]:
        return ["ssh", "-F", str(self.run.ssh_config), *options, f"{user}@{self.name}", *command]

    def wait(self, supervisor: subprocess.Popen[bytes] | None = None, other_than: str = "") -> None:
        """Wait for an ssh connection (to another boot than the given one) and, with systemd, the end of the boot."""
        deadline = time.monotonic() + 90
        probe = self.ssh("cat /proc/sys/kernel/random/boot_id", options=("-o", "ConnectTimeout=2"))
        while True:
            answer = attempt(*probe)
            if answer.returncode == 0 and answer.stdout.strip() != other_than:
                break
            if time.monotonic() > deadline or (supervisor and supervisor.poll() is not None):
                tail = "".join(self.console.read_text().splitlines(True)[-20:])
                die(f"{self.name} does not answer by ssh ({answer.stderr.strip()}); its console ends with:\n{tail}")
            time.sleep(0.1)
        if self.settings["init"] == "systemd":
            state = attempt(*self.ssh("systemctl is-system-running --wait")).stdout.strip()
            if state != "running":
                die(f"{self.name} is {state!r}:\n{attempt(*self.ssh('systemctl --failed --plain')).stdout}")

    # -- Removal --

    def kill(self) -> None:
        """Kill all processes, then remove the cgroups, which stay busy until the last process has been reaped."""
        deadline = time.monotonic() + 20
        while any(cgroup.exists() for cgroup in self.cgroups):
            if self.alive:
                (self.cgroups[0] / "cgroup.kill").write_text("1")
            with contextlib.suppress(OSError):
                for cgroup in self.cgroups:
                    for directory, _directories, _files in os.walk(cgroup, topdown=False):
                        os.rmdir(directory)
            if time.monotonic() > deadline:
                die(f"the processes in {self.cgroups[0]} do not end")
            time.sleep(0.02)

    def remove(self) -> None:
        """Remove what exists, because the creation may be incomplete."""
        self.kill()
        nspawn = Path("/run/systemd/nspawn")  # a killed nspawn leaves its lock and an empty directory here
        if self.root.exists():
            inode = self.root.stat()
            (nspawn / f"locks/inode-{inode.st_dev}:{inode.st_ino}").unlink(missing_ok=True)
        for left in nspawn.glob(f"*/{self.id}"):
            left.rmdir()
        while os.path.ismount(self.root):
            run("umount", self.root)
        if self.upper.exists():
            link_debs(self.upper / "var/cache/apt/archives", DEBS)
        if self.state.exists():
            attempt("ip", "link", "del", self.veth)
        attempt("ip", "netns", "del", self.id)
        shutil.rmtree(self.path, ignore_errors=True)


def link_debs(source: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for deb in source.glob("*.deb"):
        with contextlib.suppress(FileExistsError):
            os.link(deb, target / deb.name)


def resolver() -> str:
    """Return the resolver of the host, but not a stub on its loopback, which a test host cannot reach."""
    text = Path("/etc/resolv.conf").read_text()
    upstream = Path("/run/systemd/resolve/resolv.conf")
    return upstream.read_text() if re.search(r"^nameserver 127\.", text, re.M) and upstream.exists() else text


# --- Commands ---


def up(owner: Run, args: argparse.Namespace) -> None:
    install_tools()
    machine = Machine(owner, args.name)
    mounts = [f"--bind={spec}" for spec in args.bind] + [f"--bind-ro={spec}" for spec in args.bind_ro]
    if args.share_cache:
        (CACHE / "home-cache").mkdir(parents=True, exist_ok=True)
        mounts.append(f"--bind={CACHE / 'home-cache'}:/root/.cache")
    lower = base(args.release, args.init)
    started = time.monotonic()
    claimed = False
    try:
        with locked("runs"):
            if machine.path.exists():
                die(f"machine {args.name!r} is there already in run {owner.name!r}")
            if owner.name.startswith("session-") and not owner.session.exists():
                die(f"{owner.name} is over")
            machine.path.mkdir(parents=True)
            claimed = True
            if not (owner.path / "subnet").exists():
                owner.create(args.ip)
            machine.reserve(args.ip, {"release": args.release, "init": args.init, "mounts": mounts})
            machine.make_root(lower, args.share_cache)
            machine.personalise()
            owner.publish()
            machine.connect()
        machine.wait(machine.start())
    except BaseException:
        if claimed and not args.keep:
            down(owner, [machine])
        raise
    say(f"{args.name} ({args.release}, {args.init}) is up at {machine.ip} after {time.monotonic() - started:.1f} s")


def down(owner: Run, machines: list[Machine]) -> None:
    """Remove test hosts. Signals are ignored, because nothing would find the rest of an interrupted removal."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    with locked("runs"):
        for machine in machines:
            machine.remove()
        if owner.claimed:
            owner.publish()
        elif owner.path.exists():
            owner.remove()


def reboot(machine: Machine, hard: bool) -> None:
    if hard or machine.settings["init"] == "none":
        machine.kill()
        machine.wait(machine.start())
    else:
        boot = run(*machine.ssh("cat /proc/sys/kernel/random/boot_id")).strip()
        attempt(*machine.ssh("systemctl reboot"))
        machine.wait(other_than=boot)


def execute(machine: Machine, command: str, user: str) -> int:
    terminal = ("-t",) if sys.stdin.isatty() else ()
    return subprocess.call(machine.ssh(command, user=user, options=terminal))


def run_fresh(args: argparse.Namespace) -> int:
    """Run commands on a new test host that has the repository's HEAD at /srv/repo.git; then remove the test host."""
    owner = Run(f"fresh-{secrets.token_hex(4)}")
    repository = owner.path / "repo.git"
    args.name, args.ip = "fresh", None
    args.bind_ro.append(f"{repository}:/srv/repo.git")
    install_tools()
    code = 1
    try:
        run("git", "clone", "--quiet", "--bare", args.repo, repository)
        up(owner, args)
        machine = owner.machine("fresh")
        run(*machine.ssh("git config --system --add safe.directory /srv/repo.git"))  # another account may own the mount
        started = time.monotonic()
        code = execute(machine, "bash -lc " + shlex.quote(" ".join(args.command)), args.user)
        say(f"exit code {code} after {time.monotonic() - started:.1f} s")
        return code
    finally:
        if code and args.keep:
            say(f"kept for a look; to remove it: {Path(sys.argv[0]).with_suffix('')} --run {owner.name} down --all")
        else:
            down(owner, owner.claimed)


def session(args: argparse.Namespace) -> int:
    """Run a command (a test) with its own run, and remove all test hosts of this run when the command ends."""
    owner = Run(f"session-{secrets.token_hex(4)}")
    RUNS.mkdir(parents=True, exist_ok=True)
    owner.session.touch()
    try:
        return subprocess.call(args.command, env={**os.environ, "MACHINES_RUN": owner.name})
    finally:
        owner.session.unlink()  # a child process that outlives the command creates no new test host
        down(owner, owner.claimed)


def show_all() -> None:
    for path in sorted(RUNS.glob("*/subnet")):
        for machine in Run(path.parent.name).machines:
            state = "up" if machine.alive else "down"
            about = machine.settings
            print(path.parent.name, machine.name, about["ip"], about["release"], about["init"], state)


def clean() -> None:
    with locked("runs"), locked("bases"):
        if any(path.is_dir() for path in RUNS.glob("*")):
            die("there are machines (see list)")
        for path in CACHE.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="machine", description=__doc__.splitlines()[0])
    parser.add_argument("--run", default=os.environ.get("MACHINES_RUN", "default"), metavar="NAME",
                        help="the machines that see each other (default: $MACHINES_RUN or 'default')")  # fmt: skip
    commands = parser.add_subparsers(dest="verb", required=True)

    kind = argparse.ArgumentParser(add_help=False)
    kind.add_argument("--release", choices=RELEASES, default="bookworm")
    kind.add_argument("--init", choices=sorted(PACKAGES), default="systemd", help="what is PID 1")
    kind.add_argument("--share-cache", action="store_true", help="reuse the debs and /root/.cache of earlier machines")
    kind.add_argument("--bind", action="append", default=[], metavar="SRC:DST", help="mount a host path, writable")
    kind.add_argument("--bind-ro", action="append", default=[], metavar="SRC:DST", help="mount a host path, read-only")
    kind.add_argument("--keep", action="store_true", help="leave the machine there when something fails")

    sub = commands.add_parser("up", parents=[kind], help="make a machine and wait until it answers by ssh")
    sub.add_argument("name")
    sub.add_argument("--ip", help="its address; of the first machine, it chooses the run's /24")
    sub = commands.add_parser("exec", help="run a command in a machine, by ssh")
    sub.add_argument("--user", default="root", help="root, or admin, who has sudo")
    sub.add_argument("name")
    sub.add_argument("command", nargs="+")
    sub = commands.add_parser("reboot", help="reboot and wait; without systemd, or with --hard, a power cut")
    sub.add_argument("name")
    sub.add_argument("--hard", action="store_true")
    sub = commands.add_parser("down", help="remove machines without a trace")
    sub.add_argument("name", nargs="*")
    sub.add_argument("--all", action="store_true", help="every machine of the run")
    commands.add_parser("list", help="the machines of every run")
    commands.add_parser("ssh-config", help="path of the ssh configuration, for ssh -F")
    sub = commands.add_parser("inventory", help="an Ansible inventory (JSON, which is YAML) of the run")
    sub.add_argument("group", nargs="*", metavar="GROUP=NAME,NAME")
    sub = commands.add_parser("run-fresh", parents=[kind], help=run_fresh.__doc__)
    sub.add_argument("--repo", type=Path, default=Path(__file__).resolve().parents[2])
    sub.add_argument("--user", default="root", help="root, or admin, who has sudo")
    sub.add_argument("command", nargs="+")
    sub = commands.add_parser("session", help=session.__doc__)
    sub.add_argument("command", nargs="+")
    commands.add_parser("clean", help="remove the cached base roots and packages")
    return parser.parse_args()


def main() -> int:
    args = arguments()
    if os.geteuid():
        die("root is needed")
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _frame: sys.exit(128 + number))
    owner = Run(args.run)
    verbs = {
        "up": lambda: up(owner, args),
        "exec": lambda: execute(
            owner.machine(args.name), args.command[0] if len(args.command) == 1 else shlex.join(args.command), args.user
        ),
        "reboot": lambda: reboot(owner.machine(args.name), args.hard),
        "down": lambda: down(owner, owner.claimed if args.all else [owner.machine(name) for name in args.name]),
        "list": show_all,
        "ssh-config": lambda: print(owner.ssh_config),
        "inventory": lambda: print(json.dumps(owner.inventory(args.group), indent=2)),
        "run-fresh": lambda: run_fresh(args),
        "session": lambda: session(args),
        "clean": clean,
    }
    return verbs[args.verb]() or 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)

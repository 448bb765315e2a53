"""Windows and macOS, as far as they can be tried on Linux: what they have not is not asked for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import fabnet

ABSENT = """
import builtins, importlib, os, pkgutil, signal, socket, sys

MODULES = {
    "_curses", "crypt", "curses", "fcntl", "grp", "nis", "posix", "pty", "pwd", "readline", "resource", "spwd",
    "syslog", "termios", "tty",
}
NAMES = {
    os: (
        "chown", "chroot", "fork", "forkpty", "getegid", "geteuid", "getgid", "getgroups", "getloadavg", "getpgid",
        "getpgrp", "getpriority", "getresuid", "getsid", "getuid", "initgroups", "killpg", "lchown", "mkfifo", "mknod",
        "nice", "openpty", "pread", "pwrite", "readv", "sched_getaffinity", "sched_setaffinity", "sendfile",
        "setpgid", "setpriority", "setsid", "setuid", "statvfs", "sysconf", "tcgetpgrp", "uname", "wait", "wait3",
        "wait4", "writev", "O_CLOEXEC", "O_DIRECTORY", "O_NOCTTY", "O_NOFOLLOW", "O_NONBLOCK", "O_SYNC",
    ),
    signal: (
        "SIGALRM", "SIGCHLD", "SIGCONT", "SIGHUP", "SIGKILL", "SIGPIPE", "SIGQUIT", "SIGSTOP", "SIGTSTP", "SIGTTIN",
        "SIGTTOU", "SIGUSR1", "SIGUSR2", "alarm", "getitimer", "pause", "pthread_kill", "pthread_sigmask", "setitimer",
        "siginterrupt", "sigpending", "sigwait",
    ),
    socket: ("AF_UNIX", "SO_REUSEPORT"),
    sys: (),
}


def is_own(frame):
    return str(frame.f_globals.get("__name__", "")).split(".")[0] == "fabnet"


def without(name, *arguments, **more):
    if name in MODULES and is_own(sys._getframe(1)):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    return imported(name, *arguments, **more)


class Lesser:
    # A module of the standard library, as Windows would show it to fabnet.
    def __init__(self, module, names):
        self.__dict__.update(_module=module, _names=set(names))

    def __getattr__(self, name):
        if name in self._names:
            raise AttributeError(f"module {self._module.__name__!r} has no attribute {name!r}")
        return "win32" if self._module is sys and name == "platform" else getattr(self._module, name)

    def __setattr__(self, name, value):
        setattr(self._module, name, value)

    def __dir__(self):
        return dir(self._module)


imported, builtins.__import__ = builtins.__import__, without
import fabnet

OWN = ["fabnet"] + sorted(each.name for each in pkgutil.walk_packages(fabnet.__path__, "fabnet."))
OWN.remove("fabnet.__main__")


def lessen():
    # Modules that are loaded already see the lesser ones from here on.
    for name in OWN:
        for module, names in NAMES.items():
            for own, value in list(vars(sys.modules.get(name, fabnet)).items()):
                if value is module:
                    setattr(sys.modules[name], own, Lesser(module, names))
"""
READS = """
for name in OWN:
    importlib.import_module(name)
lessen()
if __name__ == "__main__":
    found = fabnet.read([sys.argv[1]])
    assert found.num_rows == 1 and found["in_range"][0].as_py() is not None
    track = fabnet.track([sys.argv[2]], sys.argv[3], num_workers=1, fps=2.0, size=64)
    print(len(OWN), track.num_videos)
"""


def run(code: str, *arguments: object) -> str:
    command = [sys.executable, "-W", "ignore", "-c", ABSENT + code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_all_modules_reading_and_tracking_need_nothing_that_windows_lacks(
    smiling: Path, second: Path, tmp_path: Path
) -> None:
    """Worker processes, which `spawn` starts on every system, import the whole modules again."""
    pytest.importorskip("torch")
    import cv2

    from fabnet.video.decode import read_frames

    photo = tmp_path / "photo.png"
    assert cv2.imwrite(str(photo), next(iter(read_frames(smiling))).image[:, :, ::-1])
    modules, videos = map(int, run(READS, photo, second, tmp_path / "tracks.lance").split())
    assert modules >= 300
    assert videos == 1


@pytest.mark.slow
@pytest.mark.parametrize("platform", ["win32", "darwin"])
def test_types_fit_on_other_systems(platform: str, tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    package = Path(fabnet.__file__).parent
    command = [sys.executable, "-m", "mypy", "--platform", platform, "--no-warn-unreachable", "--cache-dir"]
    done = subprocess.run(
        [*command, str(tmp_path), str(package)], cwd=package.parent, capture_output=True, text=True, timeout=1800
    )
    assert done.returncode == 0, done.stdout

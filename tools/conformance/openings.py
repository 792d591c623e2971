# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""Did anything reach the real device?  Reads the output of `strace -f -y -e trace=%file`.

A line is an offence if a file system call names /dev/kvm, /dev/sev or /sys/module/kvm*, or
returns a descriptor of one: by an absolute path, relative to a descriptor or to the working
directory, or through a link.  The arguments of execve are no paths that are looked up.
"""
import os
import re
import shutil
import subprocess
import tempfile

STRACE = ["strace", "-f", "--seccomp-bpf", "-q", "-y", "-s", "4096", "-e", "trace=%file", "-e", "signal=none"]
FORBIDDEN = re.compile(r"^(/dev/kvm|/dev/char/10:232|/dev/sev(-guest)?|/sys/module/kvm[^/]*"
                       r"|/sys/(devices/virtual|class)/misc/(kvm|sev))(/|$)")
CALL = re.compile(r"^(?:\[?(?:pid\s+)?\d+\]?\s+)?(?:<\.\.\. )?(\w+)(\(| resumed>)(.*)$")
DIR_AND_PATH = re.compile(r'(?:(?:AT_FDCWD|\d+)<((?:[^>\\]|\\.)*)>, )?"((?:[^"\\]|\\.)*)"')
RESULT_FD = re.compile(r"= \d+<((?:[^>\\]|\\.)*)>")


def available():
    """Can we trace our own children here?"""
    if not shutil.which("strace"):
        return False
    r = subprocess.run([*STRACE, "-o", os.devnull, "true"], stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return r.returncode == 0


def unescape(text):
    return text.encode("latin-1", "replace").decode("unicode_escape", "replace")


def offence(line):
    """The forbidden path that this line of strace's output shows, or None."""
    m = CALL.match(line)
    if not m or m.group(1).startswith("execve"):
        return None
    paths = []
    for folder, path in DIR_AND_PATH.findall(m.group(3)):
        paths.append(os.path.join(unescape(folder or "/"), unescape(path)))
    paths += [unescape(p) for p in RESULT_FD.findall(m.group(3))]
    for path in paths:
        path = os.path.normpath(path)
        if FORBIDDEN.match(path):
            return "%s %s" % (m.group(1), path)
    return None


def offences(path):
    """(number of calls seen, offences) of one file of strace's output."""
    calls, found = 0, []
    with open(path, encoding="utf-8", errors="replace") as f:
        for line in f:
            calls += 1
            what = offence(line)
            if what and what not in found:
                found.append(what)
    return calls, found


# What must be caught when nobody stands between the program and the kernel.
GUILTY = (["stat", "/dev/kvm"],
          ["cat", "/dev/../dev/kvm"],
          ["sh", "-c", "cd /dev && cat <kvm"],
          ["sh", "-c", "exec 3</dev; cd /dev/fd/3/ && cat ./kvm"],
          ["ls", "-l", "/sys/module/kvm/parameters"],
          ["readlink", "/sys/module/kvm_intel/drivers"],
          ["test", "-e", "/dev/sev"])
INNOCENT = (["stat", "/dev/null"], ["echo", "/dev/kvm"], ["ls", "/sys/module/kernel"])


def self_test():
    """None if the check finds what it should and nothing else, or what went wrong."""
    with tempfile.TemporaryDirectory() as d:
        out = os.path.join(d, "trace")
        for guilty, commands in ((True, GUILTY), (False, INNOCENT)):
            for command in commands:
                subprocess.run([*STRACE, "-o", out, "--", *command], stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
                calls, found = offences(out)
                if not calls or bool(found) != guilty:
                    return "%s: %s" % (" ".join(command), "; ".join(found) or "not caught")
    return None

# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""The kernel tree whose selftests are run: find it, take what is needed, build it.

Everything lives in the user's cache, never in the repository.  A tarball is unpacked once; a
directory (KSRC) is copied each time, so that a tree somebody works on is left as it was.
"""
import fcntl
import glob
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time

DEBIAN = "/usr/src/linux-source-6.12.tar.xz"
PACKAGE = "linux-source-6.12"
# What the selftests of KVM are made from (paths below the top of the tree).
NEEDED = ("Makefile", "Kbuild", "Kconfig", "scripts", "include", "usr", "arch/x86", "lib/Kconfig*",
          "tools/include", "tools/arch", "tools/build", "tools/lib", "tools/scripts",
          "tools/testing/selftests/*.h", "tools/testing/selftests/*.mk",
          "tools/testing/selftests/kvm", "tools/testing/selftests/rseq")
# Newer trees use these as well.
WELCOME = ("tools/testing/selftests/cgroup", "tools/testing/selftests/clone3",
           "tools/testing/selftests/kselftest", "tools/testing/selftests/vfio")
SELFTESTS = "tools/testing/selftests/kvm"
JOBS = "2"


class NoTree(Exception):
    """Nothing to run: the message says what to do about it."""


def say(text):
    print("conformance: " + text, flush=True)


def cache_home():
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    path = os.path.join(base, "softcvm")
    try:
        os.makedirs(path, exist_ok=True)
        if os.access(path, os.W_OK):
            return path
    except OSError:
        pass
    path = os.path.join(os.environ.get("TMPDIR", "/var/tmp"), "softcvm-cache-%d" % os.getuid())
    os.makedirs(path, mode=0o755, exist_ok=True)
    return path


def make_env():
    """A clean environment: the flags of the make that called us are not for the kernel's."""
    env = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "TMPDIR")}
    env["LC_ALL"] = "C"
    return env


def normal_name(name):
    """Trees after 6.13 say x86/ where 6.12 says x86_64/; our table uses the older name."""
    return "x86_64/" + name[4:] if name.startswith("x86/") else name


def makefile_numbers(top):
    """VERSION, PATCHLEVEL and SUBLEVEL, as text."""
    try:
        with open(os.path.join(top, "Makefile"), encoding="utf-8") as f:
            head = f.read(400)
    except OSError as e:
        raise NoTree("%s is no kernel tree: %s" % (top, e)) from e
    v = dict(re.findall(r"^(VERSION|PATCHLEVEL|SUBLEVEL) = (\d+)$", head, re.M))
    if len(v) != 3:
        raise NoTree("%s: its Makefile names no version" % top)
    return v


def led_to(top):
    """Files of the tree that links of the selftests lead to and that are not here."""
    missing = set()
    for folder, _, names in os.walk(os.path.join(top, os.path.dirname(SELFTESTS))):
        for path in (os.path.join(folder, n) for n in names):
            if os.path.islink(path) and not os.path.exists(path):
                to = os.path.relpath(os.path.join(folder, os.readlink(path)), top)
                if not to.startswith("../"):
                    missing.add(to)
    return sorted(missing)


class KernelTree:
    """A built set of selftests: programs (names), path(name), version."""

    def __init__(self, source, rebuild=False):
        self.source = source or DEBIAN
        self.is_default = not source
        self.rebuild = rebuild
        self.version = self._version()
        self.top = os.path.join(cache_home(), "linux-" + self.version)
        self.src = os.path.join(self.top, "src")
        self.out = os.path.join(self.top, "out")
        self.log = os.path.join(self.top, "build.log")
        self.release = (0, 0)
        self.programs = []
        self._files = {}

    def prepare(self):
        os.makedirs(self.out, exist_ok=True)
        with open(os.path.join(self.top, "lock"), "w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if os.path.isdir(self.source):
                self._copy()
            else:
                self._unpack()
            self._build()
        numbers = makefile_numbers(self.src)
        self.release = (int(numbers["VERSION"]), int(numbers["PATCHLEVEL"]))
        self._list()
        return self

    def path(self, program):
        """The built program, or None."""
        path = self._files.get(program)
        return path if path and os.access(path, os.X_OK) else None

    def why_not_built(self, program):
        """The first error that the build log has for this program."""
        stem = re.escape(os.path.basename(program))
        try:
            with open(self.log, encoding="utf-8", errors="replace") as f:
                for line in f:
                    if re.search(r"%s\S*:.*(error|undefined)" % stem, line):
                        return line.strip()[:120]
        except OSError:
            pass
        return "see " + self.log

    def _version(self):
        if os.path.isdir(self.source):
            top = os.path.realpath(self.source)
            v = makefile_numbers(top)
            return "%s.%s.%s-%s" % (v["VERSION"], v["PATCHLEVEL"], v["SUBLEVEL"],
                                    hashlib.sha256(top.encode()).hexdigest()[:8])
        if not os.path.isfile(self.source):
            raise NoTree("%s does not exist: install the package %s (tools/setup --all), or name a "
                         "kernel tree with KSRC=DIR" % (self.source, PACKAGE))
        if self.is_default:
            r = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", PACKAGE], text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
            if r.returncode == 0 and r.stdout:
                return "6.12-" + r.stdout.replace("/", "_")
        st = os.stat(self.source)
        mark = "%s %d %d" % (os.path.basename(self.source), st.st_size, st.st_mtime_ns)
        return "tar-" + hashlib.sha256(mark.encode()).hexdigest()[:12]

    def _unpack(self):
        if os.path.isdir(self.src):
            return
        say("unpacking %s to %s" % (self.source, self.src))
        began, part = time.time(), self.src + ".part"
        shutil.rmtree(part, ignore_errors=True)
        os.makedirs(part)
        said = self._extract(part, NEEDED + WELCOME)
        if not os.path.isfile(os.path.join(part, SELFTESTS, "lib/kvm_util.c")):
            raise NoTree("could not unpack %s:\n%s" % (self.source, said[-600:]))
        more = led_to(part)
        if more:
            self._extract(part, more)
        os.rename(part, self.src)
        say("unpacked, %d s" % (time.time() - began))

    def _extract(self, into, names):
        """What tar has to say about it."""
        return subprocess.run(["tar", "-xaf", self.source, "-C", into, "--strip-components=1",
                               "--anchored", "--wildcards", "--no-wildcards-match-slash",
                               *["*/" + n for n in names]],
                              stderr=subprocess.PIPE, text=True, check=False).stderr

    def _copy(self):
        top = os.path.realpath(self.source)
        say("copying what is needed of %s to %s" % (top, self.src))
        os.makedirs(self.src, exist_ok=True)
        self._copy_names(top, NEEDED + WELCOME)
        self._copy_names(top, led_to(self.src))
        if not os.path.isdir(os.path.join(self.src, SELFTESTS)):
            raise NoTree("KSRC=%s has no %s" % (self.source, SELFTESTS))

    def _copy_names(self, top, wanted):
        names = [os.path.relpath(p, top) for n in wanted for p in glob.glob(os.path.join(top, n))]
        if not names:
            return
        with subprocess.Popen(["tar", "-C", top, "--exclude=*.o", "--exclude=*.d", "-cf", "-",
                               *names], stdout=subprocess.PIPE) as reader:
            subprocess.run(["tar", "-C", self.src, "-xf", "-"], stdin=reader.stdout, check=True)

    def _make(self, *args):
        with open(self.log, "ab") as log:
            return subprocess.run(["make", *args], env=make_env(), stdin=subprocess.DEVNULL,
                                  stdout=log, stderr=subprocess.STDOUT, check=False).returncode

    def _build(self):
        stamp = os.path.join(self.top, "built")
        mark = self._compiler()
        if not os.path.isdir(self.source) and not self.rebuild:
            try:
                with open(stamp, encoding="utf-8") as f:
                    if f.read() == mark:
                        return
            except OSError:
                pass
        began = time.time()
        open(self.log, "w", encoding="utf-8").close()
        say("building the KVM selftests of Linux %s (log: %s)" % (self.version, self.log))
        if self._make("-C", self.src, "ARCH=x86", "-j" + JOBS, "headers") != 0:
            raise NoTree("`make headers` failed, see " + self.log)
        say("kernel headers, %d s" % (time.time() - began))
        # -k: what cannot be built becomes a row of its own, the others go on
        self._make("-k", "-j" + JOBS, "-C", os.path.join(self.src, SELFTESTS), "OUTPUT=" + self.out)
        with open(stamp, "w", encoding="utf-8") as f:
            f.write(mark)
        say("built, %d s" % (time.time() - began))

    @staticmethod
    def _compiler():
        r = subprocess.run(["gcc", "--version"], stdout=subprocess.PIPE, text=True, check=False)
        if r.returncode != 0:
            raise NoTree("gcc is missing: tools/setup --all")
        return r.stdout.splitlines()[0] + "\n"

    def _list(self):
        rule = "softcvm-list:;@echo $(TEST_GEN_PROGS) $(TEST_GEN_PROGS_EXTENDED);echo $(TEST_PROGS)"
        r = subprocess.run(["make", "-s", "--no-print-directory", "-C",
                            os.path.join(self.src, SELFTESTS), "OUTPUT=" + self.out,
                            "--eval", rule, "softcvm-list"], env=make_env(), text=True,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        lines = r.stdout.splitlines()
        if r.returncode != 0 or not lines:
            raise NoTree("could not list the programs of %s:\n%s" % (self.src, r.stderr[-600:]))
        for path in lines[0].split():
            self._add(os.path.relpath(path, self.out), path)
        for name in (lines[1].split() if len(lines) > 1 else ()):
            self._add(name, os.path.join(self.src, SELFTESTS, name))

    def _add(self, name, path):
        name = normal_name(name)
        if name not in self._files:
            self.programs.append(name)
            self._files[name] = path


if __name__ == "__main__":
    tree = KernelTree(os.environ.get("KSRC")).prepare()
    print("\n".join("%-50s %s" % (p, tree.path(p) or "not built") for p in tree.programs))
    sys.exit(0)

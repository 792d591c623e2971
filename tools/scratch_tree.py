# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""scratch_tree - a copy of the source and its build, to change and test there."""
import json
import os
import re
import shutil
import signal
import subprocess

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class Unusable(Exception):
    pass


def copy_tree(build, scratch):
    """Source and objects, with their times, so that only the change is rebuilt."""
    shutil.rmtree(scratch, ignore_errors=True)
    os.makedirs(scratch)
    inside = os.path.relpath(build, TOP)
    skip = ["--exclude=./.git", "--exclude=./build*", "--exclude=./" + inside]
    for src, dst, more in ((TOP, scratch, skip),
                           (build, os.path.join(scratch, "build"),
                            ["--exclude=./try", "--exclude=./mutants", "--exclude=./meson-logs"])):
        os.makedirs(dst, exist_ok=True)
        tar = subprocess.Popen(["tar", "-C", src, "-c"] + more + ["."], stdout=subprocess.PIPE)
        subprocess.run(["tar", "-C", dst, "-x"], stdin=tar.stdout, check=True)
        if tar.wait():
            raise Unusable("the copy failed")
    ninja = os.path.join(scratch, "build", "build.ninja")
    with open(ninja, encoding="utf-8") as f:
        text = f.read()
    times = os.stat(ninja)
    with open(ninja, "w", encoding="utf-8") as f:
        f.write(moved(text, build, scratch))
    os.utime(ninja, ns=(times.st_atime_ns, times.st_mtime_ns))


def moved(text, build, scratch):
    """@text with the places of the copy in it."""
    return text.replace(build, "\0").replace(TOP, scratch).replace(
        "\0", os.path.join(scratch, "build"))


def introspect(build, what):
    with open(os.path.join(build, "meson-info", "intro-%s.json" % what), encoding="utf-8") as f:
        return json.load(f)


def default_signals():
    """What runs in the background or under nohup has these ignored, and so would its tests."""
    for sig in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        signal.signal(sig, signal.SIG_DFL)


class Tests:
    def __init__(self, build, scratch):
        self.build, self.scratch = build, scratch
        self.rows = {t["name"]: t for t in introspect(build, "tests")}
        self.files = {t["id"]: t["filename"] for t in introspect(build, "targets")}

    def quick(self):
        return sorted(n for n, t in self.rows.items() if re.match(r"(kvm|inter)/", n) and
                      any(s.endswith(":quick") for s in t["suite"]))

    def targets(self, chosen):
        files = set()
        for name in chosen:
            if name not in self.rows:
                raise Unusable("there is no test %s" % name)
            for d in self.rows[name]["depends"]:
                files.update(self.files.get(d, []))
        out = {os.path.relpath(f, self.build) for f in files}
        if any(t.endswith("/softcvm") for t in out):
            out.add("src/preload/libsoftcvm-preload.so")
        return sorted(out)

    def run(self, name, limit=None):
        """(passed, output); @limit: seconds, instead of the test's own"""
        t = self.rows[name]
        cmd = [moved(w, self.build, self.scratch) for w in t["cmd"]]
        env = dict(os.environ)
        env.update({k: moved(v, self.build, self.scratch) for k, v in t["env"].items()})
        p = subprocess.Popen(cmd, cwd=os.path.join(self.scratch, "build"), env=env,
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, start_new_session=True,
                             preexec_fn=default_signals)
        try:
            output, late = p.communicate(timeout=limit or t["timeout"])[0], ""
        except subprocess.TimeoutExpired:
            os.killpg(p.pid, signal.SIGKILL)    # its children hold the pipe, too
            output, late = p.communicate()[0], "(time limit)"
        except BaseException:                   # nobody waits for it any more
            os.killpg(p.pid, signal.SIGKILL)
            raise
        return p.returncode == 0 and not late, output.decode(errors="replace") + late


def rebuild(scratch, targets):
    p = subprocess.run(["ninja", "-C", os.path.join(scratch, "build")] + targets,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if p.returncode:
        raise Unusable("the changed source does not build:\n" + p.stdout[-3000:])

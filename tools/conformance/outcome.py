# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""Runs one row under softcvm and says how it went.

A pass needs more than exit status 0: no usage text, no word of skipping, our own counters saw
the program's ioctls and (unless the row says noguest) its guest instructions, and, if traced, no
path of the real device reached the kernel.
"""
import json
import os
import re
import signal
import subprocess
import tempfile
import time

import openings

HERE = os.path.dirname(os.path.abspath(__file__))
EXIT_SKIP = 4                      # the selftests' own exit status for "skipped"
OUTPUT_BYTES = 1 << 20             # of a program's output, that we look at
SKIPPED = re.compile(r"skip(?!:0 )", re.I)          # TAP's totals count them: none
USAGE = re.compile(r"^\s*usage:", re.I | re.M)
FRAME = re.compile(r"\s+(\d+\s|\(inlined|pid=)")
ASSERTION = "==== Test Assertion Failure ===="


class Outcome:
    """status (pass, fail, skip, timeout), why, and what was counted."""

    def __init__(self, status, why="", seconds=0.0, stats=None):
        self.status, self.why, self.seconds, self.stats = status, why, seconds, stats or {}

    @property
    def ioctls(self):
        return count(self.stats, "ioctls")

    @property
    def instructions(self):
        return count(self.stats, "guest_instructions")


def count(stats, name):
    value = stats.get(name, 0)
    return value if isinstance(value, int) else 0


def tidy(text):
    return " ".join(text.split())[:160]


def why_failed(code, text):
    """One line for people: the assertion, the signal, or the last thing said."""
    how = "exit status %d" % code if code >= 0 else signal.Signals(-code).name
    lines = text.splitlines()
    if ASSERTION in lines:
        rest = lines[lines.index(ASSERTION) + 1:]
        told = [x.strip() for x in rest if x.startswith("  ") and not FRAME.match(x)]
        return tidy("%s: %s" % (how, "; ".join(told[:2])))
    said = [x for x in lines if x.strip()]
    return tidy("%s: %s" % (how, said[-1]) if said else how)


def end_group(group):
    """Ends a program and the children that it left behind."""
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        pass


def read_stats(path):
    try:
        with open(path, encoding="utf-8") as f:
            stats = json.load(f)
        return stats if isinstance(stats, dict) else None
    except (OSError, ValueError):
        return None


def judge(code, text, stats, guest, partly=False):
    """The status of a run that ended by itself; @partly: it may say that it skips a part."""
    if code == EXIT_SKIP:
        said = [x for x in text.splitlines() if SKIPPED.search(x)]
        return "skip", tidy(said[-1]) if said else "exit status 4"
    if code != 0:
        return "fail", why_failed(code, text)
    if USAGE.search(text):
        return "fail", "prints its usage"
    said = SKIPPED.search(text)
    if said and not partly:
        return "skip", tidy(next(x for x in text.splitlines() if SKIPPED.search(x)))
    if stats is None:
        return "fail", "exit status 0, but softcvm wrote no counters"
    if not count(stats, "ioctls"):
        return "fail", "exit status 0, but softcvm saw no ioctl"
    if guest and not count(stats, "guest_instructions"):
        return "fail", "exit status 0, but no guest instruction ran"
    return "pass", ""


class Runner:
    """How rows are run: which softcvm, where files go, with what around it."""

    def __init__(self, softcvm, scratch, logs, see=(), traced=False, as_user=False,
                 time_scale=1.0, snp=False, abi=()):
        self.abi = list(abi)       # what softcvm is told of the kernel that the tests are of
        self.snp = snp             # are the tests so new that those of SEV have an SNP part?
        self.softcvm, self.scratch, self.logs, self.see = softcvm, scratch, logs, see
        self.traced, self.as_user, self.time_scale = traced, as_user, time_scale

    @property
    def mode(self):
        return "+".join([m for m, on in (("traced", self.traced), ("user", self.as_user)) if on]) or "plain"

    def run(self, row, cpu, program, limit=None):
        """Runs PROGRAM for a row; the output is kept in a log unless it passed."""
        name = re.sub(r"[^\w.-]+", "_", "%s.%s.%s" % (row.title, cpu, self.mode))
        stats, trace = (os.path.join(self.scratch, name + x) for x in (".stats", ".trace"))
        command = self._command(cpu, program, row, stats, trace)
        seconds = (limit or row.seconds) * self.time_scale
        began = time.monotonic()
        code, text = self._spawn(command, seconds)
        took = time.monotonic() - began
        counted = read_stats(stats)
        if code is None:
            status, why = "timeout", "after %d s" % seconds
        else:
            status, why = judge(code, text, counted, "noguest" not in row.flags,
                                "partly" in row.flags)
        if status == "pass" and self.snp and "snp" in row.flags and \
           not count(counted, "attribute_changes"):
            status, why = "fail", "exit status 0, but no SNP guest: no page was made private"
        if self.traced and status in ("pass", "skip"):
            calls, found = openings.offences(trace) if os.path.exists(trace) else (0, [])
            if found:
                status, why = "fail", tidy("reached the kernel: " + ", ".join(found))
            elif not calls:
                status, why = "fail", "strace wrote nothing"
        outcome = Outcome(status, why, took, counted)
        self._keep(name, command, outcome, text)
        for path in (stats, trace):
            if os.path.exists(path):
                os.unlink(path)
        return outcome

    def _command(self, cpu, program, row, stats, trace):
        command = [self.softcvm, "exec", "--quiet", "--stats", stats, "--cpu", cpu,
                   *self.abi, *row.options(), "--", program, *row.args]
        if self.traced:
            command = [*openings.STRACE, "-o", trace, "--", *command]
        if self.as_user:
            see = [w for d in self.see for w in ("--see", d)]
            command = [os.path.join(HERE, "as-user"), *see, "--", *command]
        return command

    def _spawn(self, command, seconds):
        """(exit status or None, output); on time-out the whole process group is ended."""
        env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
        env["TMPDIR"] = self.scratch
        # a file, not a pipe: a child that got away must not make us wait for its end
        with tempfile.TemporaryFile(dir=self.scratch) as out:
            with subprocess.Popen(command, cwd=self.scratch, env=env, stdin=subprocess.DEVNULL,
                                  stdout=out, stderr=subprocess.STDOUT,
                                  start_new_session=True) as p:
                try:
                    code = p.wait(timeout=seconds)
                except subprocess.TimeoutExpired:
                    code = None
                finally:
                    end_group(p.pid)
            out.seek(0)
            return code, out.read(OUTPUT_BYTES).decode("utf-8", "replace")

    def _keep(self, name, command, outcome, text):
        path = os.path.join(self.logs, name + ".log")
        if outcome.status == "pass":
            if os.path.exists(path):
                os.unlink(path)
            return
        with open(path, "w", encoding="utf-8") as f:
            f.write("%s\n%s: %s (%.1f s) %s\n\n%s" % (
                " ".join(command), outcome.status, outcome.why, outcome.seconds,
                json.dumps(outcome.stats), text))

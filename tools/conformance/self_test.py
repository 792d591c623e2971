# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""Tests of the conformance runner itself: no kernel tree, no softcvm, no strace needed."""
import os
import tempfile

import openings
import outcome
import table

GOOD = {"ioctls": 9, "guest_instructions": 5}
IDLE = {"ioctls": 9, "guest_instructions": 0}
# (exit status, output, counters, does it run a guest[, may it skip a part]) -> status
JUDGED = (
    ((0, "Random seed: 0x6b8b4567\n", GOOD, True), "pass"),
    ((0, "", IDLE, False), "pass"),
    ((0, "", IDLE, True), "fail"),
    ((0, "", {"ioctls": 0, "guest_instructions": 5}, True), "fail"),
    ((0, "", {"ioctls": "many"}, False), "fail"),
    ((0, "", None, False), "fail"),
    ((0, "\nusage: prog [-h] [-n vcpus]\n", GOOD, True), "fail"),
    ((0, "Usage: prog\n", GOOD, True), "fail"),
    ((0, "Skipping tests for vm_type 0x1\n", GOOD, True), "skip"),
    ((0, "# Totals: pass:2 fail:0 xfail:0 xpass:0 skip:0 error:0\n", GOOD, True), "pass"),
    ((0, "# Totals: pass:2 fail:0 xfail:0 xpass:0 skip:1 error:0\n", GOOD, True), "skip"),
    ((0, "will skip nested state checks\n", GOOD, True, True), "pass"),
    ((4, "will skip nested state checks\n", GOOD, True, True), "skip"),
    ((4, "1..0 # SKIP - Requirement not met\n", GOOD, True), "skip"),
    ((254, "==== Test Assertion Failure ====\n  x.c:1: a == b\n", GOOD, True), "fail"),
    ((-11, "", GOOD, True), "fail"),
)
# line of `strace -y` -> is it an offence?
TRACED = (
    ('12 openat(AT_FDCWD</tmp>, "/dev/kvm", O_RDWR) = -1 ENOENT (No such file)', True),
    ('12 openat(AT_FDCWD</dev>, "kvm", O_RDWR) = 3</dev/kvm>', True),
    ('12 openat(7</dev>, "./kvm", O_RDWR <unfinished ...>', True),
    ('12 <... openat resumed>) = 3</dev/kvm>', True),
    ('12 statx(AT_FDCWD</>, "/dev//kvm", AT_STATX_SYNC_AS_STAT, STATX_ALL, 0x7ffe) = 0', True),
    ('12 access("/dev/sev", F_OK) = -1 ENOENT (No such file or directory)', True),
    ('12 readlink("/proc/self/fd/3", "/dev/kvm", 4095) = 8', True),
    ('12 open("/sys/module/kvm_amd/parameters/sev", O_RDONLY) = 3', True),
    ('12 newfstatat(5</sys/module>, "kvm", 0x7ffe, 0) = 0', True),
    ('12 openat(AT_FDCWD</tmp>, "/tmp/link", O_RDONLY) = 3</dev/kvm>', True),
    ('12 execve("/bin/stat", ["stat", "/dev/kvm"], 0x7ffe /* 20 vars */) = 0', False),
    ('12 openat(AT_FDCWD</dev>, "null", O_RDWR) = 3</dev/null>', False),
    ('12 openat(AT_FDCWD</tmp>, "/tmp/dev/kvm", O_RDWR) = 3</tmp/dev/kvm>', False),
    ('12 readlink("/proc/self/fd/3", "/memfd:/dev/kvm (deleted)", 4095) = 25', False),
    ('12 openat(AT_FDCWD</tmp>, "/sys/module/kernel/parameters/panic", O_RDONLY) = 3', False),
    ('12 openat(AT_FDCWD</tmp>, "/dev/kvmfr0", O_RDWR) = 3', False),
    ('12 +++ exited with 0 +++', False),
)
# script of a stand-in for softcvm (counters go to $3) -> status
SCRIPTS = (
    ('echo \'{"ioctls": 1, "guest_instructions": 1}\' >"$3"', "pass"),
    ("exit 0", "fail"),
    ("exit 4", "skip"),
    ("kill -SEGV $$", "fail"),
    ("sleep 600", "timeout"),
    # neither a child that stays behind nor one that takes the output along holds us up
    ('sleep 600 & echo \'{"ioctls": 1, "guest_instructions": 1}\' >"$3"', "pass"),
)


def check_tables():
    """Each row that may run has an expectation, each expectation a row."""
    rows, want, newer = table.read_rows(), table.read_expectations(), table.read_newer()
    due = {(r.title, c): "newer" in r.flags for r in rows if r.cls != "out" for c in r.cpus()}
    for key in sorted({k for k, is_newer in due.items() if not is_newer} ^ set(want)):
        yield "%s on %s: %s" % (*key, "no expectation" if key in due else "no row to run")
    said = {key for of_release in newer.values() for key in of_release}
    for key in sorted(said - set(due)):
        yield "%s on %s in expectations.newer: no row to run" % key
    for key in sorted({k for k, is_newer in due.items() if is_newer} - said):
        yield "%s on %s: nothing in expectations.newer" % key
    for r in rows:
        if "required" in r.flags and any(want.get((r.title, c), ("",))[0] != "pass" for c in r.cpus()):
            yield r.title + ": required, but not expected to pass"


def check_rewriting():
    """What was written is read back the same."""
    rows, want = table.read_rows(), table.read_expectations()
    want[(rows[0].title, "intel")] = ("not-yet", "a reason")
    with tempfile.TemporaryDirectory() as d:
        path = os.path.join(d, "expectations")
        with open(path, "w", encoding="utf-8") as f:
            f.write("# head\n\n# --- old\npass both gone\n")
        table.write_expectations(rows, want, path)
        if table.read_expectations(path) != want:
            yield "expectations: written and read back differ"
        newer = table.read_newer()
        newer[(99, 1)] = {(rows[0].title, "amd"): ("not-yet", "a reason")}
        newer[(99, 10)] = {(rows[0].title, "amd"): ("pass", "")}
        table.write_newer(rows, newer, path)
        if table.read_newer(path) != newer:
            yield "expectations.newer: written and read back differ"
        for release, status in (((99, 2), "not-yet"), ((99, 10), "pass"), ((6, 12), "pass")):
            got = table.expectations_of(release, newer)[(rows[0].title, "amd")][0]
            if got != status:
                yield "expectations of a tree %d.%d: %s" % (*release, got)


def check_runs():
    with tempfile.TemporaryDirectory() as d:
        for script, status in SCRIPTS:
            fake = os.path.join(d, "softcvm")
            with open(fake, "w", encoding="utf-8") as f:
                # exec --quiet --stats FILE --cpu ...: FILE becomes $3
                f.write("#!/bin/sh\nset -- \"$1\" \"$2\" \"$4\"\n%s\n" % script)
            os.chmod(fake, 0o755)
            runner = outcome.Runner(fake, d, d, time_scale=0.5)
            row = table.Row("ci", 1 if status == "timeout" else 400, [], "prog", [], "")
            came = runner.run(row, "amd", "/bin/true")
            if came.status != status or came.seconds > 300:
                yield "%s: %s after %.1f s (%s), not %s" % (script, came.status, came.seconds,
                                                            came.why, status)


def check_snp():
    """A row that owes an SNP guest does not pass without one."""
    with tempfile.TemporaryDirectory() as d:
        for changes, status in ((0, "fail"), (3, "pass")):
            fake = os.path.join(d, "softcvm")
            with open(fake, "w", encoding="utf-8") as f:
                f.write("#!/bin/sh\necho '{\"ioctls\": 1, \"guest_instructions\": 1, "
                        "\"attribute_changes\": %d}' >\"$4\"\n" % changes)
            os.chmod(fake, 0o755)
            row = table.Row("ci", 200, ["snp"], "prog", [], "")
            came = outcome.Runner(fake, d, d, snp=True).run(row, "amd", "/bin/true")
            if came.status != status:
                yield "%d changes of attributes: %s (%s)" % (changes, came.status, came.why)


def check_judging():
    for args, status in JUDGED:
        if outcome.judge(*args)[0] != status:
            yield "judge%r: %s, not %s" % (args, outcome.judge(*args)[0], status)
    for line, guilty in TRACED:
        if bool(openings.offence(line)) != guilty:
            yield "%s: %s" % (line, "missed" if guilty else openings.offence(line))


def self_test():
    """Prints what is wrong; returns the number of findings."""
    bad = [x for check in (check_tables, check_rewriting, check_judging, check_runs, check_snp) for x in check()]
    for text in bad:
        print("conformance: " + text)
    print("conformance: self-test %s" % ("failed" if bad else "passed"))
    return len(bad)

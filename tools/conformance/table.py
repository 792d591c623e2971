# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""The two checked-in lists: rows (what is run) and expectations (what comes out)."""
import os
import re

HERE = os.path.dirname(os.path.abspath(__file__))
ROWS = os.path.join(HERE, "rows")
EXPECTATIONS = os.path.join(HERE, "expectations")
CLASSES = ("ci", "long", "out")
FLAGS = ("required", "noguest", "partly", "alone", "root", "hugepages", "nx", "qemu", "amd",
         "intel")
# What `softcvm exec` is told for a flag; the kernel's script writes these to /sys/module.
OPTIONS = {"nx": ["--param", "kvm.nx_huge_pages=Y",
                  "--param", "kvm.nx_huge_pages_recovery_ratio=1",
                  "--param", "kvm.nx_huge_pages_recovery_period_ms=100"]}
# A flag, and the program without which the row is not run.
NEEDS = {"qemu": "qemu-system-x86_64"}
CPUS = ("amd", "intel")
EXPECTED = ("pass", "skip", "not-yet")


class TableError(Exception):
    """A line that cannot be read, with file and number."""


def lines_of(path):
    """(number, words, reason) of each line that says something."""
    with open(path, encoding="utf-8") as f:
        for no, line in enumerate(f, 1):
            text, _, reason = line.partition("#")
            if text.split():
                yield no, text.split(), reason.strip()


class Row:
    """One program with its arguments."""

    def __init__(self, cls, seconds, flags, program, args, reason):
        self.cls, self.seconds, self.flags = cls, seconds, flags
        self.program, self.args, self.reason = program, args, reason

    @property
    def title(self):
        return " ".join([self.program, *self.args])

    def options(self):
        return [w for flag in self.flags for w in OPTIONS.get(flag, [])]

    def cpus(self):
        only = [c for c in CPUS if c in self.flags]
        return only or list(CPUS)


def read_rows(path=ROWS):
    rows = []
    for no, words, reason in lines_of(path):
        where = "%s:%d: " % (path, no)
        if len(words) < 4 or words[0] not in CLASSES:
            raise TableError(where + "CLASS SECONDS FLAGS PROGRAM [ARGS...]")
        flags = [f for f in words[2].split(",") if f != "-"]
        if [f for f in flags if f not in FLAGS]:
            raise TableError(where + "unknown flag in " + words[2])
        if words[0] == "out":
            if not reason:
                raise TableError(where + "out of scope needs a reason")
            seconds = 0
        elif not words[1].isdigit():
            raise TableError(where + "time limit in seconds")
        else:
            seconds = int(words[1])
        rows.append(Row(words[0], seconds, flags, words[3], words[4:], reason))
    titles = [r.title for r in rows]
    for t in titles:
        if titles.count(t) > 1:
            raise TableError("%s: two rows for %s" % (path, t))
    return rows


def read_expectations(path=EXPECTATIONS):
    """{(title, cpu): (status, reason)}"""
    want = {}
    for no, words, reason in lines_of(path):
        where = "%s:%d: " % (path, no)
        if len(words) < 3 or words[0] not in EXPECTED or words[1] not in CPUS + ("both",):
            raise TableError(where + "STATUS CPU PROGRAM [ARGS...]")
        if words[0] != "pass" and not reason:
            raise TableError(where + words[0] + " needs a reason")
        for cpu in CPUS if words[1] == "both" else (words[1],):
            if (" ".join(words[2:]), cpu) in want:
                raise TableError(where + "said twice")
            want[(" ".join(words[2:]), cpu)] = (words[0], reason)
    return want


def merged(per_cpu):
    """Lines (status, cpu, reason) for {cpu: (status, reason)}: one if both CPU models agree."""
    if len(per_cpu) == 2 and len(set(per_cpu.values())) == 1:
        status, reason = per_cpu[CPUS[0]]
        return [(status, "both", reason)]
    return [(s, cpu, reason) for cpu, (s, reason) in sorted(per_cpu.items())]


def write_expectations(rows, want, path=EXPECTATIONS):
    """Rewrites the list in the order of the rows; the head comment and the section titles stay."""
    with open(path, encoding="utf-8") as f:
        head = re.match(r"(?:#.*\n)*", f.read()).group(0)
    sections = section_of_rows()
    out, last = [head], None
    for row in rows:
        per_cpu = {c: want[(row.title, c)] for c in row.cpus() if (row.title, c) in want}
        if not per_cpu:
            continue
        if sections.get(row.title) != last:
            last = sections.get(row.title)
            out.append("\n# --- %s\n" % last)
        for status, cpu, reason in merged(per_cpu):
            line = "%-8s %-5s %s" % (status, cpu, row.title)
            out.append("%-60s # %s\n" % (line, reason) if reason else line + "\n")
    with open(path + ".new", "w", encoding="utf-8") as f:
        f.write("".join(out))
    os.rename(path + ".new", path)


def section_of_rows(path=ROWS):
    """{title: section} from the "# --- " lines of the rows."""
    sections, now = {}, None
    with open(path, encoding="utf-8") as f:
        for line in f:
            if line.startswith("# --- "):
                now = line[6:].strip()
            words = line.partition("#")[0].split()
            if len(words) >= 4:
                sections[" ".join(words[3:])] = now
    return sections

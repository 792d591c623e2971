# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""The checked-in lists: rows (what is run) and expectations (what comes out, and of newer trees)."""
import os
import re

HERE = os.path.dirname(os.path.abspath(__file__))
ROWS = os.path.join(HERE, "rows")
EXPECTATIONS = os.path.join(HERE, "expectations")
NEWER = os.path.join(HERE, "expectations.newer")
CLASSES = ("ci", "long", "out")
FLAGS = ("required", "noguest", "partly", "alone", "root", "hugepages", "nx", "fep", "qemu",
         "harness", "newer", "snp", "amd", "intel")
# What `softcvm exec` is told for a flag; the kernel's script writes these to /sys/module.
OPTIONS = {"nx": ["--param", "kvm.nx_huge_pages=Y",
                  "--param", "kvm.nx_huge_pages_recovery_ratio=1",
                  "--param", "kvm.nx_huge_pages_recovery_period_ms=100"],
           "fep": ["--param", "kvm.force_emulation_prefix=1"]}
# The first release whose SEV tests have an SNP part.
SNP_SINCE = (6, 16)
# The last release whose harness waits for its children, whoever else does.
OLD_HARNESS = (6, 12)
# A flag, and the program without which the row is not run.
NEEDS = {"qemu": "qemu-system-x86_64"}
CPUS = ("amd", "intel")
EXPECTED = ("pass", "skip", "not-yet")


# What softcvm is told for trees from a release on; the last that holds.
KERNEL_ABI = {(6, 18): ["--kernel-abi", "6.18"]}


def kernel_abi(release):
    return next((words for since, words in sorted(KERNEL_ABI.items(), reverse=True) if since <= release), [])


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


def expected_by(where, words, reason):
    """The pairs (title, cpu), (status, reason) of one line STATUS CPU PROGRAM [ARGS...]."""
    if len(words) < 3 or words[0] not in EXPECTED or words[1] not in CPUS + ("both",):
        raise TableError(where + "STATUS CPU PROGRAM [ARGS...]")
    if words[0] != "pass" and not reason:
        raise TableError(where + words[0] + " needs a reason")
    for cpu in CPUS if words[1] == "both" else (words[1],):
        yield (" ".join(words[2:]), cpu), (words[0], reason)


def read_expectations(path=EXPECTATIONS):
    """{(title, cpu): (status, reason)}"""
    want = {}
    for no, words, reason in lines_of(path):
        where = "%s:%d: " % (path, no)
        for key, said in expected_by(where, words, reason):
            if key in want:
                raise TableError(where + "said twice")
            want[key] = said
    return want


def release_of(text):
    """"7.2" as numbers that can be compared, or None."""
    m = re.fullmatch(r"(\d+)\.(\d+)", text)
    return (int(m.group(1)), int(m.group(2))) if m else None


def read_newer(path=NEWER):
    """{release: {(title, cpu): (status, reason)}}: what a tree shows from that release on."""
    newer = {}
    for no, words, reason in lines_of(path):
        where, release = "%s:%d: " % (path, no), release_of(words[0])
        if not release or len(words) < 4:
            raise TableError(where + "RELEASE STATUS CPU PROGRAM [ARGS...]")
        want = newer.setdefault(release, {})
        for key, said in expected_by(where, words[1:], reason):
            if key in want:
                raise TableError(where + "said twice")
            want[key] = said
    return newer


def expectations_of(release, newer=None):
    """The expectations, and over them those of every release up to @release."""
    want = read_expectations()
    newer = read_newer() if newer is None else newer
    for known in sorted(newer):
        if known <= release:
            want.update(newer[known])
    return want


def merged(per_cpu):
    """Lines (status, cpu, reason) for {cpu: (status, reason)}: one if both CPU models agree."""
    if len(per_cpu) == 2 and len(set(per_cpu.values())) == 1:
        status, reason = per_cpu[CPUS[0]]
        return [(status, "both", reason)]
    return [(s, cpu, reason) for cpu, (s, reason) in sorted(per_cpu.items())]


def write_expectations(rows, want, path=EXPECTATIONS):
    """Rewrites the list in the order of the rows; the head comment and the section titles stay."""
    write_list(path, list(lines_to_write(rows, want, "")))


def write_newer(rows, newer, path=NEWER):
    """The same for the list of newer trees, one release after the other."""
    write_list(path, [line for release in sorted(newer)
                      for line in lines_to_write(rows, newer[release], "%-6s " % ("%d.%d" % release))])


def write_list(path, lines):
    with open(path, encoding="utf-8") as f:
        head = re.match(r"(?:#.*\n)*", f.read()).group(0)
    with open(path + ".new", "w", encoding="utf-8") as f:
        f.write(head + "".join(lines))
    os.rename(path + ".new", path)


def lines_to_write(rows, want, before):
    sections, last = section_of_rows(), None
    for row in rows:
        per_cpu = {c: want[(row.title, c)] for c in row.cpus() if (row.title, c) in want}
        if not per_cpu:
            continue
        if sections.get(row.title) != last:
            last = sections.get(row.title)
            yield "\n# --- %s\n" % last
        for status, cpu, reason in merged(per_cpu):
            line = "%s%-8s %-5s %s" % (before, status, cpu, row.title)
            yield "%-*s # %s\n" % (60 + len(before), line, reason) if reason else line + "\n"


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

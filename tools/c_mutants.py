# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""c_mutants - small changes of C source, each of which makes one rule another one.

Works on the text, by what the house's style makes sure of: functions begin and
end with a brace in the first column, a statement has a line of its own.
Where a file is a set of rules (@families given) there are more of them: two checks
in the other order, a bit left out, another member of an enum, one arm of a choice.
Comments, strings and preprocessor lines are left alone, and so are checks that
fire on our own bugs only, -ENOMEM and NO_MEMORY: no test runs out of memory.
"""
import collections
import re

# text[start:end] becomes new; name: the function, or "" in a table
Mutant = collections.namedtuple("Mutant", "path line kind start end new name old_line new_line")

BLANKS = re.compile(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'"
                    r"|^[ \t]*#(?:\\\n|[^\n])*", re.S | re.M)
BODY = re.compile(r"^\{\n.*?^\}", re.S | re.M)
NAME = re.compile(r"([A-Za-z_]\w*)\s*\([^;{}]*$")
OWN_CHECKS = re.compile(r"\b(?:\w*assert\w*|panic\w*|kvm_warn\w*|SYNC_POINT|base_bug\w*)\s*\("
                        r"|NO_MEMORY\b")
IF = re.compile(r"\bif \(")
COMPARE = re.compile(r"(?<![<>=!&|+*/%^-])(==|!=|<=|>=|<|>)(?![<>=])")
OTHERS = {"==": "!=", "!=": "==", "<": "<=", "<=": "<", ">": ">=", ">=": ">", "&&": "||", "||": "&&"}
LOGIC = re.compile(r"&&|\|\|")
ERRNO = re.compile(r"(?<![\w)])-(E[A-Z0-9]{2,})\b")
RETURN = re.compile(r"\breturn (true|false|[A-Z][A-Z0-9_]{2,});")
ASSIGNMENT = re.compile(r"^\t+([\w*(&][^;={}\n]*?) (?:[|&^+-]|<<|>>)?= [^;{}]*;", re.M)
STARTS = re.compile(r"(?:[;{}:)]|\belse|\*/)\s*$")
ONE_EQUALITY = re.compile(r"[^=!<>&|]*[=!]=[^=!<>&|]*$")


def blanked(text):
    """@text of the same length without what is not code."""
    return BLANKS.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), text)


def closing(code, at):
    """The parenthesis that closes the one at @at."""
    depth = 0
    for k in range(at, len(code)):
        depth += (code[k] == "(") - (code[k] == ")")
        if not depth:
            return k
    return len(code) - 1


def conditions(code):
    for m in IF.finditer(code):
        start, end = m.end(), closing(code, m.end() - 1)
        if not ONE_EQUALITY.match(code[start:end].replace("->", "  ")):
            yield "condition", start, end, "!(%s)"


def tokens(code):
    for kind, pattern in (("comparison", COMPARE), ("logic", LOGIC)):
        for m in pattern.finditer(code):
            yield kind, m.start(), m.end(), OTHERS[m.group()]


def results(code):
    """What a function answers: true and false, and the constants of one file among themselves."""
    found = list(RETURN.finditer(code))
    names = sorted({m.group(1) for m in found} - {"true", "false", "NULL"})
    for m in found:
        v = m.group(1)
        if v in ("true", "false"):
            yield "result", m.start(1), m.end(1), "false" if v == "true" else "true"
        elif v in names and len(names) > 1:
            yield "result", m.start(1), m.end(1), names[(names.index(v) + 1) % len(names)]


def errnos(code):
    for m in ERRNO.finditer(code):
        if m.group(1) == "ENOMEM":
            continue
        yield "errno", m.start(), m.end(), "0"
        yield "errno", m.start(), m.end(), "-EINVAL" if m.group(1) != "EINVAL" else "-EPERM"


def assignments(code):
    """Whole statements; declarations (two words in a row) are not among them."""
    for m in ASSIGNMENT.finditer(code):
        if re.search(r"\w\s+\**\w", m.group(1)) or not STARTS.search(code[:m.start()] or ";"):
            continue
        yield "assignment", m.start(1), m.end(), ";"


ENUM = re.compile(r"\benum\s*\w*\s*\{([^{}]*)\}", re.S)
CONSTANT = re.compile(r"(?<![\w.>])[A-Z][A-Z0-9_]{2,}\b(?!\s*\()")
BIT_AFTER = re.compile(r"\s*\|\s*[A-Z][A-Z0-9_]{2,}\b(?!\s*\()")
BIT_BEFORE = re.compile(r"(?<=[(=&,~])(\s*)\b[A-Z][A-Z0-9_]{2,}\s*\|(?!\|)\s*")
CASE = re.compile(r"^\t+case \w+:\n", re.M)
CHOICE = re.compile(r" \? ")
NOT = re.compile(r"(?<![=\w])!(?=[\w(])")
CHECK = re.compile(r"^(\t+)(else )?if (?=\()", re.M)


def families(texts):
    """{constant: all of its enum}, of the enums in @texts."""
    out = {}
    for text in texts:
        for m in ENUM.finditer(blanked(text)):
            names = re.findall(r"(?:^|,)\s*([A-Z][A-Z0-9_]*)", m.group(1))
            for n in names:
                out[n] = names
    return out


def checks(code):
    """(start, end) of condition and body, whose body is one statement; its indentation."""
    for m in CHECK.finditer(code):
        end = closing(code, m.end())
        body = re.compile(r"\s*(?!if\b|for\b|while\b)[^;{}]*;").match(code, end + 1)
        if body:
            yield m, m.end(), body.end()


def orders(code, text):
    """Two checks that follow each other: which one has priority?"""
    found = list(checks(code))
    for (one, start, end), (two, start2, end2) in zip(found, found[1:]):
        a, b = code[start:end], code[start2:end2]
        if one.group(1) == two.group(1) and not code[end:two.start()].strip() and \
                a.split(")")[-1] != b.split(")")[-1] and (two.group(2) or "return" in a + b):
            yield "order", start, end2, text[start2:end2] + text[end:start2] + text[start:end]


def constants(code, family):
    for m in CONSTANT.finditer(code):
        names = family.get(m.group())
        line = line_at(code, m.start())
        if names and len(names) > 1 and not re.match(r"\s*case |.*\[\w+\] = ", line):
            yield ("constant", m.start(), m.end(),
                   names[(names.index(m.group()) + 1) % len(names)])


def rules(code, text, family):
    yield from orders(code, text)
    for m in re.finditer(r"\breturn (true|false);", code):
        yield "result", m.start(1), m.end(1), "false" if m.group(1) == "true" else "true"
    yield from constants(code, family)
    for m in BIT_AFTER.finditer(code):
        yield "bit", m.start(), m.end(), ""
    for m in BIT_BEFORE.finditer(code):
        yield "bit", m.start(), m.end(), m.group(1)
    for m in CASE.finditer(code):
        yield "case", m.start(), m.end(), ""
    for m in CHOICE.finditer(code):
        yield "choice", m.start(), m.end(), " || 1 ? "
        yield "choice", m.start(), m.end(), " && 0 ? "
    for m in NOT.finditer(code):
        yield "not", m.start(), m.end(), ""


def line_at(text, at):
    start = text.rfind("\n", 0, at) + 1
    return text[start:(text.find("\n", at) + len(text) + 1) % (len(text) + 1)]


def candidates(path, text, family=None):
    """All mutants of one file, in the order of their places; @family: those of rules, too."""
    code, out = blanked(text), []
    bodies = []
    for m in BODY.finditer(code):
        n = NAME.search(code[:m.start()].rstrip().rsplit("\n\n", 1)[-1])
        bodies.append((m.start(), m.end(), n.group(1) if n else "?"))
    finders = [f(code) for f in (conditions, tokens, errnos, assignments)]
    finders.append(results(code) if family is None else rules(code, text, family))
    for finder in finders:
        for kind, start, end, new in finder:
            inside = [b for b in bodies if b[0] <= start < b[1]]
            old = line_at(text, start)
            if OWN_CHECKS.search(old) or (not inside and kind != "errno"):
                continue
            if "%s" in new:
                new = new % text[start:end]
            changed = text[:start] + new + text[end:]
            out.append(Mutant(path, text.count("\n", 0, start) + 1, kind, start, end, new,
                              inside[0][2] if inside else "", old.strip(),
                              line_at(changed, start).strip()))
    return sorted({(m.start, m.end, m.new): m for m in out}.values(),
                  key=lambda m: (m.start, m.end, m.new))


SAMPLE = '''/* if (a) -EINVAL */
#define F(x) if (x) \\
	return -EPERM
static const struct row rows[] = { { 1, -EBUSY } };

static int f(struct foo *p, int n)
{
	int r = 0;

	if (p->flags & ~1)
		return -EINVAL;
	assert(p->a == 1);
	if (n == 3)
		p->n = n << 2;
	r = g("a < b && c",
	      n);
	return r < 0 || n > 1;
}
'''
RULES = '''enum e { NO_RULE, ONE_RULE };
static enum e g(int a, int b)
{
	if (a < 1)
		return NO_RULE;	/* "(" */
	if (b & (BIT_ONE | BIT_TWO))
		return ONE_RULE;
	return !a ? NO_RULE : h(a | BIT_TWO);
}
'''
WANTED_RULES = [
    ("order", "if (b & (BIT_ONE | BIT_TWO))"), ("constant", "return ONE_RULE;	/* \"(\" */"),
    ("constant", "return NO_RULE;"), ("bit", "if (b & (BIT_ONE))"), ("bit", "if (b & (BIT_TWO))"),
    ("choice", "return !a || 1 ? NO_RULE : h(a | BIT_TWO);"),
    ("choice", "return !a && 0 ? NO_RULE : h(a | BIT_TWO);"),
    ("not", "return a ? NO_RULE : h(a | BIT_TWO);"),
    ("constant", "return !a ? ONE_RULE : h(a | BIT_TWO);"),
    ("bit", "return !a ? NO_RULE : h(a);"),
]
WANTED = [
    ("", "errno", "static const struct row rows[] = { { 1, 0 } };"),
    ("", "errno", "static const struct row rows[] = { { 1, -EINVAL } };"),
    ("f", "condition", "if (!(p->flags & ~1))"),
    ("f", "errno", "return -EPERM;"), ("f", "errno", "return 0;"),
    ("f", "comparison", "if (n != 3)"), ("f", "assignment", ";"), ("f", "assignment", ";"),
    ("f", "comparison", "return r <= 0 || n > 1;"), ("f", "logic", "return r < 0 && n > 1;"),
    ("f", "comparison", "return r < 0 || n >= 1;"),
]


def self_test():
    found = [(m.name, m.kind, m.new_line) for m in candidates("x.c", SAMPLE)]
    assert sorted(found) == sorted(WANTED), found
    found = [(m.kind, m.new_line) for m in candidates("x.c", RULES, families([RULES]))]
    base = [(m.kind, m.new_line) for m in candidates("x.c", RULES)]
    assert sorted(set(found) - set(base)) == sorted(set(WANTED_RULES) - set(base)), found
    assert len(blanked(SAMPLE)) == len(SAMPLE)
    assert closing("((a)(b))c", 0) == 7

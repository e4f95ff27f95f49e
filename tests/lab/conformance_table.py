#!/usr/bin/env python3
"""Makes the table of docs/conformance.md from what `faultline conform --json` said in the lab.

  conformance_table.py RESULTS BACKEND...

RESULTS/BACKEND holds files/conform.json, about (the machine in words) and seconds. The table goes between
two marks in docs/conformance.md, whose rest stays as it is, and to standard output. It is written only when
all five backends are there. Status 1: a backend gave no answer.

Of the object, `cases` is needed: the number of cases run. `rules`, a list of objects with a `rule` and the
counts `passed`, `failed`, `not_supported` and `not_run`, makes the rows.
"""
import datetime
import json
import os
import pathlib
import sys

BEGIN, END = "<!-- tests/lab/run all conform: begin -->", "<!-- tests/lab/run all conform: end -->"
ALL = ["native", "svm-npt", "svm-shadow", "vmx-ept", "vmx-shadow"]
COUNTS = ["passed", "failed", "not_supported", "not_run"]


class Bad(Exception):
    pass


def read(results, backend):
    """The answer of one backend."""
    folder = results / backend
    try:
        answer = json.loads((folder / "files" / "conform.json").read_text())
    except (OSError, ValueError) as error:
        raise Bad(f"{backend}: no answer: {error}") from None
    if not isinstance(answer, dict) or not isinstance(answer.get("cases"), int):
        raise Bad(f"{backend}: the answer has no number of cases")
    for rule in answer.get("rules", []):
        if not isinstance(rule.get("rule"), str) or not all(isinstance(rule.get(c, 0), int) for c in COUNTS):
            raise Bad(f"{backend}: a rule without a name, or a count that is no number")
    answer["about"] = (folder / "about").read_text().strip()
    answer["seconds"] = int((folder / "seconds").read_text())
    return answer


def cell(rule):
    """One rule on one backend, in a few characters."""
    if rule is None:
        return "-"
    passed, failed = rule.get("passed", 0), rule.get("failed", 0)
    if passed + failed:
        return f"{passed} ok, **{failed} deviate**" if failed else f"{passed} ok"
    return "not supported" if rule.get("not_supported", 0) else "not run"


def row(cells):
    return "| " + " | ".join(cells) + " |"


def table(answers):
    """Markdown: a column for each backend."""
    backends = list(answers)
    lines = [f"Made on {datetime.date.today().isoformat()} by `tests/lab/run all conform`.", ""]
    lines += [f"- {backend}: {answers[backend]['about']}" for backend in backends]
    lines += ["", row(["rule"] + backends), row(["---"] * (len(backends) + 1))]
    rules = {}
    for backend, answer in answers.items():
        for rule in answer.get("rules", []):
            rules.setdefault(rule["rule"], {})[backend] = rule
    lines += [row([name] + [cell(by.get(backend)) for backend in backends]) for name, by in rules.items()]
    lines.append(row(["cases run"] + [str(answers[b]["cases"]) for b in backends]))
    lines.append(row(["seconds, with the boot"] + [str(answers[b]["seconds"]) for b in backends]))
    return "\n".join(lines) + "\n"


def put_into(document, text):
    """Replaces what is between the marks, or adds them at the end."""
    section = f"{BEGIN}\n{text}{END}"
    if BEGIN in document and END in document:
        before, rest = document.split(BEGIN, 1)
        return before + section + rest.split(END, 1)[1]
    return document.rstrip("\n") + f"\n\n## Five backends\n\n{section}\n"


def main():
    results, backends = pathlib.Path(sys.argv[1]), sys.argv[2:]
    answers, status = {}, 0
    for backend in backends:
        try:
            answers[backend] = read(results, backend)
        except Bad as bad:
            print(f"lab: {bad}", file=sys.stderr)
            status = 1
    if answers:
        print(table(answers), end="")
    if sorted(answers) == sorted(ALL):
        tree = os.environ.get("source_tree") or pathlib.Path(__file__).resolve().parents[2]
        path = pathlib.Path(tree) / "docs" / "conformance.md"
        document = path.read_text() if path.exists() else "# Conformance\n"
        path.write_text(put_into(document, table(answers)))
        print(f"lab: {path} has the table", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Makes the table of docs/conformance.md from what `faultline conform --json` said in the lab.

  conformance_table.py [--write] RESULTS BACKEND...

RESULTS/BACKEND holds files/conform.json, about (the machine in words) and times (seconds of the boot, and of the
command). The table goes to standard output, and with --write between two marks in docs/conformance.md, whose rest
stays as it is, if all five backends are there. Status 1: a backend gave no answer.

Of the object, `cases` is needed: the number of cases run. Lists of counts make rows: `rules`, whose objects have
a `rule`, and `features`, whose objects have a `feature`. `groups` are the deviations, one for each cause.
"""
import datetime
import json
import os
import pathlib
import sys

BEGIN, END = "<!-- tests/lab/run all conform: begin -->", "<!-- tests/lab/run all conform: end -->"
ALL = ["native", "svm-npt", "svm-shadow", "vmx-ept", "vmx-shadow"]
COUNTS = ["passed", "failed", "known", "not_supported", "not_run"]
TABLES = {"rules": "rule", "features": "feature"}


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
    for table_name, key in TABLES.items():
        for line in answer.get(table_name, []):
            if not isinstance(line.get(key), str) or not all(isinstance(line.get(c, 0), int) for c in COUNTS):
                raise Bad(f"{backend}: in {table_name}, a {key} without a name or a count that is no number")
    answer["about"] = (folder / "about").read_text().strip()
    answer["day"] = datetime.date.fromtimestamp((folder / "files" / "conform.json").stat().st_mtime)
    try:
        answer["boot"], answer["took"] = map(float, (folder / "times").read_text().split())
    except (OSError, ValueError) as error:
        raise Bad(f"{backend}: no times: {error}") from None
    return answer


def cell(counts):
    """One rule or feature on one backend, in a few characters."""
    if counts is None:
        return "-"
    words = [f"{counts['passed']} ok"] if counts.get("passed") else []
    words += [f"{counts['known']} known"] if counts.get("known") else []
    words += [f"**{counts['failed']} deviate**"] if counts.get("failed") else []
    return ", ".join(words) or ("not supported" if counts.get("not_supported") else "not run")


def row(cells):
    return "| " + " | ".join(cells) + " |"


def rows(answers, table_name, key):
    """A row for each name that some backend has, a cell for each backend."""
    found = {}
    for backend, answer in answers.items():
        for line in answer.get(table_name, []):
            found.setdefault(line[key], {})[backend] = line
    head = [row([key] + list(answers)), row(["---"] * (len(answers) + 1))]
    return head + [row([name] + [cell(by.get(b)) for b in answers]) for name, by in sorted(found.items())]


def deviations(answers):
    """Causes, with the backends that show them."""
    lines = []
    for backend, answer in answers.items():
        for group in answer.get("groups", []):
            known = group.get("known")
            reason = f"known: {known.get('reason', '')}" if known else "**news**"
            lines.append(f"- {backend}: {group.get('count')} x {group.get('rule')}: {group.get('what')} "
                         f"(`--case {group.get('case')}`); {reason}")
    return lines or ["None."]


def table(answers):
    """Markdown: a column for each backend."""
    lines = [f"Made on {max(answer['day'] for answer in answers.values())} by `tests/lab/run all conform`.", ""]
    lines += [f"- {backend}: {answer['about']}" for backend, answer in answers.items()]
    lines += [""] + rows(answers, "rules", "rule")
    lines.append(row(["cases run"] + [str(answer["cases"]) for answer in answers.values()]))
    lines.append(row(["seconds to boot"] + [f"{answer['boot']:.0f}" for answer in answers.values()]))
    lines.append(row(["seconds to run"] + [f"{answer['took']:.0f}" for answer in answers.values()]))
    lines.append(row(["cases a second"] + [rate(answer) for answer in answers.values()]))
    lines += [""] + rows(answers, "features", "feature") + ["", "Deviations:", ""] + deviations(answers)
    return "\n".join(lines) + "\n"


def rate(answer):
    return f"{answer['cases'] / answer['took']:.0f}" if answer["took"] else "-"


def put_into(document, text):
    """Replaces what is between the marks, or adds them at the end."""
    section = f"{BEGIN}\n{text}{END}"
    if BEGIN in document and END in document:
        before, rest = document.split(BEGIN, 1)
        return before + section + rest.split(END, 1)[1]
    return document.rstrip("\n") + f"\n\n## Five backends\n\n{section}\n"


def main():
    arguments = sys.argv[1:]
    write = arguments[:1] == ["--write"]
    results, *backends = arguments[1:] if write else arguments
    results, answers, status = pathlib.Path(results), {}, 0
    for backend in backends:
        try:
            answers[backend] = read(results, backend)
        except Bad as bad:
            print(f"lab: {bad}", file=sys.stderr)
            status = 1
    if answers:
        print(table(answers), end="")
    if write and sorted(answers) == sorted(ALL):
        tree = os.environ.get("source_tree") or pathlib.Path(__file__).resolve().parents[2]
        path = pathlib.Path(tree) / "docs" / "conformance.md"
        document = path.read_text() if path.exists() else "# Conformance\n"
        path.write_text(put_into(document, table(answers)))
        print(f"lab: {path} has the table", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())

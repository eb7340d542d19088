"""Rules for foreign formats: checked, explained, matched.

Stage: exec
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from youcpu.options import HELP_OPTION, Option, Parsed, UsageError, help_text, parse, usage_error

if TYPE_CHECKING:
    from youcpu.doctor.rules import KnownRule
    from youcpu.dry_run import DryRun, Verdict
    from youcpu.formats.binfmt_rule import Rule

NAME = "binfmt-misc"
SCHEMA = {"schema": "youcpu.binfmt-misc", "version": 1}
USAGE = """youcpu binfmt-misc check [OPTIONS] RULE...
       youcpu binfmt-misc explain [OPTIONS] RULE...
       youcpu binfmt-misc match [OPTIONS] FILE [ARG...]
       youcpu binfmt-misc list [OPTIONS]"""
SUMMARY = """check    would the kernel accept the rules, in this order; which field is wrong
explain  what each field of a rule means
match    which rule takes FILE, byte by byte, and the arguments that its interpreter gets
list     rules of the running kernel, of binfmt.d directories and of /var/lib/binfmts

A RULE is what is written to /proc/sys/fs/binfmt_misc/register,
:name:type:offset:magic:mask:interpreter:flags; - reads one from standard input."""
OPTIONS = [
    Option("--rule", "match: a rule; may be repeated, the last one is asked first.", "RULE", True),
    Option("--rules", "Rules of a binfmt.d file or directory; may be repeated.", "PATH", True),
    Option("--root", "DIR is the root directory of the lookups.", "DIR"),
    Option("--json", "JSON: one document, JSON Lines for several rules."),
    HELP_OPTION,
]
OPERANDS = "check explain match list"
EPILOG = "Exit code: 0 accepted or matched, 1 refused or not matched, 2 wrong usage."


def main(argv: list[str]) -> int:
    """Run the command."""
    actions = {"check": _check, "explain": _explain, "match": _match, "list": _list}
    try:
        if not argv or argv[0] in ("-h", "--help"):
            if not argv:
                raise UsageError("check, explain, match or list?")
            sys.stdout.write(help_text(USAGE, SUMMARY, OPTIONS, EPILOG))
            return 0
        action = actions.get(argv[0])
        if action is None:
            raise UsageError(f"no action '{argv[0]}': check, explain, match or list?")
        parsed = parse(argv[1:], OPTIONS, interspersed=argv[0] != "match")
        if parsed.flag("help"):
            sys.stdout.write(help_text(USAGE, SUMMARY, OPTIONS, EPILOG))
            return 0
        return action(parsed)
    except UsageError as error:
        return usage_error(NAME, error)


def _place(parsed: Parsed) -> DryRun:
    from youcpu.dry_run import DryRun

    root = parsed.value("root")
    try:
        return DryRun(os.fsencode(root or "/"), os.fsencode(os.getcwd()) if root is None else None)
    except OSError as error:
        raise UsageError(f"{root}: {error.strerror}") from None


def _given_rules(parsed: Parsed, operands: list[str]) -> list[bytes]:
    """Register strings of the command line and of --rules. Raises UsageError."""
    rules = [sys.stdin.buffer.read() if word == "-" else os.fsencode(word) for word in operands]
    for path in parsed.values("rules"):
        rules += [known.text for known in _rules_of(path)]
    return rules


def _rules_of(path: str) -> list[KnownRule]:
    """Rules of a file or of the *.conf files of a directory. Raises UsageError."""
    from youcpu.doctor.rules import KnownRule, configured_rules
    from youcpu.formats.binfmt_conf import parse_binfmt_d

    name = os.fsencode(path)
    if os.path.isdir(path):
        return configured_rules((name,), b"")
    try:
        with open(path, "rb") as file:
            content = file.read(1 << 20)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    return [KnownRule(name, found.line, found.text) for found in parse_binfmt_d(content)]


# -- check, explain ------------------------------------------------------------------------


def _check(parsed: Parsed) -> int:
    rules = _given_rules(parsed, parsed.operands)
    if not rules:
        raise UsageError("check which RULE?")
    place = _place(parsed)
    code = 0
    for text in rules:
        answer = _register(place, text)
        code |= not answer["accepted"]
        if parsed.flag("json"):
            _print_json({**SCHEMA, **answer}, several=len(rules) > 1)
        else:
            _print_check(text, answer)
    return code


def _register(place: DryRun, text: bytes) -> dict[str, Any]:
    """What the kernel answers to one write to `register`."""
    from youcpu.formats.binfmt_rule import RuleError, parse_rule
    from youcpu.kernel.errors import KernelError

    answer: dict[str, Any] = {"write": text.decode("latin-1"), "accepted": True, "errno": None}
    try:
        place.register(text)
    except KernelError as error:
        answer.update(accepted=False, errno=error.errno.name, num=int(error.errno))
        try:
            rule = parse_rule(text)
        except RuleError as wrong:
            answer.update(field=wrong.field, offset=wrong.offset, reason=wrong.reason)
        else:
            answer.update(_later_refusal(rule, error))
        return answer
    entry = place.misc.entries[0]
    answer["entry"] = entry.rule.name.decode("latin-1")
    answer["entry_file"] = entry.read().decode("latin-1")
    return answer


def _later_refusal(rule: Rule, error: Exception) -> dict[str, Any]:
    """The string is right; the name or the interpreter (flag F) is not."""
    from youcpu.kernel.exec.binprm import ExecError
    from youcpu.render.binfmt import string

    if isinstance(error, ExecError):
        reason = f"flag F opens {string(rule.interpreter)} now, and that fails"
        return {"field": "interpreter", "reason": f"{reason}: {error.reason or error.errno.text}"}
    if len(rule.name) > 255:
        return {"field": "name", "reason": f"{len(rule.name)} bytes; a file name has at most 255"}
    return {"field": "name", "reason": f"there is an entry {string(rule.name)} already"}


def _print_check(text: bytes, answer: dict[str, Any]) -> None:
    from youcpu.formats.binfmt_rule import RuleError
    from youcpu.render.binfmt import refusal, string

    if answer["accepted"]:
        name = string(answer["entry"].encode("latin-1"))
        print(f"accepted: /proc/sys/fs/binfmt_misc/{name} then reads")
        print("\n".join("  " + line for line in answer["entry_file"].splitlines()))
        return
    print(f"{answer['errno']}: the kernel refuses the rule")
    if "offset" in answer:
        error = RuleError(answer["field"], answer["offset"], answer["reason"])
        print("\n".join(refusal(text, error)))
    else:
        print(f"  {answer['field']}: {answer['reason']}")


def _explain(parsed: Parsed) -> int:
    from youcpu.formats.binfmt_rule import RuleError, parse_rule
    from youcpu.render.binfmt import fields, refusal

    rules = _given_rules(parsed, parsed.operands)
    if not rules:
        raise UsageError("explain which RULE?")
    code = 0
    for text in rules:
        try:
            rule = parse_rule(text)
        except RuleError as error:
            code = 1
            if parsed.flag("json"):
                wrong = {"accepted": False, "errno": "EINVAL", "field": error.field}
                wrong.update(offset=error.offset, reason=error.reason)
                _print_json({**SCHEMA, **wrong}, several=len(rules) > 1)
            else:
                print("\n".join(["EINVAL: the kernel refuses the rule", *refusal(text, error)]))
            continue
        if parsed.flag("json"):
            document = {**SCHEMA, "accepted": True, "errno": None, **_rule_document(rule)}
            _print_json(document, several=len(rules) > 1)
        else:
            print("\n".join(fields(rule)))
    return code


def _rule_document(rule: Rule) -> dict[str, Any]:
    """A rule's fields; magic and mask in hexadecimal."""
    document: dict[str, Any] = {"name": rule.name.decode("latin-1"), "type": rule.kind}
    if rule.kind == "E":
        document["extension"] = rule.magic.decode("latin-1")
    else:
        document["offset"] = rule.offset
        document["magic"] = rule.magic.hex()
        document["mask"] = rule.mask.hex() if rule.mask is not None else None
    document["interpreter"] = rule.interpreter.decode("latin-1")
    document["flags"] = "".join(flag for flag in "POCF" if flag in rule.flags)
    document["entry_file"] = rule.entry_file().decode("latin-1")
    return document


# -- match ---------------------------------------------------------------------------------


def _match(parsed: Parsed) -> int:
    if not parsed.operands:
        raise UsageError("match which FILE?")
    place = _place(parsed)
    for text in _rules_to_match(parsed):
        _register_or_refuse(place, text)
    file = os.fsencode(parsed.operands[0])
    argv = [os.fsencode(word) for word in parsed.operands]
    verdict = place.execve(file, argv)
    if not verdict.rounds:
        return _unreadable(place, parsed, file, verdict)
    first = verdict.rounds[0]
    tried = [(entry.rule, entry.rule.matches(file, first.buffer)) for entry in place.misc.entries]
    taken = next((rule for rule, matches in tried if matches), None)
    if parsed.flag("json"):
        _print_json(_match_document(file, tried, verdict), several=False)
    else:
        _print_match(place, file, tried, verdict)
    return int(taken is None)


def _rules_to_match(parsed: Parsed) -> list[bytes]:
    """Rules in the order of their registration."""
    from youcpu.doctor.rules import configured_rules, live_rules

    if parsed.values("rule") or parsed.values("rules"):
        return _given_rules(parsed, parsed.values("rule"))
    known = live_rules() or configured_rules()
    return [one.text for one in known if one.rule is not None and one.enabled is not False]


def _register_or_refuse(place: DryRun, text: bytes) -> None:
    from youcpu.abi.errno import Errno
    from youcpu.kernel.errors import KernelError

    try:
        place.register(text)
    except KernelError as error:
        # The same rule in two places, or an interpreter that is not installed.
        if error.errno is Errno.EINVAL:
            shown = text.decode("utf-8", "backslashreplace")
            raise UsageError(f"{shown}: {error.errno.name}, see youcpu binfmt-misc check") from None
        shown = text[:60].decode("utf-8", "backslashreplace")
        sys.stderr.write(f"youcpu {NAME}: rule left out ({error.errno.name}): {shown}\n")


def _unreadable(place: DryRun, parsed: Parsed, file: bytes, verdict: Verdict) -> int:
    from youcpu.doctor.explain import explain

    finding = explain(place.task, file, verdict)
    reason = finding.reason if finding else "no exec"
    name = file.decode("utf-8", "backslashreplace")
    sys.stderr.write(f"youcpu {NAME}: {name}: {reason}\n")
    return 1


def _match_document(
    file: bytes, tried: list[tuple[Rule, bool]], verdict: Verdict
) -> dict[str, Any]:
    from youcpu.commands._exec.document import result, text

    taken = next((rule.name for rule, matches in tried if matches), None)
    return {
        **SCHEMA,
        "file": text(file),
        "rule": None if taken is None else text(taken),
        "tried": [{**_rule_document(rule), "matches": matches} for rule, matches in tried],
        **result(verdict),
    }


def _print_match(
    place: DryRun, file: bytes, tried: list[tuple[Rule, bool]], verdict: Verdict
) -> None:
    from youcpu.commands._exec.document import result
    from youcpu.doctor.explain import explain
    from youcpu.render.binfmt import comparison, pattern, string
    from youcpu.render.exec_story import one_line

    name = string(file)
    buffer = verdict.rounds[0].buffer
    taken = next((rule for rule, matches in tried if matches), None)
    shown = [rule for rule, _ in tried] if len(tried) <= 3 else [taken] if taken else []
    for rule in shown:
        if rule is not None:
            print(f"{string(rule.name)} ({pattern(rule)}):")
            print("\n".join(comparison(rule, file, buffer)))
    if taken is None:
        print(f"{name}: none of {len(tried)} rules takes it")
        return
    print(f"{name}: taken by {string(taken.name)}")
    document: dict[str, Any] = {"file": file.decode("latin-1"), **result(verdict)}
    finding = explain(place.task, file, verdict)
    if finding is not None:
        document["fault"] = {"reason": finding.reason, "mend": finding.mend}
    print(one_line(document))


# -- list ----------------------------------------------------------------------------------


def _list(parsed: Parsed) -> int:
    from youcpu.doctor.rules import configured_rules, live_rules

    if parsed.operands:
        raise UsageError(f"list takes no operand: {parsed.operands[0]}")
    given = [known for path in parsed.values("rules") for known in _rules_of(path)]
    rules = given or [*live_rules(), *configured_rules()]
    if parsed.flag("json"):
        _print_json({**SCHEMA, "rules": [_listed(known) for known in rules]}, several=False)
    elif not rules:
        print("no rules: binfmt_misc is empty or not mounted, and none is configured")
    else:
        _print_list(rules)
    return int(any(known.problem for known in given))


def _listed(known: KnownRule) -> dict[str, Any]:
    document: dict[str, Any] = {
        "source": known.source.decode("latin-1"),
        "line": known.line,
        "write": known.text.decode("latin-1"),
        "state": _state(known),
    }
    if known.rule is None:
        return {**document, "accepted": False, "reason": known.problem}
    return {**document, "accepted": True, **_rule_document(known.rule)}


def _state(known: KnownRule) -> str:
    if known.enabled is None:
        return "configured"
    return "enabled" if known.enabled else "disabled"


def _print_list(rules: list[KnownRule]) -> None:
    from youcpu.render.binfmt import pattern, string, table

    rows: list[tuple[str, ...]] = [("NAME", "STATE", "MATCHES", "FLAGS", "INTERPRETER", "SOURCE")]
    for known in rules:
        source = f"{string(known.source)}:{known.line}" if known.enabled is None else "kernel"
        if known.rule is None:
            rows.append(("?", "refused", known.problem[:40], "", "", source))
            continue
        rule = known.rule
        flags = "".join(flag for flag in "POCF" if flag in rule.flags)
        rows.append(
            (
                string(rule.name),
                _state(known),
                pattern(rule),
                flags,
                string(rule.interpreter),
                source,
            )
        )
    print("\n".join(table(rows)))


def _print_json(document: dict[str, Any], several: bool) -> None:
    import json

    print(json.dumps(document) if several else json.dumps(document, indent=1))

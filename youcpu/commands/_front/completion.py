"""Completion scripts for bash, zsh and fish, from the commands' tables."""

from __future__ import annotations

from collections.abc import Callable

from youcpu.commands._front.tables import CommandTable
from youcpu.options import Option

#: What a value is, by its metavar.
FILE_VALUES = ("FILE", "PATH", "LIST", "IMAGE", "SNAPSHOT", "LOG")
DIRECTORY_VALUES = ("DIR",)
FRONT = ("--help", "--version")


def _value_kind(option: Option) -> str:
    """`file`, `directory`, the choices, or `none`: any word."""
    if option.choices:
        return " ".join(option.choices)
    if option.metavar in FILE_VALUES:
        return "file"
    return "directory" if option.metavar in DIRECTORY_VALUES else "none"


def _takes_value(option: Option) -> bool:
    """Whether the word behind it is its value; `[N]` may follow and may not."""
    return bool(option.metavar) and not option.metavar.startswith("[")


# -- bash ----------------------------------------------------------------------------------

_BASH = """\
# bash completion for youcpu
_youcpu() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
    local options="" valued="" operands="" kind="" first="" word i
    # `--color=al` comes as three words.
    if [[ $cur == = ]]; then cur=""
    elif [[ $prev == = ]]; then prev=${COMP_WORDS[COMP_CWORD-2]}; fi
    COMPREPLY=()
    if ((COMP_CWORD == 1)); then
        mapfile -t COMPREPLY < <(compgen -W "%(front)s" -- "$cur")
        return
    fi
    case ${COMP_WORDS[1]} in
%(commands)s
    esac
    case "${COMP_WORDS[1]} $prev" in
%(values)s
    esac
    # Behind a program to run, the words are that program's.
    if [[ $operands == program ]]; then
        for ((i = 2; i < COMP_CWORD; i++)); do
            word=${COMP_WORDS[i]}
            if [[ " $valued " == *" $word "* ]]; then
                ((i++))
                if [[ ${COMP_WORDS[i]} == = ]]; then ((i++)); fi
            elif [[ $word != -* ]]; then first=$i; break; fi
        done
    fi
    if [[ -z $kind && $cur == -* && -z $first ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur")
        return
    fi
    case ${kind:-$operands} in
        program)
            if [[ -n $first ]]; then mapfile -t COMPREPLY < <(compgen -f -- "$cur")
            else mapfile -t COMPREPLY < <(compgen -c -f -- "$cur" | sort -u); fi ;;
        file) mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
        directory) mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
        none | "") ;;
        *) mapfile -t COMPREPLY < <(compgen -W "${kind:-$operands}" -- "$cur") ;;
    esac
    if [[ ${kind:-$operands} =~ ^(program|file|directory)$ ]]; then
        compopt -o filenames 2> /dev/null
    fi
}
complete -F _youcpu youcpu
"""


def bash(tables: list[CommandTable]) -> str:
    """For bash 4 or later."""
    commands, values = [], []
    for table in tables:
        words = " ".join(name for option in table.options for name in option.names)
        valued = " ".join(name for o in table.options if _takes_value(o) for name in o.names)
        commands.append(
            f'        {table.name}) options="{words}"; valued="{valued}"; '
            f'operands="{_quoted(table.operands)}" ;;'
        )
        for option in filter(_takes_value, table.options):
            patterns = " | ".join(f'"{table.name} {name}"' for name in option.names)
            values.append(f'        {patterns}) kind="{_value_kind(option)}" ;;')
    front = " ".join([*(table.name for table in tables), *FRONT])
    return _BASH % {
        "front": front,
        "commands": "\n".join(commands),
        "values": "\n".join(values),
    }


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")


# -- zsh -----------------------------------------------------------------------------------

_ZSH_ACTIONS = {"file": "_files", "directory": "_files -/", "none": " "}
_ZSH_OPERANDS = {
    "program": ["'1:program:_command_names -e'", "'*:: :_normal'"],
    "file": ["'*:file:_files'"],
    "": [],
}


def zsh(tables: list[CommandTable]) -> str:
    """For zsh's completion system; compinit must have run."""
    lines = ["#compdef youcpu", "_youcpu() {", "    local -a commands", "    commands=("]
    lines += [f"        {_zsh_quoted(table.name + ':' + table.summary)}" for table in tables]
    lines += [
        "    )",
        "    if ((CURRENT == 2)); then",
        "        _describe command commands",
        "        return",
        "    fi",
        "    shift words; ((CURRENT--))",
        "    case ${words[1]} in",
    ]
    for table in tables:
        specs = [spec for option in table.options for spec in _zsh_specs(option)]
        operands = _ZSH_OPERANDS.get(table.operands)
        if operands is None:
            operands = [_zsh_quoted(f"*:operand:({table.operands})")]
        stop = " -A '-*'" if table.operands == "program" else ""
        lines.append(f"        {table.name}) _arguments -s{stop} \\")
        lines += [f"            {spec} \\" for spec in [*specs, *operands]]
        lines.append("            ;;")
    lines += ["    esac", "}", "compdef _youcpu youcpu", ""]
    return "\n".join(lines)


def _zsh_specs(option: Option) -> list[str]:
    """One _arguments spec a name: '--color[help]:WHEN:(auto always never)'."""
    text = option.help.replace("[", r"\[").replace("]", r"\]").replace(":", r"\:")
    specs = []
    for name in option.names:
        spec = f"{'*' if option.many else ''}{name}[{text}]"
        if _takes_value(option):
            kind = _value_kind(option)
            spec += f":{option.metavar.replace(':', ' ')}:{_ZSH_ACTIONS.get(kind, f'({kind})')}"
        specs.append(_zsh_quoted(spec))
    return specs


def _zsh_quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


# -- fish ----------------------------------------------------------------------------------


def fish(tables: list[CommandTable]) -> str:
    """For fish 3."""
    lines = ["# fish completion for youcpu", "complete -c youcpu -f"]
    for name in FRONT:
        lines.append(f"complete -c youcpu -n __fish_use_subcommand -l {name[2:]}")
    for table in tables:
        lines.append(
            f"complete -c youcpu -n __fish_use_subcommand -a {table.name} "
            f"-d {_fish_quoted(table.summary)}"
        )
        when = f"complete -c youcpu -n '__fish_seen_subcommand_from {table.name}'"
        lines += [f"{when} {_fish_option(option)}" for option in table.options]
        if table.operands == "program":
            lines.append(f"{when} -a '(__fish_complete_subcommand --fcs-skip=2)'")
        elif table.operands == "file":
            lines.append(f"{when} -F")
        elif table.operands:
            lines.append(f"{when} -a {_fish_quoted(table.operands)}")
    return "\n".join(lines) + "\n"


def _fish_option(option: Option) -> str:
    names = []
    for name in option.names:
        letters = name.lstrip("-")
        names.append(f"-l {letters}" if name.startswith("--") else f"-s {letters}")
    value = ""
    if _takes_value(option):
        kind = _value_kind(option)
        value = " -r -F" if kind in ("file", "directory") else " -x"
        if option.choices:
            value += f" -a '{kind}'"
    return f"{' '.join(names)}{value} -d {_fish_quoted(option.help)}"


def _fish_quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


SCRIPTS: dict[str, Callable[[list[CommandTable]], str]] = {"bash": bash, "zsh": zsh, "fish": fish}

"""Chapter 3, after part 3 of the article: execve, scripts, binfmt_misc."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from youcpu.commands._tour.guide import Guide
from youcpu.commands._tour.model import Question, Screen, Shown


def script(text: str, name: str) -> Shown:
    """A command line that writes an executable file."""
    return Shown(f"printf '{text}' > {name}; chmod +x {name}")


def screens(guide: Guide) -> Iterator[Screen]:
    """What execve does with a program, a script, a foreign file, and with none of them."""
    yield from _exec(guide)
    yield from _scripts(guide)
    yield from _others(guide)


def _exec(guide: Guide) -> Iterator[Screen]:
    ls = guide.system("ls", "busybox")
    yield Screen(
        "execve, stage by stage",
        "One system call replaces the program that makes it by another. What happens on the way, "
        "up to the first instruction:",
        (Shown(f"youcpu exec-trace --stages-only {ls}", 17),),
        "The file is found, and its first 256 bytes are read. Then the handlers are asked in "
        "turn. The search goes on only where one answers ENOEXEC, not mine; any other error ends "
        "the exec. A third end is possible: once the old program is gone, an error can only kill.",
        ("execve(2)", "fs/exec.c, search_binary_handler() (Linux 6.18)"),
    )


def _scripts(guide: Guide) -> Iterator[Screen]:
    guide.system("sh")
    yield Screen(
        "A script names its interpreter",
        "`#!` is read by the kernel, not by a shell. Which arguments does the interpreter get?",
        (
            script(r'#!/bin/sh -e\necho "$0 was given $1"\n', "greet"),
            Shown("youcpu shebang ./greet 'two words'", 12),
            Shown("youcpu exec-trace -q ./greet 'two words'"),
        ),
        "The interpreter's path, the one optional argument, the path of the script, then the "
        "arguments from the second on: only the caller's argv[0] is lost.",
        ("execve(2), Interpreter scripts", "fs/binfmt_script.c (Linux 6.18)"),
    )
    yield Screen(
        "One argument, blanks and all",
        "Does the kernel take the rest of the line apart? `echo` tells what it was given.",
        (script(r"#!/bin/echo -n  a  b \n", "once"), Shown("youcpu shebang ./once c", 10)),
        "It does not: all behind the interpreter is one argument, inner blanks kept, those at the "
        "end cut off. `env -S` exists to take it apart.",
        ("fs/binfmt_script.c (Linux 6.18)", "env(1)"),
    )
    yield Screen(
        "256 bytes, and not one more",
        "Only the first 256 bytes of a file are looked at. Here the interpreter's path is longer.",
        (
            Shown(r"printf '#!/%0300d\n' 0 > long; chmod +x long"),
            Shown("youcpu shebang ./long", 14, (1,), last=True),
        ),
        "Since Linux 5.1 a path that is cut is not run: ENOEXEC. Arguments behind a whole path "
        "are still cut without a word.",
        ("fs/binfmt_script.c (Linux 6.18)", "include/uapi/linux/binfmts.h, BINPRM_BUF_SIZE"),
    )
    yield Screen(
        "Scripts of scripts",
        "An interpreter may be a script. How many in a row?",
        (
            Shown(
                'for i in 1 2 3 4 5 6; do echo "#!./chain$((i+1))" > chain$i; done; '
                "echo '#!/bin/sh' > chain7; chmod +x chain*"
            ),
            Shown("youcpu shebang --files ./chain1 ./chain2 ./chain3", 8, (1,)),
        ),
        "Five rewrites pass, the sixth is ELOOP. It is a loop in the kernel, no recursion, "
        "since 5.8.",
        ("fs/exec.c, exec_binprm() (Linux 6.18)",),
    )


def _others(guide: Guide) -> Iterator[Screen]:
    yield Screen(
        "Formats of others",
        "The kernel can be told of an interpreter for any format, by magic bytes or by the name's "
        "extension: binfmt_misc. The rule here gives `.txt` to cat.",
        (
            script(r"hello from a text\n", "note.txt"),
            Shown(
                "youcpu exec-trace --binfmt ':text:E::txt::/bin/cat:' -e trace=execve ./note.txt"
            ),
            Shown("youcpu binfmt-misc match --rule ':text:E::txt::/bin/cat:' ./note.txt", 8),
        ),
        "Rules are written to the file `register` in /proc/sys/fs/binfmt_misc; since 6.7 each user "
        "namespace may have its own.",
        ("Documentation/admin-guide/binfmt-misc.rst (Linux 6.18)",),
    )
    yield Screen(
        "No #! at all",
        "A text without `#!` runs from a shell, and yet the kernel knows nothing of shells.",
        (
            script(r"echo hello\n", "plain"),
            Shown("youcpu exec-trace -e trace=execve /bin/sh -c './plain; :'", 10),
        ),
        "The kernel answered ENOEXEC, and then the shell started a shell on the file. Only "
        "ENOEXEC has that effect. POSIX asks for it, and execvp(3) does it too.",
        ("POSIX.1-2024, XCU 2.9.1.6", "exec(3)"),
    )


# -- questions -----------------------------------------------------------------------------


def ask_argv(guide: Guide, chance: Random) -> Question:
    """What the interpreter gets."""
    argument = chance.choice(["", " -e", " -x -y", "  -v  on", " --flag=1"])
    interpreter = chance.choice(["/bin/sh", "/bin/cat", "/bin/echo"])
    words = chance.sample(["one", "two words", "-n", "3"], chance.randrange(1, 3))
    name = f"quiz{chance.randrange(1000, 9999)}"
    guide.run(script(rf"#!{interpreter}{argument}\n", name))
    line = f"youcpu shebang ./{name} " + " ".join(f"'{word}'" for word in words)
    document = guide.json(line.replace("shebang", "shebang --json"))
    import json

    return Question(
        f"The first line of ./{name} is `#!{interpreter}{argument}`. It is executed with the "
        f"arguments {json.dumps([f'./{name}', *words])}. What are those of the interpreter?",
        (),
        json.dumps(document["argv"]),
        "list",
        "Interpreter, one optional argument (the rest of the line), the script's path, then the "
        "caller's from the second on.",
        line,
    )


#: A first line, whether the file may be executed, and why it fails or does not.
BROKEN = (
    (r"#!/bin/sh\r\n", True, "the kernel looks for an interpreter of the name '/bin/sh\\r'"),
    (r"#!/no/such/shell\n", True, "the interpreter is not there"),
    (r"#!/bin/sh\n", False, "nobody may execute the file"),
    (r"echo hello\n", True, "no handler takes it; a shell would run it by itself"),
    (r"#!/etc/passwd\n", True, "the interpreter may not be executed"),
    (r"#!/etc\n", True, "the interpreter is a directory"),
    (r"#! \n", True, "no interpreter is named"),
)


def ask_errno(guide: Guide, chance: Random) -> Question:
    """Which error a broken script gives."""
    text, executable, why = chance.choice(BROKEN)
    name = f"broken{BROKEN.index((text, executable, why))}"
    guide.run(f"printf '{text}' > {name}; chmod {'755' if executable else '644'} {name}")
    line = f"youcpu shebang ./{name}"
    document = guide.json(line.replace("shebang", "shebang --json"), (0, 1))
    mode = "rwxr-xr-x" if executable else "rw-r--r--"
    return Question(
        f"A file of mode {mode} has the first line `{text}`, as printf writes it. It is executed: "
        "which error does execve give (ENOENT, EACCES, ENOEXEC, ELOOP, ...)?",
        (),
        document["errno"],
        "words",
        why[0].upper() + why[1:] + ".",
        line,
    )


def ask_handler(guide: Guide, chance: Random) -> Question:
    """Which handler takes a file."""
    name, text, rule, answer, why = chance.choice(
        (
            ("./hello", "", "", "elf", "It begins with 7f 45 4c 46."),
            ("./taken", r"#!/bin/sh\n", "", "script", "It begins with #!."),
            ("./taken.txt", r"#!/bin/sh\n", ":t:E::txt::/bin/cat:", "misc",
             "binfmt_misc is asked first, before scripts."),
            ("./family.bin", "", ":x:E::bin::/bin/cat:", "misc",
             "binfmt_misc is asked first, before ELF: a rule can take any program."),
        )
    )  # fmt: skip
    guide.run(script(text, name) if text else "cp family family.bin")
    registered = f" The rule `{rule}` is registered." if rule else ""
    option = f"--binfmt '{rule}' " if rule else ""
    return Question(
        f"Which handler takes {name}: misc, script or elf?"
        + (f" It begins with `{text}`." if text else " It is an ELF program.")
        + registered,
        (),
        answer,
        "words",
        why,
        f"youcpu shebang --no-host-binfmt {option}{name}",
    )


QUESTIONS = (ask_argv, ask_errno, ask_handler)

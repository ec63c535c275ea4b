"""--help, the manual page and the completions tell the same: all are compared
with what --help says, command by command."""

import re
import subprocess
from functools import cache

import pytest

from node import BINARY, run_program
from test_program import settings

FLAG = re.compile(r"^ +(?:-([\w?]), )?--([a-z-]+)(?:=(\S+))?", re.MULTILINE)
COMMAND = re.compile(r"^  ([a-z-]+) ", re.MULTILINE)
COMMON = {"url", "token", "ca-file", "json"}


@cache
def help_of(*path):
    done = run_program(*path, "--help")
    assert done.returncode == 0, done
    assert not done.stderr
    return done.stdout


@cache
def children(*path):
    text = help_of(*path)
    return COMMAND.findall(text) if " COMMAND [OPTION...]" in text else []


@cache
def flags(*path):
    """{name: (letter, value)} of a command, as --help has them."""
    found = {name: (letter, value) for letter, name, value in FLAG.findall(help_of(*path))}
    found.pop("usage")
    return found


def commands(*path):
    """Every path that leads to a command, and to a group."""
    yield path
    for child in children(*path):
        yield from commands(*path, child)


def leaves():
    return [path for path in commands() if not children(*path)]


def test_every_command_is_there():
    assert set(children()) >= {
        "serve", "status", "recover", "topic", "publisher", "send", "search", "tail",
        "replay", "cluster", "backup", "restore", "check", "token", "audit", "explain",
        "version",
    }
    assert len(leaves()) > 30


def test_every_command_refuses_unknown_flags():
    for path in commands():
        done = run_program(*path, "--no-such-flag")
        assert done.returncode == 2, done
        assert "--no-such-flag" in done.stderr


def test_help_of_serve_has_every_setting():
    assert set(settings(run_program("serve", "--print-config").stdout)) == (
        set(flags("serve")) - {"help"}
    )


# ---- The manual page ----


@cache
def manual():
    done = run_program("manual")
    assert done.returncode == 0
    return done.stdout


def flags_of_manual(text):
    """The same as flags(), of one section."""
    text = text.replace("\\-", "-")
    pattern = re.compile(r"^(?:\\fB-(\w)\\fR, )?\\fB--([a-z-]+)\\fR(?:=\\fI(\S+)\\fR)?$", re.M)
    return {name: (letter, value) for letter, name, value in pattern.findall(text)}


def test_manual_has_every_flag():
    common = flags_of_manual(manual().split(".SH COMMON OPTIONS")[1].split(".SH")[0])
    assert set(common) == COMMON
    body = manual().split(".SH COMMANDS")[1].split(".SH EXIT")[0]
    sections = {}
    for section in body.split(".SS ")[1:]:
        title, rest = section.split("\n", 1)
        words = title.replace("\\-", "-").strip('"').split(" [OPTION...]")[0].split()
        found = flags_of_manual(rest)
        sections[tuple(words[1:])] = found | (common if "common options" in rest else {})
    assert set(sections) == set(leaves())
    for path, found in sections.items():
        wanted = {name: flag for name, flag in flags(*path).items() if name != "help"}
        assert found == wanted, path


def test_manual_is_sound():
    done = subprocess.run(
        ["mandoc", "-T", "lint", "-W", "warning"], input=manual(), text=True,
        capture_output=True, check=False,
    )
    # A date would differ between two builds of the same source.
    remarks = [line for line in done.stdout.splitlines() if "missing date" not in line]
    assert not remarks
    shown = subprocess.run(
        ["mandoc", "-T", "utf8"], input=manual(), text=True, capture_output=True, check=True
    ).stdout
    assert "postoffice publisher rotate-secret" in re.sub(".\b", "", shown)


# ---- Completions ----


@pytest.fixture(scope="module")
def scripts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("completions")
    for shell in ("bash", "zsh"):
        done = run_program("completion", shell)
        assert done.returncode == 0
        (folder / shell).write_text(done.stdout)
        subprocess.run([shell, "-n", folder / shell], check=True)
    return folder


def bash_completes(scripts, words, folder=None):
    """What bash offers for the last word, as its completion asks for it."""
    script = f"""
        compopt() {{ :; }}
        source {scripts}/bash
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _postoffice
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(
        ["bash", "-c", script, "bash", "postoffice", *words],
        capture_output=True, text=True, check=True, cwd=folder,
    )
    assert not done.stderr
    return set(done.stdout.split())


def test_bash_completes_every_command_and_flag(scripts):
    for path in commands():
        offered = bash_completes(scripts, [*path, ""])
        wanted = {f"--{name}" for name in flags(*path)} if not children(*path) else {"--help"}
        if path == ("backup",) or path == ("restore",):
            offered = bash_completes(scripts, [*path, "-"])
        assert offered == wanted | set(children(*path)), path


def test_bash_completes_values(scripts, tmp_path):
    (tmp_path / "a file").touch()
    (tmp_path / "folder").mkdir()
    some = {"delivered", "dead", "discarded"}
    assert bash_completes(scripts, ["search", "--state", "d"]) == some
    assert bash_completes(scripts, ["search", "-s", "d"]) == some
    assert bash_completes(scripts, ["search", "--state", "=", "d"]) == some
    assert bash_completes(scripts, ["search", "--state", "="]) > some
    assert bash_completes(scripts, ["search", "--topic", ""]) == set()
    assert bash_completes(scripts, ["send", "--resume", "a"], tmp_path) == {"a", "file"}
    assert bash_completes(scripts, ["serve", "--data-dir", "="], tmp_path) == {"folder"}
    assert bash_completes(scripts, ["backup", "fo"], tmp_path) == {"folder"}
    assert bash_completes(scripts, ["serve", "--target-policy", "s"]) == {"strict"}
    assert bash_completes(scripts, ["pub"]) == {"publisher"}


def test_bash_completes_in_a_real_shell(scripts, tmp_path):
    """Loaded by bash itself, tried with its own compgen."""
    script = f"source {scripts}/bash; complete -p postoffice"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "complete -F _postoffice postoffice\n"


def zsh_offers(scripts, words):
    """What is handed to zsh's own _arguments and _describe."""
    script = f"""
        _arguments() {{ print -rl -- "$@" }}
        _describe() {{ print -rl -- $commands }}
        words=(postoffice "$@"); CURRENT=$(($# + 1))
        source {scripts}/zsh
    """
    done = subprocess.run(
        ["zsh", "-f", "-c", script, "zsh", *words], capture_output=True, text=True, check=True
    )
    assert not done.stderr, done.stderr
    return done.stdout.splitlines()


def test_zsh_completes_every_command_and_flag(scripts):
    for path in commands():
        offered = zsh_offers(scripts, [*path, ""])
        if children(*path):
            assert [line.split(":")[0] for line in offered] == children(*path)
            continue
        names = {m[1] for line in offered if (m := re.match(r"\*?--([a-z-]+)=?\[", line))}
        letters = {m[1] for line in offered if (m := re.match(r"\*?-(\w)\[", line))}
        assert names == set(flags(*path)), path
        assert letters == {flag[0] for flag in flags(*path).values() if flag[0]} - {"?"}, path


# ---- Installed ----


def test_install_puts_all_in_place(tmp_path):
    build = BINARY.parent
    if not (build / "cmake_install.cmake").exists():
        pytest.skip(f"{build} is no build folder")
    subprocess.run(
        ["cmake", "--install", build, "--prefix", tmp_path], check=True, capture_output=True
    )
    share = tmp_path / "share"
    assert (share / "man/man1/postoffice.1").read_text() == manual()
    assert "_postoffice" in (share / "bash-completion/completions/postoffice").read_text()
    assert (share / "zsh/site-functions/_postoffice").read_text().startswith("#compdef")
    assert (tmp_path / "bin/postoffice").exists()

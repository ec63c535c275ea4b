"""scripts/setup derives the backports suite from what a machine has."""

import os
import subprocess

import pytest

from node import ROOT

RELEASE = dict(
    line.rstrip().split("=", 1) for line in open("/etc/os-release") if "=" in line
).get("VERSION_CODENAME", "")


def derive(directory):
    """Runs the derivation on a copy of /etc/apt; returns (code, new files)."""
    (directory / "sources.list.d").mkdir(exist_ok=True)
    done = subprocess.run(
        [ROOT / "scripts" / "setup", "derive"],
        env={**os.environ, "POSTOFFICE_APT_DIRECTORY": str(directory)},
        capture_output=True,
        text=True,
        check=False,
    )
    made = {
        path.name: path.read_text()
        for path in (directory / "sources.list.d").glob("postoffice-*")
    }
    return done, made


def test_one_line_form(tmp_path):
    (tmp_path / "sources.list").write_text(
        f"# deb http://commented.invalid/debian {RELEASE} main\n"
        f"deb http://mirror.invalid/security {RELEASE}-security main\n"
        f"deb [arch=amd64 signed-by=/k.gpg] http://mirror.invalid/debian {RELEASE} main contrib\n"
    )
    done, made = derive(tmp_path)
    assert done.returncode == 0, done.stderr
    assert made == {
        "postoffice-backports.list": "deb [arch=amd64 signed-by=/k.gpg] "
        f"http://mirror.invalid/debian {RELEASE}-backports main\n"
    }


def test_deb822_form(tmp_path):
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list.d" / "any.sources").write_text(
        "Types: deb\nURIs: http://off.invalid/debian\nEnabled: no\n"
        f"Suites: {RELEASE}\nComponents: main\n\n"
        f"# A comment.\nTypes: deb deb-src\nURIs: http://mirror.invalid/debian\n"
        f"Suites: {RELEASE} {RELEASE}-updates\nComponents: main contrib\n"
        "Signed-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc\n"
    )
    done, made = derive(tmp_path)
    assert done.returncode == 0, done.stderr
    assert made["postoffice-backports.sources"] == (
        f"Types: deb\nSuites: {RELEASE}-backports\nComponents: main\n"
        "URIs: http://mirror.invalid/debian\n"
        "Signed-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc\n"
    )


@pytest.mark.parametrize("content", ["", "deb http://mirror.invalid/debian sid main\n"])
def test_nothing_to_derive_from_is_said(tmp_path, content):
    (tmp_path / "sources.list").write_text(content)
    done, made = derive(tmp_path)
    assert done.returncode == 1
    assert RELEASE in done.stderr
    assert made == {}

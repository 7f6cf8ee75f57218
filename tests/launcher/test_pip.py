"""pip's own words become sentences."""

import errno
import os
import sys
from pathlib import Path

import pytest
from launcher import Stop, page
from launcher.packages import (
    FOREIGN,
    Pip,
    environment,
    explain_failure,
    foreign,
    is_missing,
    is_unreachable,
    tell_foreign,
)
from launching import free_port, one_sentence

# ---------------------------------------------------------------------------------------------- pip's words


REFUSED = (
    "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError(...)': /simple/pip/\n"
    "ERROR: Could not find a version that satisfies the requirement torch==2.13.0 (from versions: none)\n"
    "ERROR: No matching distribution found for torch==2.13.0"
)


@pytest.mark.parametrize(
    "text, words",
    [
        (REFUSED, "network"),
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "disk is full"),
        (f"[Errno {errno.EACCES}] Permission denied: '.venv'", "No permission"),
        ("SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED]'))", "PIP_CERT"),
        ("Collecting a\nERROR: ResolutionImpossible\n", "ResolutionImpossible"),
        ("", "no message"),
    ],
)
def test_failures_are_sentences(text, words):
    sentence = explain_failure(text, Path("install.log"))
    assert one_sentence(sentence) and words in sentence


def test_missing_is_not_unreachable():
    assert is_unreachable(REFUSED) and not is_missing(REFUSED)
    conflict = "ERROR: Cannot install {} because these package versions have conflicting dependencies."
    for missing in (
        "ERROR: No matching distribution found for torch==2.13.0+cpu",
        conflict.format("torch==2.13.0+cpu"),
    ):
        assert is_missing(missing) and not is_unreachable(missing)
    assert not is_missing(conflict.format("torch==2.13.0+cpu and peft==0.21.2"))


def failure(pip: Pip) -> str:
    with pytest.raises(Stop) as stop:
        pip.install(["--progress-bar", "off", "--target", str(pip.venv / "x"), "no-such-package-of-ours"], "nothing")
    assert one_sentence(str(stop.value)) and "no-such-package-of-ours" in pip.log.read_text()
    assert not (pip.venv / "tmp").exists()
    return str(stop.value)


def test_an_index_that_does_not_answer_is_named(pip, monkeypatch):
    port = free_port()
    monkeypatch.setenv("PIP_INDEX_URL", f"http://me:secret@127.0.0.1:{port}/simple")
    sentence = failure(pip)
    assert f"http://127.0.0.1:{port}/simple" in sentence and "can't be reached" in sentence
    assert "secret" not in sentence and "me:" not in sentence


def test_an_index_that_is_none_is_named(pip, monkeypatch, server):
    monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{server}/torch/simple")  # answers "not found" to all
    sentence = failure(pip)
    assert f"http://127.0.0.1:{server}/torch/simple" in sentence and "right address" in sentence


def test_a_proxy_that_does_not_answer_is_named(pip, monkeypatch):
    port = free_port()
    monkeypatch.setenv("HTTPS_PROXY", f"http://me:secret@127.0.0.1:{port}")
    monkeypatch.setenv("PIP_INDEX_URL", "https://index.invalid/simple")
    sentence = failure(pip)
    assert f"proxy http://127.0.0.1:{port} (HTTPS_PROXY)" in sentence and "secret" not in sentence


@pytest.mark.parametrize(
    "told",
    [
        "ProxyError('Cannot connect to proxy.', NewConnectionError('refused'))",  # pip 23 to 25
        "NewConnectionError(\"HTTPSConnection(host='gate.example', port=3128): Failed to establish\")",  # pip 26
    ],
)
def test_a_dead_proxy_is_named_whatever_pip_says(told, monkeypatch):
    monkeypatch.setenv("PIP_PROXY", "http://me:secret@gate.example:3128")
    text = f"Looking in indexes: https://a.example/simple\nWARNING: after connection broken by {told}: /simple/torch/\n"
    assert "proxy http://gate.example:3128 (PIP_PROXY)" in explain_failure(text)
    elsewhere = text.replace("gate.example", "a.example").replace("ProxyError", "NewConnectionError")
    assert "index https://a.example/simple can't be reached" in explain_failure(elsewhere)


def test_of_two_indexes_the_one_that_failed_is_named():
    text = (
        "Looking in indexes: https://a.example/simple, https://b.example/whl/cpu\n"
        "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError()': /whl/cpu/torch/\n"
        "ERROR: No matching distribution found for torch==2.13.0"
    )
    assert "https://b.example/whl/cpu" in explain_failure(text) and "a.example" not in explain_failure(text)


def test_programs_in_the_venv_see_nothing_else(monkeypatch, capsys):
    for name in [name for name in os.environ if name.startswith("PIP_") or name in FOREIGN]:
        monkeypatch.delenv(name)
    assert foreign() == []
    kept = {"PIP_INDEX_URL": "https://mirror.example", "PIP_CERT": "/my.pem", "PYTHONUTF8": "1"}
    gone = {
        "PYTHONPATH": "/elsewhere",
        "PYTHONHOME": "/elsewhere",
        "PIP_TARGET": "/x",
        "PIP_CONSTRAINT": "/x",
        "PIP_PRE": "1",
    }
    for name, value in {**kept, **gone, "PIP_USER": "1"}.items():
        monkeypatch.setenv(name, value)
    env = environment(SDLORA_PASSWORD="x")
    assert not set(env) & set(gone) and kept.items() <= env.items()
    assert env["PIP_USER"] == "0" and env["PIP_NO_INPUT"] == "1"
    assert env["SDLORA_PASSWORD"] == "x" and "SDLORA_PASSWORD" not in os.environ
    tell_foreign()
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and all(name in said for name in gone) and "PIP_CERT" not in said


def test_a_foreign_numpy_breaks_nothing(tmp_path, monkeypatch):
    (tmp_path / "numpy.py").write_text("raise SystemExit('a foreign numpy')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    code = "import numpy, sys; sys.exit(0 if hasattr(numpy, 'array') else 1)"
    assert page.run([sys.executable, "-c", code]) == 0

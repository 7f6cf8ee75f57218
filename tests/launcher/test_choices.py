"""Which Python will do, and which PyTorch is chosen for a computer."""

import ast
import importlib.util
import re

import pytest
from launcher import Stop
from launcher.build import Build, Nvidia, choose_build, reachable, read_nvidia, torch_attempts
from launching import ROOT, free_port, one_sentence

CPU = Build("cpu", "cpu", "https://download.pytorch.org/whl/cpu", 3)


# ---------------------------------------------------------------------------------------------- an old Python


def load_launch():
    spec = importlib.util.spec_from_file_location("launch", ROOT / "launch.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "version, bits, good",
    [
        ((3, 10, 0), 64, True), ((3, 11, 7), 64, True), ((3, 12, 1), 64, True), ((3, 13, 0), 64, True),
        ((2, 7, 18), 64, False), ((3, 6, 15), 64, False), ((3, 9, 18), 64, False), ((3, 14, 0), 64, False),
        ((3, 11, 7), 32, False),
    ],
)  # fmt: skip
def test_pythons(version, bits, good):
    sentence = load_launch().wrong_python(version, bits)
    assert (sentence == "") is good
    if not good:
        assert one_sentence(sentence) and f"{version[0]}.{version[1]}" in sentence and "launch.py" in sentence


def test_launch_parses_on_pythons_that_it_turns_away():
    source = (ROOT / "launch.py").read_bytes()
    tree = ast.parse(source, feature_version=(3, 6))
    source.decode("ascii")  # Python 2 takes nothing else without a declaration
    newer = (ast.JoinedStr, ast.AnnAssign, ast.NamedExpr, ast.AsyncFunctionDef, ast.Starred, ast.Nonlocal)
    assert not [node for node in ast.walk(tree) if isinstance(node, newer)]
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            assert node.returns is None and not node.args.kwonlyargs
            assert all(argument.annotation is None for argument in node.args.args)
    # What comes before the version check exists in every Python.
    before = [n for n in tree.body if isinstance(n, (ast.Import, ast.ImportFrom))]
    assert [alias.name for node in before for alias in node.names] == ["os", "sys"]


# ---------------------------------------------------------------------------------------------- which PyTorch


@pytest.mark.parametrize(
    "cpu, system, machine, nvidia, expected",
    [
        (False, "Linux", "x86_64", None, "cpu"),
        (False, "Linux", "aarch64", None, "cpu"),
        (False, "Windows", "AMD64", None, "cpu"),
        (False, "Darwin", "arm64", None, "default"),
        (True, "Darwin", "arm64", None, "default"),
        (False, "Linux", "x86_64", Nvidia(580, (8, 6), (8, 6)), "cu130"),
        (False, "Windows", "AMD64", Nvidia(581, (12, 0), (12, 0)), "cu130"),
        (False, "Linux", "x86_64", Nvidia(550, (8, 9), (8, 9)), "cu126"),  # its driver has no CUDA 13
        (False, "Linux", "x86_64", Nvidia(580, (6, 1), (6, 1)), "cu126"),  # CUDA 13 has dropped Pascal
        (False, "Linux", "x86_64", Nvidia(580, (12, 0), (6, 1)), "cu130"),  # CUDA 12.6 knows no Blackwell
        (False, "Linux", "x86_64", Nvidia(), "cu130"),
        (True, "Linux", "x86_64", Nvidia(580, (8, 6), (8, 6)), "cpu"),
    ],
)
def test_choice_of_build(cpu, system, machine, nvidia, expected):
    build = choose_build(cpu, "", system, machine, nvidia)
    assert build.name == expected
    assert build.index == ("" if expected == "default" else "https://download.pytorch.org/whl/" + expected)


@pytest.mark.parametrize(
    "system, machine, nvidia, fix",
    [
        ("Linux", "x86_64", Nvidia(470, (7, 5), (7, 5)), "--cpu"),
        ("Linux", "x86_64", Nvidia(570, (12, 0), (12, 0)), "580"),
        ("Darwin", "x86_64", None, "Apple-silicon"),
    ],
)
def test_no_build_is_a_sentence(system, machine, nvidia, fix):
    with pytest.raises(Stop) as stop:
        choose_build(False, "", system, machine, nvidia)
    assert one_sentence(str(stop.value)) and fix in str(stop.value)


@pytest.mark.parametrize("tag", ["rocm7.2", "xpu", "cu132", "cpu"])
def test_named_index_gives_its_build(tag):
    build = choose_build(False, f"https://mirror.example/whl/{tag}/", "Linux", "x86_64", Nvidia(580, (8, 6), (8, 6)))
    attempts = torch_attempts(build, "2.13.0", "Linux", True, no_cuda=False)
    assert attempts == [["--extra-index-url", f"https://mirror.example/whl/{tag}", f"torch==2.13.0+{tag}"]]


def test_nvidia_smi_is_read():
    assert read_nvidia("580.65.06, 8.6\n580.65.06, 12.0\n") == Nvidia(580, (12, 0), (8, 6))
    assert read_nvidia("470.223.02\n") == Nvidia(470, None, None)
    assert read_nvidia("No devices were found\n") is None
    assert read_nvidia("") is None


@pytest.mark.parametrize("answers", [True, False])
@pytest.mark.parametrize("system", ["Linux", "Windows", "Darwin"])
def test_no_cuda_packages_without_a_gpu(system, answers):
    """On Linux a torch without a local version means gigabytes of CUDA: --no-cuda lets no attempt name one."""
    build = choose_build(False, "", system, "arm64" if system == "Darwin" else "x86_64", None)
    for attempt in torch_attempts(build, "2.13.0", system, answers, no_cuda=True):
        if system == "Linux":
            assert attempt[-1] == "torch==2.13.0+cpu"
        assert not re.search(r"cu\d", " ".join(attempt))
        assert ("--extra-index-url" in attempt) <= answers


def test_attempts_fall_back_to_the_configured_index():
    assert torch_attempts(CPU, "2.13.0", "Linux", False, False) == [["torch==2.13.0+cpu"], ["torch==2.13.0"]]
    assert torch_attempts(CPU, "2.13.0", "Windows", False, False) == [["torch==2.13.0+cpu"], ["torch==2.13.0"]]
    cuda = choose_build(False, "", "Linux", "x86_64", Nvidia(580, (8, 6), (8, 6)))
    first, second = torch_attempts(cuda, "2.13.0", "Linux", True, False)
    assert first == ["--extra-index-url", cuda.index, "torch==2.13.0+cu130"] and second == ["torch==2.13.0"]


def test_reachable(server):
    assert reachable(f"http://127.0.0.1:{server}")  # even where the answer is "not found"
    assert not reachable(f"http://127.0.0.1:{free_port()}")
    assert not reachable("nonsense")

"""The files around the package: they agree with each other and give nothing away."""

from __future__ import annotations

import os
import re
import tomllib
from importlib import import_module
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
IGNORED = {".git", ".venv", "out", "build", "dist", "__pycache__", ".ipynb_checkpoints", ".hypothesis"}
MAX_BYTES = 4 << 20


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


def tracked():
    """Yield every file that could be committed: all but those that .gitignore names."""
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in IGNORED and not name.endswith(("_cache", ".egg-info"))]
        yield from (Path(folder) / name for name in names if not name.endswith((".pyc", ".pyo")))


FILES = sorted(tracked())
TEXTS = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8", errors="replace")
    for path in FILES
    if path.stat().st_size <= MAX_BYTES
}


# -- dependencies -------------------------------------------------------------------------------------------------


def extra(name):
    """Return what an extra installs, without the package itself."""
    return [one for one in PROJECT["project"]["optional-dependencies"][name] if not one.startswith("kaygraph-viz")]


CALLED_IN_CONDA = {"playwright": "playwright-python"}
NOT_IN_CONDA = {"httpx2", "pocketflow"}


def name_of(dependency):
    return Requirement(dependency).name


def in_conda(dependency):
    """Return a dependency as conda writes it: under its name there, and on each platform."""
    wanted = Requirement(dependency)
    return f"{CALLED_IN_CONDA.get(wanted.name, wanted.name)}{wanted.specifier}"


def conda_dependencies():
    listed = yaml.safe_load(read("environment.yml"))["dependencies"]
    return [one for one in listed if isinstance(one, str)], [one for one in listed if not isinstance(one, str)]


EXTRAS_IN_CONDA = [
    one
    for name in ("notebook", "lessons", "lab", "dask", "completion", "export", "test", "marimo")
    for one in extra(name)
]


def test_conda_environment_names_the_dependencies_with_the_same_bounds():
    named, _ = conda_dependencies()
    python = f"python{PROJECT['project']['requires-python']}"
    wanted = [one for one in EXTRAS_IN_CONDA if name_of(one) not in NOT_IN_CONDA]
    everywhere = [one for one in PROJECT["project"]["dependencies"] if "== 'Emscripten'" not in one]
    assert sorted(named) == sorted([python, "pip", *map(in_conda, [*everywhere, *wanted])])


def test_conda_environment_installs_the_package_itself_and_what_conda_does_not_have():
    wanted = [in_conda(one) for one in EXTRAS_IN_CONDA if name_of(one) in NOT_IN_CONDA]
    assert conda_dependencies()[1] == [{"pip": [*wanted, "--editable=."]}]


def test_every_dependency_has_a_lower_bound():
    extras = (one for name in PROJECT["project"]["optional-dependencies"] for one in extra(name))
    assert [one for one in [*PROJECT["project"]["dependencies"], *extras] if ">=" not in one] == []


IMPORTED = [*PROJECT["project"]["dependencies"], *extra("notebook"), *extra("lessons")]


@pytest.mark.parametrize("package", sorted(map(name_of, IMPORTED)))
def test_every_dependency_is_imported_by_the_package(package):
    module = {"email-validator": "email_validator", "ipython": "IPython"}.get(package, package)
    pattern = re.compile(rf"^\s*(import|from) {re.escape(module)}\b", re.MULTILINE)
    assert any(pattern.search(text) for name, text in TEXTS.items() if name.startswith("kaygraph_viz/"))


# -- commands -----------------------------------------------------------------------------------------------------


def targets():
    return set(re.findall(r"^([a-z-]+):", read("Makefile"), re.MULTILINE)) | {
        f"test-{path.name}" for path in (ROOT / "tests").iterdir()
    }


def test_ci_runs_the_commands_of_the_makefile():
    assert re.findall(r"^make (\S+)$", read(".ci/run"), re.MULTILINE) == ["lint", "demo", "test"]
    assert {"lint", "demo", "test"} <= targets()


def test_ci_stops_at_the_first_failure():
    assert "set -euo pipefail" in read(".ci/run")


@pytest.mark.skipif(os.name != "posix", reason="needs file modes")
def test_ci_is_executable():
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    assert read(".ci/run").startswith("#!")


def test_make_help_names_only_targets_that_exist():
    described = set(re.findall(r'@echo "make (\w+)', read("Makefile")))
    assert {"demo", "test", "lab", "notebooks", "lint", "bench", "clean"} <= described <= targets()


@pytest.mark.parametrize("target", ["demo", "test", "lab"])
def test_readme_names_the_make_targets(target):
    assert f"make {target}" in read("README.md")


def test_readme_names_no_make_target_that_does_not_exist():
    assert set(re.findall(r"`?\bmake ([a-z]+)`", read("README.md"))) <= targets()


@pytest.mark.parametrize("entry", PROJECT["project"]["scripts"].values())
def test_every_script_can_be_called(entry):
    module, _, name = entry.partition(":")
    assert callable(getattr(import_module(module), name))


def test_every_command_of_a_workflow_exists():
    commands = set()
    for path in (ROOT / ".github" / "workflows").glob("*.yml"):
        jobs = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"].values()
        commands |= {step["run"] for job in jobs for step in job["steps"] if "run" in step}
    assert {"make docs", "make dist", ".ci/run"} <= commands <= {".ci/run", *(f"make {name}" for name in targets())}


def test_every_python_that_is_named_is_tested():
    named = {each.rpartition(" ")[2] for each in PROJECT["project"]["classifiers"] if ":: Python :: 3." in each}
    jobs = yaml.safe_load(read(".github/workflows/tests.yml"))["jobs"]
    assert named <= set(jobs["linux"]["strategy"]["matrix"]["python"])
    assert PROJECT["project"]["requires-python"] == f">={min(named, key=lambda each: int(each.split('.')[1]))}"


def test_the_citation_names_the_version():
    import kaygraph_viz

    assert yaml.safe_load(read("CITATION.cff"))["version"] == kaygraph_viz.__version__


# -- what is shipped ----------------------------------------------------------------------------------------------


def included():
    return PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]


def test_files_that_are_included_exist_and_keep_their_names():
    assert [source for source in included() if not (ROOT / source).exists()] == []
    assert all(target == f"kaygraph_viz/_data/{Path(source).name}" for source, target in included().items())


def test_every_data_file_is_included():
    assert {f"data/{path.name}" for path in (ROOT / "data").glob("*.csv")} <= set(included())


def test_types_of_the_package_are_shipped():
    assert (ROOT / "kaygraph_viz" / "py.typed").is_file()


def test_licence_is_mit():
    assert PROJECT["project"]["license"] == "MIT"
    assert read("LICENSE").startswith("MIT License")
    assert "WITHOUT WARRANTY OF ANY KIND" in read("LICENSE")


def test_changelog_names_the_version_or_what_is_unreleased():
    import kaygraph_viz

    changelog = read("CHANGELOG.md")
    assert f"[{kaygraph_viz.__version__}]" in changelog or "Unreleased" in changelog


# -- what must not be in any file ---------------------------------------------------------------------------------

# The middles are left open as [x], so that this file does not contain what it looks for.
FORBIDDEN = {
    "the address of a package registry": r"pyp[i]\.org"
    r"|pythonhoste[d]\.org|registry\.np[m]js|prox[y]\.golang|conda\.anacond[a]\.org"
    r"|index-ur[l]",
    "a path of one machine": r"(?<![\w.:/])/(hom[e]|User[s]|roo[t]|wor[k]|mn[t]|op[t]|sr[v])/[\w.-]+|[A-Z]:\\+User[s]",
    "a private key": r"-----BEGIN [A-Z ]*PRIVAT[E] KEY",
    "an access token": r"\b(gh[pousr]_[A-Za-z0-9]{30,}|AKI[A][0-9A-Z]{16}|xox[bp]-[0-9]{8,}|sk-[A-Za-z0-9]{32,})",
    "a password in an address": r"[a-z]+://[^\s/:@\"'`]+:[^\s/:@\"'`{}]+@",
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_contains(what):
    pattern = re.compile(FORBIDDEN[what])
    assert {name: found[0] for name, text in TEXTS.items() if (found := pattern.search(text))} == {}


def test_no_file_is_huge():
    assert [path.relative_to(ROOT).as_posix() for path in FILES if path.stat().st_size > MAX_BYTES] == []


def test_no_secret_has_a_file_of_its_own():
    named = {path.name for path in FILES}
    assert {
        name for name in named if re.fullmatch(r"\.env(\..+)?|.*\.(pem|key|p12|pfx)|id_rsa|\.netrc|\.pypirc", name)
    } == set()

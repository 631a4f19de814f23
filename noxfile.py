"""What the project can be asked to do: `nox -s tests`, `nox -s demo`, … (`nox -l` lists all)."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.sessions = ["tests"]
# An environment is kept and reused; the package itself is always built and installed anew.
nox.options.reuse_venv = "yes"
# A Python that is missing is named and skipped on a developer's machine, and is an error where CI is set.
nox.options.error_on_missing_interpreters = "CI" in os.environ

PYTHONS = ["3.11", "3.12", "3.13"]
OLDEST = PYTHONS[0]
ROOT = Path(__file__).parent
PROJECT = nox.project.load_toml(ROOT / "pyproject.toml")

NOVA = """
nova==34.0.0 openstack-placement SQLAlchemy<2.1 python-memcached fixtures testtools oslotest stestr requests-mock
wsgi-intercept osprofiler ddt psycopg2-binary PyMySQL testscenarios testresources oslo.vmware
""".split()

DATABASES = [
    requirement for extra in ("sql", "postgresql") for requirement in PROJECT["project"]["optional-dependencies"][extra]
]
"""What ledgers in a database need."""

ON_ALL_CORES = ["-n", "auto"]
"""One process of tests for each core; `nox -s tests -- -n 0` runs them in one, as a debugger needs it."""

# What docs/field-notes.md speaks of, in the versions that it speaks of.
NOTED = "fsspec==2026.9.0 pexpect==4.9.0 ptyprocess==0.7.0 ZODB==6.4 SQLAlchemy==2.1.9 filelock==4.2.11".split()

SLOW = """
tests/command_line/test_sample_project.py
tests/faults/test_example.py tests/faults/test_plugin.py tests/pytest_plugin/test_baseline.py tests/pytest_plugin/test_reports.py
tests/pytest_plugin/test_runners.py tests/reporting/test_journal_everything.py tests/state_machines
tests/stores/test_distributed.py tests/stores/test_propagation_celery.py tests/stores/test_propagation_xdist.py
tests/stores/test_same_semantics.py tests/stores/test_faults.py tests/stores/test_orphans.py tests/stores/test_waiting.py
tests/stores/test_linearizable.py tests/command_line/test_run_as_python.py
""".split()
"""What starts programs and whole test runs of its own takes as long as all the rest. The oldest Python runs it; the others do
where arguments are given (`nox -s tests-3.13 -- -n auto`).
"""

# A fixed sample of the mutants, a fifth of them and the first of every function, so that a run ends within minutes.
MUTANTS = "lifeguard.ledger.*__mutmut_*[14]"
MUTATION_SCORE = 85.0
"""So many per cent of the sample must be found by the tests: what was reached once must not be lost."""


def find_pythons_of_pyenv() -> None:
    """Let pyenv's shims answer for every Python that it has installed, not only for the one chosen as global."""
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
    if "PYENV_VERSION" not in os.environ and versions.is_dir():
        found = [path.name for python in PYTHONS for path in sorted(versions.glob(f"{python}.*"), reverse=True)]
        if found:
            os.environ["PYENV_VERSION"] = ":".join(found)


find_pythons_of_pyenv()


def group(name: str) -> list[str]:
    """The requirements of a dependency group of pyproject.toml."""
    return list(nox.project.dependency_groups(PROJECT, name))


def install(session: nox.Session, *requirements: str) -> None:
    """Install requirements, and the package as it is built from this tree: a copy of it, not a link to it."""
    if requirements:
        session.install(*requirements)
    session.install("--force-reinstall", "--no-deps", str(ROOT))


def run_pytest(session: nox.Session, *arguments: str, **environment: str) -> None:
    """Run pytest so that `import lifeguard` can only find what is installed."""
    session.run("python", "-m", "pytest", *arguments, env={"PYTHONSAFEPATH": "1", **environment})


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run the tests against the built package; what is slow on one Python only, unless arguments are given."""
    install(session, *group("test"))
    once = [] if session.python == OLDEST or session.posargs else [f"--ignore={path}" for path in SLOW]
    run_pytest(session, *ON_ALL_CORES, *once, *session.posargs)


@nox.session(python=OLDEST)
def minimums(session: nox.Session) -> None:
    """Run the tests with the oldest Python and the oldest versions of what they need."""
    install(session, *(requirement.replace(">=", "==") for requirement in group("test")))
    run_pytest(session, *ON_ALL_CORES, *session.posargs)


@nox.session
def demo(session: nox.Session) -> None:
    """Show what lifeguard says of a service whose rollbacks have holes."""
    install(session)
    session.run("python", "examples/multi_cell_migration.py", *session.posargs)


@nox.session(name="demo-distributed")
def demo_distributed(session: nox.Session) -> None:
    """Show one scope over four processes: one that is killed, and what is done about it (`-- --ledger URL` for PostgreSQL)."""
    install(session, *DATABASES)
    session.run("python", "examples/distributed/run.py", *session.posargs)


@nox.session(python=OLDEST)
def stores(session: nox.Session) -> None:
    """Run the tests of the core over SQLite and PostgreSQL, and kill two hundred workers."""
    install(session, *group("test"))
    run_pytest(session, *ON_ALL_CORES, "tests/stores", *session.posargs, LIFEGUARD_STORES="whole")


@nox.session(name="field-notes", python=OLDEST)
def field_notes(session: nox.Session) -> None:
    """Find again what docs/field-notes.md says was found in libraries."""
    install(session, "pytest", *NOTED)
    run_pytest(session, "tests/field_notes", "-ra", *session.posargs)


@nox.session(python=PYTHONS)
def counts(session: nox.Session) -> None:
    """Record anew what a watched call costs in calls, instructions and memory: for changes that are meant."""
    install(session)
    for helper in ("on", "off"):
        session.run("python", "tests/test_counts.py", env={"LIFEGUARD_SPEEDUPS": helper})


@nox.session(python=[OLDEST, PYTHONS[-1]])
def bench(session: nox.Session) -> None:
    """Measure what lifeguard costs, beside its rivals (`-- --quick`; `-- --rows pair`); JSON files go to build/."""
    install(session, *group("bench"))
    # The folder of the benchmarks comes last on the path, so that the package is the one that is installed.
    program = f"import runpy, sys; sys.path.append({str(ROOT)!r}); runpy.run_module('benchmarks', run_name='__main__')"
    for name, helper in (("compiled", "on"), ("pure", "off")):
        result = ROOT / "build" / f"benchmarks-{session.python}-{name}.json"
        arguments = ["--json", str(result), *session.posargs]
        session.run("python", "-P", "-c", program, *arguments, env={"LIFEGUARD_SPEEDUPS": helper})


@nox.session(name="bench-stores", python=OLDEST)
def bench_stores(session: nox.Session) -> None:
    """Measure what a shared ledger costs, beside plain statements (`-- --quick`; `-- --history 1000000`)."""
    install(session, *DATABASES, "pytest", *(one for one in group("test") if one.startswith("pixeltable")))
    program = (
        f"import runpy, sys; sys.path.append({str(ROOT)!r}); runpy.run_module('benchmarks.stores', run_name='__main__')"
    )
    result = ROOT / "build" / "benchmarks-stores.json"
    session.run("python", "-P", "-c", program, "--json", str(result), *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, format, and which module may import which."""
    session.install(*group("lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("lint-imports", "--no-cache", env={"PYTHONPATH": str(ROOT)})


@nox.session
def typing(session: nox.Session) -> None:
    """Check the types of the package and what users see of them, with mypy and with pyright."""
    session.install(*group("typing"))
    session.run("mypy")
    python = str(Path(session.bin, "python"))
    for project in (".", "tests/typing"):
        session.run("pyright", "-p", project, "--pythonpath", python, env={"PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"})


@nox.session(python=OLDEST)
def browser(session: nox.Session) -> None:
    """Look at the HTML report in a real Chromium, with axe-core (`LIFEGUARD_SCREENSHOTS=folder` keeps pictures)."""
    install(session, *group("browser"))
    installed = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not (os.environ.get("LIFEGUARD_CHROMIUM") or installed or "PLAYWRIGHT_BROWSERS_PATH" in os.environ):
        session.error(
            "no Chromium: install your system's package (`apt-get install chromium`), or name one in LIFEGUARD_CHROMIUM"
        )
    run_pytest(session, "tests/browser", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation, with the reports that it shows; a broken link is an error."""
    install(session, *group("docs"))
    site = str(Path(session.create_tmp(), "site").resolve())
    session.run("mkdocs", "build", "--strict", "--site-dir", site, env={"NO_MKDOCS_2_WARNING": "1"})


@nox.session(python=OLDEST)
def mutation(session: nox.Session) -> None:
    """Break the ledger in hundreds of small ways and count how many the tests notice (`-- "*"` for all ways)."""
    session.install(*group("mutation"))
    copy = Path(session.create_tmp(), "copy").resolve()
    shutil.rmtree(copy, ignore_errors=True)
    for folder in ("lifeguard", "tests"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    with session.chdir(copy):
        children = str(os.cpu_count() or 1)
        mutants = session.posargs or [MUTANTS]
        few = {"LIFEGUARD_EXAMPLES": "30"}
        session.run("mutmut", "run", "--max-children", children, *mutants, env=few, silent=True)
        session.run("mutmut", "export-cicd-stats", silent=True)
        counts = json.loads((copy / "mutants" / "mutmut-cicd-stats.json").read_text())
        results = str(session.run("mutmut", "results", silent=True)).splitlines()
    missed = [line.strip() for line in results if line.endswith((": survived", ": no tests", ": suspicious"))]
    found = counts["killed"] + counts["timeout"] + counts["segfault"]
    score = 100 * found / max(1, found + len(missed))
    print(*missed, f"{found} of {found + len(missed)} mutants were found: {score:.1f} %", sep="\n")
    if score < MUTATION_SCORE:
        session.error(f"The tests found fewer than {MUTATION_SCORE} % of the mutants.")


def install_nova(session: nox.Session) -> None:
    """Install Nova, what its functional tests need, and the package."""
    here = Path(session.virtualenv.location)
    stamp = here / "nova-installed.txt"
    if not stamp.exists() or stamp.read_text() != "\n".join(NOVA):
        session.install(*NOVA)
        # The wheel installs api-paste.ini below the environment, and Nova's tests look for it beside the package.
        link = here / "lib" / f"python{OLDEST}" / "site-packages" / "etc"
        if not link.exists():
            link.symlink_to(here / "etc")
        stamp.write_text("\n".join(NOVA))
    install(session, "pytest")


@nox.session(python=OLDEST)
def nova(session: nox.Session) -> None:
    """Run Nova's cross-cell resize suite, unmodified, under contracts from outside (`-- --short` for a few tests)."""
    install_nova(session)
    session.run("python", "examples/nova/run.py", *session.posargs)
    if not session.posargs:
        run_pytest(session, "tests/nova")


@nox.session(name="nova-explore", python=OLDEST)
def nova_explore(session: nox.Session) -> None:
    """Make the calls of Nova's resize fail one by one, for about five minutes (`-- 1200` for 1200 seconds)."""
    install_nova(session)
    session.run("python", "examples/nova/run.py", "--explore", *(session.posargs or ["300"]))

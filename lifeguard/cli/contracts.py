"""`lifeguard contracts`: what modules declare, and which kinds nobody can pay."""

from __future__ import annotations

import os
from types import ModuleType

import click

from lifeguard.cli import completing
from lifeguard.cli.drawing import DRAWINGS, as_json
from lifeguard.cli.exits import FINE, VIOLATIONS, Failure
from lifeguard.cli.importing import import_from_here, load, with_submodules
from lifeguard.cli.output import complain, say
from lifeguard.cli.survey import declaring, survey


@click.command()
@click.argument("names", metavar="MODULE…", nargs=-1, required=True, shell_complete=completing.files)
@click.option("-r", "--recursive", is_flag=True, help="Import everything below the packages, too.")
@click.option(
    "--format",
    "form",
    type=click.Choice([*DRAWINGS, "json"]),
    default="table",
    show_default=True,
    help="table: a line a contract; graph: who can pay what; dot: for Graphviz; mermaid: for Markdown; json: for programs.",
)
@click.option("--strict", is_flag=True, help="Exit with 3 if there is a kind that nobody releases, or nobody acquires.")
def contracts(names: tuple[str, ...], recursive: bool, form: str, strict: bool) -> int:
    """Show which contracts modules declare, and which functions can pay what is owed.

    MODULE is the name of a module or package, or the path of a file. It is imported, and so its code runs; what it
    prints goes to the standard error. Of the kinds that it speaks of all contracts are shown, those of other modules that
    it has imported, too; stand-ins of contracts_for are shown as the functions that they stand for.

    Kinds that somebody acquires and nobody releases, or the other way round, are pointed out on the standard error.

    \b
    Example:
      lifeguard contracts shop.services
      lifeguard contracts -r shop --format graph --strict
      lifeguard contracts -r shop --format dot | dot -Tsvg > contracts.svg
    """
    os.environ.pop("LIFEGUARD", None)  # with LIFEGUARD=off there would be no contracts to show
    import_from_here()
    modules = [load(name) for name in names]
    if recursive:
        modules = [found for module in modules for found in with_submodules(module)]
    found = survey(modules)
    if not found:
        raise Failure(f"no contract is declared in {', '.join(names)}{_hint(modules, recursive)}")
    if form == "json":
        say(as_json(found, (module.__name__ for module in modules)))
    else:
        for line in DRAWINGS[form](found):
            say(line)
    problems = [problem for kind in found for problem in kind.problems]
    for problem in problems:
        complain(problem)
    return VIOLATIONS if problems and strict else FINE


def _hint(modules: list[ModuleType], recursive: bool) -> str:
    """Where contracts may be found, if not in these modules."""
    if not recursive and any(hasattr(one, "__path__") for one in modules):
        return "; --recursive looks below it"
    elsewhere = declaring()
    return f"; what it imports declares some, in {', '.join(elsewhere)}" if elsewhere else ""

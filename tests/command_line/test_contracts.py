"""`lifeguard contracts`: what is declared where, who can pay what, and what nobody can."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_lines import command, write

SERVICES = """
from lifeguard import OUTSIDE, Resource, Rollback, acquires, all_of, implements, on_failure, releases, rolls_back, transfers, uses

network = Resource("network")
port = Resource("port", within=network, cascade=True)
image = Resource("image")
lease = Resource("lease")
spawning = Rollback("spawn")


class Images:
    @acquires(image, key="result['id']", when="name")
    def create(self, name): ...

    @uses(image, key="image_id")
    def show(self, image_id): ...

    @transfers(image, key="image_id", to=OUTSIDE)
    def publish(self, image_id): ...


@implements(Images)
class FakeImages:
    def create(self, name): ...

    def show(self, image_id): ...

    def publish(self, image_id): ...


class Network:
    @acquires(network, key="name")
    def create(self, name): ...

    @releases(network, key="name")
    def delete(self, name): ...

    @acquires(port, key="name", within="network")
    def plug(self, name, network): ...


@on_failure(spawning, key="name")
def spawn(name): ...


@acquires(lease, key="name")
def take(name): ...
"""

TABLE = """\
kind     verb        function            key           where           notes
image    acquires    Images.create       result['id']  services.py:11  when=name
image    uses        Images.show         image_id      services.py:14
image    transfers   Images.publish      image_id      services.py:17  to OUTSIDE
image    acquires    FakeImages.create   result['id']  services.py:23  when=name, as Images.create
image    uses        FakeImages.show     image_id      services.py:25  as Images.show
image    transfers   FakeImages.publish  image_id      services.py:27  to OUTSIDE, as Images.publish
lease    acquires    take                name          services.py:45
network  acquires    Network.create      name          services.py:31
network  releases    Network.delete      name          services.py:34
port     acquires    Network.plug        name          services.py:37  within network network
spawn    on_failure  spawn               name          services.py:41
"""

TREE = """\
image
  acquired by  Images.create                   services.py:11
               FakeImages.create               services.py:23
  paid by      Images.publish (transfers)      services.py:17
               FakeImages.publish (transfers)  services.py:27
  also         Images.show (uses)              services.py:14
               FakeImages.show (uses)          services.py:25

lease
  acquired by  take    services.py:45
  paid by      nobody

network
  acquired by  Network.create             services.py:31
  paid by      Network.delete (releases)  services.py:34

port (a part of network, and goes with it)
  acquired by  Network.plug  services.py:37
  paid by      network

spawn (a rollback)
  owed after  spawn (on_failure)  services.py:41
  paid by     nobody
"""

PROBLEMS = """\
lifeguard: nobody releases lease, or hands it over: it is acquired by take
lifeguard: nobody rolls back spawn: it is owed when spawn fails
"""

DOT = r"""
digraph contracts {
  rankdir=LR;
  node [shape=box, fontname="sans-serif"];
  k0 [label="odd \"kind\" \\", shape=ellipse, color=red];
  f0 [label="take"];
  f0 -> k0 [label="acquires"];
}
"""

MERMAID = """
flowchart LR
  k0(["odd #quot;kind#quot; \\"])
  f0["take"]
  f0 -->|"acquires"| k0
  classDef unpaid stroke:#c00,stroke-width:3px
  class k0 unpaid
"""

ODD = """
from lifeguard import Resource, acquires

odd = Resource('odd "kind" \\\\')


@acquires(odd, key="name")
def take(name): ...
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with some services."""
    write(tmp_path, "services.py", SERVICES)
    return tmp_path


def test_the_table(folder: Path) -> None:
    """A line for each contract; what nobody pays is pointed out beside it."""
    ran = command("contracts", "services", cwd=folder)
    assert (0, TABLE, PROBLEMS) == (ran.returncode, ran.stdout, ran.stderr)


def test_the_tree(folder: Path) -> None:
    """Which functions can pay which obligation."""
    ran = command("contracts", "services.py", "--format", "graph", cwd=folder)
    assert (0, TREE, PROBLEMS) == (ran.returncode, ran.stdout, ran.stderr)


def test_strict(folder: Path) -> None:
    """A gate: 3 where something is pointed out."""
    assert 3 == command("contracts", "services", "--strict", cwd=folder).returncode
    write(folder, "fine.py", SERVICES.partition("@on_failure")[0])
    ran = command("contracts", "fine", "--strict", cwd=folder)
    assert (0, "") == (ran.returncode, ran.stderr)


@pytest.mark.parametrize(("form", "drawing"), [("dot", DOT), ("mermaid", MERMAID)])
def test_names_are_quoted_in_graphs(form: str, drawing: str, tmp_path: Path) -> None:
    """Whatever a kind is called, it ends no label."""
    write(tmp_path, "odd.py", ODD)
    assert drawing.lstrip("\n") == command("contracts", "odd", "--format", form, cwd=tmp_path).stdout


def test_a_graph_has_each_edge_once(folder: Path) -> None:
    """From who acquires to the kind, and from the kind to who pays; a part hangs on its whole."""
    lines = command("contracts", "services", "--format", "mermaid", cwd=folder).stdout.splitlines()
    arrows = [line.strip() for line in lines if "--" in line or "-." in line]
    assert len(arrows) == len(set(arrows))
    assert 'f0 -->|"acquires"| k0' in arrows
    assert 'k0 -->|"transfers to OUTSIDE"| f2' in arrows
    assert 'k3 -.->|"part of"| k2' in arrows


def test_a_graph_leaves_out_what_has_no_edge(tmp_path: Path) -> None:
    """An operation that speaks of every kind opens and pays none."""
    port = "port = Resource('port')\n@acquires(port, key='n')\ndef bind(n): ...\n"
    write(tmp_path, "moves.py", f"from lifeguard import *\n@atomic\ndef move(): ...\n{port}")
    assert "every resource  atomic" in command("contracts", "moves", cwd=tmp_path).stdout
    assert "every resource" not in command("contracts", "moves", "--format", "dot", cwd=tmp_path).stdout


def test_json(folder: Path) -> None:
    """For programs."""
    told = json.loads(command("contracts", "services", "--format", "json", cwd=folder).stdout)
    assert (1, ["services"]) == (told["version"], told["modules"])
    kinds = {kind["name"]: kind for kind in told["kinds"]}
    assert ["nobody releases lease, or hands it over: it is acquired by take"] == kinds["lease"]["problems"]
    (taking,) = kinds["lease"]["contracts"]
    assert ("acquires", "take", "name") == (taking["verb"], taking["function"], taking["key"])
    assert 45 == taking["place"]["line"]
    assert (True, "network", True) == (
        kinds["spawn"]["rollback"],
        kinds["port"]["within"],
        kinds["port"]["taken_along"],
    )


def test_stand_ins(tmp_path: Path) -> None:
    """Contracts for code of others are shown as the functions that they stand for."""
    write(
        tmp_path,
        "stand_ins.py",
        """
        from lifeguard import Resource, acquires, contracts_for
        folder = Resource("folder")
        @contracts_for("tempfile")
        class Tempfile:
            @staticmethod
            @acquires(folder, key="result")
            def mkdtemp(): ...
        """,
    )
    ran = command("contracts", "stand_ins", cwd=tmp_path)
    assert (
        "folder  acquires  tempfile.mkdtemp  result  stand_ins.py:6  by Tempfile.mkdtemp" == ran.stdout.splitlines()[1]
    )


def test_stand_ins_that_are_applied(tmp_path: Path) -> None:
    """A module that applies its stand-ins itself is shown as it is declared, once."""
    write(
        tmp_path,
        "applied.py",
        """
        from lifeguard import Resource, acquires, contracts_for
        folder = Resource("folder")
        @contracts_for("tempfile")
        class Tempfile:
            @staticmethod
            @acquires(folder, key="result")
            def mkdtemp(): ...
        Tempfile.start()
        """,
    )
    ran = command("contracts", "applied", cwd=tmp_path)
    assert ["tempfile.mkdtemp"] == [line.split()[2] for line in ran.stdout.splitlines()[1:]]


def test_payers_in_other_modules_count(tmp_path: Path) -> None:
    """A kind is not said to be paid by nobody because its release stands elsewhere."""
    write(tmp_path, "shop/__init__.py", "")
    write(tmp_path, "shop/kinds.py", "from lifeguard import Resource\nimage = Resource('image')\n")
    method = "from lifeguard import {0}\nfrom shop.kinds import image\n\n@{0}(image, key='name')\ndef {1}(name): ...\n"
    write(tmp_path, "shop/ends.py", method.format("releases", "delete"))
    write(tmp_path, "shop/begins.py", "import shop.ends\n" + method.format("acquires", "create"))
    ran = command("contracts", "shop.begins", "--strict", cwd=tmp_path)
    assert (0, "") == (ran.returncode, ran.stderr)
    assert ["create", "delete"] == [line.split()[2] for line in ran.stdout.splitlines()[1:]]


def test_a_package(tmp_path: Path) -> None:
    """With --recursive all modules below it are imported, but for `__main__`."""
    write(tmp_path, "shop/__init__.py", "print('hello')")
    write(tmp_path, "shop/__main__.py", "1/0")
    write(tmp_path, "shop/deep/__init__.py", "")
    write(tmp_path, "shop/deep/odd.py", ODD)
    ran = command("contracts", "shop", cwd=tmp_path)
    told = "hello\nlifeguard: no contract is declared in shop; --recursive looks below it\n"
    assert (1, "", told) == (ran.returncode, ran.stdout, ran.stderr)
    ran = command("contracts", "shop", "-r", "--format", "json", cwd=tmp_path)
    assert ["shop", "shop.deep", "shop.deep.odd"] == json.loads(ran.stdout)["modules"]


def test_a_program_that_only_imports_contracts(folder: Path) -> None:
    """It is said where they are."""
    write(folder, "app.py", "import services\n")
    ran = command("contracts", "app", cwd=folder)
    told = "lifeguard: no contract is declared in app; what it imports declares some, in services.py\n"
    assert (1, "", told) == (ran.returncode, ran.stdout, ran.stderr)


PROBLEMATIC = {
    "nobody acquires image: it is paid by delete": "image = Resource('image')\n@releases(image, key='n')\ndef delete(n): ...",
    "nobody releases the part 'close' of process": "process = Resource('process', needs=all_of('stop', 'close'))\n"
    "@acquires(process, key='n')\ndef start(n): ...\n@releases(process, key='n', part='stop')\ndef stop(n): ...",
    "nobody can owe task: undo rolls back what has no on_failure": "task = Rollback('task')\n"
    "@rolls_back(task, key='n')\ndef undo(n): ...",
    "nobody releases image, or hands it over: it is acquired by create": "image = Resource('image')\n"
    "@acquires(image, key='n')\ndef create(n): ...\n@transfers(image, key='n', to_key='m')\ndef rename(n, m): ...",
}


@pytest.mark.parametrize("problem", PROBLEMATIC)
def test_what_is_pointed_out(problem: str, tmp_path: Path) -> None:
    """Halves of a pair, a part that nobody releases, a change of key that pays nothing."""
    write(tmp_path, "halves.py", "from lifeguard import *\n" + PROBLEMATIC[problem])
    ran = command("contracts", "halves", "--strict", cwd=tmp_path)
    assert (3, f"lifeguard: {problem}\n") == (ran.returncode, ran.stderr)


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("nothing", "'nothing' cannot be imported: ModuleNotFoundError: No module named 'nothing'"),
        ("broken", "'broken' cannot be imported: ZeroDivisionError: division by zero (broken.py:2)"),
        ("script.py", "'script.py' cannot be imported: SystemExit: 5 (script.py:1)"),
        ("wrong", "'wrong' cannot be imported: DeclarationError: key=None: a contract says which one: "),
    ],
)
def test_modules_that_cannot_be_imported(name: str, complaint: str, tmp_path: Path) -> None:
    """One line that says where."""
    write(tmp_path, "broken.py", "x = 1\n1/0\n")
    write(tmp_path, "script.py", "raise SystemExit(5)\n")
    write(
        tmp_path,
        "wrong.py",
        "from lifeguard import *\nimage = Resource('image')\n@acquires(image, key=None)\ndef f(): ...\n",
    )
    ran = command("contracts", name, cwd=tmp_path)
    (line,) = ran.stderr.splitlines()
    assert (1, "", True) == (ran.returncode, ran.stdout, line.startswith(f"lifeguard: {complaint}")), line


def test_lifeguard_off_shows_contracts_all_the_same(folder: Path) -> None:
    """The switch is for programs that run."""
    assert TABLE == command("contracts", "services", cwd=folder, LIFEGUARD="off").stdout

"""oslo.messaging's own servers run remote calls inside the scope of the caller."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import lifeguard

PROGRAM = '''
import sys, threading
import oslo_messaging
from oslo_config import cfg
from lifeguard import Resource, acquires, releases, scope
from lifeguard.integrations.oslo_messaging import ScopeSerializer, join_calls
from lifeguard.stores import current_shared, shared

ledger = sys.argv[1]
image = Resource("image")

class Endpoint:
    target = oslo_messaging.Target(version="1.0")
    @acquires(image, key="name")
    def create(self, ctxt, name):
        return ctxt
    @releases(image, key="name")
    def delete(self, ctxt, name):
        return current_shared().ident
    def fail(self, ctxt, name):
        self.create(ctxt, name)
        raise ZeroDivisionError(name)
    def which(self, ctxt):
        return getattr(current_shared(), "ident", None)
    def cast(self, ctxt, name):
        self.create(ctxt, name)
        arrived.set()

class RequestContext(oslo_messaging.NoOpSerializer):
    """As a service has it: the context is an object of its own."""
    def serialize_context(self, ctxt):
        return {"user": ctxt["user"]}
    def deserialize_context(self, ctxt):
        return {**ctxt, "known": sorted(ctxt)}

arrived = threading.Event()
conf = cfg.CONF
conf([])
transport = oslo_messaging.get_rpc_transport(conf, "fake://")
target = oslo_messaging.Target(topic="compute", server="host-1", version="1.0")
server = oslo_messaging.get_rpc_server(
    transport, target, [Endpoint()], executor="threading", serializer=ScopeSerializer(RequestContext())
)
assert join_calls(server, ledger=ledger) is server
server.start()
client = oslo_messaging.get_rpc_client(
    transport, oslo_messaging.Target(topic="compute", version="1.0"), serializer=ScopeSerializer(RequestContext()), timeout=10
)
context = {"user": "me"}

with scope("request", ledger=ledger) as watched:
    ident = shared(watched).ident
    print("the endpoint's context:", client.call(context, "create", name="a"))
    print("held:", [one.key for one in watched.outstanding])
    print("the same scope:", client.call(context, "delete", name="a") == ident)
    try:
        client.call(context, "fail", name="b")
    except ZeroDivisionError as error:
        print("raised:", error)
    client.cast(context, "cast", name="c")
    print("arrived:", arrived.wait(10))
    client.call(context, "delete", name="b")
    client.call(context, "delete", name="c")
print("without a scope:", client.call(context, "which"))
print("the caller's context is untouched:", context)
server.stop()
server.wait()
'''


def test_calls_and_casts_run_in_the_scope_of_the_caller(tmp_path: Path) -> None:
    """The scope travels in the message beside the service's own context, in which endpoints never see it."""
    command = [sys.executable, "-c", PROGRAM, f"sqlite:///{tmp_path}/ledger.db"]
    environ = {"PYTHONPATH": str(Path(lifeguard.__file__).parents[1])}
    ran = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60)
    assert (
        """\
the endpoint's context: {'user': 'me', 'known': ['user']}
held: ['a']
the same scope: True
raised: b
arrived: True
without a scope: None
the caller's context is untouched: {'user': 'me'}
"""
        == ran.stdout
    ), ran.stderr


def test_server_that_joins_nothing_never_notices(tmp_path: Path) -> None:
    """Where only the client takes part, calls are as before, but for what the serializer takes out again."""
    program = PROGRAM.replace("assert join_calls(server, ledger=ledger) is server", "")
    program = program.replace('client.call(context, "delete", name="a") == ident', 'client.call(context, "which")')
    program = program[: program.index("    try:")]
    command = [sys.executable, "-c", f"{program}\nserver.stop()", f"sqlite:///{tmp_path}/ledger.db"]
    environ = {"PYTHONPATH": str(Path(lifeguard.__file__).parents[1])}
    ran = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60)
    assert (
        """\
the endpoint's context: {'user': 'me', 'known': ['user']}
held: []
the same scope: None
"""
        == ran.stdout
    ), ran.stderr


pytestmark = pytest.mark.filterwarnings("ignore")

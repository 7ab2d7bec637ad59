"""What a page of another site can try, played with Python's websockets and http.client."""

import http.client
import json
import socket

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect


def handshake(gateway, host=None, origin=None, path="/live"):
    """The status of a handshake to the real address under any name."""
    name = host or f"localhost:{gateway.port}"
    url = f"ws://{name}{path}"
    # The name is not looked up: as after a rebinding, it leads to this machine.
    sock = socket.create_connection(("127.0.0.1", gateway.port))
    try:
        with connect(url, sock=sock, origin=origin) as client:
            return client.response.status_code
    except InvalidStatus as refusal:
        return refusal.response.status_code


def post(gateway, id, headers):
    connection = http.client.HTTPConnection(gateway.address, timeout=10)
    connection.putrequest("POST", f"/live/@connections/{id}", skip_host=True)
    for name, value in {"Content-Length": "4", **headers}.items():
        connection.putheader(name, value)
    connection.endheaders(b"evil")
    status = connection.getresponse().status
    connection.close()
    return status


def test_programs_and_the_servers_own_pages_are_let_in(gateway):
    own = f"localhost:{gateway.port}"
    assert handshake(gateway) == 101
    assert handshake(gateway, own, f"http://{own}") == 101
    assert handshake(gateway, f"127.0.0.1:{gateway.port}", f"http://127.0.0.1:{gateway.port}") == 101
    assert handshake(gateway, "localhost:1", "http://localhost:1") == 101


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8080", "localhost.evil.example", "10.1.2.3"])
def test_dns_rebinding_is_refused(gateway, host):
    assert handshake(gateway, host, f"http://{host}") == 403
    assert handshake(gateway, host) == 403


@pytest.mark.parametrize("origin", ["https://evil.example", "http://localhost:1", "null", "file://"])
def test_cross_site_websocket_hijacking_is_refused(gateway, origin):
    assert handshake(gateway, origin=origin) == 403


def test_names_and_origins_can_be_allowed(gateway_with):
    gateway = gateway_with("--allow-host", "babelwire.lan", "--allow-origin", "https://pages.example")
    assert handshake(gateway, "babelwire.lan", "http://babelwire.lan") == 101
    assert handshake(gateway, origin="https://pages.example") == 101
    assert handshake(gateway, "evil.example", "https://pages.example") == 403


def test_neither_reaches_the_management_api(gateway):
    with gateway.connect() as client:
        client.send('{"action":"whoami"}')
        id = json.loads(client.recv(timeout=10))["requestContext"]["connectionId"]
        own = f"localhost:{gateway.port}"
        assert post(gateway, id, {"Host": "evil.example"}) == 403
        assert post(gateway, id, {"Host": own, "Origin": "https://evil.example"}) == 403
        assert post(gateway, id, {}) in (400, 403)
        assert post(gateway, id, {"Host": own, "Origin": f"http://{own}"}) == 200
        assert client.recv(timeout=10) == "evil"


def test_a_plain_get_is_told_to_upgrade(gateway):
    connection = http.client.HTTPConnection(gateway.address, timeout=10)
    connection.request("GET", "/live")
    response = connection.getresponse()
    assert (response.status, response.headers["Upgrade"]) == (426, "websocket")
    connection.close()

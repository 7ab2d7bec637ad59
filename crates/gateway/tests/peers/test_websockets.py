"""Python's websockets: handshakes, messages, close codes."""

import json
import signal
import socket
import time
from contextlib import ExitStack, suppress

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus, NegotiationError
from websockets.frames import CloseCode
from websockets.sync.client import connect

SOON = 10


def refused(connecting):
    with pytest.raises(InvalidStatus) as info, connecting():
        pass
    return info.value.response


def closed(client):
    """Reads on until the server closes, and tells its code and reason."""
    with pytest.raises(ConnectionClosed) as info:
        while True:
            client.recv(timeout=SOON)
    frame = info.value.rcvd
    assert frame is not None, "the connection ended without a close frame"
    return frame.code, frame.reason


def send_to_be_refused(client, message, **options):
    """The refusal may come while the message is still being sent: `closed` tells which it was."""
    with suppress(ConnectionClosed):
        client.send(message, **options)


def left(observer, id):
    """What $disconnect was told of a connection."""
    while True:
        news = json.loads(observer.recv(timeout=SOON))
        if news.get("left") == id:
            return news["code"], news["reason"]


def id_of(client):
    client.send('{"action":"whoami"}')
    return json.loads(client.recv(timeout=SOON))["requestContext"]["connectionId"]


def test_everyone_hears_an_echo(gateway):
    with gateway.connect() as one, gateway.connect() as two:
        one.send('{"action":"echomessage","data":"<b>héllo</b> \\u0000"}')
        assert one.recv(timeout=SOON) == "<b>héllo</b> \0"
        assert two.recv(timeout=SOON) == "<b>héllo</b> \0"


def test_only_the_sender_hears_a_pong(gateway):
    with gateway.connect() as one, gateway.connect() as two:
        one.send('{"action":"ping","data":"x"}')
        assert json.loads(one.recv(timeout=SOON)) == {"type": "pong", "data": "x"}
        two.send('{"action":"ping","data":"y"}')
        assert json.loads(two.recv(timeout=SOON)) == {"type": "pong", "data": "y"}


@pytest.mark.parametrize("message", ["no json", "{}", "[]", '{"action":"nope"}', '{"action":"$connect"}', ""])
def test_a_message_without_a_route_is_forbidden_and_the_socket_stays(gateway, message):
    with gateway.connect() as client:
        id = id_of(client)
        client.send(message)
        frame = client.recv(timeout=SOON)
        request_id = json.loads(frame)["requestId"]
        assert frame == f'{{"message": "Forbidden", "connectionId":"{id}", "requestId":"{request_id}"}}'
        assert id_of(client) == id


def test_a_default_route_gets_what_no_other_does(gateway_with):
    with gateway_with("--default-route").connect() as client:
        client.send("no json")
        event = json.loads(client.recv(timeout=SOON))
        assert event["requestContext"]["routeKey"] == "$default"
        assert event["body"] == "no json"


def test_an_action_that_is_a_number_is_matched_as_text(gateway):
    with gateway.connect() as client:
        client.send('{"action":7}')
        assert json.loads(client.recv(timeout=SOON))["requestContext"]["routeKey"] == "7"


@pytest.mark.parametrize("action", ["fail", "panic"])
def test_a_handler_that_fails_is_an_internal_server_error(gateway, action):
    with gateway.connect() as client:
        client.send(json.dumps({"action": action}))
        assert client.recv(timeout=SOON).startswith('{"message": "Internal server error", "connectionId":"')
        id_of(client)


def test_a_handler_that_takes_too_long_is_given_up(gateway_with):
    with gateway_with("--integration-timeout-ms", "200").connect() as client:
        client.send('{"action":"slow"}')
        assert client.recv(timeout=SOON).startswith('{"message": "Endpoint request timed out", "connectionId":"')
        id_of(client)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 500, 503])
def test_a_refusal_of_connect_is_passed_through(gateway, status):
    response = refused(lambda: gateway.connect(f"?refuse={status}"))
    assert response.status_code == status
    assert json.loads(response.body) == {"reason": "you asked for it"}


@pytest.mark.parametrize("how", ["fail", "panic"])
def test_a_connect_that_fails_is_a_bad_gateway(gateway, how):
    assert refused(lambda: gateway.connect(f"?{how}=1")).status_code == 502


def test_a_connect_that_takes_too_long_is_a_gateway_timeout(gateway_with):
    gateway = gateway_with("--integration-timeout-ms", "200")
    assert refused(lambda: gateway.connect("?slow=1")).status_code == 504


@pytest.mark.parametrize("path", ["", "/", "/prod", "/live/other", "/livelier"])
def test_another_path_is_forbidden(gateway, path):
    response = refused(lambda: connect(f"ws://{gateway.address}{path}"))
    assert (response.status_code, response.body) == (403, b'{"message":"Forbidden"}')


def test_a_subprotocol_is_what_connect_returns(gateway):
    with gateway.connect("?protocol=v2", subprotocols=["chat", "v2"]) as client:
        assert client.subprotocol == "v2"
    with gateway.connect(subprotocols=["chat"]) as client:
        assert client.subprotocol is None
    with pytest.raises(NegotiationError):
        with gateway.connect("?protocol=other", subprotocols=["chat"]):
            pass


def test_no_extension_is_agreed_on(gateway):
    with gateway.connect(compression="deflate") as client:
        assert client.protocol.extensions == []
        id_of(client)


def test_pings_are_answered(gateway):
    with gateway.connect() as client:
        assert client.ping().wait(timeout=SOON)


def test_a_binary_frame_is_1003(gateway):
    with gateway.connect() as observer, gateway.connect() as client:
        id = id_of(client)
        send_to_be_refused(client, b"\x00\x01")
        assert closed(client)[0] == CloseCode.UNSUPPORTED_DATA
        assert left(observer, id)[0] == 1003


def size(bytes):
    return '{"action":"silent","data":"' + "x" * (bytes - 29) + '"}'


def test_a_frame_of_32_kib_passes_and_a_larger_one_is_1009(gateway):
    with gateway.connect() as observer, gateway.connect() as client:
        id = id_of(client)
        assert len(size(32768)) == 32768
        client.send(size(32768))
        assert id_of(client) == id
        send_to_be_refused(client, size(32769))
        assert closed(client)[0] == CloseCode.MESSAGE_TOO_BIG
        assert left(observer, id)[0] == 1009


def test_a_message_of_128_kib_in_frames_passes_and_a_larger_one_is_1009(gateway):
    with gateway.connect() as client:
        id = id_of(client)
        client.send(iter([size(131072)[at : at + 32768] for at in range(0, 131072, 32768)]))
        assert id_of(client) == id
        send_to_be_refused(client, iter([size(131073)[at : at + 32768] for at in range(0, 131073, 32768)]))
        assert closed(client)[0] == CloseCode.MESSAGE_TOO_BIG


def test_a_client_in_the_middle_of_a_huge_frame_sees_1009(gateway):
    with gateway.connect() as client:
        send_to_be_refused(client, "x" * 50_000_000)
        assert closed(client)[0] == CloseCode.MESSAGE_TOO_BIG


def test_text_that_is_not_utf_8_is_1007(gateway):
    with gateway.connect() as client:
        send_to_be_refused(client, b"\xff\xfe", text=True)
        assert closed(client)[0] == CloseCode.INVALID_DATA


def test_an_idle_connection_is_1001_going_away(gateway_with):
    gateway = gateway_with("--idle-ms", "300")
    with gateway.connect() as client:
        assert closed(client) == (CloseCode.GOING_AWAY, "Going away")


def test_traffic_keeps_a_connection_until_its_time_is_over(gateway_with):
    gateway = gateway_with("--idle-ms", "1000", "--max-duration-ms", "2500")
    with gateway.connect(ping_interval=0.2) as client:
        began = time.monotonic()
        assert closed(client) == (CloseCode.GOING_AWAY, "Going away")
        # Long after it would have been idle without its pings.
        assert time.monotonic() - began > 2


def test_a_close_of_the_client_is_answered_and_reported(gateway):
    with gateway.connect() as observer:
        with gateway.connect() as client:
            id = id_of(client)
            client.close(4000, "bye")
        assert client.protocol.close_rcvd.code == 4000
        assert left(observer, id) == (4000, "bye")


def test_a_client_that_vanishes_is_reported_as_1006(gateway):
    with gateway.connect() as observer:
        with gateway.connect() as client:
            id = id_of(client)
            client.socket.shutdown(socket.SHUT_RDWR)
        assert left(observer, id) == (1006, "")


def test_shutdown_closes_everyone_with_1001(gateway_with):
    gateway = gateway_with()
    with gateway.connect() as one, gateway.connect() as two:
        gateway.process.send_signal(signal.SIGTERM)
        assert closed(one) == (CloseCode.GOING_AWAY, "Going away")
        assert closed(two) == (CloseCode.GOING_AWAY, "Going away")
    assert gateway.process.wait(timeout=SOON) == 0


def test_two_hundred_clients_hear_one_echo(gateway_with):
    gateway = gateway_with()
    with ExitStack() as stack:
        # Without a bound, because each hears of all that leave before it.
        clients = [stack.enter_context(gateway.connect(max_queue=None)) for _ in range(200)]
        clients[0].send('{"action":"echomessage","data":"hello"}')
        assert {client.recv(timeout=SOON) for client in clients} == {"hello"}

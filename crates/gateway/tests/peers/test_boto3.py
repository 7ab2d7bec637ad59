"""AWS's own SDK against @connections."""

import datetime
import json

import pytest
from botocore.exceptions import ClientError
from websockets.exceptions import ConnectionClosed

SOON = 10
NOBODY = "TXzPWdnOjoECGjA="


def id_of(client):
    client.send('{"action":"whoami"}')
    return json.loads(client.recv(timeout=SOON))["requestContext"]["connectionId"]


def test_post_reaches_the_client(gateway):
    api = gateway.management()
    with gateway.connect() as client:
        posted = api.post_to_connection(ConnectionId=id_of(client), Data="héllo".encode())
        assert posted["ResponseMetadata"]["HTTPStatusCode"] == 200
        assert client.recv(timeout=SOON) == "héllo"


def test_get_is_parsed(gateway):
    api = gateway.management()
    before = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=1)
    with gateway.connect(user_agent_header="peer/1") as client:
        got = api.get_connection(ConnectionId=id_of(client))
        after = datetime.datetime.now(datetime.timezone.utc)
        assert got["Identity"] == {"SourceIp": "127.0.0.1", "UserAgent": "peer/1"}
        assert before <= got["ConnectedAt"] <= got["LastActiveAt"] <= after


def test_delete_closes_with_1000(gateway):
    api = gateway.management()
    with gateway.connect() as client:
        id = id_of(client)
        deleted = api.delete_connection(ConnectionId=id)
        assert deleted["ResponseMetadata"]["HTTPStatusCode"] == 204
        with pytest.raises(ConnectionClosed) as info:
            client.recv(timeout=SOON)
        assert info.value.rcvd.code == 1000
        with pytest.raises(api.exceptions.GoneException):
            api.get_connection(ConnectionId=id)


@pytest.mark.parametrize("call", ["get", "post", "delete"])
def test_a_connection_that_is_gone_is_a_gone_exception(gateway, call):
    api = gateway.management()
    with gateway.connect() as client:
        id = id_of(client)
    calls = {
        "get": lambda id: api.get_connection(ConnectionId=id),
        "post": lambda id: api.post_to_connection(ConnectionId=id, Data=b"x"),
        "delete": lambda id: api.delete_connection(ConnectionId=id),
    }
    for id in (id, NOBODY):
        with pytest.raises(api.exceptions.GoneException) as info:
            calls[call](id)
        assert info.value.response["ResponseMetadata"]["HTTPStatusCode"] == 410


def test_131_072_bytes_are_posted_and_more_is_a_payload_too_large_exception(gateway):
    api = gateway.management()
    with gateway.connect() as client:
        id = id_of(client)
        api.post_to_connection(ConnectionId=id, Data=b"x" * 131_072)
        assert len(client.recv(timeout=SOON)) == 131_072
        for size in (131_073, 5_000_000):
            with pytest.raises(api.exceptions.PayloadTooLargeException) as info:
                api.post_to_connection(ConnectionId=id, Data=b"x" * size)
            assert info.value.response["ResponseMetadata"]["HTTPStatusCode"] == 413
            assert "131072" in info.value.response["Error"]["Message"]


def test_a_client_that_does_not_read_is_a_limit_exceeded_exception(gateway_with):
    gateway = gateway_with("--post-timeout-ms", "100")
    api = gateway.management()
    # This client stops reading from its socket when one message waits to be received.
    with gateway.connect(max_queue=1, close_timeout=0) as client, gateway.connect() as other:
        id = id_of(client)
        with pytest.raises(api.exceptions.LimitExceededException) as info:
            for _ in range(2000):
                api.post_to_connection(ConnectionId=id, Data=b"x" * 131_072)
        assert info.value.response["ResponseMetadata"]["HTTPStatusCode"] == 429
        # Nobody else is concerned.
        api.post_to_connection(ConnectionId=id_of(other), Data=b"news")
        assert other.recv(timeout=SOON) == "news"
        # And once it reads, it is as before.
        while len(client.recv(timeout=SOON)) == 131_072:
            try:
                api.post_to_connection(ConnectionId=id, Data=b"welcome back")
            except api.exceptions.LimitExceededException:
                pass


@pytest.mark.parametrize("id", ["x", "not-a-connection-id", "a b/c?d=e", "é", "../../etc"])
def test_what_is_no_id_is_a_bad_request(gateway, id):
    api = gateway.management()
    with pytest.raises(ClientError) as info:
        api.get_connection(ConnectionId=id)
    assert info.value.response["Error"]["Code"] == "BadRequestException"
    assert info.value.response["Error"]["Message"].startswith("Invalid connectionId")

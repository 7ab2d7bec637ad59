use std::str::FromStr as _;

use axum::body::Body;
use babelwire_gateway::{Error, Gateway};
use http::{Method, Request};
use jiff::Timestamp;
use serde_json::Value;

use crate::harness::{Host, Refused, request_with};

async fn call(host: &Host, method: Method, path: &str, body: impl Into<Body>) -> Refused {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("Host", "localhost:8080")
        .header("Authorization", "AWS4-HMAC-SHA256 Credential=anything")
        .body(body.into())
        .unwrap();
    host.http(request).await
}

fn error_type(refused: &Refused) -> Option<&str> {
    refused
        .headers
        .get("x-amzn-errortype")
        .map(|value| value.to_str().unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_post_reaches_the_client_however_its_path_is_encoded() {
    let host = Host::new(Gateway::builder());
    let mut client = host.client().await;
    let id = host.only_id();
    let encoded = id.replace('=', "%3D");
    for path in [
        format!("/live/@connections/{id}"),
        format!("/live/@connections/{encoded}"),
        format!("/live/%40connections/{encoded}"),
    ] {
        let posted = call(&host, Method::POST, &path, "raw, not JSON: é").await;
        assert_eq!((posted.status, &*posted.body), (200, ""), "{path}");
        assert_eq!(client.text().await, "raw, not JSON: é");
    }
}

#[tokio::test(start_paused = true)]
async fn get_tells_of_the_connection() {
    let host = Host::new(Gateway::builder());
    let request = request_with("/live", &[("User-Agent", "peer/1")]);
    let _client = host.dial(request, 4096).await.unwrap();
    let path = format!("/live/@connections/{}", host.only_id());
    let got = call(&host, Method::GET, &path, Body::empty()).await;
    assert_eq!(got.status, 200);
    let body: Value = serde_json::from_str(&got.body).unwrap();
    assert_eq!(body["identity"]["sourceIp"], "10.9.8.7");
    assert_eq!(body["identity"]["userAgent"], "peer/1");
    for time in ["connectedAt", "lastActiveAt"] {
        let time = Timestamp::from_str(body[time].as_str().unwrap()).unwrap();
        assert!(
            Timestamp::now().duration_since(time).as_secs() < 60,
            "{time}"
        );
    }
    assert_eq!(body.as_object().unwrap().len(), 3, "{body}");
}

#[tokio::test(start_paused = true)]
async fn delete_closes_with_1000() {
    let host = Host::new(Gateway::builder());
    let mut client = host.client().await;
    let path = format!("/live/@connections/{}", host.only_id());
    let deleted = call(&host, Method::DELETE, &path, Body::empty()).await;
    assert_eq!((deleted.status, &*deleted.body), (204, ""));
    assert_eq!(client.closed().await.0, 1000);
    let again = call(&host, Method::DELETE, &path, Body::empty()).await;
    assert_eq!(
        (again.status, error_type(&again)),
        (410, Some("GoneException"))
    );
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_gone_is_410_with_an_empty_body() {
    let host = Host::new(Gateway::builder());
    for method in [Method::GET, Method::POST, Method::DELETE] {
        let gone = call(&host, method, "/live/@connections/TXzPWdnOjoECGjA=", "x").await;
        assert_eq!((gone.status, &*gone.body), (410, ""));
        assert_eq!(error_type(&gone), Some("GoneException"));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_connection_id_is_400() {
    let host = Host::new(Gateway::builder());
    for id in [
        "x",
        "not-a-connection-id",
        "%ff%fe",
        "%20",
        "TXzPWdnOjoECGjA=%2Fx",
    ] {
        for method in [Method::GET, Method::POST, Method::DELETE] {
            let bad = call(&host, method, &format!("/live/@connections/{id}"), "x").await;
            assert_eq!(
                (bad.status, error_type(&bad)),
                (400, Some("BadRequestException")),
                "{id}"
            );
            assert!(
                bad.body.contains(r#"{"message":"Invalid connectionId"#),
                "{bad:?}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_of_131_072_bytes_is_posted_and_one_byte_more_is_413() {
    let host = Host::new(Gateway::builder());
    let mut client = host.client().await;
    let path = format!("/live/@connections/{}", host.only_id());
    let most = "x".repeat(131_072);
    assert_eq!(
        call(&host, Method::POST, &path, most.clone()).await.status,
        200
    );
    assert_eq!(client.text().await, most);
    for size in [131_073, 1_000_000, 20_000_000] {
        let large = call(&host, Method::POST, &path, "x".repeat(size)).await;
        assert_eq!(
            (large.status, error_type(&large)),
            (413, Some("PayloadTooLargeException")),
            "{size}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_text_cannot_be_posted() {
    let host = Host::new(Gateway::builder());
    let _client = host.client().await;
    let path = format!("/live/@connections/{}", host.only_id());
    let bad = call(&host, Method::POST, &path, b"\xff\xfe".to_vec()).await;
    assert_eq!(
        (bad.status, error_type(&bad)),
        (400, Some("BadRequestException"))
    );
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_is_429() {
    let host = Host::new(Gateway::builder());
    let _client = host
        .dial(crate::harness::request("/live"), 64)
        .await
        .unwrap();
    let path = format!("/live/@connections/{}", host.only_id());
    let refused = loop {
        let posted = call(&host, Method::POST, &path, "x".repeat(100_000)).await;
        if posted.status != 200 {
            break posted;
        }
    };
    assert_eq!(
        (refused.status, error_type(&refused)),
        (429, Some("LimitExceededException"))
    );
}

#[tokio::test(start_paused = true)]
async fn within_the_process_the_outcomes_are_the_same() {
    let host = Host::new(Gateway::builder());
    let mut client = host.client().await;
    let id = host.only_id();
    let connections = &host.connections;
    connections.post_to_connection(&id, "hello").await.unwrap();
    assert_eq!(client.text().await, "hello");
    assert_eq!(
        connections
            .get_connection(&id)
            .unwrap()
            .source_ip
            .unwrap()
            .to_string(),
        "10.9.8.7"
    );
    assert_eq!(
        connections
            .post_to_connection(&id, vec![b'x'; 131_073])
            .await,
        Err(Error::PayloadTooLarge {
            size: 131_073,
            limit: 131_072
        })
    );
    assert!(matches!(
        connections.post_to_connection(&id, vec![0xff]).await,
        Err(Error::BadRequest(_))
    ));
    assert!(matches!(
        connections.get_connection("x"),
        Err(Error::BadRequest(_))
    ));
    assert_eq!(
        connections.delete_connection("TXzPWdnOjoECGjA="),
        Err(Error::Gone)
    );
}

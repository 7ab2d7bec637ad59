use axum::body::Body;
use babelwire_gateway::{Gateway, Guard};
use http::Request;

use crate::harness::{Host, ok, request_with};

/// A gateway whose `$connect` must not be asked.
fn never_asked() -> Host {
    Host::new(
        Gateway::builder().route("$connect", |event: crate::harness::Event| async move {
            assert!(event.resource.is_some(), "a request that must not get here");
            ok("")
        }),
    )
}

#[tokio::test(start_paused = true)]
async fn a_rebound_name_cannot_open_a_socket() {
    // The page of evil.example has had its name point to 127.0.0.1: to the browser this is the
    // page's own origin, and only the Host gives it away.
    for host in [
        "evil.example:8080",
        "localhost.evil.example",
        "127.0.0.1.evil.example:8080",
    ] {
        let origin = format!("http://{host}");
        let request = request_with("/live", &[("Host", host), ("Origin", &origin)]);
        let refused = never_asked().dial(request, 4096).await.err().unwrap();
        assert_eq!(refused.status, 403, "{host}");
    }
}

#[tokio::test(start_paused = true)]
async fn another_sites_page_cannot_open_a_socket() {
    for origin in ["https://evil.example", "http://localhost:3000", "null"] {
        let request = request_with("/live", &[("Origin", origin)]);
        let refused = never_asked().dial(request, 4096).await.err().unwrap();
        assert_eq!(refused.status, 403, "{origin}");
    }
}

#[tokio::test(start_paused = true)]
async fn its_own_page_and_programs_without_origin_can() {
    let host = Host::new(Gateway::builder());
    let own = request_with("/live", &[("Origin", "http://localhost:8080")]);
    assert!(host.dial(own, 4096).await.is_ok());
    assert!(host.dial(request_with("/live", &[]), 4096).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn names_and_origins_can_be_allowed() {
    let guard = Guard::new()
        .listening("192.0.2.7:8080".parse().unwrap())
        .allow_host("babelwire.lan")
        .unwrap()
        .allow_origin("https://pages.example")
        .unwrap();
    let host = Host::new(Gateway::builder().guard(guard));
    for (name, origin) in [
        ("192.0.2.7:8080", "http://192.0.2.7:8080"),
        ("babelwire.lan", "http://babelwire.lan"),
        ("localhost", "https://pages.example"),
    ] {
        let request = request_with("/live", &[("Host", name), ("Origin", origin)]);
        assert!(host.dial(request, 4096).await.is_ok(), "{name} {origin}");
    }
}

#[tokio::test(start_paused = true)]
async fn neither_of_them_reaches_the_management_api_or_any_path() {
    let host = Host::new(Gateway::builder());
    let mut client = host.client().await;
    let path = format!("/live/@connections/{}", host.only_id());
    for path in [path.as_str(), "/elsewhere"] {
        for (name, value) in [("host", "evil.example"), ("origin", "http://evil.example")] {
            let mut request = Request::post(path)
                .header("Host", "localhost:8080")
                .body(Body::from("from an evil page"))
                .unwrap();
            request.headers_mut().insert(name, value.parse().unwrap());
            let refused = host.http(request).await;
            assert_eq!(refused.status, 403);
            assert_eq!(refused.headers["x-amzn-errortype"], "ForbiddenException");
        }
    }
    client
        .hears_nothing_for(std::time::Duration::from_secs(1))
        .await;
}

use std::path::Path;

use base64::Engine as _;
use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::support::{Backend, options, problem};

const SCRIPT: &str = "\nimport init from './app-0123456789abcdef.js';\ninit();\n";

fn built_page() -> TempDir {
    let page = tempfile::tempdir().unwrap();
    let index = format!("<!doctype html><script type=\"module\">{SCRIPT}</script>");
    for (name, content) in [
        ("index.html", index.as_bytes()),
        ("app-0123456789abcdef.js", b"plain"),
        ("app-0123456789abcdef.js.br", b"brotli"),
        ("app-0123456789abcdef.js.gz", b"gzip"),
        ("app-0123456789abcdef_bg.wasm", b"\0asm"),
        ("icon.svg", b"<svg/>"),
        ("config.json", b"{\"websocketUrl\":\"wss://elsewhere\"}"),
    ] {
        std::fs::write(page.path().join(name), content).unwrap();
    }
    page
}

fn of<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers[name].to_str().unwrap()
}

#[tokio::test]
async fn the_page_is_served_with_its_types_its_encodings_and_its_lifetimes() {
    let page = built_page();
    let ui = format!("--ui={}", page.path().display());
    let backend = Backend::start(&[&ui]).await;
    let api = &backend.api;

    let index = api.get("/").await;
    assert_eq!(of(index.headers(), "content-type"), "text/html");
    assert_eq!(of(index.headers(), "cache-control"), "no-cache");
    let script = "/app-0123456789abcdef.js";
    for (accepted, content) in [("br, gzip", "brotli"), ("gzip", "gzip"), ("", "plain")] {
        let response = api
            .request(Method::GET, script)
            .header("accept-encoding", accepted)
            .send()
            .await
            .unwrap();
        assert_eq!(
            of(response.headers(), "cache-control"),
            "public, max-age=31536000, immutable"
        );
        assert_eq!(response.text().await.unwrap(), content);
    }
    let wasm = api.get("/app-0123456789abcdef_bg.wasm").await;
    assert_eq!(of(wasm.headers(), "content-type"), "application/wasm");
    let icon = api.get("/icon.svg").await;
    assert_eq!(of(icon.headers(), "cache-control"), "no-cache");

    // The server knows better than the build where its backend is.
    let config = api.get("/config.json").await;
    assert_eq!(of(config.headers(), "cache-control"), "no-cache");
    assert_eq!(
        config.json::<Value>().await.unwrap(),
        json!({"websocketUrl": "live", "apiUrl": "api"})
    );
    for missing in ["/nothing", "/a/b", "/app-0123456789abcdee.js"] {
        let response = api.get(missing).await;
        assert_eq!(response.status(), 404);
        assert_eq!(of(response.headers(), "cache-control"), "no-cache");
        assert!(!response.text().await.unwrap().contains("<!doctype"));
    }
    for escape in [
        "/../Cargo.toml",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/..%2fetc%2fpasswd",
    ] {
        assert!(api.get(escape).await.status().is_client_error());
    }
    backend.stop().await;
}

#[tokio::test]
async fn the_page_may_run_its_own_scripts_and_nothing_else() {
    let page = built_page();
    let ui = format!("--ui={}", page.path().display());
    let backend = Backend::start(&[&ui]).await;
    let api = &backend.api;
    let policy = async || {
        let response = api.get("/").await;
        let policy = of(response.headers(), "content-security-policy");
        policy.to_owned()
    };
    let hash = |script: &str| {
        let digest = Sha256::digest(script);
        let hash = base64::engine::general_purpose::STANDARD.encode(digest);
        format!("'sha256-{hash}'")
    };
    let first = policy().await;
    for part in [
        "default-src 'none'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "'wasm-unsafe-eval'",
        &hash(SCRIPT),
    ] {
        assert!(first.contains(part), "{part} is not in {first}");
    }
    assert!(!first.contains("unsafe-inline") && !first.contains("'unsafe-eval'"));

    // A page that is built anew while the server runs is allowed its new script.
    let index = "<!doctype html><script>let a;</script>";
    std::fs::write(page.path().join("index.html"), index).unwrap();
    let second = policy().await;
    assert!(second.contains(&hash("let a;")) && !second.contains(&hash(SCRIPT)));
    backend.stop().await;
}

#[tokio::test]
async fn every_answer_has_the_safe_headers() {
    let backend = Backend::start(&[]).await;
    let api = &backend.api;
    for path in [
        "/",
        "/nothing",
        "/api/health",
        "/api/nothing",
        "/config.json",
        "/live",
    ] {
        let response = api.get(path).await;
        let headers = response.headers();
        assert_eq!(of(headers, "x-content-type-options"), "nosniff", "{path}");
        assert_eq!(of(headers, "referrer-policy"), "no-referrer", "{path}");
        assert_eq!(of(headers, "cross-origin-opener-policy"), "same-origin");
        assert_eq!(of(headers, "cross-origin-resource-policy"), "same-origin");
        assert!(of(headers, "content-security-policy").starts_with("default-src 'none'"));
    }
    let root = api.get("/").await.text().await.unwrap();
    assert!(root.contains("--ui"), "{root}");
    backend.stop().await;
}

#[tokio::test]
async fn pages_of_others_are_kept_out_of_everything() {
    let page = built_page();
    let ui = format!("--ui={}", page.path().display());
    let backend = Backend::start(&[&ui]).await;
    let api = &backend.api;
    let upload = api.announce("a.txt", 1).await.upload.url;
    let upload = &upload[api.origin.len()..];
    let calls = [
        (Method::GET, "/"),
        (Method::GET, "/config.json"),
        (Method::GET, "/api/health"),
        (Method::GET, "/api/translations"),
        (Method::POST, "/api/translations"),
        (Method::OPTIONS, "/api/translations"),
        (Method::DELETE, "/api/translations/x"),
        (Method::PUT, upload),
        (Method::GET, "/api/nothing"),
    ];
    for (method, path) in calls {
        for (name, value) in [
            ("host", "evil.example"),
            ("host", "evil.example:8080"),
            ("origin", "http://evil.example"),
            ("origin", "null"),
        ] {
            let response = api
                .request(method.clone(), path)
                .header(name, value)
                .send()
                .await
                .unwrap();
            assert!(
                response
                    .headers()
                    .get("access-control-allow-origin")
                    .is_none()
            );
            let words = problem(response, 403).await;
            assert!(words.starts_with("Forbidden"), "{words}");
        }
    }
    for path in ["/live", "/live/@connections/abc"] {
        for method in [Method::GET, Method::OPTIONS] {
            let request = api.request(method, path);
            let response = request.header("host", "evil.example").send().await.unwrap();
            assert_eq!(response.status(), 403, "{path}");
        }
    }
    let own = api
        .request(Method::GET, "/api/health")
        .header("origin", &api.origin);
    assert_eq!(own.send().await.unwrap().status(), 200);
    backend.stop().await;
}

#[tokio::test]
async fn a_configured_origin_and_host_may_do_everything() {
    let backend = Backend::start(&[
        "--allow-origin=http://localhost:3000,https://app.example",
        "--allow-host=babelwire.lan",
        "--public-url=https://public.example/",
    ])
    .await;
    let api = &backend.api;
    for origin in ["http://localhost:3000", "https://app.example"] {
        for (path, method) in [
            ("/api/translations", "POST"),
            ("/api/translations/x", "DELETE"),
            ("/api/objects/sources/a/b", "PUT"),
            ("/live/@connections/x", "DELETE"),
        ] {
            let preflight = api
                .request(Method::OPTIONS, path)
                .header("origin", origin)
                .header("access-control-request-method", method)
                .header("access-control-request-headers", "content-type")
                .send()
                .await
                .unwrap();
            assert_eq!(preflight.status(), 200);
            let headers = preflight.headers();
            assert_eq!(of(headers, "access-control-allow-origin"), origin);
            assert!(of(headers, "access-control-allow-methods").contains(method));
            assert_eq!(of(headers, "access-control-allow-headers"), "content-type");
        }
        let answer = api
            .request(Method::GET, "/api/nothing")
            .header("origin", origin)
            .send()
            .await
            .unwrap();
        assert_eq!(of(answer.headers(), "access-control-allow-origin"), origin);
        problem(answer, 404).await;
    }
    for host in ["babelwire.lan", "babelwire.lan:81", "public.example"] {
        let request = api.request(Method::GET, "/api/health").header("host", host);
        assert_eq!(request.send().await.unwrap().status(), 200, "{host}");
    }
    let url = api.announce("a.txt", 1).await.upload.url;
    let rest = url.strip_prefix("https://public.example/api/objects/sources/");
    assert!(rest.is_some(), "{url}");
    backend.stop().await;
}

#[tokio::test]
async fn without_a_public_url_an_upload_goes_where_the_call_went() {
    let backend = Backend::start(&["--allow-host=babelwire.lan"]).await;
    let body = json!({"name": "a", "size": 1, "source": "en", "target": "es"});
    let created: Value = backend
        .api
        .request(Method::POST, "/api/translations")
        .header("host", "babelwire.lan:81")
        .json(&body)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let url = created["upload"]["url"].as_str().unwrap();
    assert!(
        url.starts_with("http://babelwire.lan:81/api/objects/"),
        "{url}"
    );
    backend.stop().await;
}

#[tokio::test]
async fn options_that_cannot_be_are_refused_in_words() {
    let data = tempfile::tempdir().unwrap();
    let refused = async |argument: &str| {
        let options = options(data.path(), &[argument]);
        match babelwire_server::Server::start(options).await {
            Ok(_) => panic!("{argument} is taken"),
            Err(error) => error.to_string(),
        }
    };
    let nowhere = format!("--ui={}", Path::new("/nowhere").display());
    for (argument, words) in [
        (nowhere.as_str(), "no index.html in /nowhere"),
        ("--allow-origin=localhost:3000", "scheme://host"),
        ("--allow-host=http://a", "not a host"),
        ("--public-url=example.org", "https://host"),
        ("--socket-idle-ms=0", "idle_timeout"),
    ] {
        let error = refused(argument).await;
        assert!(error.contains(words), "{argument}: {error}");
    }
}

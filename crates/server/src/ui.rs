//! The page: static files, and where they find this backend.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use babelwire_wire::config::{Config, SignIn};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use tower_http::services::ServeDir;

const NO_UI: &str = "This is a Babelwire backend without a page. Its REST interface is under \
                     /api, its WebSocket is /live; start it with --ui DIR to serve a page here.\n";

/// The page's files under `/`, and `config.json`.
pub(crate) fn router(
    folder: Option<PathBuf>,
    public_url: Option<String>,
    sign_in: Option<SignIn>,
) -> Router {
    // Tokens are fetched from an origin that can be another than this one.
    let token_origin = sign_in
        .as_ref()
        .and_then(|sign_in| origin(&sign_in.token_url));
    let config = Config {
        websocket_url: "live".to_owned(),
        api_url: Some("api".to_owned()),
        sign_in,
    };
    let config = get(|| async move { Json(config).into_response() });
    let router = Router::new().route("/config.json", config);
    let Some(folder) = folder else {
        return router.route("/", get(|| async { NO_UI }));
    };
    let files = ServeDir::new(&folder)
        .precompressed_br()
        .precompressed_gzip()
        .fallback(axum::routing::any(not_found));
    // Uploads go to the origin that the outside knows, which can be another than this one.
    let connect_to = public_url.into_iter().chain(token_origin).collect();
    let ui = Arc::new(Ui { folder, connect_to });
    router
        .fallback_service(files)
        .layer(middleware::from_fn_with_state(ui, headers))
}

/// The origin of an absolute URL.
fn origin(url: &str) -> Option<String> {
    let url: axum::http::Uri = url.parse().ok()?;
    Some(format!("{}://{}", url.scheme_str()?, url.authority()?))
}

async fn not_found() -> Response {
    (StatusCode::NOT_FOUND, "There is no such file here.\n").into_response()
}

struct Ui {
    folder: PathBuf,
    /// Origins beside its own that the page may talk to.
    connect_to: Vec<String>,
}

/// What browsers may keep, and what the page may do.
async fn headers(State(ui): State<Arc<Ui>>, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let mut response = next.run(request).await;
    let is_hashed = response.status().is_success() && is_hashed(&path);
    response.headers_mut().insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static(if is_hashed {
            "public, max-age=31536000, immutable"
        } else {
            "no-cache"
        }),
    );
    if matches!(path.as_str(), "/" | "/index.html") {
        // Read each time: whoever builds the page anew should not need to start the server anew.
        let hashes = inline_script_hashes(&ui.folder.join("index.html")).await;
        let policy = policy(&hashes, &ui.connect_to);
        if let Ok(policy) = HeaderValue::try_from(policy) {
            response
                .headers_mut()
                .insert(header::CONTENT_SECURITY_POLICY, policy);
        }
    }
    if path == "/sw.js" {
        // A worker is bound by the policy it came with.
        response.headers_mut().insert(
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static("default-src 'none'; connect-src 'self'"),
        );
    }
    response
}

/// Whether a file's name carries the hash of its content, as Trunk gives it:
/// `NAME-0123456789abcdef.js`, `NAME-0123456789abcdef_bg.wasm`.
fn is_hashed(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    name.split('-').skip(1).any(|part| {
        let hash = part.split(['.', '_']).next().unwrap_or_default();
        hash.len() >= 8
            && hash.len() < part.len()
            && hash
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    })
}

/// What the page may do: nothing that is not listed.
fn policy(inline_scripts: &[String], connect_to: &[String]) -> String {
    let scripts = inline_scripts.iter().fold(String::new(), |scripts, hash| {
        scripts + " 'sha256-" + hash + "'"
    });
    let connect_to = connect_to
        .iter()
        .fold(String::new(), |origins, origin| origins + " " + origin);
    format!(
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'{scripts}; style-src 'self'; \
         img-src 'self' data:; font-src 'self'; connect-src 'self'{connect_to}; \
         manifest-src 'self'; worker-src 'self'; form-action 'none'; frame-ancestors 'none'; \
         base-uri 'none'"
    )
}

async fn inline_script_hashes(index: &Path) -> Vec<String> {
    match tokio::fs::read_to_string(index).await {
        Ok(html) => inline_scripts(&html)
            .map(|script| STANDARD.encode(Sha256::digest(script)))
            .collect(),
        Err(error) => {
            tracing::warn!(path = %index.display(), %error, "the page cannot be read");
            Vec::new()
        }
    }
}

/// The texts of the `<script>` elements without `src`.
fn inline_scripts(html: &str) -> impl Iterator<Item = &str> {
    html.split("<script").skip(1).filter_map(|rest| {
        let (tag, rest) = rest.split_once('>')?;
        let (script, _) = rest.split_once("</script")?;
        let has_src = tag
            .split_ascii_whitespace()
            .any(|attribute| attribute.starts_with("src=") || attribute == "src");
        (!has_src).then_some(script)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_in_the_page_are_found_and_those_elsewhere_are_not() {
        let html = "<head><script src=\"a.js\"></script><script type=\"module\">\nimport a;\n\
                    </script><script>b</script></head>";
        let scripts: Vec<_> = inline_scripts(html).collect();
        assert_eq!(scripts, ["\nimport a;\n", "b"]);
    }

    #[test]
    fn only_names_with_a_hash_are_kept_for_ever() {
        assert!(is_hashed("/babelwire-2f3c9a1b7d5e6f80_bg.wasm"));
        assert!(is_hashed("/main-2f3c9a1b7d5e6f80.css"));
        assert!(!is_hashed("/index.html"));
        assert!(!is_hashed("/favicon-32x32.png"));
        assert!(!is_hashed("/a-deadbeef"));
        assert!(!is_hashed("/2f3c9a1b7d5e6f80.js"));
    }

    #[test]
    fn the_policy_names_every_script_and_no_unsafe_inline() {
        let policy = policy(&["abc=".to_owned()], &["https://example.org".to_owned()]);
        assert!(policy.contains("script-src 'self' 'wasm-unsafe-eval' 'sha256-abc=';"));
        assert!(policy.contains("connect-src 'self' https://example.org;"));
        assert!(!policy.contains("unsafe-inline"));
    }
}

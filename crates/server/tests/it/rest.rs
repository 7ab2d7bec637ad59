use std::collections::BTreeSet;
use std::path::Path;

use babelwire_wire::Status;
use babelwire_wire::rest::{Created, Listing};
use futures::stream;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Api, Backend, problem};

/// Checks an answer against its schema in the OpenAPI document.
pub(crate) struct Schemas(Value);

impl Schemas {
    pub(crate) async fn of(api: &Api) -> Self {
        Self(api.json("/api/openapi.json").await)
    }

    pub(crate) fn check(&self, name: &str, answer: &Value) {
        let schema = json!({
            "$ref": format!("#/components/schemas/{name}"),
            "components": self.0["components"],
        });
        let errors: Vec<_> = jsonschema::validator_for(&schema)
            .unwrap()
            .iter_errors(answer)
            .map(|error| error.to_string())
            .collect();
        assert!(errors.is_empty(), "{name}: {errors:?} in {answer}");
    }
}

#[tokio::test]
async fn a_file_becomes_its_translation_and_every_answer_fits_the_document() {
    let backend = Backend::start(&[]).await;
    let api = &backend.api;
    let schemas = Schemas::of(api).await;
    schemas.check("Health", &api.json("/api/health").await);
    let languages = api.json("/api/languages").await;
    schemas.check("Languages", &languages);
    assert_eq!(languages["translator"], "pseudo");

    let text = "Hello, world.\n\n  Second line\r\nand a third.\n";
    let body = json!({"name": "notes.txt", "size": text.len(), "source": "en", "target": "es"});
    schemas.check("CreateTranslation", &body);
    let response = api.create(&body).await;
    assert_eq!(response.status(), 201);
    let created: Value = response.json().await.unwrap();
    schemas.check("Created", &created);
    assert_eq!(created["translation"]["status"], "awaiting-upload");
    assert_eq!(created["upload"]["method"], "PUT");
    let id = created["translation"]["id"].as_str().unwrap();
    let path = format!("/api/translations/{id}");
    let early = problem(api.get(&format!("{path}/source")).await, 409).await;
    assert!(early.contains("not arrived"), "{early}");
    problem(api.get(&format!("{path}/result")).await, 409).await;

    let url = created["upload"]["url"].as_str().unwrap();
    assert!(url.starts_with(&format!("{}/api/objects/sources/", api.origin)));
    assert_eq!(api.put(url, text).await.status(), 200);
    let done = api.done(id).await;
    assert_eq!(
        (done.done, done.charset.as_deref()),
        (done.total, Some("UTF-8"))
    );
    assert!(done.revision > 1 && done.updated_at >= done.created_at);
    schemas.check("Translation", &api.json(&path).await);
    schemas.check("Listing", &api.json("/api/translations").await);

    let source = api.get(&format!("{path}/source")).await;
    assert_eq!(source.headers()["content-type"], "application/octet-stream");
    let disposition = source.headers()["content-disposition"].to_str().unwrap();
    assert!(disposition.starts_with("attachment; filename=\"notes.txt\""));
    assert_eq!(source.text().await.unwrap(), text);

    let result = api.get(&format!("{path}/result")).await;
    assert_eq!(
        result.headers()["content-type"],
        "text/plain; charset=utf-8"
    );
    assert_eq!(
        result.headers()["content-disposition"],
        "attachment; filename=\"notes.es.txt\"; filename*=UTF-8''notes.es.txt"
    );
    let result = result.text().await.unwrap();
    assert_eq!(result.lines().count(), text.lines().count());
    assert!(result.contains("Ĥéĺĺó, ŵóŕĺđ."), "{result}");

    let segments = api.json(&format!("{path}/segments")).await;
    schemas.check("Segments", &segments);
    let all = segments["segments"].as_array().unwrap();
    assert_eq!(all.len() as u64, done.total);
    for segment in all {
        let range = |i: usize| usize::try_from(segment["source"][i].as_u64().unwrap()).unwrap();
        assert!(!text[range(0)..range(1)].trim().is_empty());
    }
    let one = api.json(&format!("{path}/segments?from=1&limit=1")).await;
    assert_eq!(one["segments"], json!([all[1]]));
    assert_eq!(one["total"], segments["total"]);

    let response = api.create(&json!({"name": 1})).await;
    schemas.check("Problem", &response.json().await.unwrap());
    backend.stop().await;
}

#[tokio::test]
async fn only_the_signed_bytes_in_the_signed_time_are_taken() {
    let backend = Backend::start(&["--upload-expiry-s=3600"]).await;
    let api = &backend.api;
    let one = api.announce("one.txt", 5).await;
    let two = api.announce("two.txt", 5).await;
    let url = &one.upload.url;

    for (from, to) in [
        ("sources", "results"),
        ("sources", "texts"),
        ("sources", "nowhere"),
        ("size=5", "size=6"),
        (one.translation.id.as_str(), two.translation.id.as_str()),
        ("one", "two"),
        ("expires=", "expires=9"),
        ("signature=", "signature=00"),
        ("&signature=", "&sig="),
    ] {
        let tampered = url.replace(from, to);
        assert_ne!(&tampered, url);
        problem(api.put(&tampered, "12345").await, 403).await;
    }
    let mut flipped = url.clone();
    let last = if flipped.pop() == Some('0') { '1' } else { '0' };
    flipped.push(last);
    problem(api.put(&flipped, "12345").await, 403).await;

    problem(api.put(url, "1234").await, 400).await;
    problem(api.put(url, "123456").await, 413).await;
    // Without a length, what comes is counted.
    for (bytes, status) in [("1234", 400), ("123456", 413)] {
        let chunks = stream::iter([Ok::<_, std::io::Error>(bytes)]);
        let response = api.put(url, reqwest::Body::wrap_stream(chunks)).await;
        problem(response, status).await;
    }
    let objects = backend.data.path().join("objects");
    wait_for(|| files(&objects).is_empty()).await;
    assert_eq!(
        api.translation(&one.translation.id).await.status,
        Status::AwaitingUpload
    );
    problem(api.get(&url[api.origin.len()..]).await, 405).await;

    assert_eq!(api.put(url, "12345").await.status(), 200);
    api.done(&one.translation.id).await;
    let path = &two.upload.url[api.origin.len()..];
    let data = backend.stop().await;

    // The key outlives the process, and the URL with it; time does not.
    let backend = Backend::start_on(data, &["--upload-expiry-s=0"]).await;
    let url = format!("{}{path}", backend.api.origin);
    assert_eq!(backend.api.put(&url, "12345").await.status(), 200);
    let late = backend.api.announce("late.txt", 5).await;
    let words = problem(backend.api.put(&late.upload.url, "12345").await, 403).await;
    assert!(words.contains("expired"), "{words}");
    backend.stop().await;
}

#[cfg(unix)]
#[tokio::test]
async fn the_signing_key_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let backend = Backend::start(&[]).await;
    let key = std::fs::metadata(backend.data.path().join("upload.key")).unwrap();
    assert_eq!(key.permissions().mode() & 0o777, 0o600);
    assert_eq!(key.len(), 32);
    backend.stop().await;
}

#[tokio::test]
async fn an_upload_that_breaks_off_leaves_nothing_and_can_be_sent_again() {
    use tokio::io::AsyncWriteExt;
    let backend = Backend::start(&[]).await;
    let api = &backend.api;
    let bytes = vec![b'a'; 1_000_000];
    let created = api.announce("a.txt", bytes.len()).await;
    let host = api.origin.strip_prefix("http://").unwrap();
    let path = &created.upload.url[api.origin.len()..];
    let mut socket = tokio::net::TcpStream::connect(host).await.unwrap();
    let head = format!(
        "PUT {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {}\r\n\r\n",
        bytes.len()
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    socket.write_all(&bytes[..700_000]).await.unwrap();
    let objects = backend.data.path().join("objects");
    wait_for(|| !files(&objects).is_empty()).await;
    drop(socket);
    wait_for(|| files(&objects).is_empty()).await;
    let id = &created.translation.id;
    assert_eq!(api.translation(id).await.status, Status::AwaitingUpload);
    assert_eq!(api.put(&created.upload.url, bytes).await.status(), 200);
    api.done(id).await;
    backend.stop().await;
}

async fn wait_for(is: impl Fn() -> bool) {
    for _ in 0..6000 {
        if is() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("it never comes");
}

/// The names of all files below a folder.
fn files(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.insert(entry.file_name().to_string_lossy().into_owned());
        }
    }
    found
}

#[tokio::test]
async fn the_same_bytes_again_change_nothing_and_other_bytes_are_translated_anew() {
    let backend = Backend::start(&["--pseudo-delay-ms=20"]).await;
    let api = &backend.api;
    let text = "One line to translate.\n\n".repeat(100);
    let created = api.announce("a.txt", text.len()).await;
    let (id, url) = (&created.translation.id, &created.upload.url);
    assert_eq!(api.put(url, text.clone()).await.status(), 200);
    api.wait(id, |t| t.status == Status::Translating && t.done > 0)
        .await;
    assert_eq!(api.put(url, text.clone()).await.status(), 200);
    let done = api.done(id).await;
    let first = api.result(id).await;
    assert_eq!(api.put(url, text.clone()).await.status(), 200);
    let after = api.wait(id, |t| t.revision > done.revision).await;
    assert_eq!((after.status, after.done), (Status::Done, done.total));
    assert_eq!(api.result(id).await, first);

    let other = text.replace("line", "word");
    assert_eq!(api.put(url, other).await.status(), 200);
    api.wait(id, |t| t.status != Status::Done).await;
    api.done(id).await;
    let second = String::from_utf8(api.result(id).await).unwrap();
    assert_eq!(second.matches("ŵóŕđ").count(), 100);
    backend.stop().await;
}

#[tokio::test]
async fn hostile_names_are_data() {
    let backend = Backend::start(&[]).await;
    let api = &backend.api;
    let long = "ü".repeat(300);
    let names = [
        "../../../../etc/passwd",
        "..",
        ".",
        "/",
        "C:\\Windows\\system32",
        "<img src=x onerror=alert(1)>.txt",
        "\u{202e}txt.exe",
        "a\0b\r\nSet-Cookie: x=y",
        "100%.txt",
        "a#1",
        "a?b&c=d.txt",
        "'; DROP TABLE translations; --",
        " ",
        "😀".repeat(100).as_str(),
        long.as_str(),
    ]
    .map(str::to_owned);
    for name in &names {
        let translation = api.upload(name, b"Hello.\n").await;
        let done = api.done(&translation.id).await;
        assert_eq!(&done.name, name);
        let path = format!("/api/translations/{}", done.id);
        let result = api.get(&format!("{path}/result")).await;
        assert!(result.headers().get("set-cookie").is_none());
        let disposition = result.headers()["content-disposition"].to_str().unwrap();
        assert!(
            disposition.starts_with("attachment; filename=\""),
            "{disposition}"
        );
        assert!(!disposition.contains(['/', '\\']), "{disposition}");
        assert_eq!(result.text().await.unwrap(), "[Ĥéĺĺó.]\n");
        let source = api.get(&format!("{path}/source")).await;
        assert_eq!(source.text().await.unwrap(), "Hello.\n");
    }
    let mut top: Vec<_> = std::fs::read_dir(backend.data.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.starts_with("babelwire.db"))
        .collect();
    top.sort();
    assert_eq!(top, ["lock", "objects", "upload.key"]);
    for listed in api.json("/api/translations").await["translations"]
        .as_array()
        .unwrap()
    {
        let id = listed["id"].as_str().unwrap();
        let path = format!("/api/translations/{id}");
        assert_eq!(api.send(Method::DELETE, &path).await.status(), 204);
    }
    wait_for(|| files(&backend.data.path().join("objects")).is_empty()).await;
    backend.stop().await;
}

#[tokio::test]
async fn what_cannot_be_is_refused_in_words() {
    let backend = Backend::start(&[
        "--max-file-bytes=1000",
        "--max-translations=2",
        "--max-name-chars=10",
    ])
    .await;
    let api = &backend.api;
    let good = json!({"name": "a.txt", "size": 5, "source": "en", "target": "es"});
    let with = |field: &str, value: Value| {
        let mut body = good.clone();
        body[field] = value;
        body
    };
    for (body, status, word) in [
        (with("name", json!("x".repeat(11))), 400, "11 characters"),
        (with("name", json!("")), 400, "empty"),
        (with("name", json!(5)), 400, "name"),
        (with("size", json!(1001)), 413, "1000"),
        (with("size", json!(-1)), 400, "size"),
        (with("size", json!("5")), 400, "size"),
        (with("source", json!("xx")), 400, "“xx”"),
        (with("source", json!("auto")), 400, "“auto”"),
        (with("target", json!("en")), 400, "“en”"),
        (with("charset", json!("klingon")), 400, "klingon"),
        (json!({"name": "a"}), 400, "missing field `size`"),
        (json!([]), 400, "does not fit"),
    ] {
        let words = problem(api.create(&body).await, status).await;
        assert!(words.contains(word), "{words}");
    }
    let post = |body: &'static str, content_type: &'static str| {
        api.request(Method::POST, "/api/translations")
            .header("content-type", content_type)
            .body(body)
            .send()
    };
    problem(post("{", "application/json").await.unwrap(), 400).await;
    problem(post("{}", "text/plain").await.unwrap(), 415).await;
    let large = api
        .request(Method::POST, "/api/translations")
        .json(&with("name", json!("x".repeat(100_000))));
    problem(large.send().await.unwrap(), 413).await;

    // Ten characters are ten, however many bytes they take.
    let ten = api.create(&with("name", json!("😀".repeat(10)))).await;
    assert_eq!(ten.status(), 201);
    assert_eq!(api.create(&with("source", json!("EN"))).await.status(), 201);
    let words = problem(api.create(&good).await, 409).await;
    assert!(words.contains("keeps 2"), "{words}");

    for path in ["", "/source", "/result", "/segments"] {
        let path = format!("/api/translations/nobody{path}");
        problem(api.get(&path).await, 404).await;
    }
    for path in ["/cancel", "/retry"] {
        let path = format!("/api/translations/nobody{path}");
        problem(api.send(Method::POST, &path).await, 404).await;
    }
    let nobody = "/api/translations/nobody";
    problem(api.send(Method::DELETE, nobody).await, 404).await;
    problem(api.get("/api/translations/%ff").await, 404).await;
    for path in ["/api/nothing", "/api/objects", "/api/translations/a/b/c"] {
        let words = problem(api.get(path).await, 404).await;
        assert!(words.contains(path), "{words}");
    }
    let response = api.send(Method::PATCH, "/api/translations").await;
    assert_eq!(response.headers()["allow"], "GET,HEAD,POST");
    problem(response, 405).await;
    for query in [
        "limit=x",
        "limit=-1",
        "after=x",
        "after=x~y",
        "changedSince=x",
    ] {
        let path = format!("/api/translations?{query}");
        problem(api.get(&path).await, 400).await;
    }
    backend.stop().await;
}

#[tokio::test]
async fn pages_do_not_overlap_and_changes_miss_nothing() {
    let backend = Backend::start(&[]).await;
    let api = &backend.api;
    let list = async |query: &str| -> Listing {
        let answer = api.json(&format!("/api/translations{query}")).await;
        serde_json::from_value(answer).unwrap()
    };
    let names = |listing: &Listing| -> Vec<String> {
        let names = listing.translations.iter().map(|t| t.name.clone());
        names.collect()
    };
    let mut ids = Vec::new();
    for name in ["a", "b", "c", "d", "e"] {
        ids.push(api.announce(name, 1).await.translation.id);
    }
    let first = list("?limit=2").await;
    assert_eq!(names(&first), ["e", "d"]);
    // What happens while somebody turns the pages moves no page, and is found after the cursor.
    api.announce("f", 1).await;
    let path = format!("/api/translations/{}", ids[3]);
    api.send(Method::DELETE, &path).await;
    let next = first.next.clone().unwrap();
    let second = list(&format!("?limit=2&after={next}")).await;
    assert_eq!(names(&second), ["c", "b"]);
    let third = list(&format!("?limit=2&after={}", second.next.clone().unwrap())).await;
    assert_eq!((names(&third), &third.next), (vec!["a".to_owned()], &None));
    assert_eq!(third.cursor, first.cursor);

    let changed = list(&format!("?changedSince={}", third.cursor)).await;
    assert_eq!(names(&changed), ["f"]);
    assert_eq!(changed.removed, [ids[3].as_str()]);
    let nothing = list(&format!("?changedSince={}", changed.cursor)).await;
    assert_eq!((names(&nothing), nothing.removed.len()), (vec![], 0));
    assert_eq!(nothing.cursor, changed.cursor);

    // In small bites the same.
    let mut cursor = first.cursor.clone();
    let mut seen = Vec::new();
    loop {
        let bite = list(&format!("?limit=1&changedSince={cursor}")).await;
        seen.extend(names(&bite));
        seen.extend(bite.removed);
        cursor = bite.cursor;
        if bite.next.is_none() {
            break;
        }
    }
    assert_eq!(seen, ["f", ids[3].as_str()]);

    // A cursor of another backend is not taken for one of this.
    let other = Backend::start(&[]).await;
    let path = format!("/api/translations?changedSince={cursor}");
    problem(other.api.get(&path).await, 400).await;
    other.stop().await;
    let data = backend.stop().await;
    let backend = Backend::start_on(data, &[]).await;
    let answer = backend.api.json(&path).await;
    assert_eq!(answer["translations"], json!([]));
    backend.stop().await;
}

#[tokio::test]
async fn cancel_keeps_what_is_done_and_retry_goes_on_from_there() {
    let backend = Backend::start(&["--pseudo-delay-ms=30"]).await;
    let api = &backend.api;
    let post = async |id: &str, what: &str| {
        let path = format!("/api/translations/{id}/{what}");
        api.send(Method::POST, &path).await
    };
    let text = "A line of its own.\n\n".repeat(300);
    let id = api.upload("a.txt", text.as_bytes()).await.id;
    api.wait(&id, |t| t.done > 0).await;
    assert_eq!(post(&id, "cancel").await.status(), 202);
    let cancelled = api.translation(&id).await;
    assert_eq!(cancelled.status, Status::Cancelled);
    assert!(cancelled.done < cancelled.total);
    assert_eq!(post(&id, "cancel").await.status(), 202);
    problem(
        api.get(&format!("/api/translations/{id}/result")).await,
        409,
    )
    .await;
    let kept = api
        .json(&format!("/api/translations/{id}/segments?limit=2000"))
        .await;
    let kept = kept["segments"].as_array().unwrap().len();
    assert!(kept > 0);

    let response = post(&id, "retry").await;
    assert_eq!(response.status(), 200);
    assert!(
        response
            .json::<Value>()
            .await
            .unwrap()
            .get("upload")
            .is_none()
    );
    let going = api
        .wait(&id, |t| t.status == Status::Translating && t.total > 0)
        .await;
    assert!(going.done >= cancelled.done);
    api.done(&id).await;
    assert_eq!(
        String::from_utf8(api.result(&id).await).unwrap(),
        "[Á ĺíńé óf íţş óŵń.]\n\n".repeat(300)
    );
    problem(post(&id, "cancel").await, 409).await;
    problem(post(&id, "retry").await, 409).await;

    // Bytes that never came are asked for again.
    let waiting = api.announce("b.txt", 3).await.translation.id;
    assert_eq!(post(&waiting, "cancel").await.status(), 202);
    let response = post(&waiting, "retry").await;
    assert_eq!(response.status(), 200);
    let again: Created = response.json().await.unwrap();
    assert_eq!(again.translation.status, Status::AwaitingUpload);
    assert_eq!(api.put(&again.upload.url, "One").await.status(), 200);
    api.done(&waiting).await;
    backend.stop().await;
}

#[tokio::test]
async fn a_deleted_translation_is_gone_with_all_that_was_its() {
    let backend = Backend::start(&["--pseudo-delay-ms=30"]).await;
    let api = &backend.api;
    let text = "A line of its own.\n\n".repeat(300);
    let created = api.announce("a.txt", text.len()).await;
    let id = &created.translation.id;
    assert_eq!(
        api.put(&created.upload.url, text.clone()).await.status(),
        200
    );
    api.wait(id, |t| t.done > 0).await;
    let path = format!("/api/translations/{id}");
    assert_eq!(api.send(Method::DELETE, &path).await.status(), 204);
    problem(api.get(&path).await, 404).await;
    problem(api.send(Method::DELETE, &path).await, 404).await;
    let objects = backend.data.path().join("objects");
    wait_for(|| files(&objects).is_empty()).await;
    problem(api.put(&created.upload.url, text).await, 404).await;
    assert!(files(&objects).is_empty());
    backend.stop().await;
}

#[tokio::test]
async fn files_are_read_as_what_they_are() {
    let backend = Backend::start(&[]).await;
    let api = &backend.api;

    let empty = api.upload("empty.txt", b"").await.id;
    let done = api.done(&empty).await;
    assert_eq!((done.total, api.result(&empty).await), (0, Vec::new()));

    let utf16: Vec<u8> = "\u{feff}Café.\n"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let id = api.upload("utf16.txt", &utf16).await.id;
    assert_eq!(api.done(&id).await.charset.as_deref(), Some("UTF-16LE"));
    assert_eq!(api.result(&id).await, "[Çáfé.]\n".as_bytes());

    let body = json!({
        "name": "a.txt", "size": 6, "source": "en", "target": "es", "charset": "cp1251",
    });
    let created: Created = api.create(&body).await.json().await.unwrap();
    assert_eq!(created.translation.charset.as_deref(), Some("windows-1251"));
    let bytes: &[u8] = b"\xcf\xf0\xe8\xe2\xe5\xf2";
    assert_eq!(api.put(&created.upload.url, bytes).await.status(), 200);
    api.done(&created.translation.id).await;
    let result = api.result(&created.translation.id).await;
    assert_eq!(result, "[Привет]".as_bytes());

    let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0".repeat(20);
    let id = api.upload("picture.txt", &png).await.id;
    let failed = api.wait(&id, |t| t.status.is_final()).await;
    assert_eq!(failed.status, Status::Failed);
    let error = failed.error.unwrap();
    assert_eq!(error.title, "Not a plain text file");
    assert!(error.detail.len() > 30, "{error:?}");
    backend.stop().await;
}

#[tokio::test]
async fn a_small_file_does_not_wait_for_a_large_one() {
    let backend = Backend::start(&["--pseudo-delay-ms=20"]).await;
    let api = &backend.api;
    let large = "A line of its own.\n\n".repeat(20_000);
    let large = api.upload("large.txt", large.as_bytes()).await.id;
    api.wait(&large, |t| t.done > 0).await;
    let small = api
        .upload("small.txt", "One.\n\n".repeat(20).as_bytes())
        .await
        .id;
    api.done(&small).await;
    let large = api.translation(&large).await;
    assert_eq!(large.status, Status::Translating);
    assert!(large.done < large.total / 2, "{large:?}");
    backend.stop().await;
}

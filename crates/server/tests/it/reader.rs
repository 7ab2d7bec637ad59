use std::collections::BTreeSet;

use babelwire_wire::rest::{Found, Proof, Reason, Rows};
use babelwire_wire::{Frame, Status, look_frame};
use reqwest::Method;
use serde_json::{Value, json};

use crate::rest::Schemas;
use crate::support::{Api, Backend, Socket, is_done, problem};

fn many(paragraphs: usize) -> String {
    (0..paragraphs).fold(String::new(), |text, n| {
        text + &format!("Number {n} it is.\n\n")
    })
}

async fn read<T: serde::de::DeserializeOwned>(api: &Api, path: &str) -> T {
    serde_json::from_value(api.json(path).await).unwrap()
}

#[tokio::test]
async fn what_a_reader_asks_for_fits_the_document() {
    let backend = Backend::start(&["--pseudo-refuses=stubborn"]).await;
    let api = &backend.api;
    let schemas = Schemas::of(api).await;
    let text = "Hello, 3 worlds.\n\nA stubborn one.\n\n  <b>Größe</b> \"here\".\n";
    let id = api.upload("notes.txt", text.as_bytes()).await.id;
    let done = api.done(&id).await;
    assert_eq!((done.done, done.failed, done.total), (2, 1, 3));
    assert!(done.started_at.is_some() && done.finished_at >= done.started_at);
    let path = format!("/api/translations/{id}");
    let snapshot = api.json(&path).await;
    schemas.check("Translation", &snapshot);
    assert_eq!(snapshot.get("ahead"), None);
    let listed = api.json("/api/translations").await;
    assert_eq!(listed["translations"][0], snapshot);
    let segments = api.json(&format!("{path}/segments")).await;
    schemas.check("Segments", &segments);
    assert_eq!(segments["segments"][1]["failed"], true);
    assert_eq!(segments["segments"][0].get("failed"), None);

    let rows = api.json(&format!("{path}/rows?from=0&limit=500")).await;
    schemas.check("Rows", &rows);
    let rows: Rows = serde_json::from_value(rows).unwrap();
    let sources: Vec<_> = rows
        .rows
        .iter()
        .map(|row| row.source_text.as_str())
        .collect();
    assert_eq!(
        sources,
        [
            "Hello, 3 worlds.",
            "A stubborn one.",
            "<b>Größe</b> \"here\"."
        ]
    );
    assert!(rows.rows[1].failed);
    assert_eq!(rows.rows[0].text.as_deref(), Some("[Ĥéĺĺó, 3 ŵóŕĺđş.]"));

    let found = api
        .json(&format!("{path}/find?q=GR%C3%96SSE&in=source"))
        .await;
    schemas.check("Found", &found);
    assert_eq!(found["total"], 0);
    let found: Found = read(api, &format!("{path}/find?q=gr%C3%96%C3%9Fe&in=source")).await;
    assert_eq!(found.matches, [2]);
    let found: Found = read(api, &format!("{path}/find?q=%C3%A9&in=translation")).await;
    assert_eq!(found.matches, [0, 2]);

    let proof = api.json(&format!("{path}/proof")).await;
    schemas.check("Proof", &proof);
    let proof: Proof = serde_json::from_value(proof).unwrap();
    assert_eq!((proof.paragraphs.source, proof.paragraphs.result), (3, 3));
    assert_eq!((proof.numbers.source, proof.numbers.kept), (1, 1));
    assert_eq!(proof.suspicious_total, 1);
    assert_eq!(proof.suspicious[0].reasons, [Reason::Failed]);

    let response = api.get(&format!("{path}/side-by-side")).await;
    assert_eq!(response.status(), 200);
    let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("content-type"), "text/html; charset=utf-8");
    assert!(
        header("content-disposition").starts_with("attachment; filename=\"notes.txt.en-es.html\"")
    );
    let policy = header("content-security-policy");
    assert!(
        policy.contains("default-src 'none'") && !policy.contains("script"),
        "{policy}"
    );
    let html = response.text().await.unwrap();
    assert!(
        html.contains("&lt;b&gt;Größe&lt;/b&gt; &quot;here&quot;."),
        "{html}"
    );
    assert!(html.contains(" class=\"missing\"></td>"), "{html}");

    let result = String::from_utf8(api.result(&id).await).unwrap();
    assert!(result.contains("\n\nA stubborn one.\n\n"), "{result}");
    let response = api
        .send(Method::POST, &format!("{path}/segments/0/retry"))
        .await;
    assert_eq!(response.status(), 202);
    schemas.check("OneTranslation", &response.json().await.unwrap());
    api.done(&id).await;
    let response = api.send(Method::POST, &format!("{path}/retry")).await;
    assert_eq!(response.status(), 200);
    schemas.check("Retried", &response.json().await.unwrap());
    let done = api.wait(&id, |t| t.status == Status::Done).await;
    assert_eq!((done.done, done.failed), (3, 0));
    let result = String::from_utf8(api.result(&id).await).unwrap();
    assert!(result.contains("\n\n[Á şţúbbóŕń óńé.]\n\n"), "{result}");
    backend.stop().await;
}

#[tokio::test]
async fn what_a_reader_cannot_have_is_refused_in_words() {
    let backend = Backend::start(&["--pseudo-delay-ms=30"]).await;
    let api = &backend.api;
    let waiting = api.announce("a.txt", 5).await.translation.id;
    let waiting = format!("/api/translations/{waiting}");
    let rows: Rows = read(api, &format!("{waiting}/rows")).await;
    assert_eq!((rows.total, rows.rows.len()), (0, 0));
    for path in ["proof", "side-by-side", "result?partial=true"] {
        problem(api.get(&format!("{waiting}/{path}")).await, 409).await;
    }
    let id = api.upload("b.txt", many(300).as_bytes()).await.id;
    api.wait(&id, |t| t.done > 0).await;
    let path = format!("/api/translations/{id}");
    for call in ["proof", "side-by-side"] {
        let words = problem(api.get(&format!("{path}/{call}")).await, 409).await;
        assert!(words.contains("still being translated"), "{words}");
    }
    let retry = async |index: &str| {
        let path = format!("{path}/segments/{index}/retry");
        api.send(Method::POST, &path).await
    };
    problem(retry("0").await, 409).await;
    for (query, words) in [
        ("", "0 characters"),
        ("?q=", "0 characters"),
        ("?q=x&in=nowhere", "nowhere"),
        ("?q=x&from=-1", "from"),
        ("?q=x&limit=many", "limit"),
    ] {
        let detail = problem(api.get(&format!("{path}/find{query}")).await, 400).await;
        assert!(detail.contains(words), "{detail}");
    }
    let long = "%C3%BC".repeat(201);
    problem(api.get(&format!("{path}/find?q={long}")).await, 400).await;
    problem(api.get(&format!("{path}/rows?from=x")).await, 400).await;
    problem(api.get(&format!("{path}/result?partial=some")).await, 400).await;
    api.send(Method::POST, &format!("{path}/cancel")).await;
    assert!(
        problem(retry("299").await, 409)
            .await
            .contains("not translated yet")
    );
    assert!(problem(retry("300").await, 404).await.contains("300"));
    for index in ["x", "-1", "1.5", "99999999999999999999"] {
        assert!(problem(retry(index).await, 400).await.contains(index));
    }
    let result = api.get(&format!("{path}/result?partial=true")).await;
    assert_eq!(
        result.headers()["content-disposition"],
        "attachment; filename=\"b.es.txt\"; filename*=UTF-8''b.es.txt"
    );
    let result = result.text().await.unwrap();
    assert!(
        result.starts_with("[Ńúmbéŕ 0 íţ íş.]\n\n"),
        "{}",
        &result[..40]
    );
    assert!(result.ends_with("Number 299 it is.\n\n"));
    for path in ["rows", "find?q=x", "proof", "side-by-side"] {
        problem(
            api.get(&format!("/api/translations/nobody/{path}")).await,
            404,
        )
        .await;
    }
    backend.stop().await;
}

#[tokio::test]
async fn somebody_looks_at_the_end_of_a_long_file_and_it_is_translated_first() {
    let backend = Backend::start(&["--pseudo-delay-ms=50"]).await;
    let api = &backend.api;
    let id = api.upload("a.txt", many(20_000).as_bytes()).await.id;
    api.wait(&id, |t| t.total > 0).await;
    let mut socket = Socket::open(api).await;
    socket
        .send_text(&look_frame(&id, 19_900, 20_000, "tab"))
        .await;
    let mut seen = BTreeSet::new();
    while seen.len() < 100 {
        let segments = socket
            .find(|frame| match frame {
                Frame::Segments { segments, .. } => Some(segments),
                _ => None,
            })
            .await;
        seen.extend(segments.into_iter().map(|segment| segment.index));
    }
    assert!(seen.iter().all(|index| (19_900..20_000).contains(index)));
    let translation = api.translation(&id).await;
    assert!(translation.done < 10_000, "{translation:?}");
    let rows: Rows = read(
        api,
        &format!("/api/translations/{id}/rows?from=19890&limit=500"),
    )
    .await;
    assert_eq!(rows.rows.len(), 110);
    assert!(rows.rows[10..].iter().all(|row| row.text.is_some()));
    assert!(rows.rows[..10].iter().all(|row| row.text.is_none()));

    socket
        .send(&json!({"action": "unsubscribe", "translationId": id, "view": "tab"}))
        .await;
    for (frame, words) in [
        (look_frame(&id, 7, 7, ""), "above"),
        (look_frame("nobody", 0, 7, ""), "nobody"),
    ] {
        socket.send_text(&frame).await;
        let answer: Value = loop {
            let text = socket.text().await;
            if text.contains("\"error\"") && text.contains("\"look\"") {
                break serde_json::from_str(&text).unwrap();
            }
        };
        assert!(
            answer["detail"].as_str().unwrap().contains(words),
            "{answer}"
        );
    }
    backend.stop().await;
}

#[tokio::test]
async fn a_segment_that_is_tried_again_comes_to_who_reads_it() {
    let backend = Backend::start(&["--pseudo-refuses=stubborn"]).await;
    let api = &backend.api;
    let text = format!("{}A stubborn one.\n\n{}", many(40), many(40));
    let mut socket = Socket::open(api).await;
    let id = api.upload("a.txt", text.as_bytes()).await.id;
    socket.until(is_done).await;
    socket.send_text(&look_frame(&id, 39, 42, "")).await;
    let pick = |frame: Frame| match frame {
        Frame::Segments { segments, .. } => Some(segments),
        _ => None,
    };
    let shown = socket.find(pick).await;
    let failed: Vec<_> = shown.iter().map(|segment| segment.failed).collect();
    assert_eq!(failed, [false, true, false]);
    let path = format!("/api/translations/{id}/segments/40/retry");
    assert_eq!(api.send(Method::POST, &path).await.status(), 202);
    let again = socket.find(pick).await;
    assert_eq!(
        (again.len(), again[0].index, again[0].failed),
        (1, 40, false)
    );
    socket.until(is_done).await;
    assert_eq!(api.translation(&id).await.failed, 0);
    backend.stop().await;
}

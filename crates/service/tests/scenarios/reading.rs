use std::sync::Arc;

use babelwire_service::{Find, ServiceError, Side, TextStream};
use babelwire_wire::Status;
use babelwire_wire::rest::{Found, Proof, Reason, Row, Rows};
use futures::TryStreamExt;

use crate::world::{Delivery, EVERYONE, Process, World, is};

fn many(paragraphs: usize) -> String {
    (0..paragraphs).fold(String::new(), |text, n| text + &format!("number {n}.\n\n"))
}

fn rows(process: &mut Process, id: &str, from: u64, limit: Option<u64>) -> Rows {
    let (service, id) = (Arc::clone(&process.service), id.to_owned());
    process
        .call(async move { service.rows(&EVERYONE, &id, from, limit).await })
        .unwrap()
}

async fn text(stream: TextStream) -> Result<String, ServiceError> {
    let bytes: Vec<_> = stream.bytes.try_collect().await?;
    Ok(String::from_utf8(bytes.concat()).unwrap())
}

fn partial(process: &mut Process, id: &str) -> Result<String, ServiceError> {
    let (service, id) = (Arc::clone(&process.service), id.to_owned());
    process.call(async move { text(service.partial_result(&EVERYONE, &id).await?.1).await })
}

#[test]
fn the_source_can_be_read_before_it_is_translated() {
    let world = World::new();
    let mut process = Process::start(&world);
    let source = many(300);
    let id = process.upload(&source);
    assert_eq!(rows(&mut process, &id, 0, None).total, 0);
    process.run(Delivery::Once, |world| world.stores().segments.len() > 20);
    let page = rows(&mut process, &id, 0, Some(300));
    assert_eq!((page.total, page.rows.len()), (300, 300));
    assert!(page.rows.iter().any(|row| row.text.is_none()));
    for (index, row) in page.rows.iter().enumerate() {
        assert_eq!(row.index, index as u64);
        assert_eq!(row.source_text, format!("number {index}."));
        let [start, end] = row.source.map(|at| usize::try_from(at).unwrap());
        assert_eq!(source[start..end], row.source_text);
        if let Some(text) = &row.text {
            assert_eq!(*text, row.source_text.to_uppercase());
        }
    }
    process.finish(&id);
    let page = rows(&mut process, &id, 298, None);
    let texts: Vec<_> = page.rows.iter().map(|row| row.text.as_deref()).collect();
    assert_eq!(texts, [Some("NUMBER 298."), Some("NUMBER 299.")]);
    assert!(rows(&mut process, &id, 300, None).rows.is_empty());
    assert!(rows(&mut process, &id, u64::MAX, None).rows.is_empty());
}

#[test]
fn the_end_of_a_long_text_is_read_without_its_beginning_and_nothing_differs() {
    let world = World::new();
    let mut process = Process::start(&world);
    let paragraph = "Some words, ünïcödé, that make a paragraph of their own. ".repeat(9);
    let source = format!("{paragraph}\n\n").repeat(800);
    let id = process.upload(&source);
    process.run(Delivery::Once, |world| is(world, &id, Status::Translating));
    process.run(Delivery::Once, |world| {
        world.translation(&id).is_some_and(|t| t.total > 0)
    });
    assert!(world.stores().checkpoints.len() >= 5);
    let mut all: Vec<Row> = Vec::new();
    loop {
        let from = all.len() as u64;
        let page = rows(&mut process, &id, from, Some(500));
        let bytes: usize = page.rows.iter().map(|row| row.source_text.len()).sum();
        assert!(bytes <= 512 * 1024);
        if page.rows.is_empty() {
            assert_eq!(page.total, from);
            break;
        }
        all.extend(page.rows);
    }
    let checkpoints = std::mem::take(&mut world.stores().checkpoints);
    let last = all.len() as u64 - 3;
    // A text that was prepared before there were checkpoints gets them when it is read.
    let read = rows(&mut process, &id, last, None).rows;
    let sources = |rows: &[Row]| -> Vec<_> {
        let rows = rows.iter();
        rows.map(|row| (row.index, row.source, row.source_text.clone()))
            .collect()
    };
    assert_eq!(sources(&read), sources(&all[all.len() - 3..]));
    assert_eq!(world.stores().checkpoints.len(), checkpoints.len());
}

#[test]
fn what_was_translated_can_be_taken_along_when_somebody_stops_it() {
    let world = World::new();
    let mut process = Process::start(&world);
    let id = process.upload(&many(500));
    assert!(matches!(
        partial(&mut process, &id),
        Err(ServiceError::Conflict(_))
    ));
    process.run(Delivery::Once, |world| world.stores().segments.len() >= 100);
    process.cancel(&id);
    process.settle();
    let kept = world.stores().segments.len();
    let result = partial(&mut process, &id).unwrap();
    assert_eq!(result.to_lowercase(), many(500));
    assert_eq!(result.matches("NUMBER").count(), kept);
    assert_eq!(result.matches("number").count(), 500 - kept);
    process.retry(&id);
    let result = process.finish(&id);
    assert_eq!(partial(&mut process, &id).unwrap(), result);
}

#[test]
fn a_translation_says_when_it_began_and_when_it_ended() {
    let world = World::new();
    let mut process = Process::start(&world);
    let id = process.announce(&many(100));
    let announced = world.translation(&id).unwrap();
    assert_eq!((announced.started_at, announced.finished_at), (None, None));
    let key = world.object_key(&id);
    world.put(babelwire_service::ports::Bucket::Sources, &key, many(100));
    process.run(Delivery::Once, |world| world.stores().segments.len() > 5);
    let began = world.translation(&id).unwrap();
    assert!(began.started_at.as_ref() >= Some(&began.created_at));
    assert_eq!(began.finished_at, None);
    process.cancel(&id);
    assert!(world.translation(&id).unwrap().finished_at.is_some());
    process.retry(&id);
    assert_eq!(world.translation(&id).unwrap().finished_at, None);
    process.finish(&id);
    let ended = world.translation(&id).unwrap();
    assert_eq!(ended.started_at, began.started_at);
    assert!(ended.finished_at > ended.started_at);
}

#[test]
fn both_sides_in_one_page_are_text_whatever_they_say() {
    let world = World::new();
    let mut process = Process::start(&world);
    let source = "<script>alert(1)</script> & \"x\" 'y'\n\nSecond <b>one</b>.";
    let id = process.upload(source);
    process.finish(&id);
    let (service, of) = (Arc::clone(&process.service), id.clone());
    let html = process
        .call(async move { text(service.side_by_side(&EVERYONE, &of).await?.1).await })
        .unwrap();
    for part in [
        "<td lang=\"en\" dir=\"auto\">&lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;x&quot; \
         &#39;y&#39;</td>",
        "<td lang=\"es\" dir=\"auto\">SECOND &lt;B&gt;ONE&lt;/B&gt;.</td>",
        "Content-Security-Policy",
    ] {
        assert!(html.contains(part), "{part} in {html}");
    }
    assert!(!html.to_lowercase().contains("<script"));
    assert_eq!(html.matches("<tr>").count(), 3);
    assert!(html.ends_with("</html>\n"));
}

fn find(process: &mut Process, id: &str, find: Find) -> Result<Found, ServiceError> {
    let (service, id) = (Arc::clone(&process.service), id.to_owned());
    process.call(async move { service.find(&EVERYONE, &id, &find).await })
}

fn proof(process: &mut Process, id: &str) -> Result<Proof, ServiceError> {
    let (service, id) = (Arc::clone(&process.service), id.to_owned());
    process.call(async move { service.proof(&EVERYONE, &id).await })
}

#[test]
fn what_is_looked_for_is_found_on_both_sides_whatever_its_case() {
    let world = World::new();
    let mut process = Process::start(&world);
    let source = format!("{}The Übung itself.\n\n{}", many(150), many(1200));
    let id = process.upload(&source);
    let text = |text: &str| Find {
        text: text.to_owned(),
        ..Find::default()
    };
    assert_eq!(find(&mut process, &id, text("x")).unwrap().total, 0);
    process.run(Delivery::Once, |world| world.stores().segments.len() >= 200);
    let found = find(&mut process, &id, text("übUNG")).unwrap();
    assert_eq!((found.total, found.matches), (1, vec![150]));
    let translated = Find {
        side: Side::Translation,
        ..text("number")
    };
    let found = find(&mut process, &id, translated.clone()).unwrap();
    assert!((199..1350).contains(&found.total), "{}", found.total);
    process.finish(&id);
    let found = find(&mut process, &id, translated.clone()).unwrap();
    assert_eq!((found.total, found.matches.len()), (1350, 1000));
    let rest = Find {
        from: 1300,
        limit: Some(20),
        ..translated
    };
    let found = find(&mut process, &id, rest).unwrap();
    assert_eq!(found.total, 1350);
    assert_eq!(found.matches, (1300..1320).collect::<Vec<_>>());
    assert_eq!(find(&mut process, &id, text("nowhere")).unwrap().total, 0);
    for (query, words) in [("", "0 characters"), (&"ü".repeat(201), "201 characters")] {
        let error = find(&mut process, &id, text(query)).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[test]
fn a_file_is_proved_when_it_has_ended_and_there_is_something_to_prove() {
    let world = World::new();
    world.translator.lock().unwrap().fails_on = Some("odd".to_owned());
    let mut process = Process::start(&world);
    let source = format!(
        "See https://example.org/a for 1,000 things.\n\nAn odd one, 7.\n\n* * 42 *\n\n\
         SHOUTED BEFORE IT WAS TRANSLATED ANYWAY.\n\n{}",
        many(100)
    );
    let id = process.upload(&source);
    assert!(matches!(
        proof(&mut process, &id),
        Err(ServiceError::Conflict(_))
    ));
    process.run(Delivery::Once, |world| world.stores().segments.len() >= 50);
    assert!(matches!(
        proof(&mut process, &id),
        Err(ServiceError::Conflict(_))
    ));
    process.cancel(&id);
    process.settle();
    let partial = proof(&mut process, &id).unwrap();
    process.retry(&id);
    process.finish(&id);
    let whole = proof(&mut process, &id).unwrap();
    for proof in [&partial, &whole] {
        assert_eq!(
            (proof.paragraphs.source, proof.paragraphs.result),
            (104, 104)
        );
        assert_eq!((proof.numbers.source, proof.numbers.kept), (103, 103));
        // The engine shouts addresses as well.
        assert_eq!((proof.urls.source, proof.urls.kept), (1, 0));
        let reasons: Vec<_> = proof
            .suspicious
            .iter()
            .map(|suspicion| (suspicion.index, suspicion.reasons.clone()))
            .collect();
        assert_eq!(
            reasons,
            [
                (0, vec![Reason::Urls]),
                (1, vec![Reason::Failed]),
                (2, vec![Reason::Unchanged])
            ]
        );
        assert_eq!(proof.suspicious_total, 3);
    }
}

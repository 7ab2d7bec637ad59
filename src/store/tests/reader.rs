//! A text that is read: rows as they are needed, looks, find, the proof.

use babelwire_wire::rest::{self, Found, Kept as Parts, Proof, Rows, Sides};

use super::*;

fn reader(msg: ReaderMsg) -> Msg {
    Msg::Reader(msg)
}

fn effect(effect: ReaderEffect) -> Effect {
    Effect::Reader(effect)
}

fn seen(seen: std::ops::Range<u64>, ready: std::ops::Range<u64>) -> Msg {
    let place = Place {
        row: seen.start,
        below: 0,
    };
    let sight = Sight { seen, ready };
    let id = "T1".to_owned();
    reader(ReaderMsg::Seen { id, sight, place })
}

/// Rows that are translated below `done`.
fn rows(indexes: std::ops::Range<u64>, translated: u64, done: u64) -> Msg {
    let row = |index| rest::Row {
        index,
        source: [index * 10, index * 10 + 9],
        source_text: format!("source {index}"),
        text: (index < translated).then(|| format!("text {index}")),
        failed: false,
    };
    reader(ReaderMsg::Rows {
        id: "T1".to_owned(),
        done,
        result: Ok(Rows {
            total: 100_000,
            rows: indexes.map(row).collect(),
        }),
    })
}

fn fetch_rows(from: u64, done: u64) -> Effect {
    effect(ReaderEffect::FetchRows {
        id: "T1".to_owned(),
        from,
        limit: ROWS_PAGE,
        done,
    })
}

fn look(from: u64, to: u64) -> Effect {
    let id = "T1".to_owned();
    effect(ReaderEffect::Look { id, from, to })
}

fn large(status: Status, revision: u64, done: u64) -> Translation {
    Translation {
        size: 50_000_000,
        total: 100_000,
        done,
        ..translation("T1", status, revision)
    }
}

fn unknown_path() -> Trouble {
    let mut trouble = Trouble::lasting(Text::TroubleGone, Text::TroubleGoneAdvice);
    trouble.gone = true;
    trouble
}

/// A text of 50 MB open in the reader, its first rows in view and here.
fn reading_large(status: Status, done: u64) -> Page {
    let mut page = Page::ready();
    page.push(&large(status, 2, done));
    page.tell(Msg::Open(page.state.rows[0].key));
    page.asked.clear();
    page.tell(seen(0..10, 0..30));
    page.tell(rows(0..100, done, done));
    page.asked.clear();
    page
}

fn texts(page: &Page, indexes: std::ops::Range<u64>) -> Vec<(String, String)> {
    let words = |text: &Option<Rc<str>>| text.as_deref().unwrap_or("–").to_owned();
    indexes
        .filter_map(|index| page.document().cell(index))
        .map(|cell| (words(&cell.source_text), words(&cell.text)))
        .collect()
}

#[test]
fn a_large_text_is_fetched_where_it_is_read_and_never_whole() {
    let mut page = Page::ready();
    page.push(&large(Status::Done, 2, 100_000));
    page.tell(Msg::Open(page.state.rows[0].key));
    let asked = page.asked();
    let whole = |asked: &Effect| {
        matches!(
            asked,
            Effect::FetchSource { .. } | Effect::FetchSegments { .. } | Effect::Subscribe { .. }
        )
    };
    assert!(!asked.iter().any(whole), "{asked:?}");

    page.tell(seen(50_000..50_010, 49_990..50_030));
    assert_eq!(page.asked(), [fetch_rows(50_000, 100_000)]);
    page.tell(rows(50_000..50_100, u64::MAX, 100_000));
    assert_eq!(
        page.asked(),
        [fetch_rows(49_990, 100_000)],
        "what is in view comes first, then what is near"
    );
    assert_eq!(
        texts(&page, 50_000..50_001),
        [("source 50000".to_owned(), "text 50000".to_owned())]
    );
    assert_eq!(page.document().shown(true), 100_000);
}

#[test]
fn while_rows_are_on_their_way_only_the_last_place_is_asked_for_next() {
    let mut page = Page::ready();
    page.push(&large(Status::Done, 2, 100_000));
    page.tell(Msg::Open(page.state.rows[0].key));
    page.asked.clear();
    page.tell(seen(100..110, 90..130));
    page.tell(seen(40_000..40_010, 39_990..40_030));
    page.tell(seen(70_000..70_010, 69_990..70_030));
    assert_eq!(page.asked(), [fetch_rows(100, 100_000)]);
    page.tell(rows(100..200, u64::MAX, 100_000));
    assert_eq!(page.asked(), [fetch_rows(70_000, 100_000)]);
}

#[test]
fn a_large_text_is_forgotten_where_it_is_not_read() {
    let mut page = reading_large(Status::Done, 100_000);
    let long = "x".repeat(4000);
    for from in (0..20_000).step_by(100) {
        page.tell(seen(from..from + 10, from..from + 30));
        let rows = (from..from + 100).map(|index| rest::Row {
            index,
            source: [index * 10, index * 10 + 9],
            source_text: long.clone(),
            text: Some(long.clone()),
            failed: false,
        });
        page.tell(reader(ReaderMsg::Rows {
            id: "T1".to_owned(),
            done: 100_000,
            result: Ok(Rows {
                total: 100_000,
                rows: rows.collect(),
            }),
        }));
    }
    let bytes: usize = page
        .document()
        .cells()
        .map(|(_, cell)| cell.text.as_ref().map_or(0, |text| 2 * text.len()))
        .sum();
    assert!(bytes < 5_000_000, "{bytes} bytes are kept");
    assert!(page.document().cell(0).is_none());
    for index in 19_900..19_930 {
        assert!(page.document().cell(index).is_some(), "{index} is in view");
    }
}

#[test]
fn what_is_looked_at_is_told_and_its_news_find_their_rows() {
    let mut page = reading_large(Status::Translating, 3);
    page.tell(seen(70_000..70_010, 69_990..70_030));
    assert_eq!(
        page.asked(),
        [fetch_rows(70_000, 3), look(70_000, 70_030)],
        "below is read next, above was read"
    );
    page.tell(rows(70_000..70_100, 0, 3));
    page.asked.clear();
    let segment = segment(70_001, "texto");
    let text = serde_json::to_string(&babelwire_wire::Push::Segments {
        translation_id: "T1".to_owned(),
        total: 100_000,
        segments: vec![segment.clone(), super::segment(12, "elsewhere")],
    });
    let version = page.document().version;
    page.frame(&text.unwrap());
    assert!(page.document().version > version);
    assert_eq!(
        texts(&page, 70_001..70_002),
        [("source 70001".to_owned(), "texto".to_owned())]
    );
    page.tell(seen(70_000..70_010, 69_990..70_030));
    assert!(
        !page
            .asked()
            .iter()
            .any(|asked| *asked == look(70_000, 70_030)),
        "told once"
    );
}

#[test]
fn news_of_a_row_that_overtake_the_row_are_not_lost() {
    let mut page = reading_large(Status::Translating, 3);
    page.tell(seen(70_000..70_010, 69_990..70_030));
    let push = serde_json::to_string(&babelwire_wire::Push::Segments {
        translation_id: "T1".to_owned(),
        total: 100_000,
        segments: vec![segment(70_001, "texto")],
    });
    page.frame(&push.unwrap());
    // Read before that segment was made.
    page.tell(rows(70_000..70_100, 0, 3));
    assert_eq!(
        texts(&page, 70_000..70_002),
        [
            ("source 70000".to_owned(), "–".to_owned()),
            ("source 70001".to_owned(), "texto".to_owned())
        ]
    );
}

#[test]
fn each_open_tells_again_what_is_looked_at() {
    let mut page = reading_large(Status::Translating, 3);
    page.tell(seen(500..510, 490..530));
    page.tell(Msg::Link(Link::Waiting));
    page.asked.clear();
    page.tell(Msg::Link(Link::Open));
    assert!(page.asked().contains(&look(500, 530)));
}

#[test]
fn a_row_in_view_whose_push_was_lost_is_asked_for_once_in_a_while() {
    let mut page = reading_large(Status::Translating, 3);
    page.push(&large(Status::Translating, 3, 50));
    assert_eq!(page.asked(), [], "it should be pushed");
    page.tell(Msg::Tick);
    assert!(page.asked().contains(&fetch_rows(3, 50)));
    page.tell(rows(3..100, 50, 50));
    assert_eq!(page.asked(), [], "until the next time");
    assert_eq!(texts(&page, 9..10)[0].1, "text 9");
}

#[test]
fn nothing_is_looked_at_any_more_once_all_is_translated_or_the_reader_is_closed() {
    let end = || {
        let id = "T1".to_owned();
        effect(ReaderEffect::EndLook { id })
    };
    let mut page = reading_large(Status::Translating, 3);
    page.tell(seen(500..510, 490..530));
    page.asked.clear();
    page.push(&large(Status::Done, 3, 100_000));
    assert!(page.asked().contains(&end()));

    let mut page = reading_large(Status::Translating, 3);
    page.tell(seen(500..510, 490..530));
    page.asked.clear();
    page.tell(Msg::CloseReader);
    assert_eq!(page.asked(), [end()]);
}

#[test]
fn a_backend_that_gives_no_rows_is_read_as_a_whole_and_never_told_of_looks() {
    let mut page = Page::ready();
    page.push(&large(Status::Translating, 2, 3));
    page.tell(Msg::Open(page.state.rows[0].key));
    page.tell(seen(0..0, 0..0));
    page.asked.clear();
    page.tell(reader(ReaderMsg::Rows {
        id: "T1".to_owned(),
        done: 3,
        result: Err(unknown_path()),
    }));
    let subscribe = Effect::Subscribe {
        id: "T1".to_owned(),
        from: 0,
    };
    let asked = page.asked();
    assert!(asked.contains(&subscribe), "{asked:?}");
    assert!(
        asked
            .iter()
            .any(|asked| matches!(asked, Effect::FetchSource { .. }))
    );
    assert_eq!(page.state.notice, None, "nobody needs to know");
    page.tell(seen(0..10, 0..30));
    assert_eq!(page.asked(), []);
}

#[test]
fn a_text_kept_whole_asks_for_rows_to_show_what_is_still_to_be_translated() {
    let (mut page, _) = Page::reading();
    page.tell(pushed("T1", vec![segment(0, "uno")]));
    assert_eq!(
        page.document().shown(false),
        1,
        "of the others nothing is known"
    );
    page.asked.clear();
    let row = |index: u64, text: Option<&str>| rest::Row {
        index,
        source: [index * 10, index * 10 + 9],
        source_text: "source".to_owned(),
        text: text.map(ToOwned::to_owned),
        failed: false,
    };
    page.tell(reader(ReaderMsg::Rows {
        id: "T1".to_owned(),
        done: 0,
        result: Ok(Rows {
            total: 4,
            rows: vec![
                row(0, None),
                row(1, None),
                row(2, Some("tres")),
                row(3, None),
            ],
        }),
    }));
    let document = page.document();
    assert_eq!(document.shown(false), 4);
    assert_eq!(document.source_range(3), Some((30, 39)));
    assert_eq!(
        document.cell(0).and_then(|cell| cell.text.as_deref()),
        Some("uno"),
        "the answer was older than the push"
    );
    assert_eq!(document.have(), 2);
    page.tell(seen(0..4, 0..4));
    assert_eq!(page.asked(), [look(0, 4)]);
}

#[test]
fn a_segment_that_was_given_up_is_missing_and_asked_for_when_it_was_tried_again() {
    let (mut page, _) = Page::reading();
    let failed = Segment {
        failed: true,
        ..segment(1, "")
    };
    page.tell(pushed(
        "T1",
        vec![segment(0, "a"), failed, segment(2, "c"), segment(3, "d")],
    ));
    assert_eq!(page.document().have(), 3);
    assert!(
        page.document()
            .cell(1)
            .is_some_and(|cell| cell.failed && cell.text.is_none())
    );
    page.push(&Translation {
        done: 3,
        failed: 1,
        ..translation("T1", Status::Done, 3)
    });
    page.asked.clear();
    page.push(&Translation {
        done: 4,
        ..translation("T1", Status::Done, 5)
    });
    assert!(page.asked().contains(&Effect::FetchSegments {
        id: "T1".to_owned(),
        from: 1
    }));
    page.tell(segments("T1", vec![segment(1, "b")]));
    assert_eq!(page.document().first_missing(), 4);
}

// Find in document.

fn found(query: &str, from: u64, total: u64, matches: &[u64]) -> Msg {
    reader(ReaderMsg::Found {
        id: "T1".to_owned(),
        query: query.into(),
        from,
        result: Ok(Found {
            total,
            matches: matches.to_vec(),
        }),
    })
}

fn fetch_matches(query: &str, from: u64) -> Effect {
    effect(ReaderEffect::FetchMatches {
        id: "T1".to_owned(),
        query: query.into(),
        view: View::Both,
        from,
    })
}

fn finding(page: &mut Page, query: &str) {
    page.tell(reader(ReaderMsg::OpenFind));
    page.asked.clear();
    page.tell(reader(ReaderMsg::Find(query.to_owned())));
}

/// Where the search is: the row, its number, and how many there are.
fn at(page: &Page) -> (Option<u64>, Option<u64>, Option<u64>) {
    let find = page.state.reader.find.as_ref().expect("the bar is open");
    (find.current(), find.ordinal(), find.total)
}

fn step(page: &mut Page, way: Way) -> (Option<u64>, Option<u64>, Option<u64>) {
    page.tell(reader(ReaderMsg::Step(way)));
    at(page)
}

#[test]
fn a_search_begins_where_one_reads_and_goes_round() {
    let mut page = reading_large(Status::Done, 100_000);
    page.tell(seen(400..410, 390..430));
    finding(&mut page, "house");
    assert_eq!(page.asked(), [fetch_matches("house", 0)]);
    page.tell(found("house", 0, 3, &[7, 405, 9000]));
    assert_eq!(at(&page), (Some(405), Some(2), Some(3)));
    let jump = page.state.reader.jump.expect("the view goes there");
    assert_eq!((jump.row, jump.why), (405, Why::Found));
    assert_eq!(step(&mut page, Way::Next), (Some(9000), Some(3), Some(3)));
    assert_eq!(step(&mut page, Way::Next), (Some(7), Some(1), Some(3)));
    assert_eq!(
        step(&mut page, Way::Previous),
        (Some(9000), Some(3), Some(3))
    );
    assert_eq!(page.state.reader.jump.map(|jump| jump.row), Some(9000));
    assert_eq!(page.asked(), [], "all is known");
}

#[test]
fn a_search_that_finds_nothing_leads_nowhere() {
    let mut page = reading_large(Status::Done, 100_000);
    finding(&mut page, "zebra");
    page.tell(found("zebra", 0, 0, &[]));
    assert_eq!(at(&page), (None, None, Some(0)));
    assert_eq!(step(&mut page, Way::Next), (None, None, Some(0)));
    assert_eq!(page.state.reader.jump, None);
}

#[test]
fn an_answer_to_words_that_were_typed_over_is_passed_over() {
    let mut page = reading_large(Status::Done, 100_000);
    finding(&mut page, "hou");
    page.tell(reader(ReaderMsg::Find("house".to_owned())));
    page.tell(found("hou", 0, 1, &[3]));
    assert_eq!(at(&page), (None, None, None));
    page.tell(found("house", 0, 1, &[8]));
    assert_eq!(at(&page), (Some(8), Some(1), Some(1)));
}

#[test]
fn more_matches_than_one_answer_has_are_asked_for_on_the_way() {
    let mut page = reading_large(Status::Done, 100_000);
    finding(&mut page, "the");
    let first: Vec<u64> = (0..1000).map(|place| place * 2).collect();
    page.tell(found("the", 0, 1002, &first));
    assert_eq!(at(&page), (Some(0), Some(1), Some(1002)));
    page.asked.clear();
    for place in 2..=1000 {
        assert_eq!(step(&mut page, Way::Next).1, Some(place));
    }
    assert_eq!(page.asked(), []);
    step(&mut page, Way::Next);
    assert_eq!(page.asked(), [fetch_matches("the", 1999)]);
    step(&mut page, Way::Next);
    assert_eq!(page.asked(), [], "one after the other");
    page.tell(found("the", 1999, 1002, &[2001, 9000]));
    assert_eq!(at(&page), (Some(2001), Some(1001), Some(1002)));
    assert_eq!(step(&mut page, Way::Next).0, Some(9000));
    assert_eq!(step(&mut page, Way::Next), (Some(0), Some(1), Some(1002)));
}

#[test]
fn a_search_begins_in_the_midst_of_more_matches_than_one_answer_has() {
    let mut page = reading_large(Status::Done, 100_000);
    page.tell(seen(60_000..60_010, 59_990..60_030));
    finding(&mut page, "the");
    let from = |from: u64| -> Vec<u64> { (from..from + 1000).collect() };
    page.tell(found("the", 0, 100_000, &from(0)));
    assert_eq!(
        page.asked(),
        [fetch_matches("the", 0), fetch_matches("the", 60_000)]
    );
    page.tell(found("the", 60_000, 100_000, &from(60_000)));
    assert_eq!(
        at(&page),
        (Some(60_000), None, Some(100_000)),
        "its number is not known"
    );
    step(&mut page, Way::Previous);
    assert_eq!(page.asked(), [fetch_matches("the", 59_000)]);
    page.tell(found("the", 59_000, 100_000, &from(59_000)));
    assert_eq!(at(&page).0, Some(59_999));
    assert_eq!(
        step(&mut page, Way::Next).0,
        Some(60_000),
        "none is left out"
    );
}

#[test]
fn before_the_first_of_many_matches_is_the_last() {
    let mut page = reading_large(Status::Done, 100_000);
    finding(&mut page, "the");
    let first: Vec<u64> = (0..1000).collect();
    page.tell(found("the", 0, 1001, &first));
    page.asked.clear();
    step(&mut page, Way::Previous);
    assert_eq!(page.asked(), [fetch_matches("the", 99_000)]);
    page.tell(found("the", 99_000, 1001, &[]));
    assert_eq!(page.asked(), [fetch_matches("the", 98_000)]);
    page.tell(found("the", 98_000, 1001, &[98_500]));
    assert_eq!(at(&page).0, Some(98_500));
}

#[test]
fn a_text_kept_whole_is_searched_here_and_only_what_is_shown() {
    let (mut page, _) = Page::reading();
    finding(&mut page, "uno");
    let here = |view| {
        effect(ReaderEffect::FindHere {
            id: "T1".to_owned(),
            query: "uno".into(),
            view,
        })
    };
    assert_eq!(page.asked(), [here(View::Both)]);
    page.tell(Msg::View(View::Translation));
    assert_eq!(page.asked(), [here(View::Translation)]);
}

#[test]
fn trouble_with_a_search_is_told_in_its_bar() {
    let mut page = reading_large(Status::Done, 100_000);
    finding(&mut page, "house");
    page.tell(reader(ReaderMsg::Found {
        id: "T1".to_owned(),
        query: "house".into(),
        from: 0,
        result: Err(passing()),
    }));
    let find = page.state.reader.find.as_ref().expect("the bar is open");
    assert_eq!(
        find.trouble.as_deref(),
        Some("The server can't be reached. Try again.")
    );
    assert_eq!(page.state.notice, None);
}

// The proof.

fn proof() -> Proof {
    Proof {
        paragraphs: Sides {
            source: 4,
            result: 4,
        },
        numbers: Parts { source: 0, kept: 0 },
        urls: Parts { source: 0, kept: 0 },
        suspicious_total: 0,
        suspicious: vec![],
    }
}

#[test]
fn a_finished_text_is_proved_when_it_is_read_and_once() {
    let (mut page, _) = Page::reading();
    page.asked.clear();
    let fetch = effect(ReaderEffect::FetchProof {
        id: "T1".to_owned(),
    });
    let done = Translation {
        done: 4,
        ..translation("T1", Status::Done, 3)
    };
    page.push(&done);
    assert!(page.asked().contains(&fetch));
    page.push(&done);
    assert!(!page.asked().contains(&fetch));
    page.tell(reader(ReaderMsg::Proof {
        id: "T1".to_owned(),
        result: Ok(proof()),
    }));
    assert_eq!(page.state.reader.proof.as_deref(), Some(&proof()));
}

#[test]
fn a_backend_without_proofs_is_no_trouble() {
    let (mut page, _) = Page::reading();
    page.tell(reader(ReaderMsg::Proof {
        id: "T1".to_owned(),
        result: Err(unknown_path()),
    }));
    assert_eq!(page.state.reader.proof, None);
    assert_eq!(page.state.notice, None);
}

#[test]
fn a_segment_translated_again_is_read_again_and_so_is_the_proof() {
    let (mut page, _) = Page::reading();
    page.push(&Translation {
        done: 4,
        ..translation("T1", Status::Done, 3)
    });
    page.tell(segments(
        "T1",
        (0..4).map(|index| segment(index, "old")).collect(),
    ));
    page.asked.clear();
    page.tell(reader(ReaderMsg::Again(2)));
    page.tell(reader(ReaderMsg::Again(2)));
    let again = effect(ReaderEffect::Again {
        id: "T1".to_owned(),
        index: 2,
    });
    assert_eq!(page.asked(), [again], "once");
    page.tell(reader(ReaderMsg::AgainAnswered {
        id: "T1".to_owned(),
        index: 2,
        result: Ok(Box::new(Translation {
            done: 3,
            ..translation("T1", Status::Translating, 4)
        })),
    }));
    page.asked.clear();
    page.push(&Translation {
        done: 4,
        ..translation("T1", Status::Done, 5)
    });
    let asked = page.asked();
    let row = effect(ReaderEffect::FetchRows {
        id: "T1".to_owned(),
        from: 2,
        limit: 1,
        done: 4,
    });
    let fetch = effect(ReaderEffect::FetchProof {
        id: "T1".to_owned(),
    });
    assert!(asked.contains(&row) && asked.contains(&fetch), "{asked:?}");
    assert!(page.state.reader.again.is_empty());
}

#[test]
fn a_segment_that_can_not_be_translated_again_is_told() {
    let (mut page, _) = Page::reading();
    page.tell(reader(ReaderMsg::Again(2)));
    page.tell(reader(ReaderMsg::AgainAnswered {
        id: "T1".to_owned(),
        index: 2,
        result: Err(passing()),
    }));
    assert!(page.state.reader.again.is_empty());
    assert_eq!(
        page.state.notice.as_deref(),
        Some("The server can't be reached. Try again.")
    );
}

// Where one reads.

#[test]
fn where_one_reads_is_known_and_gone_back_to() {
    let mut page = reading_large(Status::Done, 100_000);
    page.tell(seen(400..410, 390..430));
    assert_eq!(page.state.reader.place, Some(Place { row: 400, below: 0 }));
    page.tell(reader(ReaderMsg::Restore { row: 70 }));
    let first = page.state.reader.jump.expect("a wish");
    assert_eq!((first.row, first.why), (70, Why::Restored));
    page.tell(reader(ReaderMsg::Restore { row: 70 }));
    let second = page.state.reader.jump.expect("a wish");
    assert_ne!(first.number, second.number, "a wish made twice is two");
}

#[test]
fn another_text_begins_with_nothing_of_the_one_before() {
    let mut page = reading_large(Status::Done, 100_000);
    finding(&mut page, "house");
    page.tell(reader(ReaderMsg::ToggleProof));
    page.push(&translation("T2", Status::Translating, 2));
    let key = page.state.rows.iter().find(|row| row.id() == Some("T2"));
    page.tell(Msg::Open(key.expect("it is listed").key));
    let reader = &page.state.reader;
    assert!(reader.find.is_none() && !reader.proof_open && reader.place.is_none());
    assert_eq!(page.document().id, "T2");
}

#[test]
fn an_unfinished_translation_is_copied_with_what_is_still_the_sources() {
    let copied = |status| {
        let mut page = reading_large(status, 5);
        page.tell(reader(ReaderMsg::Copy));
        page.asked()
    };
    let copy = |partial| {
        effect(ReaderEffect::Copy {
            id: "T1".to_owned(),
            partial,
        })
    };
    assert_eq!(copied(Status::Done), [copy(false)]);
    assert_eq!(copied(Status::Cancelled), [copy(true)]);
}

//! Stories of the page.

use babelwire_wire::rest::{Created, Languages, Listing, Pair, Segments, Upload};
use babelwire_wire::{Failure, Inbound, Segment, Status, Translation};

use super::*;
use crate::words::{self, Text};

mod files;
mod kept;
mod reader;
mod said;
mod session;

/// A page with what it asked for so far.
struct Page {
    state: State,
    asked: Vec<Effect>,
}

impl Page {
    /// Configured, connected, languages and an empty list known; nothing asked for since.
    fn ready() -> Self {
        let mut page = Self::new();
        page.tell(Msg::Configured(Ok(Mode::Full)));
        page.tell(Msg::Languages(Ok(languages())));
        page.tell(Msg::Link(Link::Open));
        // The round of the configuration, and the one that the open connection asked for.
        page.tell(listed(vec![])).tell(listed(vec![]));
        page.asked.clear();
        page
    }

    fn new() -> Self {
        Self {
            state: State::new(Preferences::default()),
            asked: Vec::new(),
        }
    }

    /// The answer to a round of `GET translations`.
    fn listed(&mut self, translations: Vec<Translation>) -> &mut Self {
        self.tell(Msg::Link(Link::Open));
        self.tell(listed(translations))
    }

    fn tell(&mut self, msg: Msg) -> &mut Self {
        self.asked.extend(reduce(&mut self.state, msg));
        self
    }

    fn push(&mut self, translation: &Translation) -> &mut Self {
        let snapshot = serde_json::to_string(translation).unwrap();
        self.frame(&format!(
            r#"{{"type":"translation","translation":{snapshot}}}"#
        ))
    }

    fn frame(&mut self, text: &str) -> &mut Self {
        self.tell(Msg::Frame(Inbound::parse(text.to_owned())))
    }

    fn choose(&mut self, names: &[&str]) -> &mut Self {
        let picked = names
            .iter()
            .enumerate()
            .map(|(file, name)| Picked {
                file: u32::try_from(file).unwrap(),
                name: (*name).to_owned(),
                size: 900,
                modified: 1_700_000_000_000,
                in_folder: false,
            })
            .collect();
        self.tell(Msg::Chosen(picked)).peek(&sure())
    }

    /// Whatever file is to be looked at turns out to be this.
    fn peek(&mut self, found: &Peek) -> &mut Self {
        while let Some(place) = self
            .asked
            .iter()
            .position(|effect| matches!(effect, Effect::Files(FilesEffect::Peek { .. })))
        {
            let Effect::Files(FilesEffect::Peek { file, .. }) = self.asked.remove(place) else {
                unreachable!("it was found to be one");
            };
            let beginning = Beginning::Text(found.clone());
            self.tell(Msg::Files(FilesMsg::Peeked { file, beginning }));
        }
        self
    }

    fn asked(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.asked)
    }

    fn row(&self, name: &str) -> &Row {
        self.state
            .rows
            .iter()
            .find(|row| &*row.name == name)
            .unwrap_or_else(|| panic!("{name} is not in the list: {:?}", self.names()))
    }

    fn names(&self) -> Vec<&str> {
        self.state.rows.iter().map(|row| &*row.name).collect()
    }

    fn words(&self, name: &str) -> String {
        words::state(self.row(name))
    }

    fn document(&self) -> &Document {
        self.state.document.as_ref().expect("a document is open")
    }

    /// A file chosen, announced as `T1` and on its way.
    fn uploading() -> (Self, Key) {
        let mut page = Self::ready();
        page.choose(&["a.txt"]);
        let key = page.row("a.txt").key;
        page.tell(created(key, "T1"));
        page.asked.clear();
        (page, key)
    }

    /// `T1` open in the reader while it is translated.
    fn reading() -> (Self, Key) {
        let mut page = Self::ready();
        page.push(&translation("T1", Status::Translating, 2));
        let key = page.state.rows[0].key;
        page.tell(Msg::Open(key));
        (page, key)
    }
}

fn languages() -> Languages {
    let pair = |source: &str, target: &str, via: &[&str]| Pair {
        source: source.to_owned(),
        target: target.to_owned(),
        via: via.iter().map(|tag| (*tag).to_owned()).collect(),
    };
    Languages {
        translator: "apertium".to_owned(),
        detect: false,
        pairs: vec![
            pair("es", "en", &[]),
            pair("en", "es", &[]),
            pair("en", "fr", &["es"]),
        ],
    }
}

fn translation(id: &str, status: Status, revision: u64) -> Translation {
    Translation {
        id: id.to_owned(),
        name: "a.txt".to_owned(),
        size: 900,
        source: "en".to_owned(),
        target: "es".to_owned(),
        charset: Some("utf-8".to_owned()),
        status,
        done: 0,
        total: 4,
        failed: 0,
        ahead: None,
        error: None,
        created_at: "2026-01-01T00:00:00Z".to_owned(),
        updated_at: "2026-01-01T00:00:00Z".to_owned(),
        started_at: None,
        finished_at: None,
        revision,
    }
}

fn created(key: Key, id: &str) -> Msg {
    Msg::Created {
        key,
        result: Ok(Created {
            translation: Translation {
                total: 0,
                charset: None,
                ..translation(id, Status::AwaitingUpload, 1)
            },
            upload: upload(),
        }),
    }
}

fn upload() -> Upload {
    Upload {
        method: "PUT".to_owned(),
        url: "https://store.example/T1".to_owned(),
        headers: Vec::new(),
        expires_at: "2026-01-01T01:00:00Z".to_owned(),
    }
}

fn listed(translations: Vec<Translation>) -> Msg {
    page_of(translations, None)
}

fn page_of(translations: Vec<Translation>, next: Option<&str>) -> Msg {
    Msg::Listed {
        since: None,
        result: Ok(Listing {
            translations,
            removed: vec![],
            next: next.map(ToOwned::to_owned),
            cursor: "C1".to_owned(),
        }),
    }
}

fn segment(index: u64, text: &str) -> Segment {
    Segment {
        index,
        source: [
            index.wrapping_mul(10),
            index.wrapping_mul(10).wrapping_add(9),
        ],
        text: text.to_owned(),
        failed: false,
    }
}

fn segments(id: &str, segments: Vec<Segment>) -> Msg {
    Msg::Segments {
        id: id.to_owned(),
        result: Ok(Segments { total: 4, segments }),
    }
}

/// The same over the WebSocket.
fn pushed(id: &str, segments: Vec<Segment>) -> Msg {
    let text = serde_json::to_string(&babelwire_wire::Push::Segments {
        translation_id: id.to_owned(),
        total: 4,
        segments,
    });
    Msg::Frame(Inbound::parse(text.unwrap()))
}

/// The beginning of a text in UTF-8.
fn sure() -> Peek {
    Peek {
        line: "Hello.".into(),
        encodings: Vec::new(),
    }
}

fn passing() -> Trouble {
    Trouble::passing(Text::ServerOutOfReach, Text::TryAgain)
}

fn changes(since: Option<&str>, after: Option<&str>) -> Effect {
    Effect::FetchChanges {
        since: since.map(ToOwned::to_owned),
        after: after.map(ToOwned::to_owned),
    }
}

fn creates(effects: &[Effect]) -> usize {
    effects
        .iter()
        .filter(|effect| matches!(effect, Effect::Create { .. }))
        .count()
}

#[test]
fn a_file_goes_from_choosing_to_done_and_every_step_is_told_in_words() {
    let mut page = Page::ready();
    page.choose(&["a.txt"]);
    let key = page.row("a.txt").key;
    assert_eq!(page.words("a.txt"), "Preparing to upload");
    assert_eq!(creates(&page.asked()), 1);

    page.tell(created(key, "T1"));
    assert_eq!(
        page.asked(),
        [Effect::Upload {
            key,
            file: 0,
            upload: upload()
        }]
    );
    page.tell(Msg::Progress {
        key,
        sent: 400,
        now: 0,
    });
    assert_eq!(page.words("a.txt"), "Uploading, 400 of 900 bytes");
    page.tell(Msg::Progress {
        key,
        sent: 900,
        now: 0,
    });
    assert_eq!(
        page.words("a.txt"),
        "Uploaded, waiting for the server to say so"
    );
    page.tell(Msg::Uploaded {
        key,
        result: Ok(()),
    });
    assert_eq!(page.words("a.txt"), "Received, being checked");

    page.push(&translation("T1", Status::Queued, 2));
    assert_eq!(page.words("a.txt"), "Waiting");
    assert_eq!(page.asked(), [Effect::Release(0)]);
    page.push(&Translation {
        done: 412,
        total: 1960,
        ..translation("T1", Status::Translating, 3)
    });
    assert_eq!(page.words("a.txt"), "Translating, 412 of 1,960 paragraphs");
    page.push(&Translation {
        done: 1,
        total: 1,
        ..translation("T1", Status::Done, 4)
    });
    assert_eq!(page.words("a.txt"), "Done, 1 paragraph");
    assert_eq!(page.names(), ["a.txt"]);
}

#[test]
fn old_news_changes_nothing() {
    let mut page = Page::ready();
    page.push(&translation("T1", Status::Done, 7));
    page.push(&translation("T1", Status::Translating, 6));
    page.push(&translation("T1", Status::Failed, 7));
    page.listed(vec![translation("T1", Status::Queued, 3)]);
    assert_eq!(page.row("a.txt").status(), Some(Status::Done));
}

#[test]
fn what_was_removed_stays_removed_whatever_arrives_late() {
    let mut page = Page::ready();
    page.push(&translation("T1", Status::Done, 2));
    page.frame(r#"{"type":"removed","translationId":"T1","revision":3}"#);
    assert!(page.names().is_empty());
    page.push(&translation("T1", Status::Done, 4));
    page.listed(vec![translation("T1", Status::Done, 5)]);
    assert!(page.names().is_empty());
}

#[test]
fn a_removal_that_overtakes_the_news_of_its_file_is_remembered() {
    let mut page = Page::ready();
    page.frame(r#"{"type":"removed","translationId":"T9","revision":3}"#);
    page.push(&translation("T9", Status::Queued, 2));
    assert!(page.names().is_empty());
}

#[test]
fn each_open_asks_what_changed_and_for_the_segments_that_are_missing() {
    let (mut page, _) = Page::reading();
    page.frame(
        r#"{"type":"segments","translationId":"T1","total":4,"segments":[
            {"index":0,"source":[0,9],"text":"uno"},{"index":2,"source":[20,29],"text":"tres"}]}"#,
    );
    page.tell(Msg::Link(Link::Waiting));
    page.asked.clear();
    page.tell(Msg::Link(Link::Open));
    assert_eq!(
        page.asked(),
        [
            changes(Some("C1"), None),
            Effect::Subscribe {
                id: "T1".to_owned(),
                from: 1
            }
        ]
    );
}

#[test]
fn segments_may_come_in_any_order_doubled_or_beyond_the_end() {
    let (mut page, _) = Page::reading();
    page.tell(pushed("T1", vec![segment(2, "c"), segment(0, "a")]));
    let version = page.document().version;
    page.tell(pushed("T1", vec![segment(2, "c"), segment(0, "a")]));
    assert_eq!(page.document().version, version, "doubles are no news");
    page.tell(segments(
        "T1",
        vec![segment(3, "d"), segment(1, "b"), segment(u64::MAX, "x")],
    ));
    let texts: Vec<&str> = (0..page.document().len())
        .filter_map(|index| page.document().cell(index)?.text.as_deref())
        .collect();
    assert_eq!(texts, ["a", "b", "c", "d"]);
    assert_eq!(page.document().have(), 4);
    assert_eq!(page.document().first_missing(), 4);
}

#[test]
fn a_total_without_measure_reserves_no_memory() {
    let (mut page, _) = Page::reading();
    page.tell(Msg::Segments {
        id: "T1".to_owned(),
        result: Ok(Segments {
            total: u64::MAX,
            segments: vec![segment(u64::MAX - 1, "x"), segment(1 << 40, "y")],
        }),
    });
    assert!(page.document().is_empty());
}

#[test]
fn a_segment_still_to_come_shows_its_source_between_its_neighbours() {
    let (mut page, _) = Page::reading();
    page.tell(pushed("T1", vec![segment(0, "a"), segment(2, "c")]));
    assert_eq!(page.document().source_range(1), Some((9, 20)));
    assert_eq!(page.document().source_range(3), None);
}

#[test]
fn done_with_segments_missing_fetches_them_page_by_page() {
    let (mut page, _) = Page::reading();
    page.tell(pushed("T1", vec![segment(0, "a")]));
    page.asked.clear();
    page.push(&Translation {
        done: 4,
        ..translation("T1", Status::Done, 3)
    });
    let from = |from| Effect::FetchSegments {
        id: "T1".to_owned(),
        from,
    };
    let proof = Effect::Reader(ReaderEffect::FetchProof {
        id: "T1".to_owned(),
    });
    assert_eq!(page.asked(), [from(1), proof]);
    page.tell(segments("T1", vec![segment(1, "b"), segment(2, "c")]));
    assert_eq!(page.asked(), [from(3)]);
    page.tell(segments("T1", vec![segment(3, "d")]));
    assert_eq!(page.asked(), [], "all are here");
}

#[test]
fn a_backend_that_never_gives_the_missing_segments_is_not_asked_for_ever() {
    let (mut page, _) = Page::reading();
    page.push(&Translation {
        done: 4,
        ..translation("T1", Status::Done, 3)
    });
    page.asked.clear();
    for _ in 0..10 {
        page.tell(segments("T1", vec![]));
        page.push(&Translation {
            done: 4,
            ..translation("T1", Status::Done, 3)
        });
    }
    assert_eq!(page.asked(), []);
}

#[test]
fn the_source_is_fetched_once_in_the_encoding_that_the_backend_found() {
    let mut page = Page::ready();
    page.push(&Translation {
        total: 0,
        charset: None,
        ..translation("T1", Status::Queued, 1)
    });
    page.tell(Msg::Open(page.state.rows[0].key));
    page.asked.clear();
    let read = Translation {
        charset: Some("shift_jis".to_owned()),
        ..translation("T1", Status::Translating, 2)
    };
    page.push(&read);
    page.push(&Translation {
        revision: 3,
        ..read
    });
    assert_eq!(
        page.asked(),
        [Effect::FetchSource {
            id: "T1".to_owned(),
            charset: "shift_jis".to_owned()
        }]
    );
}

#[test]
fn at_most_three_files_are_sent_side_by_side_in_the_order_chosen() {
    let mut page = Page::ready();
    page.choose(&["a", "b", "c", "d", "e"]);
    assert_eq!(page.names(), ["a", "b", "c", "d", "e"]);
    assert_eq!(creates(&page.asked()), PARALLEL_UPLOADS);
    assert_eq!(page.words("d"), "Waiting to be uploaded");
    let key = page.row("b").key;
    page.tell(created(key, "T2"));
    assert_eq!(creates(&page.asked()), 0);
    page.tell(Msg::Uploaded {
        key,
        result: Ok(()),
    });
    assert_eq!(creates(&page.asked()), 1);
    assert_eq!(page.words("d"), "Preparing to upload");
}

#[test]
fn an_upload_that_failed_is_sent_anew_and_what_was_announced_is_given_up() {
    let (mut page, key) = Page::uploading();
    page.tell(Msg::Uploaded {
        key,
        result: Err(Trouble::passing(Text::NotSent, Text::NotSentRefused)),
    });
    assert_eq!(
        page.words("a.txt"),
        "Failed: It could not be sent. The place it is sent to did not take it. Try again."
    );
    assert!(page.row("a.txt").can_retry());
    page.tell(Msg::Command(key, Command::Retry));
    let asked = page.asked();
    assert_eq!(creates(&asked), 1);
    assert!(asked.contains(&Effect::Command {
        key,
        id: "T1".to_owned(),
        command: Command::Delete
    }));
    page.push(&translation("T1", Status::AwaitingUpload, 1));
    page.tell(created(key, "T2"));
    assert_eq!(page.names(), ["a.txt"]);
    assert_eq!(page.row("a.txt").id(), Some("T2"));
}

#[test]
fn an_upload_is_cancelled_while_bytes_are_on_their_way() {
    let (mut page, key) = Page::uploading();
    page.tell(Msg::Command(key, Command::Cancel));
    assert_eq!(
        page.asked(),
        [
            Effect::AbortUpload(key),
            Effect::Command {
                key,
                id: "T1".to_owned(),
                command: Command::Cancel
            }
        ]
    );
    assert_eq!(page.words("a.txt"), "Cancelled before it was uploaded");
    page.tell(Msg::Progress {
        key,
        sent: 800,
        now: 0,
    });
    assert_eq!(page.words("a.txt"), "Cancelled before it was uploaded");
    assert!(page.row("a.txt").can_retry());
}

#[test]
fn cancelled_before_the_announcement_was_answered_is_cancelled_there_too() {
    let mut page = Page::ready();
    page.choose(&["a.txt"]);
    let key = page.row("a.txt").key;
    page.tell(Msg::Command(key, Command::Cancel));
    page.asked.clear();
    page.tell(created(key, "T1"));
    assert_eq!(
        page.asked(),
        [Effect::Command {
            key,
            id: "T1".to_owned(),
            command: Command::Cancel
        }]
    );
}

#[test]
fn a_push_faster_than_the_announcements_answer_makes_no_second_row() {
    let mut page = Page::ready();
    page.choose(&["a.txt"]);
    let key = page.row("a.txt").key;
    page.push(&translation("T1", Status::AwaitingUpload, 1));
    assert_eq!(page.names(), ["a.txt"]);
    page.tell(created(key, "T1"));
    assert_eq!(page.names(), ["a.txt"]);
    assert_eq!(page.row("a.txt").key, key);
}

#[test]
fn another_pages_file_shows_once_this_pages_announcements_are_answered() {
    let mut page = Page::ready();
    page.choose(&["a.txt"]);
    let key = page.row("a.txt").key;
    page.push(&Translation {
        name: "other.txt".to_owned(),
        ..translation("T2", Status::AwaitingUpload, 1)
    });
    assert_eq!(page.names(), ["a.txt"]);
    page.tell(created(key, "T1"));
    assert_eq!(page.row("other.txt").id(), Some("T2"));
}

#[test]
fn a_refused_announcement_says_why_and_makes_room_for_the_next() {
    let mut page = Page::ready();
    page.choose(&["a", "b", "c", "d"]);
    page.asked.clear();
    let key = page.row("a").key;
    page.tell(Msg::Created {
        key,
        result: Err(crate::api::refusal(
            413,
            r#"{"type":"about:blank","title":"Too large","status":413,"detail":"At most 50 MB."}"#,
        )),
    });
    assert_eq!(page.words("a"), "Failed: Too large. At most 50 MB.");
    assert_eq!(creates(&page.asked()), 1);
}

#[test]
fn nothing_starts_while_the_device_is_offline_and_all_goes_on_by_itself() {
    let mut page = Page::ready();
    page.tell(Msg::Link(Link::Offline));
    page.choose(&["a.txt"]);
    assert_eq!(creates(&page.asked()), 0);
    page.tell(Msg::Link(Link::Redialling));
    assert_eq!(creates(&page.asked()), 1);
}

#[test]
fn an_interrupted_upload_says_that_it_starts_again_by_itself() {
    let (mut page, key) = Page::uploading();
    page.tell(Msg::Interrupted { key });
    assert_eq!(
        page.words("a.txt"),
        "Upload interrupted, starts again by itself"
    );
    page.tell(Msg::Progress {
        key,
        sent: 1,
        now: 0,
    });
    assert_eq!(page.words("a.txt"), "Uploading, 1 of 900 bytes");
}

#[test]
fn files_chosen_before_the_languages_are_known_wait_for_them() {
    let mut page = Page::new();
    page.tell(Msg::Configured(Ok(Mode::Full)));
    page.choose(&["a.txt"]);
    assert_eq!(page.words("a.txt"), "Waiting to be uploaded");
    assert_eq!(creates(&page.asked()), 0);
    page.tell(Msg::Languages(Ok(languages())));
    assert_eq!(creates(&page.asked()), 1);
    assert_eq!(
        (&*page.row("a.txt").source, &*page.row("a.txt").target),
        ("en", "es")
    );
}

#[test]
fn files_are_refused_in_words_where_nothing_can_be_translated() {
    let mut page = Page::ready();
    page.state.target = "".into();
    page.choose(&["a.txt"]);
    assert!(page.names().is_empty());
    assert!(
        page.state
            .notice
            .as_deref()
            .is_some_and(|notice| notice.starts_with("Choose the languages"))
    );
    assert_eq!(page.asked(), [Effect::Release(0)]);
}

#[test]
fn failure_is_told_with_its_cause_and_cancellation_with_what_is_done() {
    let mut page = Page::ready();
    page.push(&Translation {
        error: Some(Failure {
            title: "Not a text file".to_owned(),
            detail: "Choose a text file.".to_owned(),
        }),
        ..translation("T1", Status::Failed, 2)
    });
    assert_eq!(
        page.words("a.txt"),
        "Failed: Not a text file. Choose a text file."
    );
    page.push(&Translation {
        done: 412,
        total: 1960,
        ..translation("T1", Status::Cancelled, 3)
    });
    assert_eq!(
        page.words("a.txt"),
        "Cancelled. Stopped at 412 of 1,960 paragraphs. Download what is done."
    );
}

#[test]
fn a_retried_translation_is_subscribed_to_again() {
    let (mut page, _) = Page::reading();
    page.tell(pushed("T1", vec![segment(0, "a")]));
    page.push(&Translation {
        done: 1,
        ..translation("T1", Status::Failed, 3)
    });
    page.asked.clear();
    page.push(&Translation {
        done: 1,
        ..translation("T1", Status::Queued, 4)
    });
    assert_eq!(
        page.asked(),
        [Effect::Subscribe {
            id: "T1".to_owned(),
            from: 1
        }]
    );
}

#[test]
fn without_a_connection_the_reader_is_filled_over_rest() {
    let mut page = Page::ready();
    page.push(&Translation {
        done: 2,
        ..translation("T1", Status::Translating, 2)
    });
    page.tell(Msg::Link(Link::Waiting));
    page.asked.clear();
    page.tell(Msg::Open(page.state.rows[0].key));
    assert!(page.asked().contains(&Effect::FetchSegments {
        id: "T1".to_owned(),
        from: 0
    }));
}

#[test]
fn the_reader_closes_with_the_file_that_it_shows() {
    let (mut page, _) = Page::reading();
    page.frame(r#"{"type":"removed","translationId":"T1","revision":9}"#);
    assert!(page.state.document.is_none());
}

#[test]
fn closing_the_reader_ends_the_subscription() {
    let (mut page, _) = Page::reading();
    page.asked.clear();
    page.tell(Msg::CloseReader);
    assert_eq!(
        page.asked(),
        [Effect::Unsubscribe {
            id: "T1".to_owned()
        }]
    );
}

#[test]
fn a_command_in_flight_is_not_sent_twice_and_its_refusal_is_told() {
    let mut page = Page::ready();
    page.push(&translation("T1", Status::Translating, 2));
    let key = page.state.rows[0].key;
    page.tell(Msg::Command(key, Command::Cancel));
    page.tell(Msg::Command(key, Command::Cancel));
    assert_eq!(page.asked().len(), 1);
    page.tell(Msg::Answered {
        key,
        id: "T1".to_owned(),
        command: Command::Cancel,
        result: Err(passing()),
    });
    assert_eq!(
        page.state.notice.as_deref(),
        Some("“a.txt” could not be cancelled. The server can't be reached. Try again.")
    );
    assert!(!page.row("a.txt").busy);
}

#[test]
fn new_files_go_on_top_and_older_ones_keep_their_order() {
    let mut page = Page::ready();
    let at = |id: &str, name: &str, time: &str| Translation {
        name: name.to_owned(),
        created_at: time.to_owned(),
        ..translation(id, Status::Done, 1)
    };
    page.listed(vec![
        at("T3", "third", "2026-01-03T00:00:00Z"),
        at("T1", "first", "2026-01-01T00:00:00Z"),
    ]);
    page.push(&at("T2", "second", "2026-01-02T00:00:00Z"));
    page.choose(&["mine"]);
    page.push(&at("T4", "fourth", "2026-01-04T00:00:00Z"));
    assert_eq!(page.names(), ["mine", "fourth", "third", "second", "first"]);
}

#[test]
fn the_languages_of_the_last_visit_are_chosen_again_if_they_still_can_be() {
    let choose = |last: Option<(&str, &str)>, own: &str| {
        let mut page = Page::new();
        page.state.preferences = Preferences {
            last: last.map(|(source, target)| (source.to_owned(), target.to_owned())),
            own: own.to_owned(),
        };
        page.tell(Msg::Languages(Ok(languages())));
        (page.state.source.to_string(), page.state.target.to_string())
    };
    let pair = |source: &str, target: &str| (source.to_owned(), target.to_owned());
    assert_eq!(choose(Some(("es", "en")), "fr"), pair("es", "en"));
    assert_eq!(choose(Some(("de", "en")), "fr-CA"), pair("en", "fr"));
    assert_eq!(choose(None, "de"), pair("en", "es"));
}

#[test]
fn a_source_brings_a_target_that_can_be_reached_from_it() {
    let mut page = Page::ready();
    page.tell(Msg::PickTarget("fr".to_owned()));
    assert!(!page.state.can_swap());
    page.tell(Msg::Swap);
    assert_eq!((&*page.state.source, &*page.state.target), ("en", "fr"));
    page.tell(Msg::PickSource("es".to_owned()));
    assert_eq!((&*page.state.source, &*page.state.target), ("es", "en"));
    page.tell(Msg::Swap);
    assert_eq!((&*page.state.source, &*page.state.target), ("en", "es"));
}

#[test]
fn a_backend_without_rest_has_its_news_told_and_its_frames_shown() {
    let mut page = Page::new();
    page.tell(Msg::Configured(Ok(Mode::LiveConsole)));
    page.tell(Msg::Link(Link::Open));
    page.frame(r#"{"bucketName":"b","bucketKey":"k.txt","message":"A new file"}"#);
    page.frame("anything");
    assert_eq!(page.asked(), [], "there is nothing to ask");
    assert!(page.state.console_open);
    assert_eq!(page.state.news[0].event.message, "A new file");
    assert_eq!(page.state.news.len(), 1);
    assert_eq!(page.state.frames.len(), 2);
}

#[test]
fn the_console_keeps_the_last_frames_and_the_beginning_of_long_ones() {
    let mut page = Page::ready();
    for _ in 0..(FRAMES_KEPT + 7) {
        page.frame("x");
    }
    let long = "ñ".repeat(FRAME_BYTES_KEPT);
    page.frame(&long);
    assert_eq!(page.state.frames.len(), FRAMES_KEPT);
    let last = page.state.frames.back().expect("a frame");
    assert_eq!(last.text.len(), FRAME_BYTES_KEPT);
    assert_eq!(last.bytes, long.len());
}

#[test]
fn the_console_sends_action_and_data_as_they_are_typed() {
    let mut page = Page::ready();
    page.tell(Msg::Say {
        action: "echomessage".to_owned(),
        data: "a \"b\"\n".to_owned(),
    });
    assert_eq!(
        page.asked(),
        [Effect::Send(
            r#"{"action":"echomessage","data":"a \"b\"\n"}"#.to_owned()
        )]
    );
}

#[test]
fn whoever_waits_asks_now_and_then_and_whoever_does_not_now_and_again() {
    let mut page = Page::ready();
    page.push(&translation("T1", Status::Done, 2));
    for _ in 1..IDLE_TICKS {
        page.tell(Msg::Tick);
        assert_eq!(page.asked(), []);
    }
    page.tell(Msg::Tick);
    assert_eq!(page.asked(), [changes(Some("C1"), None)]);
    page.tell(listed(vec![]));
    page.tell(Msg::Tick);
    assert_eq!(page.asked(), []);
    page.push(&translation("T2", Status::Translating, 2));
    page.tell(Msg::Tick);
    assert_eq!(page.asked(), [changes(Some("C1"), None)]);
}

#[test]
fn a_long_list_is_read_page_by_page_and_goes_on_from_its_first_cursor() {
    let mut page = Page::ready();
    page.tell(Msg::Link(Link::Open));
    page.asked.clear();
    page.tell(page_of(
        vec![translation("T1", Status::Done, 1)],
        Some("T1"),
    ));
    assert_eq!(page.asked(), [changes(None, Some("T1"))]);
    page.tell(Msg::Listed {
        since: None,
        result: Ok(Listing {
            translations: vec![translation("T0", Status::Done, 1)],
            removed: vec![],
            next: None,
            cursor: "C9".to_owned(),
        }),
    });
    assert_eq!(page.names().len(), 2);
    page.tell(Msg::Link(Link::Open));
    assert_eq!(page.asked(), [changes(Some("C1"), None)]);
}

#[test]
fn what_happens_during_a_round_is_asked_for_by_another_one() {
    let mut page = Page::ready();
    page.tell(Msg::Link(Link::Open));
    page.tell(Msg::Link(Link::Open));
    assert_eq!(page.asked(), [changes(Some("C1"), None)], "one at a time");
    page.tell(listed(vec![]));
    assert_eq!(page.asked(), [changes(Some("C1"), None)]);
    page.tell(listed(vec![]));
    assert_eq!(page.asked(), []);
}

#[test]
fn a_cursor_that_the_backend_forgot_is_no_dead_end() {
    let mut page = Page::ready();
    for id in ["T1", "T2", "T3"] {
        page.push(&translation(id, Status::Done, 5));
    }
    page.tell(Msg::Link(Link::Open));
    page.asked.clear();
    page.tell(Msg::Listed {
        since: Some("C1".to_owned()),
        result: Err(crate::api::refusal(410, "")),
    });
    assert_eq!(page.asked(), [changes(None, None)]);

    // What was removed meanwhile is not named, and nothing else tells of it. What was pushed
    // after the question may be missing in the answer.
    page.push(&translation("T4", Status::Queued, 1));
    page.tell(Msg::Listed {
        since: None,
        result: Ok(Listing {
            translations: vec![translation("T2", Status::Done, 5)],
            removed: vec![],
            next: Some("page 2".to_owned()),
            cursor: "C2".to_owned(),
        }),
    });
    assert_eq!(page.state.rows.len(), 4, "there is another page");
    page.tell(Msg::Listed {
        since: None,
        result: Ok(Listing {
            translations: vec![translation("T1", Status::Done, 5)],
            removed: vec![],
            next: None,
            cursor: "C3".to_owned(),
        }),
    });
    let mut left: Vec<&str> = page
        .state
        .rows
        .iter()
        .flat_map(|row| &row.snapshot)
        .map(|snapshot| &*snapshot.id)
        .collect();
    left.sort_unstable();
    assert_eq!(left, ["T1", "T2", "T4"]);
}

#[test]
fn a_list_that_did_not_come_is_told_and_asked_for_again() {
    let mut page = Page::ready();
    page.tell(Msg::Link(Link::Open));
    page.tell(Msg::Listed {
        since: None,
        result: Err(passing()),
    });
    assert!(page.state.list_trouble.is_some());
    page.asked.clear();
    page.tell(Msg::Tick);
    assert_eq!(page.asked(), [changes(Some("C1"), None)]);
    page.tell(listed(vec![]));
    assert!(page.state.list_trouble.is_none());
}

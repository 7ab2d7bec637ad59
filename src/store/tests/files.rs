//! Stories of files: chosen, looked at, sent, deleted, packed.

use super::*;

/// A file that somebody chose, as it was last changed at that time.
fn picked(file: u32, name: &str, modified: u64) -> Picked {
    Picked {
        file,
        name: name.to_owned(),
        size: 900,
        modified,
        in_folder: false,
    }
}

fn in_folder(file: u32, name: &str) -> Picked {
    Picked {
        in_folder: true,
        ..picked(file, name, 7)
    }
}

fn chosen(all: &[Picked]) -> Msg {
    Msg::Chosen(all.to_vec())
}

fn peeked(file: u32, beginning: Beginning) -> Msg {
    Msg::Files(FilesMsg::Peeked { file, beginning })
}

fn command(key: Key, id: &str, command: Command) -> Effect {
    Effect::Command {
        key,
        id: id.to_owned(),
        command,
    }
}

/// Text that may be `Shift_JIS` or windows-1252.
fn unsure() -> Peek {
    let reading = |encoding: &str, line: &str| Reading {
        encoding: encoding.into(),
        line: line.into(),
    };
    Peek {
        line: "吾輩は猫である。".into(),
        encodings: vec![
            reading("Shift_JIS", "吾輩は猫である。"),
            reading("windows-1252", "Œá”y‚Í”L‚Å‚ ‚éB"),
        ],
    }
}

fn bodies(effects: &[Effect]) -> Vec<&CreateTranslation> {
    let mut bodies = Vec::new();
    for effect in effects {
        if let Effect::Create { body, .. } = effect {
            bodies.push(body);
        }
    }
    bodies
}

fn peeks(effects: &[Effect]) -> Vec<u32> {
    let file = |effect: &Effect| match effect {
        Effect::Files(FilesEffect::Peek { file, .. }) => Some(*file),
        _ => None,
    };
    effects.iter().filter_map(file).collect()
}

fn notice(page: &Page) -> &str {
    page.state.notice.as_deref().unwrap_or_default()
}

impl Page {
    /// A file that is translated, `T1`.
    fn translated() -> (Self, Key) {
        let mut page = Self::ready();
        page.push(&translation("T1", Status::Done, 5));
        let key = page.row("a.txt").key;
        (page, key)
    }

    fn due(&mut self, key: Key) -> &mut Self {
        self.tell(Msg::Files(FilesMsg::Due(key)))
    }
}

// Choosing.

#[test]
fn a_file_that_is_here_already_is_said_and_skipped() {
    let mut page = Page::ready();
    let files = [picked(0, "a", 1), picked(1, "b", 1), picked(2, "c", 1)];
    page.tell(chosen(&files)).peek(&sure());
    assert_eq!(notice(&page), "");
    page.asked();
    let again = [
        picked(3, "a", 1),
        picked(4, "b", 2),
        picked(5, "c", 1),
        picked(6, "c", 1),
    ];
    page.tell(chosen(&again));
    assert_eq!(page.names(), ["b", "a", "b", "c"], "another b is new");
    assert_eq!(notice(&page), "3 files are here already and were skipped.");
    let released: Vec<Effect> = [3, 5, 6].map(Effect::Release).to_vec();
    let asked = page.asked();
    assert!(released.iter().all(|release| asked.contains(release)));
    assert!(!asked.contains(&Effect::Release(4)));
}

#[test]
fn the_same_file_into_another_language_is_no_double() {
    let mut page = Page::ready();
    page.tell(chosen(&[picked(0, "a", 1)])).peek(&sure());
    page.tell(Msg::PickTarget("fr".to_owned()));
    page.tell(chosen(&[picked(1, "a", 1)]));
    assert_eq!(page.names(), ["a", "a"]);
}

#[test]
fn a_file_that_did_not_get_through_is_tried_again_when_it_is_chosen_again() {
    let (mut page, key) = Page::uploading();
    page.tell(Msg::Uploaded {
        key,
        result: Err(passing()),
    });
    page.asked();
    page.tell(chosen(&[picked(9, "a.txt", 1_700_000_000_000)]));
    assert_eq!(page.names(), ["a.txt"]);
    let asked = page.asked();
    assert!(
        asked.contains(&Effect::Release(0)),
        "the new one is as good"
    );
    assert_eq!(peeks(&asked), [9]);
    assert!(asked.contains(&command(key, "T1", Command::Delete)));
    page.tell(peeked(9, Beginning::Text(sure())));
    assert_eq!(bodies(&page.asked()).len(), 1);
}

#[test]
fn an_empty_file_and_one_that_is_no_text_are_told_in_words_before_anything_is_sent() {
    let mut page = Page::ready();
    let empty = Picked {
        size: 0,
        ..picked(0, "empty.txt", 1)
    };
    page.tell(chosen(&[empty, picked(1, "picture.txt", 1)]));
    assert_eq!(
        page.words("empty.txt"),
        "Failed: The file is empty. There is nothing in it to translate."
    );
    assert_eq!(page.words("picture.txt"), "Being looked at");
    page.tell(peeked(1, Beginning::Binary));
    assert!(
        page.words("picture.txt")
            .starts_with("Failed: This is not a text file.")
    );
    for name in ["empty.txt", "picture.txt"] {
        assert!(!page.row(name).can_retry(), "it would be the same again");
    }
    let asked = page.asked();
    assert!(bodies(&asked).is_empty());
    assert!(asked.contains(&Effect::Release(0)) && asked.contains(&Effect::Release(1)));
}

#[test]
fn what_is_no_text_in_a_folder_is_left_out_and_counted() {
    let mut page = Page::ready();
    let empty = Picked {
        size: 0,
        ..in_folder(2, "trip/empty.txt")
    };
    page.tell(chosen(&[
        in_folder(0, "trip/notes.txt"),
        in_folder(1, "trip/beach.jpg"),
        empty,
    ]));
    page.tell(peeked(0, Beginning::Text(sure())));
    page.tell(peeked(1, Beginning::Binary));
    assert_eq!(page.names(), ["trip/notes.txt"]);
    assert_eq!(
        notice(&page),
        "2 files of the folder have no text and were left out."
    );
}

#[test]
fn a_folder_without_a_file_is_no_silence() {
    let mut page = Page::ready();
    page.tell(Msg::Files(FilesMsg::NothingBrought));
    assert!(notice(&page).starts_with("There is no file in it."));
}

#[test]
fn files_of_one_folder_keep_their_order_though_they_come_in_parts() {
    let mut page = Page::ready();
    page.choose(&["older.txt"]);
    page.tell(chosen(&[in_folder(1, "f/1"), in_folder(2, "f/2")]));
    page.tell(Msg::Files(FilesMsg::More(vec![in_folder(3, "f/3")])));
    page.tell(Msg::Files(FilesMsg::More(vec![in_folder(4, "f/4")])));
    assert_eq!(page.names(), ["f/1", "f/2", "f/3", "f/4", "older.txt"]);
}

#[test]
fn four_beginnings_are_looked_at_side_by_side_and_the_others_after_them() {
    let mut page = Page::ready();
    let files: Vec<Picked> = (0..9)
        .map(|file| picked(file, &file.to_string(), 1))
        .collect();
    page.tell(chosen(&files));
    assert_eq!(peeks(&page.asked()), [0, 1, 2, 3]);
    page.tell(peeked(2, Beginning::Text(sure())));
    assert_eq!(peeks(&page.asked()), [4]);
    page.tell(peeked(0, Beginning::Unreadable));
    assert_eq!(peeks(&page.asked()), [5]);
    assert!(page.row("0").can_retry());
}

#[test]
fn one_file_into_several_languages_is_a_row_for_each_and_read_once() {
    let mut page = Page::ready();
    for tag in ["fr", "es", "xx"] {
        page.tell(Msg::Files(FilesMsg::Target {
            tag: tag.to_owned(),
            wanted: true,
        }));
    }
    page.tell(chosen(&[picked(0, "a", 1)]));
    let targets: Vec<&str> = page.state.rows.iter().map(|row| &*row.target).collect();
    assert_eq!(
        targets,
        ["es", "fr"],
        "none twice, none that can't be reached"
    );
    assert_eq!(peeks(&page.asked()), [0]);
    page.tell(peeked(0, Beginning::Text(sure())));
    assert_eq!(bodies(&page.asked()).len(), 2);

    // Its bytes are kept until both have it.
    let keys: Vec<Key> = page.state.rows.iter().map(|row| row.key).collect();
    page.tell(created(keys[0], "T1"));
    page.tell(created(keys[1], "T2"));
    page.asked();
    page.push(&translation("T1", Status::Queued, 2));
    assert!(!page.asked().contains(&Effect::Release(0)));
    page.push(&translation("T2", Status::Queued, 2));
    assert!(page.asked().contains(&Effect::Release(0)));

    page.tell(Msg::Files(FilesMsg::Target {
        tag: "fr".to_owned(),
        wanted: false,
    }));
    assert_eq!(page.state.targets(), ["es".into()]);
}

// Encodings.

#[test]
fn an_encoding_that_somebody_knows_better_has_the_file_sent_once_more_with_it() {
    let mut page = Page::ready();
    page.tell(chosen(&[picked(0, "a.txt", 1)]));
    page.tell(peeked(0, Beginning::Text(unsure())));
    let key = page.row("a.txt").key;
    assert_eq!(page.row("a.txt").encoding().as_deref(), Some("Shift_JIS"));
    assert_eq!(
        bodies(&page.asked())[0].charset,
        None,
        "the backend decides"
    );
    page.tell(created(key, "T1"));
    page.push(&Translation {
        charset: Some("windows-1252".to_owned()),
        ..translation("T1", Status::Done, 3)
    });
    assert_eq!(
        page.row("a.txt").encoding().as_deref(),
        Some("windows-1252"),
        "what it was read as counts more than what it looks like"
    );
    assert!(
        !page.asked().contains(&Effect::Release(0)),
        "it may be needed"
    );

    page.tell(Msg::Files(FilesMsg::ChooseEncoding {
        key,
        encoding: "Shift_JIS".to_owned(),
    }));
    let asked = page.asked();
    assert!(asked.contains(&command(key, "T1", Command::Delete)));
    assert_eq!(bodies(&asked)[0].charset.as_deref(), Some("Shift_JIS"));
    page.push(&translation("T1", Status::Done, 4));
    assert_eq!(page.names(), ["a.txt"], "the first attempt is forgotten");
}

#[test]
fn an_encoding_chosen_before_the_answer_came_gives_up_what_was_announced() {
    let mut page = Page::ready();
    page.tell(chosen(&[picked(0, "a.txt", 1)]));
    page.tell(peeked(0, Beginning::Text(unsure())));
    let key = page.row("a.txt").key;
    page.tell(Msg::Link(Link::Offline));
    page.tell(Msg::Files(FilesMsg::ChooseEncoding {
        key,
        encoding: "EUC-JP".to_owned(),
    }));
    page.asked();
    page.tell(created(key, "T1"));
    assert_eq!(page.asked(), [command(key, "T1", Command::Delete)]);
    assert_eq!(page.row("a.txt").stage, Stage::Held);
}

// Sending.

#[test]
fn an_upload_says_how_long_it_still_takes_once_that_can_be_told() {
    let (mut page, key) = Page::uploading();
    let mut progress = |sent, now| {
        page.tell(Msg::Progress { key, sent, now });
        page.row("a.txt").left
    };
    assert_eq!(progress(0, 0), None);
    assert_eq!(progress(200, 2_000), Some(7));
    page.tell(Msg::Interrupted { key });
    page.tell(Msg::Progress {
        key,
        sent: 100,
        now: 9_000,
    });
    assert_eq!(page.row("a.txt").left, None, "it begins anew");
}

#[test]
fn offline_files_wait_and_say_so_and_go_on_by_themselves() {
    let mut page = Page::ready();
    page.choose(&["a", "b", "c", "d"]);
    page.tell(Msg::Link(Link::Offline));
    assert_eq!(page.row("d").stage, Stage::Held);
    page.tell(chosen(&[picked(9, "e", 1)])).peek(&sure());
    assert_eq!(page.row("e").stage, Stage::Held);
    assert_eq!(page.words("e"), "Waits until you are online");
    page.tell(Msg::Link(Link::Redialling));
    assert_eq!(page.row("e").stage, Stage::Waiting);
}

#[test]
fn all_that_failed_is_tried_again_at_once_and_nothing_else() {
    let mut page = Page::ready();
    page.push(&Translation {
        name: "failed".to_owned(),
        ..translation("T1", Status::Failed, 2)
    });
    page.push(&Translation {
        name: "partly".to_owned(),
        failed: 6,
        ..translation("T2", Status::Done, 2)
    });
    page.push(&Translation {
        name: "done".to_owned(),
        ..translation("T3", Status::Done, 2)
    });
    page.push(&Translation {
        name: "cancelled".to_owned(),
        ..translation("T4", Status::Cancelled, 2)
    });
    page.asked();
    page.tell(Msg::Files(FilesMsg::RetryFailed));
    let (failed, partly) = (page.row("failed").key, page.row("partly").key);
    assert_eq!(
        page.asked(),
        [
            command(failed, "T1", Command::Retry),
            command(partly, "T2", Command::Retry)
        ]
    );
}

// Deleting.

#[test]
fn a_deletion_can_be_undone_for_a_moment_and_then_it_is_done() {
    let (mut page, key) = Page::translated();
    page.asked();
    page.tell(Msg::Command(key, Command::Delete));
    assert_eq!(page.asked(), [Effect::Files(FilesEffect::AwaitUndo(key))]);
    page.tell(Msg::Files(FilesMsg::Undo(key)));
    page.due(key);
    assert_eq!(page.asked(), []);
    assert!(page.row("a.txt").can_open());

    page.tell(Msg::Command(key, Command::Delete)).due(key);
    assert!(page.asked().contains(&command(key, "T1", Command::Delete)));
    page.tell(Msg::Answered {
        key,
        id: "T1".to_owned(),
        command: Command::Delete,
        result: Ok(None),
    });
    assert!(page.names().is_empty());
}

#[test]
fn a_second_press_deletes_at_once_and_the_first_ones_time_does_nothing_more() {
    let (mut page, key) = Page::translated();
    page.tell(Msg::Command(key, Command::Delete));
    page.asked();
    page.tell(Msg::Command(key, Command::Delete));
    assert_eq!(page.asked(), [command(key, "T1", Command::Delete)]);
    page.due(key);
    page.tell(Msg::Files(FilesMsg::Undo(key)));
    assert_eq!(page.asked(), []);
    assert!(page.row("a.txt").leaving.is_some(), "too late");
}

#[test]
fn nobody_at_the_undo_button_is_hurried() {
    let (mut page, key) = Page::translated();
    let hold = |held| Msg::Files(FilesMsg::Hold { key, held });
    page.tell(Msg::Command(key, Command::Delete))
        .tell(hold(true));
    page.asked();
    page.due(key);
    assert_eq!(page.asked(), []);
    page.tell(hold(false));
    assert_eq!(page.asked(), [command(key, "T1", Command::Delete)]);
}

#[test]
fn a_file_that_could_not_be_deleted_is_back_and_says_why() {
    let (mut page, key) = Page::translated();
    page.tell(Msg::Command(key, Command::Delete)).due(key);
    page.tell(Msg::Answered {
        key,
        id: "T1".to_owned(),
        command: Command::Delete,
        result: Err(passing()),
    });
    assert_eq!(page.row("a.txt").leaving, None);
    assert!(notice(&page).starts_with("“a.txt” could not be deleted."));
}

#[test]
fn a_file_deleted_while_bytes_are_on_their_way_is_gone_everywhere() {
    let (mut page, key) = Page::uploading();
    page.tell(Msg::Command(key, Command::Delete));
    assert_eq!(
        page.asked(),
        [
            Effect::AbortUpload(key),
            Effect::Files(FilesEffect::AwaitUndo(key))
        ]
    );
    page.due(key);
    assert_eq!(page.asked(), [command(key, "T1", Command::Delete)]);
    page.tell(Msg::Answered {
        key,
        id: "T1".to_owned(),
        command: Command::Delete,
        result: Ok(None),
    });
    assert!(page.names().is_empty());
    page.push(&translation("T1", Status::AwaitingUpload, 1));
    assert!(page.names().is_empty());
}

#[test]
fn an_upload_whose_deletion_is_undone_begins_anew() {
    let (mut page, key) = Page::uploading();
    page.tell(Msg::Command(key, Command::Delete));
    page.asked();
    page.tell(Msg::Files(FilesMsg::Undo(key)));
    let asked = page.asked();
    assert!(asked.contains(&command(key, "T1", Command::Delete)));
    assert_eq!(bodies(&asked).len(), 1);
    page.tell(created(key, "T2"));
    assert_eq!(page.row("a.txt").id(), Some("T2"));
}

#[test]
fn deleted_before_the_announcement_was_answered_is_deleted_there_too() {
    let mut page = Page::ready();
    page.choose(&["a.txt"]);
    let key = page.row("a.txt").key;
    page.tell(Msg::Command(key, Command::Delete)).due(key);
    assert!(page.names().is_empty());
    page.asked();
    page.tell(created(key, "T1"));
    assert!(page.names().is_empty());
    assert_eq!(page.asked(), [command(key, "T1", Command::Delete)]);
}

// All of them.

#[test]
fn all_results_go_into_one_archive_under_names_of_their_own() {
    let mut page = Page::ready();
    let named = |id: &str, name: &str| Translation {
        name: name.to_owned(),
        ..translation(id, Status::Done, 2)
    };
    page.listed(vec![
        named("T1", "letters/may.txt"),
        named("T2", "letters/may.txt"),
        named("T3", "../evil.txt"),
        translation("T4", Status::Translating, 2),
    ]);
    page.asked();
    page.tell(Msg::Files(FilesMsg::DownloadAll));
    page.tell(Msg::Files(FilesMsg::DownloadAll));
    let packable = |id: &str, path: &str| Packable {
        id: id.to_owned(),
        path: path.to_owned(),
    };
    assert_eq!(
        page.asked(),
        [Effect::Files(FilesEffect::Pack(vec![
            packable("T1", "letters/may.es.txt"),
            packable("T2", "letters/may.es (2).txt"),
            packable("T3", "evil.es.txt"),
        ]))],
        "one at a time"
    );
    page.tell(Msg::Files(FilesMsg::Packed));
    assert_eq!(page.state.files.packing, Some((1, 3)));
    page.tell(Msg::Files(FilesMsg::AllPacked(Ok(2))));
    assert_eq!(page.state.files.packing, None);
    assert!(notice(&page).starts_with("2 results could not be fetched"));
}

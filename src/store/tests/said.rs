//! What somebody hears who listens to the page.

use super::*;
use crate::announcer::Announcer;

/// Somebody who listens to a page.
struct Listener {
    page: Page,
    announcer: Announcer,
}

impl Listener {
    fn to(page: Page) -> Self {
        let mut listener = Self {
            page,
            announcer: Announcer::default(),
        };
        listener.look();
        listener
    }

    fn look(&mut self) {
        self.announcer.look(&self.page.state.rows);
    }

    /// Things happen, each in a batch of its own.
    fn tell(&mut self, msg: Msg) -> &mut Self {
        self.page.tell(msg);
        self.look();
        self
    }

    fn push(&mut self, translation: &Translation) -> &mut Self {
        self.page.push(translation);
        self.look();
        self
    }

    fn choose(&mut self, names: &[&str]) -> &mut Self {
        self.page.choose(names);
        self.look();
        self
    }

    fn hears(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.announcer.next_message()).collect()
    }
}

#[test]
fn a_file_is_heard_of_when_it_starts_and_when_it_is_done_and_never_between() {
    let mut listener = Listener::to(Page::ready());
    listener.choose(&["a.txt"]);
    assert_eq!(listener.hears(), ["a.txt: started"]);

    let key = listener.page.row("a.txt").key;
    listener.tell(created(key, "T1"));
    listener.tell(Msg::Progress {
        key,
        sent: 450,
        now: 0,
    });
    listener.push(&translation("T1", Status::Queued, 2));
    for revision in 3..50 {
        listener.push(&translation("T1", Status::Translating, revision));
    }
    assert_eq!(listener.hears(), Vec::<String>::new());

    listener.push(&translation("T1", Status::Done, 50));
    let state = listener.page.words("a.txt");
    assert_eq!(listener.hears(), [format!("a.txt: {state}")]);

    listener.push(&translation("T1", Status::Done, 51));
    assert_eq!(listener.hears(), Vec::<String>::new(), "once is enough");
}

#[test]
fn a_failure_is_heard_once_with_its_cause() {
    let mut listener = Listener::to(Page::ready());
    listener.choose(&["a.txt"]).hears();
    let key = listener.page.row("a.txt").key;
    listener.tell(created(key, "T1"));
    let mut failed = translation("T1", Status::Failed, 2);
    failed.error = Some(Failure {
        title: "Not a text file".to_owned(),
        detail: "Choose plain text.".to_owned(),
    });
    listener.push(&failed);
    failed.revision = 3;
    listener.push(&failed);
    let heard = listener.hears();
    assert_eq!(heard.len(), 1, "{heard:?}");
    assert!(heard[0].contains("Not a text file"), "{heard:?}");

    listener.tell(Msg::Command(key, Command::Retry));
    listener.push(&translation("T1", Status::Translating, 4));
    assert_eq!(listener.hears(), ["a.txt: started"], "another start");
}

#[test]
fn whoever_was_not_told_of_the_start_hears_of_the_end_alone() {
    let mut listener = Listener::to(Page::ready());
    listener.choose(&["a.txt"]);
    let key = listener.page.row("a.txt").key;
    listener.tell(created(key, "T1"));
    listener.push(&translation("T1", Status::Done, 2));
    let state = listener.page.words("a.txt");
    assert_eq!(listener.hears(), [format!("a.txt: {state}")]);
}

#[test]
fn what_was_there_before_the_page_was_opened_is_not_heard_of() {
    let mut page = Page::new();
    page.tell(Msg::Configured(Ok(Mode::Full)));
    let mut listener = Listener::to(page);
    listener.tell(listed(vec![
        translation("T2", Status::Done, 4),
        translation("T1", Status::Translating, 2),
    ]));
    assert_eq!(listener.hears(), Vec::<String>::new());
    listener.push(&translation("T1", Status::Done, 3));
    assert_eq!(listener.hears().len(), 1, "what ends meanwhile is");
}

#[test]
fn a_hundred_files_are_told_of_in_one_sentence() {
    let mut listener = Listener::to(Page::ready());
    let names: Vec<String> = (0..100).map(|number| format!("{number}.txt")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    listener.choose(&names);
    assert_eq!(listener.hears(), ["100 files started."]);
}

#[test]
fn a_file_that_is_deleted_leaves_nothing_to_say() {
    let mut listener = Listener::to(Page::ready());
    listener.choose(&["a.txt"]).hears();
    let key = listener.page.row("a.txt").key;
    listener.tell(created(key, "T1"));
    listener.push(&translation("T1", Status::Done, 2));
    listener
        .page
        .frame(r#"{"type":"removed","translationId":"T1","revision":3}"#);
    listener.look();
    assert_eq!(listener.hears(), Vec::<String>::new());
}

#[test]
fn a_new_file_above_the_others_does_not_make_them_news() {
    let mut listener = Listener::to(Page::ready());
    listener.choose(&["a.txt", "b.txt"]).hears();
    listener.choose(&["c.txt"]);
    assert_eq!(listener.hears(), ["c.txt: started"]);
}

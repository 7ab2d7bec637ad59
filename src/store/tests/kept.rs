//! Links, what this device keeps, and a page that nobody looks at.

use super::*;

/// Configured and connected; the list has not come.
fn unlisted() -> Page {
    let mut page = Page::new();
    page.tell(Msg::Configured(Ok(Mode::Full)));
    page.tell(Msg::Languages(Ok(languages())));
    page.tell(Msg::Link(Link::Open));
    page.asked.clear();
    page
}

fn kept(msg: KeptMsg) -> Msg {
    Msg::Kept(msg)
}

fn address(id: Option<&str>) -> Msg {
    kept(KeptMsg::Address(id.map(ToOwned::to_owned)))
}

fn done(id: &str, revision: u64) -> Translation {
    Translation {
        done: 4,
        ..translation(id, Status::Done, revision)
    }
}

fn named(id: &str, name: &str, created_at: &str) -> Translation {
    Translation {
        name: name.to_owned(),
        created_at: created_at.to_owned(),
        ..done(id, 5)
    }
}

fn text(snapshot: Translation, bytes: u64) -> KeptText {
    KeptText { snapshot, bytes }
}

fn stored(snapshot: Translation, bytes: u64) -> Msg {
    kept(KeptMsg::Stored(text(snapshot, bytes).into()))
}

fn no_list() -> Msg {
    Msg::Listed {
        since: None,
        result: Err(passing()),
    }
}

fn forget(id: &str, wanted: bool) -> Effect {
    Effect::Kept(KeptEffect::Forget {
        ids: vec![id.to_owned()],
        wanted,
    })
}

/// It is known that nothing is kept.
fn nothing_kept(page: &mut Page) -> &mut Page {
    page.tell(kept(KeptMsg::Texts(vec![], vec![])))
}

fn next(page: &Page) -> Option<&str> {
    page.state
        .next_to_keep()
        .map(|snapshot| snapshot.id.as_str())
}

// Links.

#[test]
fn a_link_opens_its_translation_when_the_list_has_come() {
    let mut page = unlisted();
    page.tell(address(Some("T1")));
    assert!(page.state.document.is_none());
    assert_eq!(page.state.address(), Some("T1"), "the address stays");
    page.tell(listed(vec![done("T2", 5), done("T1", 5)]));
    assert_eq!(page.document().id, "T1");
    assert_eq!(page.state.address(), Some("T1"));
    assert_eq!(page.state.notice, None);
}

#[test]
fn a_link_that_leads_nowhere_says_so_once_the_whole_list_is_known() {
    let mut page = unlisted();
    page.tell(address(Some("T9")));
    page.tell(page_of(vec![done("T1", 5)], Some("page 2")));
    assert_eq!(page.state.notice, None, "there is more to come");
    page.tell(listed(vec![])).tell(listed(vec![]));
    assert!(page.state.notice.as_deref().unwrap().contains("not here"));
    assert_eq!(page.state.address(), None);
}

#[test]
fn a_link_waits_for_as_long_as_the_list_can_not_be_had() {
    let mut page = unlisted();
    page.tell(address(Some("T1"))).tell(no_list());
    assert_eq!(page.state.notice, None);
    assert_eq!(page.state.address(), Some("T1"));
    page.listed(vec![done("T1", 5)]);
    assert_eq!(page.document().id, "T1");
}

#[test]
fn a_link_to_a_translation_made_a_moment_ago_has_the_list_asked_for_again() {
    let mut page = Page::ready();
    page.tell(address(Some("T1")));
    assert_eq!(page.asked(), [changes(Some("C1"), None)]);
    assert_eq!(page.state.notice, None);
    page.tell(listed(vec![done("T1", 5)]));
    assert_eq!(page.document().id, "T1");
}

#[test]
fn a_link_to_a_file_that_is_still_on_its_way_opens_as_soon_as_there_is_text_to_come() {
    let mut page = Page::ready();
    page.push(&translation("T1", Status::AwaitingUpload, 1));
    page.tell(address(Some("T1")));
    assert!(page.state.document.is_none());
    page.push(&translation("T1", Status::Queued, 2));
    assert_eq!(page.document().id, "T1");
}

#[test]
fn a_link_to_a_translation_without_text_says_so() {
    let mut page = Page::ready();
    page.push(&translation("T1", Status::Failed, 2));
    page.tell(address(Some("T1")));
    assert!(page.state.document.is_none());
    assert!(page.state.notice.as_deref().unwrap().contains("a.txt"));
    assert_eq!(page.state.address(), None);
}

#[test]
fn what_somebody_opens_counts_more_than_the_link_that_they_came_by() {
    let mut page = unlisted();
    page.push(&done("T2", 5));
    page.tell(address(Some("T1")));
    let key = page.state.rows[0].key;
    page.tell(Msg::Open(key));
    page.tell(listed(vec![done("T2", 5), done("T1", 5)]));
    assert_eq!(page.document().id, "T2");
}

#[test]
fn back_and_forward_close_and_open() {
    let (mut page, _) = Page::reading();
    page.push(&done("T2", 5));
    page.tell(address(None));
    assert!(page.state.document.is_none());
    assert_eq!(page.state.address(), None);
    page.tell(address(Some("T2")));
    assert_eq!(page.document().id, "T2");
    page.tell(address(Some("T1")));
    assert_eq!(page.document().id, "T1");
    page.tell(Msg::CloseReader);
    assert_eq!(page.state.address(), None);
}

#[test]
fn the_title_names_what_is_read() {
    let (mut page, _) = Page::reading();
    assert_eq!(page.state.title(), "a.txt – Babelwire");
    page.tell(Msg::CloseReader);
    assert_eq!(page.state.title(), "Babelwire");
}

// Texts.

#[test]
fn a_finished_text_is_kept_once_it_is_known_what_is_kept() {
    let mut page = Page::ready();
    page.push(&done("T1", 5));
    assert_eq!(next(&page), None);
    nothing_kept(&mut page);
    assert_eq!(next(&page), Some("T1"));
    page.tell(stored(done("T1", 5), 2_000));
    assert_eq!(next(&page), None);
    assert_eq!(page.row("a.txt").kept, Some(5));
    assert_eq!(page.state.kept_in_all(), (1, 2_000));
}

#[test]
fn what_was_translated_again_is_kept_again() {
    let mut page = Page::ready();
    nothing_kept(&mut page).push(&done("T1", 5));
    page.tell(stored(done("T1", 5), 2_000));
    page.push(&translation("T1", Status::Translating, 6));
    assert_eq!(next(&page), None, "not before it is finished");
    page.push(&done("T1", 7));
    assert_eq!(next(&page), Some("T1"));
    page.tell(stored(done("T1", 7), 3_000));
    assert_eq!(page.state.kept_in_all(), (1, 3_000));
}

#[test]
fn keeping_waits_for_files_to_be_sent_and_for_a_connection() {
    let mut page = Page::ready();
    nothing_kept(&mut page).push(&done("T1", 5));
    page.tell(Msg::Link(Link::Waiting));
    assert_eq!(next(&page), None);
    page.tell(Msg::Link(Link::Open));
    assert_eq!(next(&page), Some("T1"));
    let (mut page, _) = Page::uploading();
    nothing_kept(&mut page).push(&done("T2", 5));
    assert!(page.state.is_sending());
    assert_eq!(next(&page), None);
}

#[test]
fn large_texts_unfinished_ones_and_those_about_to_be_deleted_are_not_kept() {
    let mut page = Page::ready();
    nothing_kept(&mut page);
    page.push(&Translation {
        size: LARGEST_KEPT + 1,
        ..done("T1", 5)
    });
    page.push(&translation("T2", Status::Translating, 2));
    assert_eq!(next(&page), None);
    page.push(&done("T3", 5));
    assert_eq!(next(&page), Some("T3"));
    let key = page.state.rows.iter().find(|row| row.id() == Some("T3"));
    page.tell(Msg::Command(key.unwrap().key, Command::Delete));
    assert_eq!(next(&page), None);
}

#[test]
fn a_text_that_could_not_be_kept_is_not_tried_over_and_over() {
    let mut page = Page::ready();
    nothing_kept(&mut page).push(&done("T1", 5));
    page.tell(kept(KeptMsg::NotStored("T1".to_owned())));
    assert_eq!(next(&page), None);
}

#[test]
fn what_is_kept_is_in_the_list_and_opens_when_the_backend_is_out_of_reach() {
    let mut page = Page::new();
    page.tell(Msg::Configured(Ok(Mode::Full)));
    page.tell(kept(KeptMsg::Texts(vec![text(done("T1", 5), 9)], vec![])));
    page.tell(no_list()).tell(Msg::Link(Link::Waiting));
    assert_eq!(page.row("a.txt").kept, Some(5));
    assert!(page.state.reads_kept("T1") && !page.state.reads_kept("T2"));
    let key = page.row("a.txt").key;
    page.tell(Msg::Open(key));
    assert_eq!(page.document().id, "T1");
    page.tell(Msg::Link(Link::Open));
    assert!(!page.state.reads_kept("T1"), "the backend knows better");
}

#[test]
fn what_the_whole_list_leaves_out_is_forgotten_here_as_well() {
    let mut page = unlisted();
    page.tell(kept(KeptMsg::Texts(
        vec![text(done("T1", 5), 9), text(named("T2", "b.txt", "2"), 9)],
        vec![],
    )));
    assert_eq!(page.names().len(), 2);
    page.asked();
    page.tell(listed(vec![done("T1", 5)]));
    assert_eq!(page.names(), ["a.txt"]);
    assert!(page.asked().contains(&forget("T2", false)));
    assert_eq!(page.state.kept_in_all().0, 1);
}

#[test]
fn what_the_list_has_named_before_is_known_to_be_kept_and_the_rest_is_forgotten() {
    let mut page = Page::ready();
    page.push(&done("T1", 5));
    page.tell(kept(KeptMsg::Texts(
        vec![text(done("T1", 5), 9), text(named("T2", "b.txt", "2"), 9)],
        vec![],
    )));
    assert_eq!(page.names(), ["a.txt"]);
    assert_eq!(page.row("a.txt").kept, Some(5));
    assert_eq!(page.asked(), [forget("T2", false)]);
}

#[test]
fn what_the_backend_deletes_is_forgotten_here_as_well() {
    let mut page = Page::ready();
    nothing_kept(&mut page).push(&done("T1", 5));
    page.tell(stored(done("T1", 5), 9));
    page.asked();
    page.frame(r#"{"type":"removed","translationId":"T1","revision":6}"#);
    assert!(page.asked().contains(&forget("T1", false)));
    assert_eq!(page.state.kept_in_all(), (0, 0));
    page.tell(stored(done("T1", 5), 9));
    assert_eq!(
        page.asked(),
        [forget("T1", false)],
        "it came too late to be kept"
    );
}

#[test]
fn what_somebody_has_forgotten_is_not_kept_again() {
    let mut page = Page::ready();
    nothing_kept(&mut page).push(&done("T1", 5));
    page.tell(stored(done("T1", 5), 9));
    page.asked();
    let key = page.row("a.txt").key;
    page.tell(kept(KeptMsg::Forget(key)));
    assert_eq!(page.asked(), [forget("T1", true)]);
    assert_eq!(page.row("a.txt").kept, None);
    assert_eq!(next(&page), None);
    // Nor at the next visit.
    let mut page = Page::ready();
    page.push(&done("T1", 5));
    page.tell(kept(KeptMsg::Texts(vec![], vec!["T1".to_owned()])));
    assert_eq!(next(&page), None);
}

#[test]
fn forgetting_everything_also_ends_the_keeping_until_somebody_wants_it_again() {
    let mut page = Page::ready();
    nothing_kept(&mut page).push(&done("T1", 5));
    page.tell(stored(done("T1", 5), 9));
    page.push(&named("T2", "b.txt", "2"));
    page.asked();
    page.tell(kept(KeptMsg::ForgetAll));
    assert_eq!(
        page.asked(),
        [
            forget("T1", true),
            Effect::Kept(KeptEffect::RememberKeeping(false))
        ]
    );
    assert_eq!(page.state.kept_in_all(), (0, 0));
    assert_eq!(next(&page), None);
    page.tell(kept(KeptMsg::Keep(true)));
    assert_eq!(next(&page), Some("T2"));
}

#[test]
fn what_another_tab_forgets_this_one_does_not_show_or_keep_again() {
    let mut page = Page::ready();
    nothing_kept(&mut page).push(&done("T1", 5));
    page.tell(stored(done("T1", 5), 9));
    page.push(&named("T2", "b.txt", "2"));
    page.asked();
    page.tell(kept(KeptMsg::ForgottenElsewhere(vec!["T1".to_owned()])));
    assert_eq!(page.row("a.txt").kept, None);
    assert_eq!(next(&page), Some("T2"));
    page.tell(kept(KeptMsg::KeepElsewhere(false)));
    assert_eq!(next(&page), None);
    assert_eq!(page.asked(), [], "the other tab has done it");
}

#[test]
fn the_oldest_texts_go_when_there_is_no_room() {
    let mut page = Page::ready();
    nothing_kept(&mut page);
    for (id, created_at) in [("T2", "2026-02"), ("T1", "2026-01"), ("T3", "2026-03")] {
        page.push(&named(id, id, created_at));
        page.tell(stored(named(id, id, created_at), KEPT_BYTES / 2));
    }
    assert!(page.asked().contains(&forget("T1", false)));
    assert_eq!(page.state.kept_in_all(), (2, KEPT_BYTES));
    assert_eq!(page.row("T1").kept, None);
    assert_eq!(next(&page), None, "it is not fetched again for nothing");
}

// Files of an earlier visit.

fn unsent(file: Option<u32>, id: Option<&str>) -> Msg {
    kept(KeptMsg::Unsent(vec![Unsent {
        record: "page/7".into(),
        file,
        name: "a.txt".to_owned(),
        size: 900,
        modified: Some(1_700_000_000_000),
        in_folder: false,
        source: "en".to_owned(),
        target: "fr".to_owned(),
        charset: Some("shift_jis".to_owned()),
        id: id.map(ToOwned::to_owned),
    }]))
}

#[test]
fn a_file_that_a_reload_cut_off_is_sent_by_itself_as_it_was_to_be_sent() {
    let mut page = Page::ready();
    page.tell(unsent(Some(3), None));
    let row = page.row("a.txt");
    assert_eq!((row.file, &*row.target), (Some(3), "fr"));
    assert_eq!(row.restored.as_deref(), Some("page/7"));
    assert_eq!(row.charset.as_deref(), Some("shift_jis"));
    assert_eq!(row.stage, Stage::Checking);
    assert!(row.is_restored());
    assert_eq!(
        page.state.unsent().count(),
        1,
        "it is kept until it is sent"
    );
}

#[test]
fn what_was_announced_for_it_is_given_up_and_there_is_one_row() {
    let mut page = unlisted();
    page.tell(unsent(Some(3), Some("T1")));
    assert!(
        page.state.rows.is_empty(),
        "first it has to be known how far it came"
    );
    assert_eq!(page.state.unsettled().count(), 1);
    page.tell(listed(vec![translation("T1", Status::AwaitingUpload, 1)]));
    assert_eq!(page.names(), ["a.txt"]);
    assert_eq!(page.row("a.txt").stage, Stage::Checking);
    assert!(page.asked().iter().any(|effect| matches!(
        effect,
        Effect::Command { id, command: Command::Delete, .. } if id == "T1"
    )));
    assert_eq!(page.state.unsettled().count(), 0);
}

#[test]
fn a_file_whose_bytes_had_all_arrived_is_not_sent_again() {
    let mut page = unlisted();
    page.tell(unsent(Some(3), Some("T1")));
    page.tell(listed(vec![translation("T1", Status::Translating, 2)]));
    assert_eq!(page.row("a.txt").file, None);
    assert!(page.asked().contains(&Effect::Release(3)));
    assert_eq!(
        page.state.unsent().count(),
        0,
        "the device need not keep it"
    );
}

#[test]
fn a_file_that_was_deleted_elsewhere_meanwhile_stays_deleted() {
    let mut page = unlisted();
    page.tell(unsent(Some(3), Some("T1")));
    page.tell(listed(vec![]));
    assert!(page.state.rows.is_empty());
    assert!(page.asked().contains(&Effect::Release(3)));
    assert_eq!(page.state.unsettled().count(), 0);
}

#[test]
fn a_file_too_large_to_be_kept_says_what_happened_and_what_to_do() {
    let mut page = Page::ready();
    page.push(&translation("T1", Status::AwaitingUpload, 1));
    page.tell(unsent(None, Some("T1")));
    let words = page.words("a.txt");
    assert!(words.contains("reloaded before it was sent"), "{words}");
    assert!(words.contains("Choose it again."), "{words}");
    assert!(page.row("a.txt").is_lost());
    assert!(!page.row("a.txt").can_retry(), "there is nothing to send");
    assert_eq!(
        page.state.unsent().count(),
        1,
        "the next reload says the same"
    );
}

// A page that nobody looks at.

#[test]
fn the_title_of_a_hidden_page_counts_what_is_done_until_somebody_looks() {
    let mut page = Page::ready();
    page.push(&translation("T1", Status::Translating, 2));
    page.push(&translation("T2", Status::Translating, 2));
    page.push(&done("T1", 3));
    assert_eq!(page.state.title(), "Babelwire", "somebody sees it");
    page.tell(kept(KeptMsg::Hidden(true)));
    page.push(&done("T2", 3)).push(&done("T2", 4));
    assert_eq!(page.state.title(), "(1 done) Babelwire");
    page.tell(kept(KeptMsg::Hidden(false)));
    assert_eq!(page.state.title(), "Babelwire");
}

#[test]
fn whoever_does_not_look_is_told_what_is_done_and_what_failed_and_nothing_else() {
    let mut page = Page::ready();
    page.push(&translation("T1", Status::Translating, 2));
    page.push(&named("T2", "b.txt", "2"));
    page.push(&done("T1", 3));
    page.push(&translation("T1", Status::Translating, 4));
    let told = |effects: &[Effect]| -> Vec<String> {
        let told = effects.iter().filter_map(|effect| match effect {
            Effect::Kept(KeptEffect::Notify { text, .. }) => Some(text.clone()),
            _ => None,
        });
        told.collect()
    };
    assert_eq!(told(&page.asked()), Vec::<String>::new());
    page.tell(kept(KeptMsg::Hidden(true)));
    page.push(&translation("T1", Status::Failed, 5));
    page.push(&translation("T1", Status::Queued, 6));
    page.push(&done("T1", 7));
    // An old one that a list brings is no news.
    page.push(&named("T3", "c.txt", "3"));
    assert_eq!(
        told(&page.asked()),
        ["“a.txt” could not be translated", "“a.txt” is translated"]
    );
}

#[test]
fn notifications_are_offered_only_while_there_is_something_to_wait_for_and_nobody_was_asked() {
    let mut page = Page::ready();
    page.push(&translation("T1", Status::Translating, 2));
    assert!(!page.state.may_offer_notifications());
    page.tell(kept(KeptMsg::Permission(Permission::Open)));
    assert!(page.state.may_offer_notifications());
    page.tell(kept(KeptMsg::Notify));
    assert_eq!(page.asked(), [Effect::Kept(KeptEffect::AskPermission)]);
    page.tell(kept(KeptMsg::Permission(Permission::Granted)));
    assert!(!page.state.may_offer_notifications());
}

// Settings.

#[test]
fn the_view_and_the_languages_of_the_last_visit_are_there_again() {
    let mut page = Page::ready();
    page.tell(kept(KeptMsg::Remembered(Remembered {
        view: Some(View::Translation),
        more_targets: vec!["fr".into()],
        off: true,
        permission: Permission::Granted,
    })));
    assert_eq!(page.state.view, View::Translation);
    assert!(!page.state.kept.on);
    let targets: Vec<_> = page.state.targets();
    assert_eq!(targets, ["es".into(), "fr".into()]);
}

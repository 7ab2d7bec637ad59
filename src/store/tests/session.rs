//! Somebody has to sign in.

use super::*;

fn trouble() -> Trouble {
    Trouble::passing(Text::SignInRefused, Text::SignInRefusedAdvice)
}

#[test]
fn nothing_is_asked_for_before_somebody_has_signed_in() {
    let mut page = Page::new();
    for session in [Session::Out(None), Session::Out(Some(trouble()))] {
        page.tell(Msg::Session(session));
        for _ in 0..=IDLE_TICKS {
            page.tell(Msg::Tick);
        }
        assert_eq!(page.asked(), []);
        assert_eq!(page.state.link, Link::Closed);
        assert!(page.state.session.is_out());
    }
    page.tell(Msg::Session(Session::In));
    page.tell(Msg::Configured(Ok(Mode::Full)));
    assert!(!page.state.session.is_out());
    assert!(page.asked().contains(&Effect::FetchLanguages));
}

#[test]
fn a_sign_in_that_ends_takes_nothing_with_it_and_asks_for_nothing() {
    let mut page = Page::ready();
    page.tell(Msg::Session(Session::In));
    page.choose(&["a.txt"]);
    let asked = page.asked();
    assert!(asked.iter().any(|one| matches!(one, Effect::Create { .. })));
    page.tell(Msg::Session(Session::Ended));
    // What comes of it: the connection is closed.
    page.tell(Msg::Link(Link::Closed));
    for _ in 0..=IDLE_TICKS {
        page.tell(Msg::Tick);
    }
    assert_eq!(page.asked(), []);
    assert_eq!(page.names(), ["a.txt"]);
    assert_eq!(page.state.unsent().count(), 1);
    page.choose(&["b.txt"]);
    assert_eq!(page.names(), ["b.txt", "a.txt"]);
    assert_eq!(page.state.unsent().count(), 2);
}

#[test]
fn whoever_has_to_know_something_is_told_until_they_have_read_it() {
    let mut page = Page::ready();
    page.tell(Msg::Notice("“a.txt” could not be downloaded.".into()));
    assert!(page.state.notice.as_deref().unwrap().contains("a.txt"));
    page.tell(Msg::DismissNotice);
    assert_eq!(page.state.notice, None);
}

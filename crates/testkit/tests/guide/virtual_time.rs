use std::time::Duration;

use babelwire_client_core::{Config, Continuity, Event};
use babelwire_testkit::{
    World,
    rules::{Action, Match, Rule},
};

/// The app under test: what an inbox makes of the connection's events.
#[derive(Default)]
struct Inbox {
    messages: Vec<String>,
    is_live: bool,
    must_refresh: bool,
}

impl Inbox {
    fn on(&mut self, event: &Event) {
        match event {
            Event::Frame { payload, .. } => {
                self.messages.extend(payload.text().map(str::to_owned));
            }
            Event::Changed { to, .. } => self.is_live = to.is_open(),
            Event::Opened { continuity, .. } => {
                self.must_refresh = *continuity == Continuity::MayBeLost;
            }
            _ => {}
        }
    }
}

#[test]
fn an_inbox_that_lost_its_connection_knows_that_messages_may_be_missing() {
    let mut world = World::new();
    let page = world.add_client(Config::default());
    let mut inbox = Inbox::default();

    world.connect(page);
    world.run_until_state(page, "open", Duration::from_secs(1));
    world.broadcast("hello");
    world.run(Duration::from_secs(1));
    world
        .take_events(page)
        .iter()
        .for_each(|event| inbox.on(event));
    assert_eq!(inbox.messages, ["hello"]);
    assert!(inbox.is_live && !inbox.must_refresh);

    // The gateway is away for an hour.
    let away = world
        .add_rule(Rule::new(Match::dial(), Action::Refuse(503)))
        .unwrap();
    world.cut_all();
    world.run(Duration::from_secs(3600));
    world
        .take_events(page)
        .iter()
        .for_each(|event| inbox.on(event));
    assert!(!inbox.is_live);

    world.remove_rule(away);
    world.run_until_state(page, "open", Duration::from_secs(120));
    world
        .take_events(page)
        .iter()
        .for_each(|event| inbox.on(event));
    assert!(inbox.is_live && inbox.must_refresh);
}

//! How what happens changes what is known.

mod files;
mod front;
mod kept;
mod list;
mod reader;

use std::rc::Rc;

use babelwire_wire::{Frame, Object};

use super::{Direction, Document, Effect, Key, Link, Mode, Msg, Row, State};
use crate::words::{self, Text};

/// Applies one thing that happened; gives what has to be done about it, in order.
pub fn reduce(state: &mut State, msg: Msg) -> Vec<Effect> {
    let mut step = Step::new(state);
    step.apply(msg);
    step.effects
}

/// Does the same as long as there is no file and nothing but the page's front, and needs no more of
/// the page's code than that.
///
/// # Errors
///
/// Gives back a message that takes all of the page to understand: it is for [`reduce`].
#[expect(
    clippy::result_large_err,
    reason = "a message that is handed back was moved here as it was"
)]
pub fn reduce_front(state: &mut State, msg: Msg) -> Result<Vec<Effect>, Msg> {
    let mut step = Step::new(state);
    match step.apply_front(msg) {
        None => Ok(step.effects),
        Some(msg) => Err(msg),
    }
}

/// One step: the state, and what is to be done so far.
struct Step<'a> {
    state: &'a mut State,
    effects: Vec<Effect>,
}

impl<'a> Step<'a> {
    fn new(state: &'a mut State) -> Self {
        Self {
            state,
            effects: Vec::new(),
        }
    }

    /// What the front alone does about it; gives back what it can't.
    fn apply_front(&mut self, msg: Msg) -> Option<Msg> {
        match msg {
            Msg::Configured(Ok(Mode::LiveConsole)) => return Some(msg),
            Msg::Frame(inbound) => match inbound.frame {
                Frame::Pong { .. } | Frame::GatewayError(_) | Frame::Raw => {
                    self.log(Direction::In, &inbound.raw);
                }
                // Without a list, an object is no news.
                Frame::Object(_) if self.state.mode == Mode::Full => {
                    self.log(Direction::In, &inbound.raw);
                }
                _ => return Some(Msg::Frame(inbound)),
            },
            Msg::Listed {
                result: Ok(listing),
                since,
            } => {
                if !listing.translations.is_empty() {
                    let result = Ok(listing);
                    return Some(Msg::Listed { since, result });
                }
                if let Some(round) = self.state.round.take() {
                    self.end_page(round, since, listing.next, listing.cursor);
                }
            }
            Msg::Listed {
                result: Err(trouble),
                since,
            } => self.not_listed(since.is_some(), &trouble),
            Msg::Session(session) => self.session(session),
            Msg::Configured(result) => self.configured(result),
            Msg::Link(link) => {
                self.link(link);
            }
            Msg::Sent(text) => self.log(Direction::Out, &text),
            Msg::Note(text) => self.log(Direction::Note, &text),
            Msg::Queued(text) => self.log(Direction::Queued, &text),
            Msg::Refused { text, why } => self.log(Direction::Refused(why), &text),
            Msg::Languages(result) => self.languages(result),
            Msg::PickSource(tag) => self.pick_source(&tag),
            Msg::PickTarget(tag) => self.pick(self.state.source.clone(), tag.into()),
            Msg::Swap => {
                if self.state.can_swap() {
                    self.pick(self.state.target.clone(), self.state.source.clone());
                }
            }
            Msg::TryNow => self.effects.push(Effect::ConnectNow),
            Msg::Spoken(spoken) => self.state.unspoken = !spoken,
            Msg::Notice(notice) => self.state.notice = Some(notice),
            Msg::DismissNotice => self.state.notice = None,
            Msg::Tick => self.tick(),
            Msg::NotLoaded => {
                self.state.notice = Some(words::say(Text::PartMissing).into());
            }
            msg => return Some(msg),
        }
        None
    }

    fn apply(&mut self, msg: Msg) {
        self.follow(&msg);
        self.take_in(msg);
        self.arrive();
    }

    fn take_in(&mut self, msg: Msg) {
        match msg {
            Msg::Configured(Ok(Mode::LiveConsole)) => {
                self.state.mode = Mode::LiveConsole;
                self.state.console_open = true;
            }
            Msg::Link(link) => {
                let before = self.link(link);
                if link == Link::Open {
                    self.subscribe();
                }
                if link == Link::Offline {
                    self.hold_uploads();
                } else if before == Link::Offline {
                    self.resume_uploads();
                }
            }
            Msg::Languages(result) => {
                self.languages(result);
                self.languages_came();
            }
            Msg::Frame(inbound) => self.frame(inbound),
            Msg::Listed { since, result } => self.listed(since, result),
            Msg::Chosen(picked) => self.chosen(&picked),
            Msg::Created { key, result } => self.created(key, result),
            Msg::Progress { key, sent, now } => self.progress(key, sent, now),
            Msg::Interrupted { key } => self.interrupted(key),
            Msg::Uploaded { key, result } => self.uploaded(key, result),
            Msg::Command(key, command) => self.command(key, command),
            Msg::Answered {
                key,
                id,
                command,
                result,
            } => self.answered(key, &id, command, result),
            Msg::Open(key) => self.open(key),
            Msg::CloseReader => self.close_reader(),
            Msg::View(view) => self.view(view),
            Msg::Source { id, result } => self.source(&id, result),
            Msg::Segments { id, result } => self.segments(&id, result),
            Msg::ToggleConsole => self.state.console_open = !self.state.console_open,
            Msg::Say { action, data } => {
                let frame = Object::new().text("action", &action).text("data", &data);
                self.effects.push(Effect::Send(frame.end()));
            }
            Msg::Files(msg) => self.files(msg),
            Msg::Reader(msg) => self.reader(msg),
            Msg::Kept(msg) => self.kept(msg),
            Msg::Tick => {
                self.tick();
                self.doubt_pushes();
            }
            // The front's own, all of them.
            msg => {
                self.apply_front(msg);
            }
        }
    }

    // Finding things.

    fn new_key(&mut self) -> Key {
        self.state.next_key = self.state.next_key.wrapping_add(1);
        self.state.next_key
    }

    fn key_of(&self, id: &str) -> Option<Key> {
        let place = self.state.ids.by_id(&self.state.rows, id)?;
        self.state.rows.get(place).map(|row| row.key)
    }

    fn row_mut(&mut self, key: Key) -> Option<&mut Row> {
        let place = self.state.keys.by_key(&self.state.rows, key)?;
        self.state.rows.get_mut(place).map(Rc::make_mut)
    }

    fn document(&mut self, id: &str) -> Option<&mut Document> {
        self.state
            .document
            .as_mut()
            .filter(|document| document.id == id)
    }
}

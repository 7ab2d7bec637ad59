//! The page itself, its connection and its languages.

use std::rc::Rc;

use babelwire_wire::rest::Languages;

use super::super::languages::{best_target, is_possible, sources};
use super::super::{
    Direction, Effect, FRAME_BYTES_KEPT, FRAMES_KEPT, IDLE_TICKS, Line, Link, Mode, Round, Session,
    Trouble,
};
use super::Step;
use crate::words;

impl Step<'_> {
    pub(super) fn configured(&mut self, result: Result<Mode, Trouble>) {
        self.state.mode = result.unwrap_or_else(Mode::Broken);
        match self.state.mode {
            Mode::Full => {
                self.effects.push(Effect::FetchLanguages);
                // Not waiting for the socket: the list can be read without it.
                self.catch_up();
            }
            Mode::LiveConsole | Mode::Starting | Mode::Broken(_) => {}
        }
    }

    pub(super) fn session(&mut self, session: Session) {
        if session.is_out() {
            self.state.link = Link::Closed;
        }
        self.state.session = session;
    }

    /// Gives the connection as it was before.
    pub(super) fn link(&mut self, link: Link) -> Link {
        let before = std::mem::replace(&mut self.state.link, link);
        if link == Link::Open && self.state.mode == Mode::Full {
            if self.state.languages.is_none() {
                self.effects.push(Effect::FetchLanguages);
            }
            self.catch_up();
        }
        before
    }

    /// Nothing tells a page that a push was lost (API Gateway drops them for a client that reads
    /// too slowly), so whoever waits asks now and then, and whoever does not, now and again: a file
    /// may have come or gone.
    pub(super) fn tick(&mut self) {
        if self.state.mode != Mode::Full
            || self.state.link == Link::Offline
            || self.state.session.is_out()
        {
            return;
        }
        if self.state.languages.is_none() {
            self.effects.push(Effect::FetchLanguages);
        }
        self.state.ticks = self.state.ticks.wrapping_add(1);
        if self.state.list_trouble.is_some()
            || self.state.rows.iter().any(|row| row.is_under_way())
            || self.state.ticks.is_multiple_of(IDLE_TICKS)
        {
            self.catch_up();
        }
    }

    pub(super) fn log(&mut self, direction: Direction, text: &str) {
        let number = self.count();
        if self.state.frames.len() >= FRAMES_KEPT {
            self.state.frames.pop_front();
        }
        self.state.frames.push_back(Rc::new(Line {
            number,
            direction,
            text: words::beginning(text, FRAME_BYTES_KEPT).into(),
            bytes: text.len(),
        }));
    }

    pub(super) fn count(&mut self) -> u32 {
        self.state.counter = self.state.counter.wrapping_add(1);
        self.state.counter
    }

    /// Asks the backend for all that changed since it was last asked; one round at a time.
    pub(super) fn catch_up(&mut self) {
        if let Some(round) = &mut self.state.round {
            round.again = true;
            return;
        }
        let mut round = Round::default();
        if self.state.cursor.is_none() {
            let snapshots = self.state.rows.iter().flat_map(|row| &row.snapshot);
            round.unnamed = snapshots.map(|snapshot| snapshot.id.clone()).collect();
        }
        self.state.round = Some(round);
        self.effects.push(Effect::FetchChanges {
            since: self.state.cursor.clone(),
            after: None,
        });
    }

    /// There is no answer to a round.
    pub(super) fn not_listed(&mut self, with_cursor: bool, trouble: &Trouble) {
        if self.state.round.take().is_none() {
            return;
        }
        if trouble.refused && with_cursor {
            // A cursor that the backend does not know any more: from the beginning.
            self.state.cursor = None;
            self.catch_up();
        } else {
            self.state.list_trouble = Some(words::sentence(trouble).into());
        }
    }

    /// A page of a round was taken in. After the last one, gives the translations that a list of
    /// everything has left out: it has no other word for what was removed.
    pub(super) fn end_page(
        &mut self,
        mut round: Round,
        since: Option<String>,
        next: Option<String>,
        cursor: String,
    ) -> Vec<String> {
        self.state.list_trouble = None;
        round.cursor.get_or_insert(cursor);
        if next.is_some() {
            self.state.round = Some(round);
            self.effects
                .push(Effect::FetchChanges { since, after: next });
            return Vec::new();
        }
        self.state.cursor = round.cursor;
        if round.again {
            self.catch_up();
        }
        round.unnamed
    }

    pub(super) fn languages(&mut self, result: Result<Languages, Trouble>) {
        let languages = match result {
            Ok(languages) => languages,
            Err(trouble) => {
                self.state.languages_trouble = Some(words::sentence(&trouble).into());
                return;
            }
        };
        self.state.languages_trouble = None;
        if !is_possible(&languages, &self.state.source, &self.state.target) {
            let preferences = &self.state.preferences;
            let last = preferences
                .last
                .as_ref()
                .filter(|(source, target)| is_possible(&languages, source, target));
            if let Some((source, target)) = last {
                self.state.source = source.as_str().into();
                self.state.target = target.as_str().into();
            } else {
                let sources = sources(&languages);
                let source = *sources
                    .iter()
                    .find(|source| **source == "en")
                    .or_else(|| sources.first())
                    .unwrap_or(&"");
                let target = best_target(&languages, source, "", &preferences.own);
                self.state.source = source.into();
                self.state.target = target.unwrap_or_default().into();
            }
        }
        self.state.languages = Some(Rc::new(languages));
    }

    pub(super) fn pick_source(&mut self, source: &str) {
        let Some(languages) = &self.state.languages else {
            return;
        };
        let target = best_target(
            languages,
            source,
            &self.state.target,
            &self.state.preferences.own,
        );
        self.pick(source.into(), target.unwrap_or_default().into());
    }

    pub(super) fn pick(&mut self, source: Rc<str>, target: Rc<str>) {
        self.state.source = source.clone();
        self.state.target = target.clone();
        self.effects
            .push(Effect::RememberLanguages { source, target });
    }
}

//! How what happens changes what is known.

use std::rc::Rc;

use babelwire_wire::rest::{CreateTranslation, Created, Languages, Listing, Segments};
use babelwire_wire::{Frame, Inbound, Object, Status, Translation};

use super::languages::{best_target, is_possible, sources};
use super::{
    Command, Direction, Document, Effect, FRAME_BYTES_KEPT, FRAMES_KEPT, IDLE_TICKS, Key, Line,
    Link, Load, Mode, Msg, NEWS_KEPT, News, PARALLEL_UPLOADS, Picked, Round, Row, Stage, State,
    Trouble,
};
use crate::words;

/// Applies one thing that happened; gives what has to be done about it, in order.
pub fn reduce(state: &mut State, msg: Msg) -> Vec<Effect> {
    let mut step = Step {
        state,
        effects: Vec::new(),
    };
    step.apply(msg);
    step.effects
}

/// One step: the state, and what is to be done so far.
struct Step<'a> {
    state: &'a mut State,
    effects: Vec<Effect>,
}

impl Step<'_> {
    fn apply(&mut self, msg: Msg) {
        match msg {
            Msg::Configured(result) => self.configured(result),
            Msg::Link(link) => self.link(link),
            Msg::Frame(inbound) => self.frame(inbound),
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
            Msg::Listed { since, result } => self.listed(since, result),
            Msg::Chosen(picked) => self.chosen(picked),
            Msg::Created { key, result } => self.created(key, result),
            Msg::Progress { key, sent } => {
                if let Some(row) = self.row_mut(key).filter(|row| row.is_uploading()) {
                    row.stage = Stage::Uploading { sent };
                }
            }
            Msg::Interrupted { key } => {
                if let Some(row) = self.row_mut(key).filter(|row| row.is_uploading()) {
                    row.stage = Stage::Interrupted;
                }
            }
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
            Msg::View(view) => self.state.view = view,
            Msg::Source { id, result } => self.source(&id, result),
            Msg::Segments { id, result } => self.segments(&id, result),
            Msg::ToggleConsole => self.state.console_open = !self.state.console_open,
            Msg::Say { action, data } => {
                let frame = Object::new().text("action", &action).text("data", &data);
                self.effects.push(Effect::Send(frame.end()));
            }
            Msg::TryNow => self.effects.push(Effect::ConnectNow),
            Msg::DismissNotice => self.state.notice = None,
            Msg::Tick => self.tick(),
        }
    }

    // The page and its connection.

    fn configured(&mut self, result: Result<Mode, Trouble>) {
        self.state.mode = result.unwrap_or_else(Mode::Broken);
        match self.state.mode {
            Mode::Full => {
                self.effects.push(Effect::FetchLanguages);
                // Not waiting for the socket: the list can be read without it.
                self.catch_up();
            }
            Mode::LiveConsole => self.state.console_open = true,
            Mode::Starting | Mode::Broken(_) => {}
        }
    }

    fn link(&mut self, link: Link) {
        let before = std::mem::replace(&mut self.state.link, link);
        if link == Link::Open && self.state.mode == Mode::Full {
            if self.state.languages.is_none() {
                self.effects.push(Effect::FetchLanguages);
            }
            self.catch_up();
            self.subscribe();
        }
        if before == Link::Offline {
            self.start_uploads();
        }
    }

    /// Nothing tells a page that a push was lost (API Gateway drops them for a client that reads
    /// too slowly), so whoever waits asks now and then, and whoever does not, now and again: a file
    /// may have come or gone.
    fn tick(&mut self) {
        if self.state.mode != Mode::Full || self.state.link == Link::Offline {
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

    fn frame(&mut self, inbound: Inbound) {
        self.log(Direction::In, &inbound.raw);
        match inbound.frame {
            Frame::Translation(snapshot) => self.snapshot(snapshot),
            Frame::Removed { translation_id, .. } => self.remove(&translation_id),
            Frame::Segments {
                translation_id,
                total,
                segments,
            } => {
                if let Some(document) = self.document(&translation_id) {
                    document.put(total, segments);
                }
            }
            Frame::Object(event) => {
                if self.state.mode == Mode::LiveConsole {
                    let number = self.count();
                    self.state.news.push_front(Rc::new(News { number, event }));
                    self.state.news.truncate(NEWS_KEPT);
                }
            }
            Frame::Pong { .. } | Frame::GatewayError(_) | Frame::Raw => {}
        }
    }

    fn log(&mut self, direction: Direction, text: &str) {
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

    fn count(&mut self) -> u32 {
        self.state.counter = self.state.counter.wrapping_add(1);
        self.state.counter
    }

    // Languages.

    fn languages(&mut self, result: Result<Languages, Trouble>) {
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
        // Files that were quicker than the languages.
        let (source, target) = (self.state.source.clone(), self.state.target.clone());
        for row in &mut self.state.rows {
            if row.target.is_empty() {
                let row = Rc::make_mut(row);
                row.source = source.clone();
                row.target = target.clone();
            }
        }
        self.start_uploads();
    }

    fn pick_source(&mut self, source: &str) {
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

    fn pick(&mut self, source: Rc<str>, target: Rc<str>) {
        self.state.source = source.clone();
        self.state.target = target.clone();
        self.effects
            .push(Effect::RememberLanguages { source, target });
    }

    // The list.

    /// Asks the backend for all that changed since it was last asked; one round at a time.
    fn catch_up(&mut self) {
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

    fn listed(&mut self, since: Option<String>, result: Result<Listing, Trouble>) {
        let Some(mut round) = self.state.round.take() else {
            return;
        };
        let listing = match result {
            Ok(listing) => listing,
            Err(trouble) => {
                if trouble.refused && since.is_some() {
                    // A cursor that the backend does not know any more: from the beginning.
                    self.state.cursor = None;
                    self.catch_up();
                } else {
                    self.state.list_trouble = Some(words::sentence(&trouble).into());
                }
                return;
            }
        };
        for snapshot in listing.translations {
            round.unnamed.retain(|id| *id != snapshot.id);
            self.snapshot(snapshot);
        }
        for id in listing.removed {
            self.remove(&id);
        }
        self.state.list_trouble = None;
        round.cursor.get_or_insert(listing.cursor);
        if listing.next.is_some() {
            self.state.round = Some(round);
            self.effects.push(Effect::FetchChanges {
                since,
                after: listing.next,
            });
            return;
        }
        // A list of everything has no word of what was removed: it leaves it out.
        for id in round.unnamed {
            self.remove(&id);
        }
        self.state.cursor = round.cursor;
        if round.again {
            self.catch_up();
        }
    }

    /// Takes a snapshot in, unless it is old news.
    fn snapshot(&mut self, snapshot: Translation) {
        if self.state.is_removed(&snapshot.id) {
            return;
        }
        let known = self.key_of(&snapshot.id);
        if let Some(key) = known {
            self.update(key, snapshot);
        } else if snapshot.status == Status::AwaitingUpload
            && self
                .state
                .rows
                .iter()
                .any(|row| row.stage == Stage::Announcing)
        {
            self.state.held.push(snapshot);
        } else {
            let key = self.new_key();
            let place = self
                .state
                .rows
                .iter()
                .position(|row| {
                    row.snapshot
                        .as_ref()
                        .is_some_and(|other| other.created_at < snapshot.created_at)
                })
                .unwrap_or(self.state.rows.len());
            self.state
                .rows
                .insert(place, Rc::new(Row::remote(key, snapshot)));
        }
    }

    fn update(&mut self, key: Key, snapshot: Translation) {
        let Some(row) = self.row_mut(key) else {
            return;
        };
        let before = row.snapshot.as_ref().map(|known| known.status);
        if row
            .snapshot
            .as_ref()
            .is_some_and(|known| known.revision >= snapshot.revision)
        {
            return;
        }
        let status = snapshot.status;
        let id = snapshot.id.clone();
        row.snapshot = Some(Rc::new(snapshot));
        let mut abort = false;
        let mut release = None;
        if status != Status::AwaitingUpload {
            abort = row.is_uploading() && status.is_final();
            row.stage = Stage::Remote;
            if !matches!(status, Status::Failed | Status::Cancelled) {
                release = row.file.take();
            }
        }
        if abort {
            self.effects.push(Effect::AbortUpload(key));
        }
        self.effects.extend(release.map(Effect::Release));
        if self.document(&id).is_some() {
            if before.is_some_and(Status::is_final) && !status.is_final() {
                self.subscribe();
            }
            self.complete_document();
        }
        self.start_uploads();
    }

    fn remove(&mut self, id: &str) {
        self.bury(id);
        if let Some(key) = self.key_of(id) {
            self.remove_row(key);
        }
    }

    fn bury(&mut self, id: &str) {
        if !self.state.is_removed(id) {
            self.state.removed.push(id.to_owned());
        }
    }

    fn remove_row(&mut self, key: Key) {
        let Some(place) = self.state.rows.iter().position(|row| row.key == key) else {
            return;
        };
        let row = self.state.rows.remove(place);
        if row.holds_slot() {
            self.effects.push(Effect::AbortUpload(key));
        }
        self.effects.extend(row.file.map(Effect::Release));
        if self
            .state
            .document
            .as_ref()
            .is_some_and(|document| document.key == key)
        {
            self.state.document = None;
        }
        self.start_uploads();
    }

    // Sending files.

    fn chosen(&mut self, picked: Vec<Picked>) {
        if self.state.languages.is_some() && self.state.target.is_empty() {
            self.state.notice = Some(
                "Choose the languages to translate from and into first, then the files again."
                    .into(),
            );
            self.effects.extend(
                picked
                    .into_iter()
                    .map(|picked| Effect::Release(picked.file)),
            );
            return;
        }
        self.state.notice = None;
        for (place, picked) in picked.into_iter().enumerate() {
            let key = self.new_key();
            let row = Row::local(key, picked, &self.state.source, &self.state.target);
            self.state.rows.insert(place, Rc::new(row));
        }
        self.start_uploads();
    }

    /// Starts as many uploads as may run side by side, the one that waited longest first.
    fn start_uploads(&mut self) {
        if self.state.link == Link::Offline {
            return;
        }
        loop {
            let running = self
                .state
                .rows
                .iter()
                .filter(|row| row.holds_slot())
                .count();
            let next = self
                .state
                .rows
                .iter()
                .filter(|row| row.stage == Stage::Waiting && !row.target.is_empty())
                .map(|row| row.key)
                .min();
            let Some(key) = next.filter(|_| running < PARALLEL_UPLOADS) else {
                return;
            };
            let Some(row) = self.row_mut(key) else {
                return;
            };
            row.stage = Stage::Announcing;
            let body = CreateTranslation {
                name: row.name.as_ref().to_owned(),
                size: row.size,
                source: row.source.as_ref().to_owned(),
                target: row.target.as_ref().to_owned(),
                charset: None,
            };
            self.effects.push(Effect::Create { key, body });
        }
    }

    fn created(&mut self, key: Key, result: Result<Created, Trouble>) {
        match result {
            Err(trouble) => self.stop(key, trouble),
            Ok(Created {
                translation,
                upload,
            }) => {
                let id = translation.id.clone();
                // The push may have been faster than the answer.
                if let Some(twin) = self.key_of(&id).filter(|twin| *twin != key) {
                    self.remove_row(twin);
                }
                self.state.held.retain(|held| held.id != id);
                match self.row_mut(key) {
                    None => self.effects.push(Effect::Command {
                        key,
                        id,
                        command: Command::Delete,
                    }),
                    Some(row) => {
                        row.snapshot = Some(Rc::new(translation));
                        let cancelled = row.stage == Stage::Cancelled;
                        let file = row.file;
                        if !cancelled {
                            row.stage = Stage::Uploading { sent: 0 };
                        }
                        match file {
                            Some(file) if !cancelled => {
                                self.effects.push(Effect::Upload { key, file, upload });
                            }
                            _ => self.effects.push(Effect::Command {
                                key,
                                id,
                                command: Command::Cancel,
                            }),
                        }
                    }
                }
            }
        }
        if !self
            .state
            .rows
            .iter()
            .any(|row| row.stage == Stage::Announcing)
        {
            for snapshot in std::mem::take(&mut self.state.held) {
                self.snapshot(snapshot);
            }
        }
        self.start_uploads();
    }

    fn uploaded(&mut self, key: Key, result: Result<(), Trouble>) {
        match result {
            Err(trouble) => self.stop(key, trouble),
            Ok(()) => {
                if let Some(row) = self.row_mut(key).filter(|row| row.is_uploading()) {
                    row.stage = Stage::Sent;
                }
            }
        }
        self.start_uploads();
    }

    /// This page could not send a file. Whatever else happened to the row meanwhile counts more.
    fn stop(&mut self, key: Key, trouble: Trouble) {
        if let Some(row) = self.row_mut(key).filter(|row| row.holds_slot()) {
            row.stage = Stage::Stopped(trouble);
        }
    }

    // A row's buttons.

    fn command(&mut self, key: Key, command: Command) {
        let Some(row) = self.row_mut(key).filter(|row| !row.busy) else {
            return;
        };
        let id = row.id().map(ToOwned::to_owned);
        // As long as the file itself is kept, the backend has not been seen to have it.
        let resend = command == Command::Retry && row.can_retry() && row.file.is_some();
        let uploading = row.holds_slot();
        match command {
            Command::Cancel if row.stage != Stage::Remote => row.stage = Stage::Cancelled,
            Command::Delete if uploading => {
                row.stage = Stage::Cancelled;
                row.busy = id.is_some();
            }
            Command::Retry if resend => {
                row.stage = Stage::Waiting;
                row.snapshot = None;
            }
            _ => row.busy = id.is_some(),
        }
        if uploading {
            self.effects.push(Effect::AbortUpload(key));
        }
        match id {
            Some(id) if resend => {
                // What was announced and never arrived is given up; it starts anew.
                self.bury(&id);
                self.effects.push(Effect::Command {
                    key,
                    id,
                    command: Command::Delete,
                });
            }
            Some(id) => self.effects.push(Effect::Command { key, id, command }),
            None if command == Command::Delete => self.remove_row(key),
            None => {}
        }
        self.start_uploads();
    }

    fn answered(
        &mut self,
        key: Key,
        id: &str,
        command: Command,
        result: Result<Option<Translation>, Trouble>,
    ) {
        if self.state.is_removed(id) {
            // Given up already: nobody waits for the answer.
            return;
        }
        let Some(row) = self.row_mut(key) else {
            return;
        };
        row.busy = false;
        let name = row.name.clone();
        match (command, result) {
            (Command::Delete, Ok(_)) => self.remove(id),
            (_, Ok(snapshot)) => {
                if let Some(snapshot) = snapshot {
                    self.snapshot(snapshot);
                }
            }
            (command, Err(trouble)) => {
                let what = match command {
                    Command::Cancel => "cancelled",
                    Command::Retry => "tried again",
                    Command::Delete => "deleted",
                };
                self.state.notice = Some(
                    [
                        "“",
                        &name,
                        "” could not be ",
                        what,
                        ". ",
                        &words::sentence(&trouble),
                    ]
                    .concat()
                    .into(),
                );
            }
        }
    }

    // The reader.

    fn open(&mut self, key: Key) {
        let Some(row) = self.state.row(key).filter(|row| row.can_open()) else {
            return;
        };
        let Some(snapshot) = &row.snapshot else {
            return;
        };
        if self
            .state
            .document
            .as_ref()
            .is_some_and(|document| document.id == snapshot.id)
        {
            return;
        }
        let next = Document::new(key, snapshot.id.clone(), snapshot.total);
        self.close_reader();
        self.state.document = Some(next);
        self.subscribe();
        self.complete_document();
    }

    fn close_reader(&mut self) {
        if let Some(document) = self.state.document.take()
            && self.state.link == Link::Open
        {
            self.effects.push(Effect::Unsubscribe { id: document.id });
        }
    }

    /// Asks for the segments that are missing, and those still to be made.
    fn subscribe(&mut self) {
        let Some(document) = &self.state.document else {
            return;
        };
        let made = self
            .state
            .row(document.key)
            .and_then(|row| row.status())
            .is_none_or(Status::is_final);
        if self.state.link == Link::Open && !made {
            self.effects.push(Effect::Subscribe {
                id: document.id.clone(),
                from: document.first_missing(),
            });
        }
    }

    /// Asks REST for whatever the open document lacks and no push will bring.
    fn complete_document(&mut self) {
        let Some(document) = &self.state.document else {
            return;
        };
        let Some(snapshot) = self
            .state
            .rows
            .iter()
            .find(|row| row.key == document.key)
            .and_then(|row| row.snapshot.as_ref())
        else {
            return;
        };
        let pushed = self.state.link == Link::Open && !snapshot.status.is_final();
        let charset = snapshot.charset.as_deref().unwrap_or("utf-8").to_owned();
        let (total, done) = (snapshot.total, snapshot.done);
        let Some(document) = &mut self.state.document else {
            return;
        };
        let id = document.id.clone();
        if document.source == Load::Idle && total > 0 {
            document.source = Load::Loading;
            self.effects.push(Effect::FetchSource {
                id: id.clone(),
                charset,
            });
        }
        if !pushed && !document.fetching && done > document.have() && done > document.walked {
            document.fetching = true;
            let from = document.first_missing();
            self.effects.push(Effect::FetchSegments { id, from });
        }
    }

    fn source(&mut self, id: &str, result: Result<(), Trouble>) {
        if let Some(document) = self.document(id) {
            document.source = match result {
                Ok(()) => Load::Ready,
                Err(trouble) => Load::Failed(words::sentence(&trouble).into()),
            };
            document.version += 1;
        }
    }

    fn segments(&mut self, id: &str, result: Result<Segments, Trouble>) {
        let Some(document) = self.document(id) else {
            return;
        };
        document.fetching = false;
        match result {
            Ok(page) => match page.segments.iter().map(|segment| segment.index).max() {
                Some(last) => {
                    document.put(page.total, page.segments);
                    document.fetching = true;
                    let from = document.first_missing().max(last.saturating_add(1));
                    if from < document.total {
                        self.effects.push(Effect::FetchSegments {
                            id: id.to_owned(),
                            from,
                        });
                    } else {
                        document.fetching = false;
                        document.walked = document.have();
                    }
                }
                None => document.walked = document.have().max(document.walked + 1),
            },
            Err(trouble) => {
                self.state.notice = Some(words::sentence(&trouble).into());
            }
        }
    }

    // Finding things.

    fn new_key(&mut self) -> Key {
        self.state.next_key = self.state.next_key.wrapping_add(1);
        self.state.next_key
    }

    fn key_of(&self, id: &str) -> Option<Key> {
        self.state
            .rows
            .iter()
            .find(|row| row.id() == Some(id))
            .map(|row| row.key)
    }

    fn row_mut(&mut self, key: Key) -> Option<&mut Row> {
        self.state
            .rows
            .iter_mut()
            .find(|row| row.key == key)
            .map(Rc::make_mut)
    }

    fn document(&mut self, id: &str) -> Option<&mut Document> {
        self.state
            .document
            .as_mut()
            .filter(|document| document.id == id)
    }
}

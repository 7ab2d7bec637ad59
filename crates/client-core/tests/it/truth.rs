//! A push is a hint, and REST is the truth: a thousand translations, watched over a network that
//! drops, doubles and reorders, through links that are cut, from a backend that does not always
//! answer.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use babelwire_client_core::{
    Closed, Config, Connection, Continuity, Event, FetchError, FetchId, Generation, Instant,
    Output, Payload, Reconcile, ReconcileConfig, ReconcileState, Revisions, Rollover, State,
};
use babelwire_wire::rest::Listing;
use babelwire_wire::{Action, Frame, Inbound, Push, Status, Translation};

use crate::world::{Dice, LATENCY};

const TRANSLATIONS: usize = 1_000;
/// Within this time all of them are announced.
const BUSY: Duration = Duration::from_secs(600);
/// How many of the pushes are dropped; as many are doubled, and as many overtaken by others.
const ONE_IN_TEN: f64 = 0.1;
/// How many of the questions are answered with an error although the link is whole.
const REFUSED: f64 = 0.2;
/// The most that one answer lists.
const PAGE: usize = 100;
/// How often the page asks although it expects nothing.
const IDLE: Duration = Duration::from_secs(300);
/// From the last change to the truth at the latest: a page that expects nothing asks, is refused
/// a few times, and turns some pages.
const AT_LATEST: Duration = Duration::from_secs(900);

/// What a page does to be right in the end; each can be left out.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "each is left out by itself")]
struct Care {
    /// Asks when a socket opens.
    on_open: bool,
    /// Asks when there has been silence, and now and then even if there was none, while something
    /// is expected.
    in_silence: bool,
    /// Asks now and then while nothing is expected.
    when_idle: bool,
    /// Passes over what is not news.
    of_revisions: bool,
    /// Reads an answer to a question for everything as one that names all that exists.
    of_everything: bool,
}

const ALL_CARE: Care = Care {
    on_open: true,
    in_silence: true,
    when_idle: true,
    of_revisions: true,
    of_everything: true,
};

/// What somebody who looks at the page sees go wrong, and what the network did to it.
#[derive(Debug, Default)]
struct Verdict {
    /// Times that a translation was shown in an earlier state than before.
    backwards: usize,
    /// Times that the same state was shown as if it were news.
    repeated: usize,
    /// Times that a translation was shown after it had been removed.
    risen: usize,
    /// Translations that are not as they are at the backend, in the end.
    wrong: usize,
    dropped: usize,
    doubled: usize,
    delayed: usize,
    cuts: usize,
    rollovers: usize,
    refused: usize,
    /// How long after the last change everything was right.
    settled: Duration,
    /// Translations that exist in the end, and that were removed.
    alive: usize,
    removed: usize,
}

/// A translation at the backend, and what will become of it.
struct Job {
    snapshot: Option<Translation>,
    is_removed: bool,
    /// The number of its last change, of all changes.
    change: u64,
    /// What happens to it, last first: how long after the one before, and what.
    future: Vec<(Duration, Step)>,
}

#[derive(Debug, Clone, Copy)]
enum Step {
    To(Status),
    Progress,
    Remove,
}

/// A question on its way.
struct Question {
    fetch: FetchId,
    since: Option<String>,
    /// The page of the answer to turn to.
    after: Option<String>,
    /// What the page knew when it asked.
    known: BTreeSet<String>,
    /// What the answer has named so far.
    named: BTreeSet<String>,
}

enum Happening {
    Step(usize),
    Cut,
    Mended,
    /// The backend starts anew: cursors and removals of before are forgotten.
    Amnesia,
    DialReachesServer(Generation),
    Opened(Generation),
    Closed(Generation),
    PingReachesServer(Generation, String),
    Frame(Generation, String),
    Question(Question),
    Answer(Question, Result<Listing, FetchError>),
}

struct World {
    now: Instant,
    dice: Dice,
    care: Care,
    agenda: BTreeMap<(Instant, u64), Happening>,
    scheduled: u64,
    verdict: Verdict,

    jobs: Vec<Job>,
    changes: u64,
    /// How often the backend has lost its memory.
    life: u64,
    last_change: Instant,
    steps_left: usize,
    /// Until when links are cut: to the very end on some days, and then a reconnection may set
    /// right what would have to be noticed without one on others.
    calm_from: Instant,

    is_whole: bool,
    is_offline: bool,
    /// Sockets over which frames travel.
    connected: BTreeSet<Generation>,

    connection: Connection,
    reconcile: Reconcile,
    revisions: Revisions,
    /// Sockets that the page has.
    held: BTreeSet<Generation>,
    is_asking_for_everything: bool,
    shown: BTreeMap<String, Translation>,
    running: BTreeSet<String>,

    /// What the onlooker remembers.
    newest: BTreeMap<String, u64>,
    gone: BTreeSet<String>,
}

impl World {
    fn new(seed: u64, care: Care) -> Self {
        let config = ReconcileConfig {
            idle_every: care.when_idle.then_some(IDLE),
            ..ReconcileConfig::default()
        };
        let mut world = Self {
            now: Instant::from_millis(1_000_000),
            dice: Dice::new(seed),
            care,
            agenda: BTreeMap::new(),
            scheduled: 0,
            verdict: Verdict::default(),
            jobs: Vec::new(),
            changes: 0,
            life: 0,
            last_change: Instant::default(),
            steps_left: 0,
            calm_from: Instant::from_millis(if seed.is_multiple_of(2) {
                1_450_000
            } else {
                u64::MAX
            }),
            is_whole: true,
            is_offline: false,
            connected: BTreeSet::new(),
            connection: Connection::new(Config {
                rollover: Some(Rollover {
                    earliest: Duration::from_secs(15),
                    latest: Duration::from_secs(25),
                    ..Rollover::default()
                }),
                ..Config::default()
            }),
            reconcile: Reconcile::new(config, None),
            revisions: Revisions::default(),
            held: BTreeSet::new(),
            is_asking_for_everything: false,
            shown: BTreeMap::new(),
            running: BTreeSet::new(),
            newest: BTreeMap::new(),
            gone: BTreeSet::new(),
        };
        for number in 0..TRANSLATIONS {
            let future = world.fate();
            world.steps_left += future.len();
            world.jobs.push(Job {
                snapshot: None,
                is_removed: false,
                change: 0,
                future,
            });
            let announced = world.up_to(BUSY);
            world.after(announced, Happening::Step(number));
        }
        let first_cut = world.up_to(Duration::from_secs(20));
        world.after(first_cut, Happening::Cut);
        let amnesia = world.up_to(BUSY);
        world.after(amnesia, Happening::Amnesia);
        world
    }

    fn chance(&mut self, probability: f64) -> bool {
        self.dice.roll().get() < probability
    }

    fn up_to(&mut self, most: Duration) -> Duration {
        most.mul_f64(self.dice.roll().get())
    }

    fn after(&mut self, delay: Duration, happening: Happening) {
        self.scheduled += 1;
        self.agenda
            .insert((self.now + delay, self.scheduled), happening);
    }

    /// What will become of a translation, last first.
    fn fate(&mut self) -> Vec<(Duration, Step)> {
        let mut steps = vec![
            Step::To(Status::AwaitingUpload),
            Step::To(Status::Queued),
            Step::To(Status::Translating),
        ];
        while self.chance(0.8) {
            steps.push(Step::Progress);
        }
        steps.push(Step::To(match self.dice.roll().get() {
            0.0..0.7 => Status::Done,
            0.7..0.85 => Status::Failed,
            _ => Status::Cancelled,
        }));
        if self.chance(0.1) {
            // Somebody asks for it once more.
            steps.extend([Status::Queued, Status::Translating, Status::Done].map(Step::To));
        }
        let mut tidied_up_later = false;
        if self.chance(0.2) {
            // Before it has begun, when it is done, or when nobody thinks of it any more.
            if self.chance(0.3) {
                steps.truncate(2);
            } else {
                tidied_up_later = self.chance(0.4);
            }
            steps.push(Step::Remove);
        }
        let steps = steps.into_iter().rev();
        steps
            .map(|step| {
                let most = match step {
                    Step::Remove if tidied_up_later => BUSY * 2,
                    _ => Duration::from_secs(8),
                };
                (self.up_to(most), step)
            })
            .collect()
    }

    // The backend.

    fn step(&mut self, number: usize) {
        let id = format!("T{number:04}");
        let skipped = u64::from(self.chance(0.3));
        let job = &mut self.jobs[number];
        let Some((_, step)) = job.future.pop() else {
            return;
        };
        let next = job.future.last().map(|(delay, _)| *delay);
        self.steps_left -= 1;
        self.changes += 1;
        self.last_change = self.now;
        job.change = self.changes;
        let snapshot = job.snapshot.get_or_insert_with(|| translation(id));
        // It only grows, and not by one.
        snapshot.revision += 1 + skipped;
        let push = match step {
            Step::Remove => {
                job.is_removed = true;
                Push::Removed {
                    translation_id: snapshot.id.clone(),
                    revision: snapshot.revision,
                }
            }
            Step::To(status) => {
                snapshot.status = status;
                Push::Translation {
                    translation: snapshot.clone(),
                }
            }
            Step::Progress => {
                snapshot.done += 1;
                Push::Translation {
                    translation: snapshot.clone(),
                }
            }
        };
        if let Some(delay) = next {
            self.after(delay, Happening::Step(number));
        }
        self.push(&serde_json::to_string(&push).unwrap());
    }

    fn push(&mut self, text: &str) {
        for generation in self.connected.clone() {
            if self.chance(ONE_IN_TEN) {
                self.verdict.dropped += 1;
                continue;
            }
            let mut copies = 1;
            if self.chance(ONE_IN_TEN) {
                self.verdict.doubled += 1;
                copies = 2;
            }
            for _ in 0..copies {
                let mut delay = LATENCY;
                if self.chance(ONE_IN_TEN) {
                    self.verdict.delayed += 1;
                    delay += self.up_to(Duration::from_secs(15));
                }
                self.after(delay, Happening::Frame(generation, text.to_owned()));
            }
        }
    }

    fn cursor(&self, change: u64) -> String {
        format!("{}:{change}", self.life)
    }

    fn change_of(&self, cursor: &str) -> Result<u64, FetchError> {
        let (life, change) = cursor.split_once(':').unwrap();
        if life.parse() != Ok(self.life) {
            return Err(FetchError::CursorUnknown);
        }
        Ok(change.parse().unwrap())
    }

    /// `GET translations`, as the contract has it.
    fn answer(&self, question: &Question) -> Result<Listing, FetchError> {
        let mut listing = Listing {
            translations: Vec::new(),
            removed: Vec::new(),
            next: None,
            cursor: String::new(),
        };
        if let Some(since) = &question.since {
            let cursor = question.after.as_ref().unwrap_or(since);
            let after = self.change_of(cursor)?;
            listing.cursor.clone_from(cursor);
            let mut changed: Vec<&Job> =
                self.jobs.iter().filter(|job| job.change > after).collect();
            changed.sort_by_key(|job| job.change);
            for job in changed.iter().take(PAGE) {
                listing.cursor = self.cursor(job.change);
                match &job.snapshot {
                    Some(snapshot) if job.is_removed => listing.removed.push(snapshot.id.clone()),
                    Some(snapshot) => listing.translations.push(snapshot.clone()),
                    None => {}
                }
            }
            listing.next = (changed.len() > PAGE).then(|| listing.cursor.clone());
        } else {
            // The cursor is taken before the first page is read, and handed on from page to page.
            let (end, cursor) = match &question.after {
                None => (self.jobs.len(), self.cursor(self.changes)),
                Some(after) => {
                    let (end, cursor) = after.split_once('~').unwrap();
                    self.change_of(cursor)?;
                    (end.parse().unwrap(), cursor.to_owned())
                }
            };
            for (number, job) in self.jobs[..end].iter().enumerate().rev() {
                if let Some(snapshot) = job.snapshot.as_ref().filter(|_| !job.is_removed) {
                    listing.translations.push(snapshot.clone());
                    if listing.translations.len() == PAGE {
                        listing.next = Some(format!("{number}~{cursor}"));
                        break;
                    }
                }
            }
            listing.cursor = cursor;
        }
        Ok(listing)
    }

    // The network.

    fn cut(&mut self) {
        if !self.is_whole || self.steps_left == 0 || self.now > self.calm_from {
            return;
        }
        self.verdict.cuts += 1;
        self.is_whole = false;
        self.connected.clear();
        if self.chance(0.2) {
            self.is_offline = true;
            self.connection.handle_offline(self.now);
        } else {
            let noticed = if self.chance(0.5) {
                LATENCY
            } else {
                // Half open: it looks alive, and nothing comes.
                self.up_to(Duration::from_secs(90))
            };
            for generation in self.held.clone() {
                self.after(noticed, Happening::Closed(generation));
            }
        }
        let mended = self.up_to(Duration::from_secs(20));
        self.after(mended, Happening::Mended);
        let next = mended + self.up_to(Duration::from_secs(40));
        self.after(next, Happening::Cut);
    }

    fn ask(&mut self, question: Question) {
        let delay = LATENCY + self.up_to(Duration::from_millis(1_500));
        self.after(delay, Happening::Question(question));
    }

    fn respond(&mut self, question: Question) {
        let answer = if !self.is_whole {
            if self.chance(0.3) {
                return; // Nobody answers, ever.
            }
            Err(FetchError::Unavailable("no network".to_owned()))
        } else if self.chance(REFUSED) {
            self.verdict.refused += 1;
            // A page that was turned to is asked for once more before all the pages before it are
            // thrown away.
            if question.after.is_some() && self.chance(0.9) {
                return self.ask(question);
            }
            Err(FetchError::Unavailable("503".to_owned()))
        } else {
            self.answer(&question)
        };
        let delay = LATENCY + self.up_to(Duration::from_millis(1_500));
        self.after(delay, Happening::Answer(question, answer));
    }

    // The page.

    fn takes(&mut self, frame: Frame) {
        match frame {
            Frame::Translation(translation) => {
                let is_unknown = !self.shown.contains_key(&translation.id);
                if self.care.of_everything && self.is_asking_for_everything && is_unknown {
                    self.reconcile.request(self.now);
                } else if self.takes_snapshot(translation) {
                    self.reconcile.handle_news(self.now);
                }
            }
            Frame::Removed {
                translation_id,
                revision,
            } => {
                if self.revisions.remove(&translation_id, revision) || !self.care.of_revisions {
                    self.hide(&translation_id);
                    self.reconcile.handle_news(self.now);
                }
            }
            other => panic!("{other:?}"),
        }
    }

    fn takes_snapshot(&mut self, translation: Translation) -> bool {
        let is_news = self.revisions.accept(&translation.id, translation.revision);
        if is_news || !self.care.of_revisions {
            self.show(translation);
        }
        is_news
    }

    fn show(&mut self, translation: Translation) {
        let id = &translation.id;
        if self.gone.contains(id) {
            self.verdict.risen += 1;
        }
        match self.newest.get(id) {
            Some(newest) if *newest > translation.revision => self.verdict.backwards += 1,
            Some(newest) if *newest == translation.revision => self.verdict.repeated += 1,
            _ => {
                self.newest.insert(id.clone(), translation.revision);
            }
        }
        if translation.status.is_final() {
            self.running.remove(id);
        } else {
            self.running.insert(id.clone());
        }
        self.shown.insert(id.clone(), translation);
    }

    fn hide(&mut self, id: &str) {
        if self.shown.remove(id).is_some() {
            self.gone.insert(id.to_owned());
        }
        self.running.remove(id);
    }

    fn handle_answer(&mut self, mut question: Question, answer: Result<Listing, FetchError>) {
        let answer = if self.is_whole {
            answer
        } else {
            Err(FetchError::Unavailable("the network went away".to_owned()))
        };
        let listing = match answer {
            Ok(listing) => listing,
            Err(error) => {
                let jitter = self.dice.roll();
                self.reconcile
                    .handle_failure(self.now, question.fetch, error, jitter);
                return;
            }
        };
        for translation in listing.translations {
            question.named.insert(translation.id.clone());
            self.takes_snapshot(translation);
        }
        for id in &listing.removed {
            self.revisions.remove_for_good(id);
            self.hide(id);
        }
        if listing.next.is_some() {
            question.after = listing.next;
            self.ask(question);
            return;
        }
        if question.since.is_none() && self.care.of_everything {
            for id in question.known.difference(&question.named) {
                self.revisions.remove_for_good(id);
                self.hide(id);
            }
        }
        self.reconcile
            .handle_answer(self.now, question.fetch, listing.cursor);
    }

    /// Does what the machines say, as a driver does.
    fn obey(&mut self) {
        while let Some(output) = self.connection.poll_output() {
            match output {
                Output::Dial { generation, .. } => {
                    self.held.insert(generation);
                    self.after(LATENCY, Happening::DialReachesServer(generation));
                }
                Output::Abandon { generation } => {
                    self.connected.remove(&generation);
                    self.held.remove(&generation);
                }
                Output::Event(Event::Opened {
                    continuity: Continuity::Kept,
                    ..
                }) => self.verdict.rollovers += 1,
                Output::Event(Event::Opened { .. }) if self.care.on_open => {
                    self.reconcile.request(self.now);
                }
                Output::Event(Event::Frame { payload, .. }) => {
                    let text = payload.text().unwrap().to_owned();
                    self.takes(Inbound::parse(text).frame);
                }
                Output::Transmit {
                    generation,
                    payload,
                } => {
                    let text = payload.text().unwrap().to_owned();
                    self.after(LATENCY, Happening::PingReachesServer(generation, text));
                }
                Output::MeasureBuffer { .. } | Output::Event(_) => {}
            }
        }
        if self.care.in_silence {
            self.reconcile
                .set_expecting(self.now, !self.running.is_empty());
        }
        while let Some(fetch) = self.reconcile.poll_fetch() {
            self.is_asking_for_everything = fetch.cursor.is_none();
            self.ask(Question {
                fetch: fetch.id,
                since: fetch.cursor,
                after: None,
                known: self.shown.keys().cloned().collect(),
                named: BTreeSet::new(),
            });
        }
        if !matches!(self.reconcile.state(), ReconcileState::Asking { .. }) {
            self.is_asking_for_everything = false;
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Step(number) => self.step(number),
            Happening::Cut => self.cut(),
            Happening::Mended => {
                self.is_whole = true;
                if std::mem::take(&mut self.is_offline) {
                    let jitter = self.dice.roll();
                    self.connection.handle_online(self.now, jitter);
                }
            }
            Happening::Amnesia => {
                self.cut();
                self.life += 1;
                for job in &mut self.jobs {
                    if job.is_removed {
                        job.change = 0;
                    }
                }
            }
            Happening::DialReachesServer(generation) => {
                if self.is_whole {
                    self.connected.insert(generation);
                    self.after(LATENCY, Happening::Opened(generation));
                } else if self.chance(0.7) {
                    self.after(LATENCY, Happening::Closed(generation));
                }
            }
            Happening::Opened(generation) => {
                if self.connected.contains(&generation) {
                    let jitter = self.dice.roll();
                    self.connection.handle_opened(self.now, generation, jitter);
                } else {
                    self.after(LATENCY, Happening::Closed(generation));
                }
            }
            Happening::Closed(generation) => {
                self.held.remove(&generation);
                let closed = Closed {
                    code: 1006,
                    reason: String::new(),
                    was_clean: false,
                };
                let jitter = self.dice.roll();
                self.connection
                    .handle_closed(self.now, generation, closed, jitter);
            }
            Happening::PingReachesServer(generation, text) => {
                if self.connected.contains(&generation) {
                    let Action::Ping { data } = serde_json::from_str(&text).unwrap() else {
                        panic!("{text}");
                    };
                    let answer = serde_json::to_string(&Push::Pong { data }).unwrap();
                    self.after(LATENCY, Happening::Frame(generation, answer));
                }
            }
            Happening::Frame(generation, text) => {
                if self.connected.contains(&generation) {
                    self.connection
                        .handle_frame(self.now, generation, Payload::Text(text));
                }
            }
            Happening::Question(question) => self.respond(question),
            Happening::Answer(question, answer) => self.handle_answer(question, answer),
        }
    }

    /// Lets the next thing happen, unless there is none until `end`.
    fn next(&mut self, end: Instant) -> bool {
        let happening = self.agenda.first_key_value().map(|((at, _), _)| *at);
        let timers = [
            happening,
            self.connection.poll_timeout(),
            self.reconcile.poll_timeout(),
        ];
        let Some(next) = timers.into_iter().flatten().min() else {
            return false;
        };
        if next > end {
            return false;
        }
        self.now = self.now.max(next);
        if happening == Some(next) {
            let (_, happening) = self.agenda.pop_first().unwrap();
            self.happen(happening);
        } else {
            let jitter = self.dice.roll();
            self.connection.handle_timeout(self.now, jitter);
            self.reconcile.handle_timeout(self.now, jitter);
        }
        self.obey();
        true
    }

    /// Translations that are not shown as they are at the backend, or are shown and do not exist.
    fn wrong(&self) -> usize {
        let truth: BTreeMap<&String, &Translation> = self
            .jobs
            .iter()
            .filter(|job| !job.is_removed)
            .filter_map(|job| job.snapshot.as_ref())
            .map(|snapshot| (&snapshot.id, snapshot))
            .collect();
        let ids: BTreeSet<&String> = truth.keys().copied().chain(self.shown.keys()).collect();
        let is_wrong = |id: &&&String| truth.get(**id).copied() != self.shown.get(**id);
        ids.iter().filter(is_wrong).count()
    }

    /// Everything, from the first dial until long after the last change.
    fn run(mut self) -> Verdict {
        self.connection.connect(self.now);
        self.obey();
        while self.steps_left > 0 {
            assert!(self.next(Instant::from_millis(u64::MAX)));
        }
        let end = self.last_change + AT_LATEST;
        let mut was_wrong = true;
        while self.next(end) {
            if self.wrong() > 0 {
                was_wrong = true;
            } else if std::mem::take(&mut was_wrong) {
                self.verdict.settled = self.now - self.last_change;
            }
        }
        self.verdict.wrong = self.wrong();
        self.verdict.removed = self.jobs.iter().filter(|job| job.is_removed).count();
        self.verdict.alive = self.jobs.len() - self.verdict.removed;
        assert!(matches!(self.connection.state(), State::Open { .. }));
        self.verdict
    }
}

fn translation(id: String) -> Translation {
    Translation {
        name: format!("{id}.txt"),
        id,
        size: 1_024,
        source: "en".to_owned(),
        target: "es".to_owned(),
        charset: None,
        status: Status::AwaitingUpload,
        done: 0,
        total: 0,
        failed: 0,
        ahead: None,
        error: None,
        created_at: "2026-01-31T12:00:00Z".to_owned(),
        updated_at: "2026-01-31T12:00:00Z".to_owned(),
        started_at: None,
        finished_at: None,
        revision: 0,
    }
}

/// How some days went together.
fn days(seeds: std::ops::Range<u64>, care: Care) -> Verdict {
    let mut all = Verdict::default();
    for seed in seeds {
        let day = World::new(seed, care).run();
        all.backwards += day.backwards;
        all.repeated += day.repeated;
        all.risen += day.risen;
        all.wrong += day.wrong;
        all.dropped += day.dropped;
        all.doubled += day.doubled;
        all.delayed += day.delayed;
        all.cuts += day.cuts;
        all.rollovers += day.rollovers;
        all.refused += day.refused;
        all.settled = all.settled.max(day.settled);
        all.alive += day.alive;
        all.removed += day.removed;
    }
    all
}

#[test]
fn a_thousand_translations_end_as_they_are_and_none_goes_backwards_whatever_the_network_does() {
    let days = days(0..6, ALL_CARE);
    assert_eq!(
        [days.backwards, days.repeated, days.risen, days.wrong],
        [0; 4],
        "{days:?}"
    );
    // They were no calm days.
    for storm in [days.dropped, days.doubled, days.delayed] {
        assert!(storm >= 2_000, "{days:?}");
    }
    assert!(
        days.cuts >= 60 && days.rollovers >= 60 && days.refused >= 20,
        "{days:?}"
    );
    assert!(days.removed >= 500 && days.alive >= 500, "{days:?}");
}

#[test]
fn a_page_that_believes_every_push_shows_old_news_and_the_dead() {
    let verdict = days(
        0..2,
        Care {
            of_revisions: false,
            ..ALL_CARE
        },
    );
    assert!(
        verdict.backwards > 0 && verdict.repeated > 0 && verdict.risen > 0,
        "{verdict:?}"
    );
}

#[test]
fn a_page_that_never_asks_is_wrong_for_ever() {
    let verdict = days(
        0..2,
        Care {
            on_open: false,
            in_silence: false,
            ..ALL_CARE
        },
    );
    assert!(verdict.wrong > 0, "{verdict:?}");
}

#[test]
fn a_page_that_asks_only_when_a_socket_opens_misses_what_is_lost_on_an_open_one() {
    let verdict = days(
        0..2,
        Care {
            in_silence: false,
            when_idle: false,
            ..ALL_CARE
        },
    );
    assert!(verdict.wrong > 0, "{verdict:?}");
}

#[test]
fn a_page_that_asks_only_while_it_expects_something_misses_what_nobody_expects() {
    let verdict = days(
        0..6,
        Care {
            when_idle: false,
            ..ALL_CARE
        },
    );
    assert!(verdict.wrong > 0, "{verdict:?}");
}

#[test]
fn a_page_that_takes_an_answer_of_everything_for_a_list_of_changes_keeps_what_was_removed() {
    let verdict = days(
        0..2,
        Care {
            of_everything: false,
            ..ALL_CARE
        },
    );
    assert!(verdict.wrong > 0, "{verdict:?}");
}

//! Translation by pools of long-lived Apertium pipelines.
//!
//! [Apertium](https://www.apertium.org) translates by rules: a translator is a shell pipeline of a
//! dozen programs. Starting one takes a third of a second and translating a sentence a few
//! milliseconds, so pipelines are kept: each program runs with `-z`, which makes it end and flush
//! an answer at every NUL, and many segments are on their way through a pipeline at once.
//!
//! ```text
//! Apertium ── Catalog    what is installed, as pairs of BCP 47 tags
//!    │
//!    └─ Pool             one for a mode in use: a queue, workers
//!         └─ Pipeline    one for a worker: the processes, connected
//!              └─ Memo   what a stage answered before
//! ```
//!
//! A pipeline that dies or hangs is replaced, and what was under way gets another try. Nothing
//! that a segment contains can disturb another: a segment is encoded so that it cannot end a
//! record, and one that was under way when a pipeline died gets the next one for itself.

mod catalog;
mod memo;
mod mode;
mod pipeline;
mod pool;
mod stream;
mod tagger;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use babelwire_service::text::{keep_lines, lines};
use babelwire_service::translator::{TranslateError, Translator};
use babelwire_wire::rest::{Languages, Pair};
use tokio::task::JoinSet;

use catalog::{Catalog, Direction};
use pool::{Pool, Shared};
use stream::Part;

/// How to run Apertium.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// Where the `*.mode` files of the installed pairs are.
    pub modes_dir: PathBuf,
    /// Pipelines of one mode that may run side by side; by default, one for each core.
    pub pipelines: usize,
    /// Pipelines of all modes that may be alive at once; each is about a dozen processes. When
    /// another mode needs room, idle ones are ended, and busy ones after their turn.
    pub max_pipelines: usize,
    /// How long a pipeline may be idle before it is ended.
    pub idle: Duration,
    /// How long a pipeline may take for a segment of up to 2 KiB before it counts as hung; longer
    /// segments have as many times longer.
    pub deadline: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            modes_dir: PathBuf::from("/usr/share/apertium/modes"),
            pipelines: std::thread::available_parallelism().map_or(2, std::num::NonZero::get),
            max_pipelines: 16,
            idle: Duration::from_secs(5 * 60),
            deadline: Duration::from_secs(30),
        }
    }
}

/// The Apertium that is installed on this machine.
#[derive(Debug)]
pub struct Apertium {
    shared: Arc<Shared>,
    catalog: RwLock<Arc<Catalog>>,
    /// By direction, and whether they remember what was answered before.
    pools: Mutex<HashMap<(Direction, bool), Arc<Pool>>>,
    /// The workers; they end with this.
    _tasks: Arc<Mutex<JoinSet<()>>>,
}

impl Apertium {
    /// Looks what pairs are installed. Where there are none, [`Translator::languages`] is empty
    /// and the log says why. Pairs that are installed later are found later. Processes start with
    /// the first translation, which must happen within a tokio runtime.
    pub fn discover(options: Options) -> Self {
        let catalog = Catalog::read(&options.modes_dir);
        tracing::info!(
            modes = catalog.modes.len(),
            pairs = catalog.pairs.len(),
            "looked for Apertium's language pairs"
        );
        let tasks = Arc::new(Mutex::new(JoinSet::new()));
        Self {
            shared: Arc::new(Shared::new(options, Arc::downgrade(&tasks))),
            catalog: RwLock::new(Arc::new(catalog)),
            pools: Mutex::default(),
            _tasks: tasks,
        }
    }

    /// What is installed now: read again when the folder has changed.
    fn catalog(&self) -> Arc<Catalog> {
        let folder = &self.shared.options.modes_dir;
        let known = self
            .catalog
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if known.written == catalog::written(folder) {
            return known;
        }
        let fresh = Arc::new(Catalog::read(folder));
        *self.catalog.write().unwrap_or_else(PoisonError::into_inner) = fresh.clone();
        fresh
    }

    fn pool(&self, catalog: &Catalog, direction: &Direction, remembers: bool) -> Option<Arc<Pool>> {
        let stages = catalog.modes.get(direction)?;
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (direction.clone(), remembers);
        if let Some(pool) = pools.get(&key)
            && pool.stages.iter().map(|(stage, _)| stage).eq(stages)
        {
            return Some(pool.clone());
        }
        let pool = Arc::new(Pool::new(stages.clone(), remembers, self.shared.clone()));
        pools.insert(key, pool.clone());
        Some(pool)
    }
}

/// Translates a text by one mode, with its line ends where they were.
async fn translate(pool: &Arc<Pool>, text: &str) -> Result<String, TranslateError> {
    if !text.chars().any(char::is_alphabetic) {
        return Ok(text.to_owned());
    }
    if let Some(translation) = ask(pool, text).await? {
        return Ok(translation);
    }
    // The engine lost or moved a blank, so it may not see any that matters: line by line, and
    // where that is not enough, words by words.
    tracing::debug!("a translation lost its line ends: again, line by line");
    let mut translation = String::with_capacity(text.len());
    for line in lines(text) {
        match ask(pool, line.text).await? {
            Some(translated) => translation.push_str(&translated),
            None => {
                for part in stream::parts(line.text) {
                    match part {
                        Part::Blank(blank) => translation.push_str(blank),
                        Part::Words(words) => {
                            let translated = ask(pool, words).await?;
                            translation.push_str(translated.as_deref().unwrap_or(words));
                        }
                    }
                }
            }
        }
        translation.push_str(line.end);
    }
    Ok(translation)
}

/// One question to the engine. None if the answer's blanks are not the question's.
async fn ask(pool: &Arc<Pool>, text: &str) -> Result<Option<String>, TranslateError> {
    if !text.chars().any(char::is_alphabetic) {
        return Ok(Some(text.to_owned()));
    }
    let encoded = stream::encode(text);
    let answer = pool.ask(encoded.stream.clone()).await?;
    Ok(encoded.decode(&answer))
}

#[async_trait]
impl Translator for Apertium {
    fn name(&self) -> &'static str {
        "apertium"
    }

    fn languages(&self) -> Languages {
        Languages {
            translator: self.name().to_owned(),
            detect: false,
            pairs: self.catalog().pairs.clone(),
        }
    }

    fn concurrency(&self) -> usize {
        self.shared.options.pipelines.max(1) * pool::WINDOW
    }

    async fn translate(&self, pair: &Pair, text: &str) -> Result<String, TranslateError> {
        self.translate_by(pair, text, true).await
    }

    async fn translate_anew(&self, pair: &Pair, text: &str) -> Result<String, TranslateError> {
        self.translate_by(pair, text, false).await
    }
}

impl Apertium {
    async fn translate_by(
        &self,
        pair: &Pair,
        text: &str,
        remembers: bool,
    ) -> Result<String, TranslateError> {
        let catalog = self.catalog();
        let no_such_pair = || TranslateError::NoSuchPair {
            source_language: pair.source.clone(),
            target_language: pair.target.clone(),
        };
        let route = catalog
            .route(&pair.source, &pair.target)
            .ok_or_else(no_such_pair)?;
        let mut translation = text.to_owned();
        for direction in &route {
            let pool = self
                .pool(&catalog, direction, remembers)
                .ok_or_else(no_such_pair)?;
            translation = translate(&pool, &translation).await?;
        }
        Ok(keep_lines(text, translation))
    }
}

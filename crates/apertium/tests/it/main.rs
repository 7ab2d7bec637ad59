//! The engine as its users see it: with the real Apertium, and with programs that misbehave.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::assigning_clones,
    reason = "a test that fails is told by a panic"
)]

mod misbehaviour;
mod processes;
mod real;

use babelwire_apertium::{Apertium, Options};
use babelwire_service::translator::Translator as _;
use babelwire_wire::rest::Pair;

/// The installed engine. It has to be there, unless somebody says that it is not.
fn installed() -> Option<Apertium> {
    installed_with(|_| {})
}

fn installed_with(change: impl FnOnce(&mut Options)) -> Option<Apertium> {
    let mut options = Options::default();
    change(&mut options);
    let engine = Apertium::discover(options);
    let is_there = ["en", "es"].iter().all(|language| {
        let pairs = engine.languages().pairs;
        pairs.iter().any(|pair| pair.source == *language)
    });
    assert!(
        is_there || std::env::var_os("BABELWIRE_WITHOUT_APERTIUM").is_some(),
        "Apertium's pair eng-spa is not installed; install it, or set BABELWIRE_WITHOUT_APERTIUM \
         to go without these tests"
    );
    is_there.then_some(engine)
}

fn pair(source: &str, target: &str) -> Pair {
    Pair {
        source: source.to_owned(),
        target: target.to_owned(),
        via: Vec::new(),
    }
}

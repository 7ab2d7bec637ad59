//! Which languages can be chosen.

use babelwire_wire::rest::{Languages, Pair};

/// The source that lets the backend find out.
pub const AUTO: &str = "auto";

/// The languages that can be translated from, each once, in the backend's order.
pub fn sources(languages: &Languages) -> Vec<&str> {
    let mut sources = Vec::new();
    if languages.detect {
        sources.push(AUTO);
    }
    for pair in &languages.pairs {
        if !sources.contains(&pair.source.as_str()) {
            sources.push(&pair.source);
        }
    }
    sources
}

/// The ways out of a source, one for each target: the shortest.
pub fn targets<'a>(languages: &'a Languages, source: &str) -> Vec<&'a Pair> {
    let mut ways: Vec<&Pair> = Vec::new();
    for pair in &languages.pairs {
        if source != AUTO && pair.source != source {
            continue;
        }
        match ways.iter_mut().find(|way| way.target == pair.target) {
            Some(way) if pair.via.len() < way.via.len() => *way = pair,
            Some(_) => {}
            None => ways.push(pair),
        }
    }
    ways
}

/// Whether that can be translated into this.
pub fn is_possible(languages: &Languages, source: &str, target: &str) -> bool {
    (source != AUTO || languages.detect)
        && targets(languages, source)
            .iter()
            .any(|pair| pair.target == target)
}

/// The target to offer first: the one wished for, else the person's own language, else the first.
pub(super) fn best_target(
    languages: &Languages,
    source: &str,
    wished: &str,
    own: &str,
) -> Option<String> {
    let ways = targets(languages, source);
    let own = own.split('-').next().unwrap_or(own);
    let by_tag = |tag: &str| ways.iter().find(|pair| pair.target == tag).copied();
    by_tag(wished)
        .or_else(|| by_tag(own))
        .or_else(|| ways.first().copied())
        .map(|pair| pair.target.clone())
}

//! What is installed: the modes found in a folder, as pairs of BCP 47 tags.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::SystemTime;

use babelwire_wire::rest::Pair;
use isolang::Language;

use crate::mode::{self, Stage};

/// A direct translation: source and target.
pub(crate) type Direction = (String, String);

/// The modes of a folder, and the pairs that they make possible.
#[derive(Debug, Default)]
pub(crate) struct Catalog {
    /// When the folder was last written to, as far as is known.
    pub(crate) written: Option<SystemTime>,
    pub(crate) modes: BTreeMap<Direction, Vec<Stage>>,
    pub(crate) pairs: Vec<Pair>,
}

/// When a folder was last written to.
pub(crate) fn written(folder: &Path) -> Option<SystemTime> {
    fs::metadata(folder).and_then(|data| data.modified()).ok()
}

impl Catalog {
    /// Reads a folder. What cannot be used is passed over and named in the log.
    pub(crate) fn read(folder: &Path) -> Self {
        let written = written(folder);
        let mut modes = BTreeMap::new();
        match fs::read_dir(folder) {
            Ok(entries) => {
                let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
                paths.sort();
                for path in paths {
                    if let Some((direction, stages)) = read_mode(&path) {
                        // `fra-spa` and an older `fr-es` mean the same: the first one stays.
                        modes.entry(direction).or_insert(stages);
                    }
                }
                if modes.is_empty() {
                    tracing::warn!(
                        folder = %folder.display(),
                        "no Apertium language pair is installed; install some, such as \
                         apertium-eng-spa"
                    );
                }
            }
            Err(error) => tracing::warn!(
                folder = %folder.display(),
                %error,
                "Apertium is not installed: its modes cannot be read"
            ),
        }
        let pairs = pairs(modes.keys());
        Self {
            written,
            modes,
            pairs,
        }
    }

    /// The direct translations that lead from one language into another, in order.
    pub(crate) fn route(&self, source: &str, target: &str) -> Option<Vec<Direction>> {
        let pair = self
            .pairs
            .iter()
            .find(|pair| pair.source == source && pair.target == target)?;
        let mut route = Vec::new();
        let mut from = source;
        for to in pair.via.iter().map(String::as_str).chain([target]) {
            route.push((from.to_owned(), to.to_owned()));
            from = to;
        }
        Some(route)
    }
}

fn read_mode(path: &Path) -> Option<(Direction, Vec<Stage>)> {
    if path.extension()? != "mode" {
        return None;
    }
    let name = path.file_stem()?.to_str()?;
    let Some(direction) = direction(name) else {
        tracing::debug!(mode = name, "not a plain pair of languages: passed over");
        return None;
    };
    let unusable = |reason: &str| {
        tracing::warn!(mode = name, reason, "an Apertium mode cannot be used");
        None
    };
    let stages = match fs::read_to_string(path).map(|mode| mode::parse(&mode)) {
        Ok(Ok(stages)) => stages,
        Ok(Err(reason)) => return unusable(&reason),
        Err(error) => return unusable(&error.to_string()),
    };
    if let Some(missing) = stages.iter().find_map(Stage::missing) {
        return unusable(&format!("{} is missing", missing.display()));
    }
    Some((direction, stages))
}

/// The direction that a mode's name says, such as `eng-spa_US`. Modes for developers have more
/// parts (`eng-spa-tagger`), those for other purposes a prefix (`eco-fr-es`).
fn direction(name: &str) -> Option<Direction> {
    let (source, target) = name.split_once('-')?;
    let direction = (tag(source)?, tag(target)?);
    (direction.0 != direction.1).then_some(direction)
}

/// The BCP 47 tag of a language as Apertium names it: an ISO 639 code, and a region, script or
/// variant behind an underscore.
fn tag(name: &str) -> Option<String> {
    let mut subtags = name.split('_');
    let language = subtags.next()?;
    let language = match language.len() {
        2 => Language::from_639_1(language)?.to_639_1()?,
        3 => {
            let language = Language::from_639_3(language)?;
            language.to_639_1().unwrap_or(language.to_639_3())
        }
        _ => return None,
    };
    let mut tag = language.to_owned();
    for subtag in subtags {
        // Aranese, whose registered variant has six letters.
        let subtag = if subtag == "aran" { "aranes" } else { subtag };
        let is_region = (subtag.len() == 2 && subtag.bytes().all(|b| b.is_ascii_uppercase()))
            || (subtag.len() == 3 && subtag.bytes().all(|b| b.is_ascii_digit()));
        let is_script = subtag.len() == 4
            && subtag.starts_with(|c: char| c.is_ascii_uppercase())
            && subtag[1..].bytes().all(|b| b.is_ascii_lowercase());
        let is_variant = (5..=8).contains(&subtag.len())
            && subtag
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        if !(is_region || is_script || is_variant) {
            return None;
        }
        tag.push('-');
        tag.push_str(subtag);
    }
    Some(tag)
}

fn language(tag: &str) -> &str {
    tag.split_once('-').map_or(tag, |(language, _)| language)
}

/// The direct pairs, and those that one language in between makes possible.
fn pairs<'a>(directions: impl Iterator<Item = &'a Direction>) -> Vec<Pair> {
    let mut targets: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut degree: BTreeMap<&str, usize> = BTreeMap::new();
    for (source, target) in directions {
        targets.entry(source).or_default().insert(target);
        *degree.entry(source).or_default() += 1;
        *degree.entry(target).or_default() += 1;
    }
    let mut pairs = Vec::new();
    for (source, direct) in &targets {
        pairs.extend(direct.iter().map(|target| Pair {
            source: (*source).to_owned(),
            target: (*target).to_owned(),
            via: Vec::new(),
        }));
        // The best language in between is the one with most pairs, because the more a language's
        // dictionaries are used the better they are; then the one without a region.
        let mut best: BTreeMap<&str, (usize, bool, std::cmp::Reverse<&str>)> = BTreeMap::new();
        for pivot in direct {
            for target in targets.get(pivot).into_iter().flatten() {
                let languages = [language(source), language(pivot), language(target)];
                let are_different = languages[0] != languages[1]
                    && languages[1] != languages[2]
                    && languages[0] != languages[2];
                if direct.contains(target) || !are_different {
                    continue;
                }
                let rank = (
                    degree[pivot],
                    !pivot.contains('-'),
                    std::cmp::Reverse(*pivot),
                );
                best.entry(target)
                    .and_modify(|best| *best = rank.max(*best))
                    .or_insert(rank);
            }
        }
        pairs.extend(best.into_iter().map(|(target, (_, _, pivot))| Pair {
            source: (*source).to_owned(),
            target: target.to_owned(),
            via: vec![pivot.0.to_owned()],
        }));
    }
    pairs.sort();
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_modes_become_bcp_47() {
        for (name, source, target) in [
            ("eng-spa", "en", "es"),
            ("fr-es", "fr", "es"),
            ("spa-eng_US", "es", "en-US"),
            ("es-pt_BR", "es", "pt-BR"),
            ("nno-nob", "nn", "nb"),
            ("spa-cat_valencia", "es", "ca-valencia"),
            ("kaz-kir_Cyrl", "kk", "ky-Cyrl"),
            ("spa-ast", "es", "ast"),
            ("oci_aran-cat", "oc-aranes", "ca"),
        ] {
            assert_eq!(
                direction(name),
                Some((source.to_owned(), target.to_owned())),
                "{name}"
            );
        }
    }

    #[test]
    fn modes_that_are_not_a_plain_pair_are_passed_over() {
        for name in [
            "eco-es-fr",
            "eng-spa-tagger",
            "eng-spa_generador_x",
            "xx-yy",
            "en-en",
            "README",
            "spa-disam",
            "",
            "-",
        ] {
            assert_eq!(direction(name), None, "{name}");
        }
    }

    fn pairs_of(names: &[&str]) -> Vec<String> {
        let directions: BTreeSet<_> = names.iter().filter_map(|name| direction(name)).collect();
        pairs(directions.iter())
            .into_iter()
            .map(|pair| {
                let via = pair
                    .via
                    .iter()
                    .fold(String::new(), |all, via| all + via + ">");
                format!("{}>{via}{}", pair.source, pair.target)
            })
            .collect()
    }

    #[test]
    fn one_language_in_between_makes_more_pairs() {
        assert_eq!(
            pairs_of(&["eng-spa", "spa-eng", "fr-es", "es-fr", "es-pt_BR"]),
            [
                "en>es",
                "en>es>fr",
                "en>es>pt-BR",
                "es>en",
                "es>fr",
                "es>pt-BR",
                "fr>es>en",
                "fr>es",
                "fr>es>pt-BR",
            ]
        );
    }

    #[test]
    fn nothing_goes_through_a_variant_or_back_into_the_same_language() {
        assert_eq!(
            pairs_of(&[
                "spa-eng",
                "spa-eng_US",
                "eng-spa",
                "cat-cat_valencia",
                "spa-cat"
            ]),
            [
                "ca>ca-valencia",
                "en>es>ca",
                "en>es",
                "es>ca",
                "es>en",
                "es>en-US"
            ]
        );
    }

    #[test]
    fn the_best_connected_language_is_in_between() {
        assert_eq!(
            pairs_of(&[
                "eng-cat", "eng-spa", "cat-fra", "spa-fra", "spa-por", "por-spa"
            ])
            .into_iter()
            .filter(|pair| pair.starts_with("en") && pair.ends_with("fr"))
            .collect::<Vec<_>>(),
            ["en>es>fr"]
        );
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_empty_catalog() {
        let catalog = Catalog::read(Path::new("/no/such/folder"));
        assert!(catalog.pairs.is_empty());
        assert!(catalog.route("en", "es").is_none());
    }

    #[test]
    fn unusable_modes_are_not_offered() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("eng-spa.mode"), "sh '/no/such/file'").unwrap();
        fs::write(folder.path().join("eng-fra.mode"), "lt-proc /no/such/file").unwrap();
        fs::write(folder.path().join("eng-cat.txt"), "apertium-pretransfer").unwrap();
        assert!(Catalog::read(folder.path()).pairs.is_empty());
    }
}

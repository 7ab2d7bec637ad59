//! Keeps from a tagger what would change it, so that no answer depends on the records before.
//!
//! `apertium-tagger` has a fault: when it meets a word with a set of readings that its model does
//! not have, it looks for the largest part of the set that the model does have, and leaves that
//! behind in place of the readings that it gives to unknown words (in Apertium 3.8.3
//! `find_similar_ambiguity_class` assigns through a reference to them). From then on the same text
//! may come out otherwise: so a segment's translation would depend on which segments its pipeline
//! happened to have seen, and a job that was interrupted would end with other words than one that
//! was not.
//!
//! One word in some hundred has such a set. So every ambiguous word is shown first to a second
//! tagger, started with `-d`, which says on its standard error when it meets one; what becomes of
//! it does not matter. If it complains, the word's largest set of readings without a complaint is
//! found and put in the word's place, which is what the tagger would have chosen from, and the
//! first tagger never meets the rest. What was found is remembered, so nearly all records pass
//! without a question.

use std::collections::HashMap;
use std::io;
use std::process::Stdio;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout};

use crate::memo::{Token, tokens};
use crate::mode::Stage;
use crate::pipeline::{BUFFER_BYTES, ends_whole, pass_on, read_record, start, unpiped};

/// How much may be remembered before it starts again, in bytes.
const MEMORY_BYTES: usize = 4 * 1024 * 1024;

/// How many sets of readings are tried for a word before only its first reading is left.
const MAX_TRIES: usize = 256;

/// Whether the stage is a tagger with that fault: one with a hidden Markov model.
pub(crate) fn keeps_traces(stage: &Stage) -> bool {
    let has = |option: &str| stage.arguments.iter().any(|argument| argument == option);
    let name = stage.program.rsplit('/').next();
    cfg!(unix)
        && name == Some("apertium-tagger")
        && has("-g")
        && !(has("-x") || has("-u") || has("-w"))
}

/// What stands before a tagger.
pub(crate) struct Vetting {
    source: BufReader<Box<dyn AsyncRead + Send + Unpin>>,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    complaints: ChildStderr,
    /// For each ambiguous word, what the tagger gets in its place, if not the word itself.
    known: HashMap<Box<str>, Option<Box<str>>>,
    bytes: usize,
    reply: Vec<u8>,
}

impl Vetting {
    /// Starts the second tagger, and gives it back as well, to be watched and ended.
    pub(crate) fn start(
        stage: &Stage,
        source: Box<dyn AsyncRead + Send + Unpin>,
    ) -> io::Result<(Self, Child)> {
        let mut stage = stage.clone();
        stage.arguments.insert(0, "-d".to_owned());
        let mut child = start(&stage, Stdio::piped(), Stdio::piped())?;
        let vetting = Self {
            source: BufReader::with_capacity(BUFFER_BYTES, source),
            to: child.stdin.take().ok_or_else(unpiped)?,
            from: BufReader::with_capacity(BUFFER_BYTES, child.stdout.take().ok_or_else(unpiped)?),
            complaints: child.stderr.take().ok_or_else(unpiped)?,
            known: HashMap::new(),
            bytes: 0,
            reply: Vec::new(),
        };
        Ok((vetting, child))
    }

    /// Carries records on until either side ends.
    pub(crate) async fn carry(
        mut self: Box<Self>,
        mut sink: impl AsyncWrite + Send + Unpin,
    ) -> io::Result<()> {
        let mut record = Vec::new();
        let mut ready = Vec::new();
        while read_record(&mut self.source, &mut record).await? {
            if !ends_whole(&record) {
                // Cut off by a death upstream.
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let vetted = match std::str::from_utf8(&record) {
                Ok(record) => self.vet(record).await?,
                Err(_) => None,
            };
            match &vetted {
                Some(vetted) => ready.extend_from_slice(vetted.as_bytes()),
                None => ready.extend_from_slice(&record),
            }
            ready.push(0);
            let has_more = self.source.buffer().contains(&0);
            pass_on(&mut ready, has_more, &mut sink).await?;
        }
        Ok(())
    }

    /// The record with nothing in it that would change the tagger; None if it can stay as it is.
    async fn vet(&mut self, record: &str) -> io::Result<Option<String>> {
        if self.bytes > MEMORY_BYTES {
            self.known.clear();
            self.bytes = 0;
        }
        let mut new: Vec<&str> = tokens(record)
            .filter_map(|token| match token {
                Some(Token::Unit(unit)) if is_ambiguous(unit) => Some(unit),
                _ => None,
            })
            .filter(|unit| !self.known.contains_key(*unit))
            .collect();
        new.sort_unstable();
        new.dedup();
        // Most words pass: all at once is one question.
        let some_do_not = !new.is_empty() && self.complains_about(&new.join(" ")).await?;
        for unit in new {
            let replacement = if some_do_not {
                self.replacement(unit).await?
            } else {
                None
            };
            self.bytes += 2 * unit.len() + 64;
            self.known.insert(unit.into(), replacement);
        }
        let mut vetted = String::with_capacity(record.len());
        let mut is_changed = false;
        for token in tokens(record) {
            match token {
                Some(Token::Unit(unit)) => match self.known.get(unit) {
                    Some(Some(replacement)) => {
                        vetted.push_str(replacement);
                        is_changed = true;
                    }
                    _ => vetted.push_str(unit),
                },
                Some(Token::Blank(blank)) => vetted.push_str(blank),
                // Not well-formed: for the tagger itself to make something of.
                None => return Ok(None),
            }
        }
        Ok(is_changed.then_some(vetted))
    }

    /// The word with its largest set of readings that the tagger knows; None if that is all.
    async fn replacement(&mut self, unit: &str) -> io::Result<Option<Box<str>>> {
        if !self.complains_about(unit).await? {
            return Ok(None);
        }
        let (surface, readings) = parts(unit);
        for kept in subsets(readings.len()).take(MAX_TRIES) {
            let kept = kept.iter().map(|&number| readings[number]);
            let candidate = format!("^{surface}/{}$", kept.collect::<Vec<_>>().join("/"));
            if !self.complains_about(&candidate).await? {
                return Ok(Some(candidate.into()));
            }
        }
        let first = readings.first().copied().unwrap_or_default();
        Ok(Some(format!("^{surface}/{first}$").into()))
    }

    /// Shows words to the second tagger.
    async fn complains_about(&mut self, words: &str) -> io::Result<bool> {
        let (to, from) = (&mut self.to, &mut self.from);
        let (complaints, reply) = (&mut self.complaints, &mut self.reply);
        let write = async {
            to.write_all(words.as_bytes()).await?;
            // As at the end of any record, a blank, and the NUL.
            to.write_all(b"[]\0").await?;
            to.flush().await
        };
        let mut has_complained = false;
        let exchange = async { tokio::try_join!(write, read_record(from, reply)) };
        // Many words may give reason for more complaints than a pipe holds.
        let drain = async {
            let mut bytes = [0; 4096];
            while complaints.read(&mut bytes).await? > 0 {
                has_complained = true;
            }
            std::future::pending::<io::Result<((), bool)>>().await
        };
        let ((), is_whole) = tokio::select! {
            exchanged = exchange => exchanged?,
            failed = drain => failed?,
        };
        if !is_whole {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        // What it complains of, it writes before it answers: all of it is there by now.
        while waiting(&self.complaints)? > 0 {
            let mut bytes = [0; 4096];
            if self.complaints.read(&mut bytes).await? == 0 {
                break;
            }
            has_complained = true;
        }
        Ok(has_complained)
    }
}

#[cfg(unix)]
fn waiting(complaints: &ChildStderr) -> io::Result<u64> {
    Ok(rustix::io::ioctl_fionread(complaints)?)
}

#[cfg(not(unix))]
fn waiting(_complaints: &ChildStderr) -> io::Result<u64> {
    Ok(0)
}

/// The surface form and the readings of `^surface/reading/…$`.
fn parts(unit: &str) -> (&str, Vec<&str>) {
    let inner = unit.strip_prefix('^').unwrap_or(unit);
    let inner = inner.strip_suffix('$').unwrap_or(inner);
    let mut parts = Vec::new();
    let mut from = 0;
    let mut is_escaped = false;
    for (at, byte) in inner.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'/' => {
                parts.push(&inner[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&inner[from..]);
    let surface = parts.remove(0);
    (surface, parts)
}

fn is_ambiguous(unit: &str) -> bool {
    parts(unit).1.len() > 1
}

/// The proper, non-empty subsets of so many things, the largest first; of two as large, the one
/// with earlier things.
fn subsets(count: usize) -> impl Iterator<Item = Vec<usize>> {
    (1..count)
        .rev()
        .flat_map(move |size| combinations(count, size))
}

/// The subsets of one size, in lexicographic order.
fn combinations(count: usize, size: usize) -> impl Iterator<Item = Vec<usize>> {
    let mut next = Some((0..size).collect::<Vec<_>>());
    std::iter::from_fn(move || {
        let current = next.take()?;
        let mut following = current.clone();
        if let Some(at) = (0..size).rev().find(|&at| current[at] < count - size + at) {
            following[at] += 1;
            for behind in at + 1..size {
                following[behind] = following[behind - 1] + 1;
            }
            next = Some(following);
        }
        Some(current)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_comes_apart_at_its_slashes_but_not_at_escaped_ones() {
        assert_eq!(parts("^a/b<n>/c<n>$"), ("a", vec!["b<n>", "c<n>"]));
        assert_eq!(parts(r"^a\/b/c\\/d$"), (r"a\/b", vec![r"c\\", "d"]));
        assert!(!is_ambiguous("^x/*x$"));
        assert!(is_ambiguous("^x/y<n>/z<n>$"));
    }

    #[test]
    fn larger_sets_come_first_and_each_once() {
        assert_eq!(
            subsets(3).collect::<Vec<_>>(),
            [
                vec![0, 1],
                vec![0, 2],
                vec![1, 2],
                vec![0],
                vec![1],
                vec![2]
            ]
        );
        assert_eq!(subsets(1).count(), 0);
        assert_eq!(subsets(0).count(), 0);
        assert_eq!(subsets(6).count(), 62);
    }
}

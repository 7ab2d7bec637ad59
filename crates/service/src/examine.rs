//! Questions about a whole text: where something is, and what can be proved. They take a while, so
//! they are answered apart, a few at a time.

use std::sync::OnceLock;

use babelwire_wire::Status;
use babelwire_wire::rest::{Found, Proof};
use futures::FutureExt;
use futures::channel::oneshot;

use crate::document::{Characters, Document};
use crate::ports::{Bucket, ObjectsError, Owner, Record};
use crate::proof::{Examiner, Lines};
use crate::service::{Ports, Service, ServiceError};
use crate::text::Piece;

/// The longest text that can be looked for, in characters (Unicode scalar values).
const QUERY_CHARS: usize = 200;

/// The side of a text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Side {
    /// Either of them.
    #[default]
    Both,
    /// The source's words.
    Source,
    /// The translation.
    Translation,
}

/// What to look for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Find {
    /// The text; upper and lower case are one.
    pub text: String,
    /// Where.
    pub side: Side,
    /// The first index to be listed.
    pub from: u64,
    /// At most how many are listed; [`Service::FIND_MOST`] without.
    pub limit: Option<u64>,
}

impl Service {
    /// How many matches are listed at most.
    pub const FIND_MOST: u64 = 1000;

    /// The segments that hold a text.
    pub async fn find(&self, owner: &Owner, id: &str, find: &Find) -> Result<Found, ServiceError> {
        let chars = find.text.chars().count();
        if chars == 0 || chars > QUERY_CHARS {
            return Err(ServiceError::Invalid(format!(
                "`q` has {chars} characters: look for something of 1 to {QUERY_CHARS}."
            )));
        }
        let record = self.owned(owner, id).await?;
        let Some(document) = Document::open(&self.ports, &record).await? else {
            return Ok(Found {
                total: 0,
                matches: Vec::new(),
            });
        };
        let search = Search::new(find);
        self.apart(move |asker| search.run(document, asker)).await
    }

    /// What can be checked of a translation that has ended without knowing its languages.
    pub async fn proof(&self, owner: &Owner, id: &str) -> Result<Proof, ServiceError> {
        let (record, document) = self.ended_document(owner, id).await?;
        let ports = self.ports.clone();
        self.apart(move |asker| prove(ports, record, document, asker))
            .await
    }

    /// Runs long work where nobody else waits for it, a few at a time. Work that nobody waits for
    /// any more is to end by itself.
    async fn apart<T, F>(&self, work: impl FnOnce(Asker) -> F) -> Result<T, ServiceError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, ServiceError>> + Send + 'static,
    {
        let slot = self.examiners.acquire().await;
        let (sender, answer) = oneshot::channel();
        let (asker, gone) = oneshot::channel();
        let work = work(Asker(asker));
        let work = async move {
            let answer = work.await;
            drop(slot);
            // Whoever asked may be gone.
            let _ = sender.send(answer);
        };
        self.ports.compute.apart(work.boxed()).await;
        drop(gone);
        answer
            .await
            .unwrap_or_else(|_| Err(ServiceError::Internal("the work broke off".to_owned())))
    }
}

/// Whoever waits for an answer.
struct Asker(oneshot::Sender<()>);

impl Asker {
    /// Ends work that nobody waits for.
    fn check(&self) -> Result<(), ServiceError> {
        if self.0.is_canceled() {
            return Err(ServiceError::Internal("nobody waits for it".to_owned()));
        }
        Ok(())
    }
}

/// A search through a document.
struct Search {
    needle: String,
    side: Side,
    from: u64,
    limit: usize,
    folded: String,
}

impl Search {
    fn new(find: &Find) -> Self {
        let limit = find.limit.unwrap_or(Service::FIND_MOST);
        let limit = limit.clamp(1, Service::FIND_MOST);
        let mut needle = String::new();
        fold(&find.text, &mut needle);
        Self {
            needle,
            side: find.side,
            from: find.from,
            limit: usize::try_from(limit).unwrap_or(usize::MAX),
            folded: String::new(),
        }
    }

    async fn run(mut self, mut document: Document, asker: Asker) -> Result<Found, ServiceError> {
        let mut found = Found {
            total: 0,
            matches: Vec::new(),
        };
        while let Some(pairs) = document.next().await? {
            asker.check()?;
            for (piece, kept) in &pairs {
                let Piece::Segment(source) = piece else {
                    continue;
                };
                let is_match = (self.side != Side::Translation && self.is_in(&source.text))
                    || (self.side != Side::Source
                        && kept.as_ref().is_some_and(|kept| self.is_in(&kept.text)));
                if is_match {
                    found.total += 1;
                    if source.index >= self.from && found.matches.len() < self.limit {
                        found.matches.push(source.index);
                    }
                }
            }
        }
        Ok(found)
    }

    fn is_in(&mut self, text: &str) -> bool {
        self.folded.clear();
        fold(text, &mut self.folded);
        self.folded.contains(&self.needle)
    }
}

/// Adds a text with each character in lower case, by Unicode's simple mapping: one for one, and
/// without regard to its neighbours.
fn fold(text: &str, folded: &mut String) {
    if text.is_ascii() {
        let start = folded.len();
        folded.push_str(text);
        if let Some(added) = folded.get_mut(start..) {
            added.make_ascii_lowercase();
        }
        return;
    }
    let known =
        KNOWN_CASES.get_or_init(|| (0..KNOWN).filter_map(char::from_u32).map(lower).collect());
    folded.reserve(text.len());
    for character in text.chars() {
        let place = usize::try_from(u32::from(character)).unwrap_or(usize::MAX);
        let known = known.get(place).copied();
        folded.push(known.unwrap_or_else(|| lower(character)));
    }
}

fn lower(character: char) -> char {
    // Only “İ” becomes two, of which the first is its simple mapping.
    character.to_lowercase().next().unwrap_or(character)
}

/// The characters below this one (Latin, Greek, Cyrillic) in lower case: looking them up here takes
/// a fraction of the time.
const KNOWN: u32 = 0x530;
static KNOWN_CASES: OnceLock<Vec<char>> = OnceLock::new();

async fn prove(
    ports: Ports,
    record: Record,
    mut document: Document,
    asker: Asker,
) -> Result<Proof, ServiceError> {
    let mut examiner = Examiner::default();
    while let Some(pairs) = document.next().await? {
        asker.check()?;
        for pair in &pairs {
            examiner.examine(pair);
        }
    }
    if record.translation.status != Status::Done {
        return Ok(examiner.proof(None));
    }
    // What people download is what is counted.
    let result = match ports
        .objects
        .get(Bucket::Results, &record.object_key, None)
        .await
    {
        Ok(result) => result,
        Err(ObjectsError::NotFound) => return Ok(examiner.proof(None)),
        Err(error) => return Err(error.into()),
    };
    let mut lines = Lines::default();
    let mut result = Characters::of(result.bytes);
    while let Some(text) = result.next().await? {
        asker.check()?;
        lines.add(text);
    }
    Ok(examiner.proof(Some(lines)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_is_folded_one_for_one() {
        for (text, expected) in [
            ("Hello 42", "hello 42"),
            ("ÜNÏ Straße", "ünï straße"),
            ("İstanbul ΟΔΟΣ", "istanbul οδοσ"),
        ] {
            let mut folded = String::new();
            fold(text, &mut folded);
            assert_eq!(folded, expected);
        }
    }
}

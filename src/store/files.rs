//! Files beyond the rows themselves.

use std::collections::VecDeque;
use std::rc::Rc;

use super::{Key, Peek, Picked};
use crate::words::Trouble;

/// How many files are looked into at the same time.
pub const PARALLEL_PEEKS: usize = 4;

/// How much of a file is looked at before it is sent, in bytes.
pub const PEEK_BYTES: u32 = 64 * 1024;

/// How long a deletion can be undone, in milliseconds.
pub const UNDO_MS: u32 = 3_000;

/// What is known of files beyond the rows themselves.
#[derive(Debug, Default)]
pub struct Files {
    /// The languages that files are translated into beside the one in the header.
    pub more_targets: Vec<Rc<str>>,
    /// Whether those can be chosen at the moment.
    pub choosing_targets: bool,
    /// How many results are in the archive that is being made, and how many it will have.
    pub packing: Option<(usize, usize)>,
    /// Files whose beginnings are to be looked at.
    pub(super) to_peek: VecDeque<u32>,
    /// How many are being looked at.
    pub(super) peeking: usize,
    /// The last row of what was chosen last.
    pub(super) last_chosen: Option<Key>,
    /// What there is to tell about what was chosen last.
    pub(super) left_out: LeftOut,
    /// How fast the uploads under way are.
    pub(super) paces: Vec<(Key, Pace)>,
}

/// Files that were chosen and made no row.
#[derive(Debug, Default)]
pub(super) struct LeftOut {
    /// They are in the list already.
    pub(super) doubles: u64,
    /// They lie in a folder and are no text.
    pub(super) no_text: u64,
}

/// What the beginning of a file is.
#[derive(Debug)]
pub enum Beginning {
    /// Text.
    Text(Peek),
    /// Nothing.
    Empty,
    /// No text.
    Binary,
    /// Out of reach.
    Unreadable,
}

/// What can happen to it.
#[derive(Debug)]
pub enum FilesMsg {
    /// Something was dropped, pasted or chosen; the shell has it.
    Brought,
    /// The person wants to choose a folder.
    ChooseFolder,
    /// More files of what was chosen last.
    More(Vec<Picked>),
    /// What was brought has no file in it.
    NothingBrought,
    /// A file's beginning was looked at.
    Peeked {
        /// Which file.
        file: u32,
        /// What it is.
        beginning: Beginning,
    },
    /// The person says which encoding a row's file is in, by its WHATWG name.
    ChooseEncoding {
        /// The row.
        key: Key,
        /// The encoding.
        encoding: String,
    },
    /// The person wants all that failed tried again.
    RetryFailed,
    /// The person opens or closes the choice of more languages.
    ChooseTargets,
    /// The person wants files translated into a language as well, or no more.
    Target {
        /// The language, a BCP 47 tag.
        tag: String,
        /// Whether it is wanted.
        wanted: bool,
    },
    /// The person wants a row back that is about to be deleted.
    Undo(Key),
    /// The person came to the button that does that, or left it.
    Hold {
        /// The row.
        key: Key,
        /// Whether they are there.
        held: bool,
    },
    /// The time to undo a deletion is over.
    Due(Key),
    /// The person wants all results in one archive.
    DownloadAll,
    /// Another result is in it.
    Packed,
    /// It is there, but for that many results; or it could not be made.
    AllPacked(Result<u64, Trouble>),
}

/// What has to be done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FilesEffect {
    /// Let the person choose a folder.
    OfferFolders,
    /// Take out the files of what was brought.
    Unpack,
    /// Look at a file's beginning.
    Peek {
        /// Which file.
        file: u32,
        /// The language that it is said to be in, a BCP 47 tag or `auto`.
        source: Rc<str>,
    },
    /// Tell when the time to undo a deletion is over: [`UNDO_MS`].
    AwaitUndo(Key),
    /// Make an archive of results.
    Pack(Vec<Packable>),
}

/// A result for an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packable {
    /// The translation's id.
    pub id: String,
    /// Its name in the archive, with folders: safe to unpack, and like no other's.
    pub path: String,
}

/// How fast something goes: the last few seconds of it.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// When, in milliseconds, and how much was done by then.
    samples: VecDeque<(u64, u64)>,
}

impl Pace {
    /// How far back it looks, in milliseconds.
    const SPAN: u64 = 5_000;
    /// Nothing is foretold from less than that, in milliseconds.
    const LEAST: u64 = 1_000;

    /// Takes down how much is done; gives how many seconds are left, when that can be told.
    pub(super) fn note(&mut self, now: u64, done: u64, all: u64) -> Option<u64> {
        if self
            .samples
            .back()
            .is_some_and(|&(_, before)| before > done)
        {
            // It began anew.
            self.samples.clear();
        }
        // One in the span's past is kept, so that what is left of them still spans it.
        while self
            .samples
            .get(1)
            .is_some_and(|&(at, _)| at.saturating_add(Self::SPAN) < now)
        {
            self.samples.pop_front();
        }
        self.samples.push_back((now, done));
        let &(since, before) = self.samples.front()?;
        let (took, moved) = (now.saturating_sub(since), done.saturating_sub(before));
        if took < Self::LEAST || moved == 0 {
            return None;
        }
        let left = all.saturating_sub(done).saturating_mul(took);
        Some(left.div_ceil(moved.saturating_mul(1_000)))
    }
}

/// The path of a result in an archive: the folders of its file's name, then `notes.es.txt` for
/// `notes.txt` into Spanish, as the backend names it. Without anything that leads out of the folder
/// that it is unpacked in, or that some file system cannot have in a name.
pub(super) fn archive_path(name: &str, target: &str) -> String {
    let mut parts: Vec<String> = name
        .split(['/', '\\'])
        .map(file_name)
        .filter(|part| !part.is_empty())
        .collect();
    let file = parts.pop().unwrap_or_default();
    let named = match file.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() && extension.len() <= 16 => {
            [stem, ".", target, ".", extension].concat()
        }
        _ => [&*file, ".", target].concat(),
    };
    parts.push(named);
    parts.join("/")
}

/// A part of a path as every file system takes it.
fn file_name(part: &str) -> String {
    let harmless = |char: char| match char {
        // Windows' own, and what turns the rest of a name around (Unicode's UAX 9).
        '<'
        | '>'
        | ':'
        | '"'
        | '|'
        | '?'
        | '*'
        | '\u{200e}'
        | '\u{200f}'
        | '\u{61c}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}' => '_',
        char if char.is_control() => '_',
        char => char,
    };
    let part: String = part.chars().take(120).map(harmless).collect();
    // `.` and `..` lead elsewhere, and Windows drops the dots and spaces at an end.
    let part = part.trim_end_matches(['.', ' ']).trim_start();
    let stem = part.split('.').next().unwrap_or_default().to_uppercase();
    let device = match stem.strip_suffix(|char: char| char.is_ascii_digit()) {
        Some(stem) => matches!(stem, "COM" | "LPT"),
        None => matches!(&*stem, "CON" | "PRN" | "AUX" | "NUL"),
    };
    // Windows has devices of these names in every folder.
    if device {
        ["_", part].concat()
    } else {
        part.to_owned()
    }
}

/// Makes each path like no other, also where upper and lower case are the same: `a.es (2).txt`.
pub(super) fn set_apart(paths: &mut [Packable]) {
    let mut taken: Vec<String> = Vec::with_capacity(paths.len());
    for packable in paths {
        let mut path = packable.path.clone();
        let mut number = 2_u32;
        let place = loop {
            if let Err(place) = taken.binary_search(&path.to_lowercase()) {
                break place;
            }
            let suffix = [" (", &*number.to_string(), ")"].concat();
            let folder = packable.path.rfind('/').map_or(0, |slash| slash + 1);
            let file = packable.path.get(folder..).unwrap_or_default();
            let end = file
                .rfind('.')
                .map_or(packable.path.len(), |dot| folder + dot);
            let (stem, extension) = packable.path.split_at(end);
            path = [stem, &*suffix, extension].concat();
            number = number.wrapping_add(1);
        };
        taken.insert(place, path.to_lowercase());
        packable.path = path;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_is_foretold_from_the_last_seconds_alone() {
        let mut pace = Pace::default();
        assert_eq!(pace.note(0, 0, 50_000_000), None);
        assert_eq!(pace.note(500, 1_000_000, 50_000_000), None, "too early");
        assert_eq!(pace.note(2_000, 4_000_000, 50_000_000), Some(23));
        // Ten seconds at half the pace: the beginning does not count any more.
        for second in 3..=12_u64 {
            pace.note(second * 1_000, second * 1_000_000 + 2_000_000, 50_000_000);
        }
        assert_eq!(pace.note(13_000, 15_000_000, 50_000_000), Some(35));
        assert_eq!(pace.note(14_000, 200, 50_000_000), None, "it began anew");
    }

    #[test]
    fn nothing_is_foretold_while_nothing_moves() {
        let mut pace = Pace::default();
        pace.note(0, 10, 100);
        assert_eq!(pace.note(9_000, 10, 100), None);
    }

    #[test]
    fn a_path_in_an_archive_leads_nowhere_else() {
        for (name, path) in [
            ("notes.txt", "notes.es.txt"),
            ("letters/may.txt", "letters/may.es.txt"),
            ("../../../etc/passwd", "etc/passwd.es"),
            ("/absolute.txt", "absolute.es.txt"),
            ("C:\\boot.ini", "C_/boot.es.ini"),
            ("a/./b//../c.txt", "a/b/c.es.txt"),
            ("invoice\u{202e}txt.exe", "invoice_txt.es.exe"),
            ("a\r\nb?.txt", "a__b_.es.txt"),
            (".hidden", ".hidden.es"),
            ("dots...", "dots.es"),
            ("aux/com1.txt", "_aux/_com1.es.txt"),
            ("column.txt", "column.es.txt"),
            ("..", ".es"),
        ] {
            assert_eq!(archive_path(name, "es"), path, "{name}");
        }
    }

    #[test]
    fn no_two_paths_of_an_archive_are_the_same_on_any_file_system() {
        let mut all: Vec<Packable> = [
            "a/b.txt",
            "A/B.txt",
            "a/b.txt",
            "a/b (2).txt",
            "noend",
            "noend",
        ]
        .into_iter()
        .map(|path| Packable {
            id: String::new(),
            path: path.to_owned(),
        })
        .collect();
        set_apart(&mut all);
        let paths: Vec<&str> = all.iter().map(|packable| &*packable.path).collect();
        assert_eq!(
            paths,
            [
                "a/b.txt",
                "A/B (2).txt",
                "a/b (3).txt",
                "a/b (2) (2).txt",
                "noend",
                "noend (2)"
            ]
        );
    }
}

//! Reads Apertium's `*.mode` files: the shell pipelines that make up a translator.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// A stage of a pipeline: a program and its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stage {
    pub(crate) program: String,
    pub(crate) arguments: Vec<String>,
}

/// The programs that take `-z`: end every reply with a NUL, and flush it.
const NULL_FLUSHING: &[&str] = &[
    "apertium-anaphora",
    "apertium-extract-caps",
    "apertium-interchunk",
    "apertium-postchunk",
    "apertium-posttransfer",
    "apertium-pretransfer",
    "apertium-restore-caps",
    "apertium-tagger",
    "apertium-transfer",
    "cg-proc",
    "hfst-proc",
    "lrx-proc",
    "lsx-proc",
    "lt-proc",
    "rtx-proc",
];

/// The programs that flush at a NUL unasked.
const FLUSHING_UNASKED: &[&str] = &["apertium-wblank-attach", "apertium-wblank-detach"];

/// The stages of a mode, as null-flushing programs without marks for unknown words, like
/// `apertium -u -z`. The error says what in the file cannot be run.
pub(crate) fn parse(mode: &str) -> Result<Vec<Stage>, String> {
    let mut stages = Vec::new();
    for words in commands(mode)? {
        let mut words = words.into_iter().filter_map(|word| match word.as_str() {
            "$1" => Some("-n".to_owned()),
            // Options that the `apertium` command would fill in, such as the tagger's.
            "$2" | "$3" => None,
            _ => Some(word),
        });
        let program = words.next().ok_or("a stage is empty")?;
        let name = Path::new(&program)
            .file_name()
            .and_then(OsStr::to_str)
            .unwrap_or_default();
        let mut arguments = Vec::new();
        if NULL_FLUSHING.contains(&name) {
            arguments.push("-z".to_owned());
        } else if !FLUSHING_UNASKED.contains(&name) {
            return Err(format!("{program} is not known to flush at a NUL"));
        }
        arguments.extend(words.filter(|word| word != "-z"));
        stages.push(Stage { program, arguments });
    }
    Ok(stages)
}

impl Stage {
    /// What the stage needs and is not there: a program or a file with linguistic data.
    pub(crate) fn missing(&self) -> Option<PathBuf> {
        let data = self
            .arguments
            .iter()
            .map(Path::new)
            .filter(|path| path.is_absolute())
            .find(|path| !path.exists());
        if let Some(data) = data {
            return Some(data.to_owned());
        }
        let program = Path::new(&self.program);
        let is_there = if program.components().count() > 1 {
            program.exists()
        } else {
            std::env::var_os("PATH").is_some_and(|path| {
                std::env::split_paths(&path).any(|folder| folder.join(program).exists())
            })
        };
        (!is_there).then(|| program.to_owned())
    }
}

/// Splits a pipeline of simple commands into words, as a shell does.
fn commands(line: &str) -> Result<Vec<Vec<String>>, String> {
    let mut commands = vec![Vec::new()];
    let mut word: Option<String> = None;
    let mut characters = line.trim().chars();
    let end_word = |word: &mut Option<String>, commands: &mut Vec<Vec<String>>| {
        if let (Some(word), Some(command)) = (word.take(), commands.last_mut()) {
            command.push(word);
        }
    };
    while let Some(character) = characters.next() {
        match character {
            '|' => {
                end_word(&mut word, &mut commands);
                commands.push(Vec::new());
            }
            '\'' | '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match characters.next() {
                        Some(end) if end == character => break,
                        Some('\\') if character == '"' => word.extend(characters.next()),
                        Some(inner) => word.push(inner),
                        None => return Err(format!("a {character} is not closed")),
                    }
                }
            }
            '\\' => word.get_or_insert_default().extend(characters.next()),
            ';' | '&' | '<' | '>' | '(' | ')' | '`' | '*' | '?' => {
                return Err(format!("“{character}” asks for a shell"));
            }
            blank if blank.is_whitespace() => end_word(&mut word, &mut commands),
            other => word.get_or_insert_default().push(other),
        }
    }
    end_word(&mut word, &mut commands);
    if commands.iter().any(Vec::is_empty) {
        return Err("a stage is empty".to_owned());
    }
    Ok(commands)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage(program: &str, arguments: &[&str]) -> Stage {
        Stage {
            program: program.to_owned(),
            arguments: arguments.iter().map(|&word| word.to_owned()).collect(),
        }
    }

    #[test]
    fn a_mode_becomes_null_flushing_stages_without_marks() {
        let stages = parse(
            "lt-proc '/usr/share/a b/x.bin' | apertium-tagger -g $2 \"/x/y.prob\" \
             | apertium-pretransfer -z|lt-proc $1 /x/gen.bin\n",
        )
        .unwrap();
        assert_eq!(
            stages,
            [
                stage("lt-proc", &["-z", "/usr/share/a b/x.bin"]),
                stage("apertium-tagger", &["-z", "-g", "/x/y.prob"]),
                stage("apertium-pretransfer", &["-z"]),
                stage("lt-proc", &["-z", "-n", "/x/gen.bin"]),
            ]
        );
    }

    #[test]
    fn what_needs_a_shell_or_cannot_flush_is_refused() {
        for mode in [
            "",
            "lt-proc x |",
            "lt-proc x | sed s/a/b/",
            "lt-proc x > /tmp/y",
            "lt-proc x; rm -rf y",
            "lt-proc `x`",
            "lt-proc 'x",
        ] {
            assert!(parse(mode).is_err(), "{mode:?}");
        }
    }

    #[test]
    fn a_stage_knows_what_it_lacks() {
        assert_eq!(
            stage("sh", &["-c", "/no/such/file"]).missing(),
            Some(PathBuf::from("/no/such/file"))
        );
        assert_eq!(
            stage("no-such-program", &[]).missing(),
            Some(PathBuf::from("no-such-program"))
        );
        assert_eq!(stage("sh", &["-c", "/"]).missing(), None);
    }
}

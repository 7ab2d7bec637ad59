//! `screenshots`: the page in every state, as pictures.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::process::run_watched;
use crate::{paths, test};

/// Takes pictures of the states of those names, of all if there is none, into `docs/screenshots`,
/// and lists what is there. The answer is the exit code.
pub(crate) fn run(only: &[String]) -> Result<u8> {
    let dir = paths::root().join("docs").join("screenshots");
    let mut command = test::playwright()?;
    command
        .args(["--config", "shots.config.ts"])
        .env("BABELWIRE_SHOTS", &dir);
    if only.is_empty() {
        remove_pictures(&dir)?;
    } else {
        // The title of a state's test begins with its name.
        let names: Vec<String> = only.iter().map(|name| format!(" {name}: ")).collect();
        command.args(["--grep", &names.join("|")]);
    }
    let status = run_watched(&mut command, |_| {})?;
    fs::write(dir.join("README.md"), list(&dir)?).context("cannot write the list of pictures")?;
    Ok(u8::from(!status.success()))
}

/// States come and go: a picture of one that went would stay for ever.
fn remove_pictures(dir: &Path) -> Result<()> {
    for name in pictures(dir).unwrap_or_default() {
        fs::remove_file(dir.join(&name)).with_context(|| format!("cannot remove {name}"))?;
    }
    Ok(())
}

/// The names of the pictures in order.
fn pictures(dir: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).with_context(|| format!("cannot list {}", dir.display()))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if Path::new(&name).extension().is_some_and(|e| e == "png") {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// The pictures in Markdown, in the order of `e2e/states.ts` and with what it says of them.
fn list(dir: &Path) -> Result<String> {
    let states = paths::root().join("e2e").join("states.ts");
    let states =
        fs::read_to_string(&states).with_context(|| format!("cannot read {}", states.display()))?;
    let pictures = pictures(dir)?;
    let mut list = String::from(
        "# The page in every state\n\nBy `cargo xtask screenshots`; `e2e/states.ts` has the states. \
         Each is here light and dark, 320 and 1280 pixels wide.\n",
    );
    for (name, shows) in states_of(&states) {
        let of_it: Vec<&String> = pictures
            .iter()
            .filter(|picture| {
                picture
                    .strip_prefix(name)
                    .is_some_and(|rest| rest.starts_with("-light-") || rest.starts_with("-dark-"))
            })
            .collect();
        if of_it.is_empty() {
            continue;
        }
        let _infallible = writeln!(list, "\n## {name}\n\n{shows}\n");
        for picture in of_it {
            let looks = picture
                .trim_end_matches(".png")
                .rsplitn(3, '-')
                .take(2)
                .collect::<Vec<_>>();
            let (width, theme) = (looks.first().unwrap_or(&""), looks.get(1).unwrap_or(&""));
            let _infallible = writeln!(list, "- [{theme}, {width} pixels]({picture})");
        }
    }
    Ok(list)
}

/// The names of the states and what they show, as the file has them.
fn states_of(file: &str) -> impl Iterator<Item = (&str, &str)> {
    file.split("\n    name: '").skip(1).filter_map(|rest| {
        let (name, rest) = rest.split_once('\'')?;
        let (_, rest) = rest.split_once("shows: '")?;
        let (shows, _) = rest.split_once("',\n")?;
        Some((name, shows))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_states_are_read_from_their_file() {
        let file = "\nexport const STATES: State[] = [\n  {\n    name: 'empty',\n    shows: 'A first \
                    visit.',\n    bring: open,\n  },\n  {\n    name: 'two-words',\n    shows: \
                    'Another.',\n  },\n];\n";
        assert_eq!(
            states_of(file).collect::<Vec<_>>(),
            [("empty", "A first visit."), ("two-words", "Another.")]
        );
    }
}

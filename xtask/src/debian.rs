//! Debian packages: installed when they are missing and this user may, else named in words.

use std::process::Command;

use anyhow::{Result, bail};

use crate::process::{on_path, output_of, run_quietly};

/// The engine and a useful set of languages: English and Spanish; over Spanish, English then
/// reaches French, Italian and Portuguese too. Italian as a source needs the constraint grammar
/// (`cg3`), which its package does not ask for.
const APERTIUM: [&str; 6] = [
    "apertium",
    "apertium-eng-spa",
    "apertium-fr-es",
    "apertium-spa-ita",
    "apertium-es-pt",
    "cg3",
];

/// One translation mode of each of those packages.
const MODES: [&str; 4] = ["eng-spa", "fr-es", "spa-ita", "es-pt"];

/// Whether Apertium and the set of languages are there.
pub(crate) fn has_apertium() -> bool {
    let modes = output_of(Command::new("apertium").arg("-l"));
    on_path("cg-proc").is_some()
        && modes.is_some_and(|text| {
            let installed: Vec<&str> = text.split_whitespace().collect();
            MODES.iter().all(|mode| installed.contains(mode))
        })
}

/// Installs Apertium and the set of languages.
pub(crate) fn install_apertium() -> Result<()> {
    install(&APERTIUM)
}

/// Installs `packages` from Debian. Without the rights or without apt, the error says in words
/// what a person can do.
pub(crate) fn install(packages: &[&str]) -> Result<()> {
    let list = packages.join(" ");
    if on_path("apt-get").is_none() {
        bail!(
            "this is not a Debian-like system, so this has to be installed by hand (the names \
             are Debian's): {list}"
        );
    }
    let Some(prefix) = rights() else {
        bail!(
            "no rights to install packages. Run this, then try again:\n    sudo apt-get install \
             --no-install-recommends {list}"
        );
    };
    let apt = |name: &str, arguments: &[&str]| {
        let mut words = prefix.iter().copied().chain([
            "env",
            "DEBIAN_FRONTEND=noninteractive",
            "apt-get",
            "-q",
            "-y",
            "-o",
            // Another apt may be at work, such as the nightly upgrade.
            "DPkg::Lock::Timeout=120",
        ]);
        let mut command = Command::new(words.next().unwrap_or("env"));
        command.args(words).args(arguments);
        run_quietly(name, &mut command)
    };
    let mut install = vec!["install", "--no-install-recommends"];
    install.extend(packages);
    // The lists of packages may be missing or old: fetch them only then.
    if apt("apt-install", &install).is_ok() {
        return Ok(());
    }
    apt("apt-update", &["update"])?;
    apt("apt-install", &install)
}

/// The words that come before a command that needs root, if this user may run any.
fn rights() -> Option<Vec<&'static str>> {
    #[cfg(unix)]
    if rustix::process::geteuid().is_root() {
        return Some(Vec::new());
    }
    output_of(Command::new("sudo").args(["-n", "true"])).map(|_| vec!["sudo", "-n"])
}

//! Python's packages: in virtual environments of the shared cache, one for each list of versions.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::process::{output_of, run_quietly};
use crate::{debian, paths};

/// The virtual environment `name` with exactly what the file `requirements` lists, made or renewed
/// where it is not.
pub(crate) fn venv(name: &str, requirements: &Path) -> Result<PathBuf> {
    let wanted = fs::read_to_string(requirements)
        .with_context(|| format!("cannot read {}", requirements.display()))?;
    let venv = paths::cache().join(name);
    let stamp = venv.join("installed-requirements.txt");
    if fs::read_to_string(&stamp).is_ok_and(|have| have == wanted) {
        return Ok(venv);
    }
    if output_of(Command::new("python3").args(["-c", "import venv, ensurepip"])).is_none() {
        debian::install(&["python3", "python3-venv", "python3-pip"])?;
    }
    run_quietly(
        &format!("{name}-make"),
        Command::new("python3")
            .args(["-m", "venv", "--clear"])
            .arg(&venv),
    )?;
    run_quietly(
        &format!("{name}-pip"),
        Command::new(venv.join("bin").join("pip"))
            .args(["install", "--quiet", "--disable-pip-version-check", "-r"])
            .arg(requirements),
    )?;
    fs::write(&stamp, &wanted).context("cannot note what was installed")?;
    Ok(venv)
}

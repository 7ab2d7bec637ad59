//! Where things are and where they go.

use std::env;
use std::path::{Path, PathBuf};

/// The clone's top directory.
pub(crate) fn root() -> PathBuf {
    // Cargo sets the variable for `cargo run`; the compiled-in value serves a direct call.
    let manifest = env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    manifest
        .parent()
        .map_or(manifest.clone(), Path::to_path_buf)
}

/// What the commands make for this clone alone: the page, the server's binary, reports.
pub(crate) fn work() -> PathBuf {
    root().join("target").join("xtask")
}

/// What all clones share: tools, compiled dependencies, logs. `BABELWIRE_CACHE` names another
/// place.
pub(crate) fn cache() -> PathBuf {
    let own = |name| {
        env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    own("BABELWIRE_CACHE")
        .or_else(|| own("XDG_CACHE_HOME").map(|dir| dir.join("babelwire")))
        .or_else(|| own("HOME").map(|dir| dir.join(".cache").join("babelwire")))
        .unwrap_or_else(|| root().join("target").join("cache"))
}

/// The tools that the commands install: their binaries are in `bin`.
pub(crate) fn tools() -> PathBuf {
    cache().join("tools")
}

/// Cargo's target directory for native code, shared by all clones so that a fresh one is warm.
pub(crate) fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| cache().join("target"), |dir| root().join(dir))
}

/// Cargo's target directory for WebAssembly: its own, so that a native build never waits for it.
pub(crate) fn target_page() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(
        || cache().join("target-page"),
        |dir| root().join(dir).join("page"),
    )
}

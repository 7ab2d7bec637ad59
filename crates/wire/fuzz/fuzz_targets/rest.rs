//! Any text as a body of the REST interface: it fits or it does not, and nothing panics.

#![no_main]

use babelwire_wire::config::Config;
use babelwire_wire::from_json;
use babelwire_wire::rest::{Created, Languages, Listing, OneTranslation, Problem, Segments};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = from_json::<Config>(text);
    let _ = from_json::<Created>(text);
    let _ = from_json::<Languages>(text);
    let _ = from_json::<Listing>(text);
    let _ = from_json::<OneTranslation>(text);
    let _ = from_json::<Problem>(text);
    let _ = from_json::<Segments>(text);
});

use babelwire_wire::{Failure, Inbound, Status, Translation};

use super::*;
use crate::store::{Mode, Msg, Preferences, Row, Stage, State, reduce};

#[test]
fn thousands_are_told_apart() {
    for (count, text) in [
        (0, "0"),
        (999, "999"),
        (1_000, "1,000"),
        (1_960, "1,960"),
        (12_345_678, "12,345,678"),
    ] {
        assert_eq!(number(count), text);
    }
}

#[test]
fn a_part_is_told_in_the_unit_of_the_whole() {
    assert_eq!(size_of(12_400_000, 50_000_000), "12.4 of 50 MB");
    assert_eq!(size_of(900, 1_500_000), "0 of 1.5 MB");
    assert_eq!(size_of(400, 2_500), "1 of 3 KB");
    assert_eq!(size_of(9_999, 120), "120 of 120 bytes");
    assert_eq!(size(1_234_567_890), "1,234.5 MB");
    assert_eq!(size(1), "1 byte");
}

#[test]
fn a_time_is_told_the_finer_the_shorter_it_is() {
    for (seconds, text) in [
        (0, "0 s"),
        (48, "48 s"),
        (60, "1 min"),
        (200, "3 min 20 s"),
        (1_499, "25 min"),
        (3_599, "1 h"),
        (7_500, "2 h 5 min"),
    ] {
        assert_eq!(duration(seconds), text);
    }
}

#[test]
fn one_is_no_plural() {
    assert_eq!(plural(Text::Paragraphs, 1), "1 paragraph");
    assert_eq!(plural(Text::Paragraphs, 1_960), "1,960 paragraphs");
    assert_eq!(
        plural_with(Text::StateTranslatingSome, 1_960, &["412"]),
        "Translating, 412 of 1,960 paragraphs"
    );
}

#[test]
fn braces_that_are_no_blank_stay_and_what_is_filled_in_is_not_looked_into() {
    assert!(say(Text::ConfigMissingAdvice).contains(r#"{"websocketUrl""#));
    assert_eq!(fill_in(r#"{"a": {0}} {"#, &["{1}", "x"]), r#"{"a": {1}} {"#);
    assert_eq!(fill_in("{7}", &[]), "{7}");
}

#[test]
fn trouble_reads_as_sentences_whatever_its_punctuation() {
    assert_eq!(
        trouble::joined("Too large.", "At most 50 MB."),
        "Too large. At most 50 MB."
    );
    assert_eq!(trouble::joined("Too large", ""), "Too large.");
}

#[test]
fn what_is_filled_into_an_arabic_text_is_set_apart_only_when_it_runs_the_other_way() {
    let arabic = Locale::all().remove(2);
    speak(Language::read("ar", &arabic.json, PLAIN).unwrap().0);
    for (part, apart) in [
        ("notes.txt", true),
        ("(1) ñandú.txt", true),
        ("第一章.txt", true),
        ("12", false),
        ("تقرير.txt", false),
        ("2 م.ب", false),
        // A sentence that begins with a name, which is set apart in it.
        ("\u{2068}a.txt\u{2069} تُرجم", false),
    ] {
        let filled = fill_in("«{0}».", &[part]);
        assert_eq!(
            filled.contains(&format!("«\u{2068}{part}\u{2069}»")),
            apart,
            "{filled}"
        );
        assert!(apart || filled == format!("«{part}»."), "{filled}");
    }
}

#[test]
fn a_text_is_never_cut_within_a_character() {
    assert_eq!(beginning("añb", 2), "a");
    assert_eq!(beginning("añb", 99), "añb");
}

// The files of `locales/`.

/// The languages that are files, each with how many plural categories CLDR gives it.
const LOCALES: [(&str, &[&str]); 3] = [
    ("es", &["one", "many", "other"]),
    ("de", &["one", "other"]),
    ("ar", &["zero", "one", "two", "few", "many", "other"]),
];

/// What a browser would lend, as plain as it can be.
const PLAIN: Intl = Intl {
    number: |number| number.to_string(),
    plural: |number| usize::from(number > 1.0),
    after: |name, other| name > other,
};

/// A file of `locales/` as it is, its texts in their order.
struct Locale {
    tag: &'static str,
    json: String,
    plural: Vec<String>,
    texts: Vec<(String, String)>,
}

impl Locale {
    fn path(tag: &str) -> std::path::PathBuf {
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("locales/{tag}.json"))
    }

    fn of(tag: &'static str) -> Self {
        let json = std::fs::read_to_string(Self::path(tag)).unwrap();
        let mut fields = babelwire_wire::Fields::parse(&json).unwrap();
        Self {
            tag,
            plural: fields.texts("plural"),
            texts: fields.pairs("texts"),
            json,
        }
    }

    fn all() -> Vec<Self> {
        static UPDATED: std::sync::Once = std::sync::Once::new();
        UPDATED.call_once(update);
        LOCALES.iter().map(|(tag, _)| Self::of(tag)).collect()
    }

    fn text(&self, name: &str) -> &str {
        self.texts
            .iter()
            .find(|(other, _)| other == name)
            .map_or("", |(_, text)| text)
    }
}

/// With `UPDATE_LOCALES=1`, gives each file the names that there are now, in their order; what is
/// not translated yet is left empty for whoever translates it.
fn update() {
    if std::env::var_os("UPDATE_LOCALES").is_none() {
        return;
    }
    for (tag, plural) in LOCALES {
        let locale = Locale::of(tag);
        let dir = if tag == "ar" { "rtl" } else { "ltr" };
        let quoted = |text: &str| serde_json::to_string(text).unwrap();
        let texts: Vec<String> = texts::ALL
            .iter()
            .map(|(_, name)| format!("    {}: {}", quoted(name), quoted(locale.text(name))))
            .collect();
        let json = format!(
            "{{\n  \"dir\": \"{dir}\",\n  \"fingerprint\": \"{}\",\n  \"plural\": {},\n  \"texts\": {{\n{}\n  }}\n}}\n",
            str::from_utf8(texts::FINGERPRINT).unwrap(),
            serde_json::to_string(plural).unwrap(),
            texts.join(",\n"),
        );
        std::fs::write(Locale::path(tag), json).unwrap();
    }
}

/// The blanks of a text, in order.
fn blanks(text: &str) -> Vec<&str> {
    let mut blanks: Vec<&str> = (0..10)
        .map(|digit| {
            [
                "{0}", "{1}", "{2}", "{3}", "{4}", "{5}", "{6}", "{7}", "{8}", "{9}",
            ][digit]
        })
        .filter(|blank| text.contains(blank))
        .collect();
    blanks.sort_unstable();
    blanks
}

#[test]
fn each_locale_has_every_text_once_in_the_order_of_the_catalogue() {
    let names: Vec<&str> = texts::ALL.iter().map(|(_, name)| *name).collect();
    for locale in Locale::all() {
        let theirs: Vec<&str> = locale.texts.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            theirs, names,
            "{}.json: UPDATE_LOCALES=1 cargo test -p babelwire locale",
            locale.tag
        );
        for (name, text) in &locale.texts {
            assert!(
                !text.is_empty(),
                "{}.json: {name} is to be translated",
                locale.tag
            );
            assert_eq!(text, text.trim(), "{}.json: {name}", locale.tag);
            assert!(!text.contains('\n'), "{}.json: {name}", locale.tag);
        }
    }
}

#[test]
fn each_locale_can_be_spoken_and_says_what_it_has() {
    for locale in Locale::all() {
        let (language, categories) = Language::read(locale.tag, &locale.json, PLAIN).unwrap();
        assert_eq!(language.right_to_left, locale.tag == "ar");
        assert_eq!(categories, locale.plural);
        speak(language);
        assert_eq!(tag(), locale.tag);
        for (text, name) in texts::ALL {
            assert_eq!(say(*text), locale.text(name), "{}.json: {name}", locale.tag);
        }
    }
}

#[test]
fn a_locale_has_the_blanks_of_the_english_and_the_forms_of_its_own_plural() {
    speak(Language::english());
    for locale in Locale::all() {
        let (_, categories) = LOCALES.iter().find(|(tag, _)| *tag == locale.tag).unwrap();
        assert_eq!(locale.plural, *categories, "{}.json", locale.tag);
        for (text, name) in texts::ALL {
            let (english, theirs) = (say(*text), locale.text(name));
            let whose = format!("{}.json: {name}: {theirs}", locale.tag);
            if english.contains('|') {
                let forms: Vec<&str> = theirs.split('|').collect();
                assert_eq!(forms.len(), categories.len(), "{whose}");
                let all = blanks(english);
                for form in forms {
                    // "One paragraph" needs no number.
                    let needed: Vec<&str> = all
                        .iter()
                        .copied()
                        .filter(|blank| *blank != "{0}")
                        .collect();
                    let mut found = blanks(form);
                    assert!(found.iter().all(|blank| all.contains(blank)), "{whose}");
                    found.retain(|blank| *blank != "{0}");
                    assert_eq!(found, needed, "{whose}");
                }
            } else {
                assert_eq!(blanks(theirs), blanks(english), "{whose}");
                assert!(!theirs.contains('|'), "{whose}");
            }
        }
    }
}

#[test]
fn a_locale_of_another_version_is_not_spoken() {
    let whole = Locale::all().remove(1).json;
    let fingerprint = str::from_utf8(texts::FINGERPRINT).unwrap();
    let last = texts::ALL.last().unwrap().1;
    for json in [
        String::new(),
        "<!doctype html>".to_owned(),
        "{}".to_owned(),
        whole.replace(fingerprint, "00000000"),
        whole
            .replace(
                &format!("\"{last}\": \""),
                &format!("\"{last}\": 7, \"x\": \""),
            )
            .replace("\"x\": \"", "\"x\": null, \"y\": \"\", \"z\": \""),
    ] {
        assert!(Language::read("de", &json, PLAIN).is_none(), "{json:.80}");
    }
}

#[test]
fn no_text_speaks_of_errors_codes_or_anything_invalid() {
    speak(Language::english());
    for (text, name) in texts::ALL {
        let words = say(*text).to_lowercase();
        for word in ["error", "invalid", "failed to", "http", "exception"] {
            assert!(!words.contains(word), "{name}: {words}");
        }
        let digits = words.split(|char: char| !char.is_ascii_digit());
        assert!(
            digits.clone().all(|number| number.len() < 3),
            "{name}: {words}"
        );
    }
}

// States.

/// Rows in every state that there is.
fn rows() -> Vec<Row> {
    let translation = |status: Status, done: u64, total: u64| Translation {
        id: "T1".to_owned(),
        name: "a.txt".to_owned(),
        size: 50_000_000,
        source: "en".to_owned(),
        target: "es".to_owned(),
        charset: None,
        status,
        done,
        failed: 0,
        total,
        ahead: None,
        error: None,
        created_at: "2026-02-28T23:59:00Z".to_owned(),
        updated_at: "2026-02-28T23:59:00Z".to_owned(),
        started_at: None,
        finished_at: None,
        revision: 1,
    };
    let snapshots = [
        translation(Status::AwaitingUpload, 0, 0),
        translation(Status::Queued, 0, 0),
        Translation {
            ahead: Some(0),
            ..translation(Status::Queued, 0, 0)
        },
        Translation {
            ahead: Some(2),
            ..translation(Status::Queued, 0, 0)
        },
        translation(Status::Translating, 0, 0),
        translation(Status::Translating, 412, 1_960),
        translation(Status::Translating, 1_960, 1_960),
        translation(Status::Done, 0, 0),
        translation(Status::Done, 1_960, 1_960),
        Translation {
            started_at: Some("2026-02-28T23:59:30.5Z".to_owned()),
            finished_at: Some("2026-03-01T00:00:18Z".to_owned()),
            ..translation(Status::Done, 1_960, 1_960)
        },
        Translation {
            failed: 6,
            ..translation(Status::Done, 1_954, 1_960)
        },
        translation(Status::Failed, 0, 0),
        Translation {
            error: Some(Failure {
                title: "Not a plain text file".to_owned(),
                detail: "The file looks like a PDF document.".to_owned(),
            }),
            ..translation(Status::Failed, 0, 0)
        },
        translation(Status::Cancelled, 0, 0),
        translation(Status::Cancelled, 412, 1_960),
    ];
    let mut rows: Vec<Row> = snapshots
        .into_iter()
        .map(|snapshot| {
            let mut state = State::new(Preferences::default());
            let snapshot = serde_json::to_string(&snapshot).unwrap();
            let frame = format!(r#"{{"type":"translation","translation":{snapshot}}}"#);
            reduce(&mut state, Msg::Configured(Ok(Mode::Full)));
            reduce(&mut state, Msg::Frame(Inbound::parse(frame)));
            (*state.rows.remove(0)).clone()
        })
        .collect();
    let stages = [
        Stage::Checking,
        Stage::Held,
        Stage::Waiting,
        Stage::Announcing,
        Stage::Uploading { sent: 12_400_000 },
        Stage::Uploading { sent: 50_000_000 },
        Stage::Interrupted,
        Stage::Sent,
        Stage::Stopped(Trouble::passing(Text::NotSent, Text::NotSentStalled)),
        Stage::Cancelled,
    ];
    for stage in stages {
        let mut row = rows[0].clone();
        row.stage = stage;
        row.left = Some(20);
        rows.push(row);
    }
    rows
}

#[test]
fn every_state_is_told_as_a_person_would() {
    speak(Language::english());
    let told: Vec<String> = rows().iter().map(state).collect();
    assert_eq!(
        told,
        [
            "Waiting for its file",
            "Waiting",
            "Waiting, next in line",
            "Waiting, 2 ahead of you",
            "Translating",
            "Translating, 412 of 1,960 paragraphs",
            "Translating, 1,960 of 1,960 paragraphs",
            "Done",
            "Done, 1,960 paragraphs",
            "Done, 1,960 paragraphs in 48 s",
            "Done, but 6 paragraphs were left in the original language",
            "Failed",
            "Failed: Not a plain text file. The file looks like a PDF document.",
            "Cancelled before anything was translated",
            "Cancelled. Stopped at 412 of 1,960 paragraphs. Download what is done.",
            "Being looked at",
            "Waits until you are online",
            "Waiting to be uploaded",
            "Preparing to upload",
            "Uploading, 12.4 of 50 MB, 20 s left",
            "Uploaded, waiting for the server to say so",
            "Upload interrupted, starts again by itself",
            "Received, being checked",
            "Failed: It could not be sent. Nothing moved for too long. Try again.",
            "Cancelled before it was uploaded",
        ]
    );
}

#[test]
fn every_state_is_told_in_every_language_without_blanks_forms_or_the_english_of_the_backend() {
    speak(Language::english());
    let english: Vec<String> = rows().iter().map(state).collect();
    for locale in Locale::all() {
        let (language, _) = Language::read(locale.tag, &locale.json, PLAIN).unwrap();
        speak(language);
        for (row, english) in rows().iter().zip(&english) {
            let words = state(row);
            assert!(!words.is_empty());
            assert!(!words.contains(['{', '}', '|']), "{}: {words}", locale.tag);
            assert_ne!(&words, english, "{}", locale.tag);
            assert!(!words.contains("PDF"), "{}: {words}", locale.tag);
        }
    }
}

#[test]
fn nothing_is_shown_as_whole_before_the_backend_says_so() {
    for row in rows() {
        if let Some(Some((value, max))) = progress(&row) {
            assert!(value < max, "{row:?}");
        }
    }
}

#[test]
fn what_the_backend_says_is_shown_in_english_alone() {
    let trouble = crate::api::refusal(
        413,
        r#"{"type":"about:blank","title":"Too large","status":413,"detail":"At most 50 MB."}"#,
    );
    assert_eq!(sentence(&trouble), "Too large. At most 50 MB.");
    let german = Locale::all().remove(1);
    let (language, _) = Language::read("de", &german.json, PLAIN).unwrap();
    speak(language);
    assert_eq!(
        sentence(&trouble),
        [
            german.text("TroubleTooLarge"),
            ". ",
            german.text("TroubleTooLargeAdvice")
        ]
        .concat()
    );
}

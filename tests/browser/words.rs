//! The page in the languages that it speaks.

use babelwire::intl::{self, language_name};
use babelwire::runtime::Store;
use babelwire::store::{Msg, Preferences, State};
use babelwire::words::{self, Text, decimal, number, plural, say, size_of};
use babelwire_wire::{Status, Translation};
use js_sys::{Function, Reflect, global};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_test::wasm_bindgen_test;
use web_sys::{Element, Event, EventInit, HtmlElement, HtmlSelectElement};

use crate::support::{Page, translation};

const SPANISH: &str = include_str!("../../locales/es.json");
const GERMAN: &str = include_str!("../../locales/de.json");
const ARABIC: &str = include_str!("../../locales/ar.json");

/// The page speaks that language as long as this lives. The next test hears English again.
struct Speaking;

impl Speaking {
    fn of(tag: &'static str, file: &str) -> Self {
        // JSON is read once there is a store.
        let _ = Store::new(State::new(Preferences::default()), |_, _| {});
        assert!(intl::speak(tag, file), "{tag}");
        Self
    }
}

impl Drop for Speaking {
    fn drop(&mut self) {
        intl::speak_english();
    }
}

fn root() -> Element {
    let document = web_sys::window().unwrap().document().unwrap();
    document.document_element().unwrap()
}

/// `lang` and `dir` of the whole document.
fn spoken() -> (String, String) {
    let attribute = |name| root().get_attribute(name).unwrap_or_default();
    (attribute("lang"), attribute("dir"))
}

fn choice(page: &Page) -> HtmlSelectElement {
    page.one("#interface-language").unchecked_into()
}

async fn choose(page: &Page, tag: &str) {
    let choice = choice(page);
    choice.set_value(tag);
    let init = EventInit::new();
    init.set_bubbles(true);
    choice
        .dispatch_event(&Event::new_with_event_init_dict("change", &init).unwrap())
        .unwrap();
    page.shown().await;
}

#[wasm_bindgen_test]
fn numbers_sizes_and_plurals_are_those_of_the_language() {
    {
        let _german = Speaking::of("de", GERMAN);
        assert_eq!(number(1_960), "1.960");
        assert_eq!(decimal(124), "12,4");
        assert_eq!(size_of(12_400_000, 50_000_000), "12,4 von 50 MB");
        assert_eq!(plural(Text::Paragraphs, 1), "1 Absatz");
        assert_eq!(plural(Text::Paragraphs, 1_960), "1.960 Absätze");
    }
    {
        let _spanish = Speaking::of("es", SPANISH);
        assert_eq!(plural(Text::Paragraphs, 2), "2 párrafos");
        assert!(plural(Text::Paragraphs, 1_000_000).ends_with(" de párrafos"));
    }
    assert_eq!(number(1_960), "1,960");
    assert_eq!(plural(Text::Paragraphs, 2), "2 paragraphs");
}

#[wasm_bindgen_test]
fn arabic_has_six_forms_and_each_is_used() {
    let _arabic = Speaking::of("ar", ARABIC);
    let of = |count| plural(Text::Paragraphs, count);
    assert_eq!(of(1), "فقرة واحدة");
    assert_eq!(of(2), "فقرتان");
    for (count, noun) in [(0, "فقرة"), (3, "فقرات"), (11, "فقرة"), (100, "فقرة")] {
        let words = of(count);
        assert!(words.ends_with(noun), "{count}: {words}");
        assert!(words.contains(&number(count)), "{count}: {words}");
    }
}

#[wasm_bindgen_test]
fn languages_have_their_names_in_the_language_of_the_page() {
    assert_eq!(&*language_name("es"), "Spanish");
    {
        let _german = Speaking::of("de", GERMAN);
        assert_eq!(&*language_name("es"), "Spanisch");
        assert_eq!(&*language_name("auto"), "Sprache erkennen");
        assert_eq!(&*language_name("es"), "Spanisch", "the second time as well");
    }
    assert_eq!(&*language_name("es"), "Spanish");
    assert_eq!(&*language_name("not a tag"), "not a tag");
}

#[wasm_bindgen_test]
fn names_are_sorted_as_the_language_sorts_them() {
    assert!(words::is_after("Spanish", "English"));
    let _spanish = Speaking::of("es", SPANISH);
    assert!(words::is_after("checo", "árabe"));
    assert!(!words::is_after("árabe", "checo"));
}

#[wasm_bindgen_test]
fn the_document_says_its_language_and_its_direction() {
    {
        let _arabic = Speaking::of("ar", ARABIC);
        assert_eq!(spoken(), ("ar".to_owned(), "rtl".to_owned()));
        let _german = Speaking::of("de", GERMAN);
        assert_eq!(spoken(), ("de".to_owned(), "ltr".to_owned()));
    }
    assert_eq!(spoken(), ("en".to_owned(), "ltr".to_owned()));
}

#[wasm_bindgen_test]
fn a_name_of_the_other_direction_does_not_turn_an_arabic_sentence_around() {
    let name = "notes (1).txt";
    assert_eq!(words::fill(Text::OpenFile, &[name]), "Open notes (1).txt");
    let _arabic = Speaking::of("ar", ARABIC);
    assert_eq!(
        words::fill(Text::OpenFile, &[name]),
        "فتح \u{2068}notes (1).txt\u{2069}"
    );
}

#[wasm_bindgen_test]
fn a_file_of_another_version_is_not_spoken_and_nothing_changes() {
    let _german = Speaking::of("de", GERMAN);
    for file in [
        "",
        "{}",
        "<!doctype html>",
        &ARABIC.replace("\"texts\"", "\"words\""),
    ] {
        assert!(!intl::speak("ar", file));
    }
    assert_eq!(words::tag(), "de");
    assert_eq!(spoken(), ("de".to_owned(), "ltr".to_owned()));
    assert_eq!(number(1_960), "1.960");
}

#[wasm_bindgen_test]
async fn a_page_with_files_says_everything_anew_in_another_language_and_keeps_its_place() {
    let page = Page::ready().await;
    page.push(&Translation {
        done: 1960,
        ..translation("T1", "a.txt", Status::Done, 2)
    })
    .await;
    page.push(&translation("T2", "b.txt", Status::Translating, 2))
        .await;
    page.button("Console").click();
    page.button("Open b.txt").click();
    page.shown().await;
    let (list, reader) = (page.one("ul.files"), page.one(".reader"));
    let choice = choice(&page);
    let _ = choice.unchecked_ref::<HtmlElement>().focus();

    let _german = Speaking::of("de", GERMAN);
    page.tell(Msg::Spoken(true)).await;
    for name in [
        "a.txt öffnen",
        "a.txt löschen",
        "b.txt abbrechen",
        "Konsole",
    ] {
        assert!(page.has_button(name), "{name}: {}", page.text());
    }
    assert!(
        page.text()
            .contains("Wird übersetzt, 412 von 1.960 Absätzen")
    );
    assert!(page.text().contains("Verbunden"));
    assert!(page.text().contains(say(Text::Tagline)));
    for english in ["Open", "Delete", "Connected", "Translate", "Both", "Action"] {
        assert!(!page.text().contains(english), "{english}: {}", page.text());
    }
    assert!(page.one("ul.files").is_same_node(Some(&list)));
    assert!(page.one(".reader").is_same_node(Some(&reader)));
    let focused = web_sys::window()
        .unwrap()
        .document()
        .unwrap()
        .active_element();
    assert!(choice.is_same_node(focused.as_deref()));
}

/// Waits for what comes over the network.
async fn says(page: &Page, text: impl Fn() -> String) {
    for _ in 0..600 {
        if page.text().contains(&text()) {
            return;
        }
        page.shown().await;
    }
    panic!("{} is not in {}", text(), page.text());
}

#[wasm_bindgen_test]
async fn choosing_a_language_fetches_it_and_english_is_always_there() {
    let page = Page::ready().await;
    assert_eq!(choice(&page).value(), "en");
    let speaking = Speaking;
    choose(&page, "de").await;
    says(&page, || "Verbunden".to_owned()).await;
    assert_eq!(words::tag(), "de");
    assert_eq!(choice(&page).value(), "de");
    choose(&page, "en").await;
    says(&page, || "Connected".to_owned()).await;
    assert_eq!(choice(&page).value(), "en");
    drop(speaking);
}

#[wasm_bindgen_test]
async fn a_language_that_cannot_be_had_leaves_the_page_as_it_is_and_is_told() {
    let page = Page::ready().await;
    let network = NoNetwork::new();
    choose(&page, "ar").await;
    says(&page, || say(Text::InterfaceLanguageMissing).to_owned()).await;
    assert_eq!(choice(&page).value(), "en");
    assert_eq!(words::tag(), "en");
    assert_eq!(spoken(), ("en".to_owned(), "ltr".to_owned()));
    drop(network);
    // Thought better of.
    choose(&page, "en").await;
    assert!(!page.text().contains(say(Text::InterfaceLanguageMissing)));
}

/// Nothing can be fetched as long as this lives.
struct NoNetwork(JsValue);

impl NoNetwork {
    fn new() -> Self {
        let fetch = Reflect::get(&global(), &"fetch".into()).unwrap();
        let refuse = Function::new_no_args("return Promise.reject(new TypeError('no network'))");
        Reflect::set(&global(), &"fetch".into(), &refuse).unwrap();
        Self(fetch)
    }
}

impl Drop for NoNetwork {
    fn drop(&mut self) {
        Reflect::set(&global(), &"fetch".into(), &self.0).unwrap();
    }
}

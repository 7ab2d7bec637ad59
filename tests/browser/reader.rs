//! The reader.

use babelwire::source_text::SourceText;
use babelwire::store::{Effect, Msg};
use babelwire_wire::{Segment, Status, Translation};
use js_sys::Uint8Array;
use wasm_bindgen::JsCast;
use wasm_bindgen_test::wasm_bindgen_test;
use web_sys::HtmlInputElement;

use crate::support::{Page, translation};

/// `a.txt` open, three paragraphs of which the second is still to come.
async fn reading(bytes: &[u8], charset: &str) -> Page {
    let page = Page::ready().await;
    let snapshot = Translation {
        done: 2,
        total: 3,
        charset: Some(charset.to_owned()),
        ..translation("T1", "a.txt", Status::Translating, 1)
    };
    page.push(&snapshot).await;
    page.button("Open a.txt").click();
    page.shown().await;
    assert!(page.asked().contains(&Effect::FetchSource {
        id: "T1".to_owned(),
        charset: charset.to_owned()
    }));
    let text = SourceText::decode(&Uint8Array::from(bytes), charset).unwrap();
    page.store.set_text("T1".to_owned(), text);
    page.tell(Msg::Source {
        id: "T1".to_owned(),
        result: Ok(()),
    })
    .await;
    page
}

async fn segments(page: &Page, total: u64, segments: Vec<Segment>) {
    let push = babelwire_wire::Push::Segments {
        translation_id: "T1".to_owned(),
        total,
        segments,
    };
    page.frame(&serde_json::to_string(&push).unwrap()).await;
}

fn segment(index: u64, source: [u64; 2], text: &str) -> Segment {
    Segment {
        index,
        source,
        text: text.to_owned(),
        failed: false,
    }
}

fn cells(page: &Page) -> Vec<(String, String)> {
    let text = |selector: &str, pair: &web_sys::HtmlElement| {
        pair.query_selector(selector)
            .unwrap()
            .map(|cell| cell.text_content().unwrap())
            .unwrap_or_default()
    };
    page.all(".pair")
        .iter()
        .map(|pair| (text(".from", pair), text(".into", pair)))
        .collect()
}

#[wasm_bindgen_test]
async fn source_and_translation_stand_side_by_side_in_place() {
    let page = reading("\u{feff}Año\n\nDos\n\nTres".as_bytes(), "utf-8").await;
    segments(
        &page,
        3,
        vec![segment(2, [11, 15], "Three"), segment(0, [0, 4], "Year")],
    )
    .await;
    assert_eq!(
        cells(&page),
        [
            ("Año".to_owned(), "Year".to_owned()),
            ("Dos".to_owned(), "…".to_owned()),
            ("Tres".to_owned(), "Three".to_owned()),
        ]
    );
    segments(&page, 3, vec![segment(1, [6, 9], "Two")]).await;
    assert_eq!(cells(&page)[1], ("Dos".to_owned(), "Two".to_owned()));
    let into = page.all(".into");
    assert_eq!(into[0].lang(), "es");
    assert_eq!(into[0].get_attribute("dir").unwrap(), "auto");
}

#[wasm_bindgen_test]
async fn a_source_in_a_legacy_encoding_is_read_as_the_backend_reads_it() {
    // "ñ é" in windows-1252; the ranges count UTF-8.
    let page = reading(&[0xf1, b'\n', 0xe9], "windows-1252").await;
    segments(
        &page,
        2,
        vec![segment(0, [0, 2], "n"), segment(1, [3, 5], "e")],
    )
    .await;
    assert_eq!(cells(&page)[0].0, "ñ");
    assert_eq!(cells(&page)[1].0, "é");
}

#[wasm_bindgen_test]
async fn a_person_chooses_what_is_shown() {
    let page = reading(b"One", "utf-8").await;
    segments(&page, 1, vec![segment(0, [0, 3], "Uno")]).await;
    let choose = |name: &'static str| {
        let labels = page.all("[role=radiogroup][aria-label=View] label");
        let label = labels
            .into_iter()
            .find(|label| label.text_content().unwrap() == name)
            .unwrap();
        let input = label.query_selector("input").unwrap().unwrap();
        input.unchecked_into::<HtmlInputElement>().click();
    };
    choose("Translation");
    page.shown().await;
    assert!(page.all(".from").is_empty() && page.all(".into").len() == 1);
    choose("Source");
    page.shown().await;
    assert!(page.all(".from").len() == 1 && page.all(".into").is_empty());
    choose("Both");
    page.shown().await;
    assert!(page.all(".from").len() == 1 && page.all(".into").len() == 1);
}

#[wasm_bindgen_test]
async fn opening_moves_the_focus_to_the_heading_and_the_text_is_never_markup() {
    let page = reading(b"<i>One</i>", "utf-8").await;
    segments(&page, 1, vec![segment(0, [0, 10], "<script>uno</script>")]).await;
    let heading = page.one("section[aria-labelledby=reader-region] h2");
    assert_eq!(heading.text_content().unwrap(), "a.txt");
    let focused = web_sys::window()
        .unwrap()
        .document()
        .unwrap()
        .active_element()
        .unwrap();
    assert!(focused == *heading.unchecked_ref::<web_sys::Element>());
    assert_eq!(
        cells(&page),
        [("<i>One</i>".to_owned(), "<script>uno</script>".to_owned())]
    );
    assert!(page.all(".text script, .text i").is_empty());
}

#[wasm_bindgen_test]
async fn a_long_text_is_shown_a_part_at_a_time() {
    let page = reading(b"x", "utf-8").await;
    let many = (0..30_000)
        .map(|index| segment(index, [0, 1], "A paragraph that is long enough to be one."))
        .collect();
    segments(&page, 30_000, many).await;
    let first = cells(&page).len();
    assert!((100..2000).contains(&first), "{first} rows");
    page.button("Show more").click();
    page.shown().await;
    let more = cells(&page).len();
    assert!(first < more && more < 3000, "{more} rows");
}

#[wasm_bindgen_test]
async fn scrolling_to_the_end_shows_one_part_more_and_stays_where_it_was() {
    let page = reading(b"x", "utf-8").await;
    let many = (0..30_000)
        .map(|index| segment(index, [0, 1], "A paragraph that is long enough to be one."))
        .collect();
    segments(&page, 30_000, many).await;
    let first = cells(&page).len();
    let text = page.one(".text");
    text.set_scroll_top(text.scroll_height());
    let before = text.scroll_top();
    assert!(before > 0, "the text has a scroll bar of its own");
    for _ in 0..20 {
        page.shown().await;
    }
    let rows = cells(&page).len();
    assert!(
        first < rows && rows < 3 * first,
        "{first}, then {rows} rows"
    );
    assert_eq!(text.scroll_top(), before);
}

#[wasm_bindgen_test]
async fn closing_the_reader_gives_the_list_back() {
    let page = reading(b"One", "utf-8").await;
    page.button("Close").click();
    page.shown().await;
    assert!(
        page.all("section[aria-labelledby=reader-region]")
            .is_empty()
    );
    assert_eq!(
        page.asked(),
        [Effect::Unsubscribe {
            id: "T1".to_owned()
        }]
    );
}

//! With the real engine.

use std::sync::OnceLock;
use std::time::Duration;

use babelwire_apertium::Apertium;
use babelwire_service::text::{Piece, Segmenter, assemble, lines};
use babelwire_service::translator::{TranslateError, Translator as _};
use futures::future::join_all;
use futures::stream::{self, StreamExt as _};
use proptest::prelude::*;

use crate::{installed, installed_with, pair};

#[tokio::test]
async fn english_becomes_spanish_and_comes_back() {
    let Some(engine) = installed() else { return };
    assert_eq!(
        engine
            .translate(&pair("en", "es"), "The house is big.")
            .await
            .unwrap(),
        "La casa es grande."
    );
    assert_eq!(
        engine
            .translate(&pair("es", "en"), "La casa es grande.")
            .await
            .unwrap(),
        "The house is big."
    );
}

#[tokio::test]
async fn what_is_asked_anew_is_answered_by_pipelines_of_its_own() {
    let Some(engine) = installed() else { return };
    let languages = engine.languages().pairs.into_iter();
    for pair in languages.filter(|pair| pair.source == "en") {
        let text = "The old house is big, and the new one is not.";
        let remembered = engine.translate(&pair, text).await.unwrap();
        let anew = engine.translate_anew(&pair, text).await.unwrap();
        assert_eq!(anew, remembered, "{pair:?}");
    }
}

#[tokio::test]
async fn a_pair_without_a_direct_way_goes_through_another_language() {
    let Some(engine) = installed() else { return };
    let languages = engine.languages();
    let via = |target: &str| {
        let pairs = languages.pairs.iter();
        let mut found = pairs.filter(|pair| pair.source == "en" && pair.target == target);
        found.next().cloned()
    };
    assert!(via("es").unwrap().via.is_empty());
    let french = via("fr").expect("apertium-fr-es is not installed");
    assert_eq!(french.via, ["es"]);
    assert_eq!(
        engine
            .translate(&french, "The house is big.")
            .await
            .unwrap(),
        "La maison est grande."
    );
}

#[tokio::test]
async fn a_title_gets_no_full_stop_and_an_unknown_word_no_mark() {
    let Some(engine) = installed() else { return };
    let translate = |text: &'static str| {
        let engine = &engine;
        async move { engine.translate(&pair("en", "es"), text).await.unwrap() }
    };
    assert_eq!(translate("The big house").await, "La casa grande");
    let unknown = translate("I saw Xyzzyx.").await;
    assert!(unknown.ends_with("Xyzzyx."), "{unknown}");
    assert!(!unknown.contains('*'), "{unknown}");
    assert_eq!(translate("12345").await, "12345");
    assert_eq!(translate("page 5").await, "Página 5");
}

#[tokio::test]
async fn a_sentence_is_read_across_the_end_of_a_line() {
    let Some(engine) = installed() else { return };
    let translation = engine
        .translate(&pair("en", "es"), "The big\r\nhouses are\n    red.")
        .await
        .unwrap();
    let ends: Vec<_> = lines(&translation).map(|line| line.end).collect();
    assert_eq!(ends, ["\r\n", "\n", ""]);
    let words: Vec<_> = translation.split_whitespace().collect();
    assert_eq!(words, ["Las", "casas", "grandes", "son", "rojas."]);
}

#[tokio::test]
async fn a_pair_that_is_not_there_is_an_error_in_words() {
    let Some(engine) = installed() else { return };
    let error = engine
        .translate(&pair("en", "tlh"), "Hello")
        .await
        .unwrap_err();
    assert!(matches!(error, TranslateError::NoSuchPair { .. }));
    assert_eq!(
        error.to_string(),
        "no translation from en into tlh is installed"
    );
}

#[tokio::test]
async fn what_means_something_to_the_engine_is_text_to_it() {
    let Some(engine) = installed() else { return };
    let texts = [
        "a ^dog<n><sg>$ and [a blank] {in} <b>bold</b> @here \\ or/and *this #that ~x+y",
        "^$",
        "[[t:b:123]]the house[[/]]",
        "the house[<STREAMCMD:SETVAR:x=y>]",
        "^unknown<unknown>{^*a$}$",
        "\u{0}the\u{0}house\u{0}",
        "[0] [1] [] [=0] [;] the house",
        "the \u{ffff} house \u{fffe} and \u{fdd0}",
        "a.^",
        "\\",
        "the house \\",
        "🎉the house👨‍👩‍👧‍👦 is🏳️‍🌈 big🎉",
        "\u{202e}the house\u{202c} בית الكتاب",
        "e\u{301}\u{301}\u{301}t e\u{200b}\u{200d}u",
        "a\u{1}\u{2}\u{3}b\u{1b}[31mred\u{1b}[0m",
        ".[][]. the house .[]",
    ];
    for text in texts {
        let translation = engine.translate(&pair("en", "es"), text).await.unwrap();
        let kept = |text: &str| -> Vec<char> {
            let mut kept: Vec<char> = text
                .chars()
                .filter(|c| !c.is_alphanumeric() && !c.is_whitespace())
                .collect();
            kept.sort_unstable();
            kept
        };
        // Words may change; what is not a word must not.
        assert_eq!(kept(&translation), kept(text), "{text:?} → {translation:?}");
    }
    assert_eq!(
        engine
            .translate(&pair("en", "es"), "The house is big.")
            .await
            .unwrap(),
        "La casa es grande."
    );
}

#[tokio::test]
async fn a_word_of_two_thousand_letters_gets_through() {
    let Some(engine) = installed() else { return };
    let word = "x".repeat(2000);
    assert_eq!(
        engine.translate(&pair("en", "es"), &word).await.unwrap(),
        word
    );
}

#[tokio::test]
async fn every_answer_belongs_to_its_question() {
    let Some(engine) = installed() else { return };
    let questions = (0..400).map(|number| {
        let engine = &engine;
        async move {
            let text = format!("Number {number} of the {} houses.", number * 7);
            let translation = engine.translate(&pair("en", "es"), &text).await.unwrap();
            assert!(
                translation.contains(&number.to_string())
                    && translation.contains(&(number * 7).to_string()),
                "{text} → {translation}"
            );
        }
    });
    join_all(questions).await;
}

#[tokio::test]
async fn those_who_do_not_wait_for_an_answer_do_not_get_anothers() {
    let Some(engine) = installed() else { return };
    for round in 0..20 {
        let text = format!("The house has {round} doors.");
        let pair = pair("en", "es");
        // Poll each of them a few times, so that they are dropped at all stages of their way.
        let abandoned = (0..40).map(|number| {
            let text = format!("Forget number {}.", round * 1000 + number);
            let engine = &engine;
            let pair = &pair;
            async move {
                let asked = engine.translate(pair, &text);
                tokio::pin!(asked);
                for _ in 0..=number {
                    if futures::poll!(&mut asked).is_ready() {
                        break;
                    }
                    tokio::task::yield_now().await;
                }
            }
        });
        join_all(abandoned).await;
        let translation = engine.translate(&pair, &text).await.unwrap();
        assert_eq!(translation, format!("La casa tiene {round} puertas."));
    }
}

/// The text of the GNU General Public License: prose wrapped at a width, lists, headings.
#[tokio::test]
async fn the_lines_of_a_real_text_survive_and_so_does_its_order() {
    let Some(engine) = installed() else { return };
    let text = std::fs::read_to_string("/usr/share/common-licenses/GPL-3").unwrap();
    for text in [text.clone(), text.replace('\n', "\r\n")] {
        let mut segmenter = Segmenter::new();
        let mut pieces = segmenter.push(&text);
        pieces.extend(segmenter.finish());
        let engine = &engine;
        let result: String = stream::iter(&pieces)
            .map(|piece| async move {
                let Piece::Segment(segment) = piece else {
                    return piece.text().to_owned();
                };
                let translation = engine
                    .translate(&pair("en", "es"), &segment.text)
                    .await
                    .unwrap();
                assert_eq!(
                    translation.matches('\n').count(),
                    segment.text.matches('\n').count()
                );
                assemble(piece, Some(&translation)).into_owned()
            })
            .buffered(engine.concurrency())
            .collect()
            .await;
        let ends =
            |text: &str| -> Vec<String> { lines(text).map(|line| line.end.to_owned()).collect() };
        assert_eq!(ends(&result), ends(&text));
        assert!(result.contains("LICENCIA") || result.contains("Licencia"));
    }
}

/// One engine and one runtime for all cases of a property.
fn shared() -> Option<&'static (tokio::runtime::Runtime, Apertium)> {
    static SHARED: OnceLock<Option<(tokio::runtime::Runtime, Apertium)>> = OnceLock::new();
    SHARED
        .get_or_init(|| {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            // Long enough on a busy machine, short enough for a test that hangs to show.
            let engine = installed_with(|options| options.deadline = Duration::from_secs(8));
            engine.map(|engine| (runtime, engine))
        })
        .as_ref()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_text_keeps_its_lines_and_disturbs_no_other(
        texts in proptest::collection::vec(
            prop_oneof![
                any::<String>(),
                "([\\^$/\\\\\\[\\]{}@<>*#~+a-z. ]{0,12}(\n|\r\n|\r|\u{c}|\u{2028})?){0,8}",
                "([A-Z]?[a-z]{1,9}[.,]?( |\n|  \n\t)){0,40}",
            ],
            1..12,
        ),
    ) {
        let Some((runtime, engine)) = shared() else { return Ok(()) };
        runtime.block_on(async {
            let pair = pair("en", "es");
            let canary = engine.translate(&pair, "The house is big.");
            let translated = join_all(texts.iter().map(|text| engine.translate(&pair, text)));
            let (canary, translated) = tokio::join!(canary, translated);
            prop_assert_eq!(canary.unwrap(), "La casa es grande.");
            for (text, translation) in texts.iter().zip(translated) {
                let translation = translation.unwrap();
                let ends = |text: &str| -> Vec<String> {
                    lines(text).map(|line| line.end.to_owned()).collect()
                };
                prop_assert_eq!(ends(&translation), ends(text), "{:?}", translation);
            }
            Ok(())
        })?;
    }
}

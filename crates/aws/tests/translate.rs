//! Translate by AWS's own SDK, against a fake of it.

#![allow(
    clippy::unwrap_used,
    reason = "clippy.toml allows it in test functions, and this is what they call"
)]

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use aws_config::SdkConfig;
use babelwire_aws::config::{SettingsError, Translate};
use babelwire_aws::fake_translate::{Behaviour, Fake, pseudo, router};
use babelwire_aws::translator::{AwsTranslate, client};
use babelwire_service::ports::{Clock, Random};
use babelwire_service::translator::{TranslateError, Translator as _};
use babelwire_wire::rest::Pair;
use jiff::Timestamp;

mod sdk;

use sdk::sdk;

/// A clock on which waiting takes no time, and which remembers the waits.
#[derive(Default)]
struct Waits(Mutex<Vec<Duration>>);

#[async_trait]
impl Clock for Waits {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    async fn sleep(&self, duration: Duration) {
        self.0.lock().unwrap().push(duration);
    }
}

/// The same bytes each time.
struct Always(u8);

impl Random for Always {
    fn bytes(&self) -> [u8; 16] {
        [self.0; 16]
    }
}

struct World {
    fake: Arc<Fake>,
    sdk: SdkConfig,
    waits: Arc<Waits>,
}

impl World {
    async fn new(behaviour: Behaviour) -> Self {
        let fake = Arc::new(Fake {
            behaviour,
            ..Fake::default()
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let served = router(Arc::clone(&fake));
        tokio::spawn(async move { axum::serve(listener, served).await });
        Self {
            fake,
            sdk: sdk(&url).await,
            waits: Arc::default(),
        }
    }

    async fn start_with(
        &self,
        settings: &Translate,
        random: u8,
    ) -> Result<AwsTranslate, SettingsError> {
        let clock: Arc<Waits> = Arc::clone(&self.waits);
        AwsTranslate::start(client(&self.sdk), settings, clock, Arc::new(Always(random))).await
    }

    async fn start(&self) -> AwsTranslate {
        self.start_with(&Translate::default(), 255).await.unwrap()
    }

    fn waits(&self) -> Vec<Duration> {
        self.waits.0.lock().unwrap().clone()
    }

    fn calls(&self) -> u64 {
        self.fake.counts.translate_text.load(Ordering::SeqCst)
    }
}

fn pair(source: &str, target: &str) -> Pair {
    Pair {
        source: source.to_owned(),
        target: target.to_owned(),
        via: Vec::new(),
    }
}

#[tokio::test]
async fn a_wrapped_paragraph_is_translated_as_one_text_and_keeps_its_lines() {
    let world = World::new(Behaviour::default()).await;
    let translate = world.start().await;
    let text = "  The lamp stands\r\n  in the kitchen.\n\n* * *\n";
    let translated = translate.translate(&pair("en", "es"), text).await.unwrap();
    // One pair of brackets: it was one question.
    let expected = "  [Ţĥé ĺámp şţáńđş\r\n  íń ţĥé ķíţçĥéń.]\n\n* * *\n";
    assert_eq!(translated, expected);
    assert_eq!(world.calls(), 1);
}

#[tokio::test]
async fn text_without_a_letter_costs_nothing() {
    let world = World::new(Behaviour::default()).await;
    let translate = world.start().await;
    let text = " 3.14 \n\n—\t∀ 42";
    // ∀ is a symbol, no letter.
    assert_eq!(
        translate.translate(&pair("en", "es"), text).await.unwrap(),
        text
    );
    assert_eq!(
        translate
            .translate(&pair("es", "es"), "Hola")
            .await
            .unwrap(),
        "Hola"
    );
    assert_eq!(world.calls(), 0);
}

#[tokio::test]
async fn a_text_above_translates_limit_goes_in_parts_that_end_with_sentences() {
    let world = World::new(Behaviour::default()).await;
    let translate = world.start().await;
    let text = "This is a sentence of some words. ".repeat(700);
    let text = text.trim_end();
    assert!(text.len() > 2 * 10_000);
    let translated = translate.translate(&pair("en", "fr"), text).await.unwrap();
    assert_eq!(world.calls(), 3);
    let parts: Vec<_> = translated
        .split_inclusive(']')
        .map(str::trim_start)
        .collect();
    assert_eq!(parts.len(), 3);
    assert!(
        parts
            .iter()
            .all(|part| part.starts_with('[') && part.ends_with(".]"))
    );
    let words = translated.replace(['[', ']'], "");
    assert_eq!(words, pseudo(text).replace(['[', ']'], ""));
}

#[tokio::test]
async fn a_word_above_the_limit_is_cut_within_no_character() {
    let world = World::new(Behaviour::default()).await;
    let translate = world.start().await;
    let text = "日本語".repeat(2_000);
    let translated = translate.translate(&pair("ja", "en"), &text).await.unwrap();
    assert_eq!(translated.replace(['[', ']'], ""), text);
    assert_eq!(world.calls(), 2);
}

#[tokio::test]
async fn throttled_and_failed_calls_are_made_again_after_growing_waits() {
    let world = World::new(Behaviour::default()).await;
    let translate = world.start().await;
    world.fake.behaviour.throttle.store(2, Ordering::SeqCst);
    world.fake.behaviour.fail.store(2, Ordering::SeqCst);
    let translated = translate.translate(&pair("en", "es"), "Hello").await;
    assert_eq!(translated.unwrap(), "[Ĥéĺĺó]");
    // A random source that gives its most: every wait is as long as it can be.
    let most = [500, 1000, 2000, 4000].map(Duration::from_millis);
    assert_eq!(world.waits(), most);
}

#[tokio::test]
async fn waits_are_drawn_between_nothing_and_their_most() {
    for (random, share) in [(0_u8, 0.0), (128, 0.5)] {
        let world = World::new(Behaviour::default()).await;
        let translate = world
            .start_with(&Translate::default(), random)
            .await
            .unwrap();
        world.fake.behaviour.throttle.store(3, Ordering::SeqCst);
        translate
            .translate(&pair("en", "es"), "Hello")
            .await
            .unwrap();
        for (wait, most) in world.waits().iter().zip([0.5, 1.0, 2.0]) {
            assert!((wait.as_secs_f64() - most * share).abs() < 0.01, "{wait:?}");
        }
        assert_eq!(world.waits().len(), 3);
    }
}

#[tokio::test]
async fn patience_with_a_throttled_account_ends() {
    let world = World::new(Behaviour::default()).await;
    let translate = world.start().await;
    world.fake.behaviour.throttle.store(1_000, Ordering::SeqCst);
    let error = translate
        .translate(&pair("en", "es"), "Hello")
        .await
        .unwrap_err();
    let TranslateError::Engine(words) = error else {
        panic!("{error:?}");
    };
    assert!(words.contains("ThrottlingException"), "{words}");
    let tries = u64::from(AwsTranslate::PATIENCE_WHILE_THROTTLED.tries);
    assert_eq!(world.waits().len() as u64, tries - 1);
    let left = world.fake.behaviour.throttle.load(Ordering::SeqCst);
    assert_eq!(left, 1_000 - tries);
}

#[tokio::test]
async fn an_engine_that_cannot_be_reached_is_tried_again_and_then_named() {
    let sdk = sdk("http://127.0.0.1:1").await;
    let waits = Arc::new(Waits::default());
    let clock: Arc<Waits> = Arc::clone(&waits);
    let translate = AwsTranslate::start(
        client(&sdk),
        &Translate::default(),
        clock,
        Arc::new(Always(0)),
    )
    .await
    .unwrap();
    // The list could not be asked for, and those wished for are offered.
    assert_eq!(translate.languages().pairs.len(), 36 * 35);
    let error = translate
        .translate(&pair("en", "es"), "Hello")
        .await
        .unwrap_err();
    assert!(matches!(error, TranslateError::Engine(_)), "{error:?}");
    assert_eq!(waits.0.lock().unwrap().len(), 5);
}

#[tokio::test]
async fn what_the_account_may_not_do_is_not_tried_again() {
    let world = World::new(Behaviour::default()).await;
    let translate = world.start().await;
    world.fake.behaviour.deny.store(1, Ordering::SeqCst);
    let error = translate
        .translate(&pair("en", "es"), "Hello")
        .await
        .unwrap_err();
    let TranslateError::Unavailable(words) = error else {
        panic!("{error:?}");
    };
    assert!(words.contains("not authorized"), "{words}");
    assert!(world.waits().is_empty());
}

#[tokio::test]
async fn a_pair_that_there_is_not_is_told_as_one() {
    let world = World::new(Behaviour::default()).await;
    let translate = world.start().await;
    let error = translate
        .translate(&pair("tlh", "en"), "nuqneH")
        .await
        .unwrap_err();
    assert_eq!(
        error,
        TranslateError::NoSuchPair {
            source_language: "tlh".to_owned(),
            target_language: "en".to_owned(),
        }
    );
}

#[tokio::test]
async fn a_texts_language_is_found() {
    let world = World::new(Behaviour::default()).await;
    let translate = world.start().await;
    let detect = async |text: &str| translate.detect(text).await.unwrap();
    let english = "The cat is in the garden and the dog is not. ".repeat(100);
    assert_eq!(detect(&english).await.as_deref(), Some("en"));
    assert_eq!(
        detect("El gato es una maravilla").await.as_deref(),
        Some("es")
    );
    // In doubt, each paragraph is asked for by itself.
    assert_eq!(detect("Zmrzlina").await, None);
    // A language that Translate does not have is named, so that whoever asked hears of it.
    assert_eq!(
        detect("Gallia est omnis, et non cum ad").await.as_deref(),
        Some("la")
    );
    let calls = world.calls();
    assert_eq!(detect(" 42 \n").await, None);
    assert_eq!(world.calls(), calls);
}

#[tokio::test]
async fn a_paragraph_in_doubt_is_taken_for_what_translate_takes_it_for() {
    let world = World::new(Behaviour::default()).await;
    let translate = world.start().await;
    let translated = translate.translate(&pair("auto", "es"), "Zmrzlina").await;
    assert_eq!(translated.unwrap(), "[Žmŕžĺíńá]");
    assert_eq!(world.calls(), 2);
    // One in a language that there is not is given up, and not the whole text with it.
    let latin = translate
        .translate(&pair("auto", "es"), "Sunt et non sunt")
        .await;
    let Err(TranslateError::Engine(words)) = latin else {
        panic!("{latin:?}");
    };
    assert!(words.contains("takes the text for la"), "{words}");
}

#[tokio::test]
async fn languages_are_those_wished_for_or_all_that_translate_has() {
    let world = World::new(Behaviour::default()).await;
    let pairs = async |languages: &[&str]| {
        let settings = Translate {
            languages: languages.iter().map(|code| (*code).to_owned()).collect(),
            ..Translate::default()
        };
        let started = world.start_with(&settings, 0).await;
        started.map(|translate| translate.languages().pairs)
    };
    // Two pages of languages.
    assert_eq!(pairs(&[]).await.unwrap().len(), 75 * 74);
    let few = pairs(&["es", "en", "tlh"]).await.unwrap();
    assert_eq!(few, [pair("es", "en"), pair("en", "es")]);
    assert!(pairs(&["tlh", "vlk"]).await.is_err());
    let languages = world.start().await.languages();
    assert!(languages.detect);
    assert_eq!(languages.pairs.len(), 36 * 35);
}

#[tokio::test]
async fn no_more_calls_are_under_way_than_the_account_takes() {
    let world = World::new(Behaviour {
        delay: Duration::from_millis(20),
        ..Behaviour::default()
    })
    .await;
    let settings = Translate {
        concurrency: 3,
        ..Translate::default()
    };
    let translate = world.start_with(&settings, 0).await.unwrap();
    let pair = pair("en", "es");
    let all = (0..12).map(|_| translate.translate(&pair, "Hello"));
    for translated in futures::future::join_all(all).await {
        assert_eq!(translated.unwrap(), "[Ĥéĺĺó]");
    }
    let most = world.fake.counts.most_under_way.load(Ordering::SeqCst);
    assert_eq!(most, 3);
}

#[tokio::test]
async fn a_call_that_is_given_up_gives_its_place_back() {
    let world = World::new(Behaviour {
        delay: Duration::from_secs(3600),
        ..Behaviour::default()
    })
    .await;
    let settings = Translate {
        concurrency: 1,
        ..Translate::default()
    };
    let translate = world.start_with(&settings, 0).await.unwrap();
    let pair = pair("en", "es");
    let endless = translate.translate(&pair, "Hello");
    let under_way = async {
        while world.calls() == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        _ = endless => panic!("it takes an hour"),
        () = under_way => {}
    }
    // The place is free again: what needs no waiting is answered at once.
    let refused = translate
        .translate(&self::pair("tlh", "es"), "nuqneH")
        .await;
    assert!(
        matches!(refused, Err(TranslateError::NoSuchPair { .. })),
        "{refused:?}"
    );
}

use super::*;

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
fn a_text_is_never_cut_within_a_character() {
    assert_eq!(beginning("añb", 2), "a");
    assert_eq!(beginning("añb", 99), "añb");
}

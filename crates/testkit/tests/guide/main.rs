//! The examples of docs/testing.md, as they stand there.

#![expect(
    clippy::unwrap_used,
    reason = "in a test, a panic is how to say that something is wrong"
)]

mod browser;
mod real_gateway;
mod virtual_time;

const PAGE: &str = include_str!("../../../../docs/testing.md");

/// The code blocks of a page, each with its language.
fn code_blocks(page: &str) -> Vec<(&str, &str)> {
    let mut fences = page.split("```").skip(1);
    let mut blocks = Vec::new();
    while let Some(block) = fences.next() {
        blocks.push(block.split_once('\n').unwrap_or((block, "")));
        fences.next();
    }
    blocks
}

#[test]
fn the_page_shows_the_examples_as_they_are_tested() {
    let examples = [
        include_str!("virtual_time.rs"),
        include_str!("real_gateway.rs"),
        include_str!("browser.rs"),
        include_str!("page.spec.ts"),
    ];
    let blocks = code_blocks(PAGE);
    for example in examples {
        assert!(
            blocks.iter().any(|(_, code)| *code == example),
            "docs/testing.md does not show this example, or shows it differently:\n{example}"
        );
    }
    let programs = |(language, _): &&(&str, &str)| ["rust", "ts"].contains(language);
    assert_eq!(
        blocks.iter().filter(programs).count(),
        examples.len(),
        "docs/testing.md shows code that nothing tests"
    );
}

#[test]
fn the_rules_that_the_page_shows_are_rules() {
    use babelwire_testkit::rules::Rule;

    let mut count = 0;
    for (language, code) in code_blocks(PAGE) {
        if language == "json" {
            for rule in serde_json::from_str::<Vec<Rule>>(code).unwrap() {
                rule.check().unwrap();
                count += 1;
            }
        }
    }
    assert!(count >= 8, "{count}");
}

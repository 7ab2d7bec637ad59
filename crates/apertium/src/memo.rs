//! What a stage answered before, so that it need not be asked again.
//!
//! Some stages look at one lexical unit at a time: the bilingual dictionary (`lt-proc -b`), the
//! generator (`lt-proc -n`), and `apertium-postchunk` wherever its rules carry nothing over from
//! one chunk to the next. In a
//! text of some length nearly all that they are asked (95 % of the units of an English megabyte)
//! they were asked before. They make up half of a pipeline's work, so remembering their answers
//! nearly doubles its speed, and changes nothing in what comes out.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use roxmltree::Node;

use crate::mode::Stage;

/// How much a memo may hold before it starts again, in bytes of questions and answers.
const MEMO_BYTES: usize = 4 * 1024 * 1024;

/// A stage's memory, shared by all pipelines of a mode.
#[derive(Debug)]
pub(crate) struct Memo {
    kind: Kind,
    known: Mutex<Known>,
}

#[derive(Debug)]
enum Kind {
    /// Looks at one unit at a time, but for the chunks of these names, whose answers depend on
    /// what came before them.
    Units { dependent: HashSet<String> },
    /// Chooses between a unit's translations by what stands around it: what has no choice stays as
    /// it is.
    Choice,
}

#[derive(Debug, Default)]
struct Known {
    answers: HashMap<Box<str>, Box<str>>,
    bytes: usize,
}

/// What stands behind each unit of a question, and so behind each answer: a superblank that no
/// text has. `lt-proc -b` does not see a NUL that follows a unit at once.
const SEPARATOR: &str = "[;]";

/// A record that is answered in part.
#[derive(Debug)]
pub(crate) struct Plan {
    /// What to ask the stage; empty if all is known.
    pub(crate) question: String,
    pieces: Vec<Piece>,
    /// The units of the question, in order, and whether the answer may be remembered.
    asked: Vec<(Box<str>, bool)>,
}

#[derive(Debug)]
enum Piece {
    Text(Box<str>),
    /// An answer by its number in the question.
    Asked(usize),
}

impl Memo {
    /// A memo for a stage, if the stage is one that looks at one unit at a time.
    pub(crate) fn for_stage(stage: &Stage) -> Option<Self> {
        let options: Vec<&str> = stage
            .arguments
            .iter()
            .map(String::as_str)
            .filter(|word| word.starts_with('-'))
            .collect();
        let program = stage.program.rsplit('/').next().unwrap_or_default();
        let kind = match (program, options.as_slice()) {
            ("lrx-proc", ["-z"] | ["-z", "-m"]) => Kind::Choice,
            ("lt-proc", ["-z", "-b" | "-g" | "-n"]) => Kind::Units {
                dependent: HashSet::new(),
            },
            ("apertium-postchunk", ["-z"]) => {
                let rules = stage
                    .arguments
                    .iter()
                    .find(|word| Path::new(word).extension().is_some_and(|end| end == "t3x"))?;
                Kind::Units {
                    dependent: dependent_chunks(&fs::read_to_string(rules).ok()?)?,
                }
            }
            _ => return None,
        };
        Some(Self {
            kind,
            known: Mutex::default(),
        })
    }

    /// Answers what is known of a record, and says what is to be asked. None if the record is not
    /// well-formed: then the stage itself must see all of it.
    pub(crate) fn plan(&self, record: &str) -> Option<Plan> {
        let dependent = match &self.kind {
            Kind::Units { dependent } => dependent,
            Kind::Choice => return Plan::without_choice(record),
        };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.bytes > MEMO_BYTES {
            *known = Known::default();
        }
        let mut plan = Plan {
            question: String::new(),
            pieces: Vec::new(),
            asked: Vec::new(),
        };
        let mut asked: HashMap<&str, usize> = HashMap::new();
        let mut text = String::new();
        for token in tokens(record) {
            let unit = match token? {
                Token::Unit(unit) => unit,
                Token::Blank(blank) => {
                    text.push_str(blank);
                    continue;
                }
            };
            let is_dependent = is_in(dependent, unit);
            if !is_dependent && let Some(answer) = known.answers.get(unit) {
                text.push_str(answer);
                continue;
            }
            let number = match asked.get(unit) {
                Some(&number) if !is_dependent => number,
                _ => {
                    let number = plan.asked.len();
                    asked.insert(unit, number);
                    plan.question.push_str(unit);
                    plan.question.push_str(SEPARATOR);
                    plan.asked.push((unit.into(), !is_dependent));
                    number
                }
            };
            if !text.is_empty() {
                plan.pieces
                    .push(Piece::Text(std::mem::take(&mut text).into()));
            }
            plan.pieces.push(Piece::Asked(number));
        }
        if !text.is_empty() {
            plan.pieces.push(Piece::Text(text.into()));
        }
        Some(plan)
    }

    /// The whole answer to a planned record, given the stage's answer to the plan's question. None
    /// if that is not an answer to it.
    pub(crate) fn complete(&self, plan: &Plan, answer: &str) -> Option<String> {
        let mut answers = Vec::new();
        if !plan.asked.is_empty() {
            answers.extend(answer.split(SEPARATOR));
            if answers.pop() != Some("") {
                return None;
            }
        }
        if answers.len() != plan.asked.len() {
            return None;
        }
        let result = plan
            .pieces
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => text,
                Piece::Asked(number) => answers[*number],
            })
            .collect();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        for ((unit, is_lasting), answer) in plan.asked.iter().zip(answers) {
            if *is_lasting {
                known.bytes += unit.len() + answer.len() + 64;
                known.answers.insert(unit.clone(), answer.into());
            }
        }
        Some(result)
    }
}

impl Plan {
    /// The record as it is, if no unit of it has more than one translation.
    fn without_choice(record: &str) -> Option<Self> {
        let has_no_choice = tokens(record).all(|token| match token {
            Some(Token::Unit(unit)) => slashes(unit) <= 1,
            Some(Token::Blank(_)) => true,
            None => false,
        });
        has_no_choice.then(|| Self {
            question: String::new(),
            pieces: vec![Piece::Text(record.into())],
            asked: Vec::new(),
        })
    }
}

/// How many slashes a unit has that are not escaped.
fn slashes(unit: &str) -> usize {
    let mut is_escaped = false;
    unit.bytes()
        .filter(|byte| {
            let counts = *byte == b'/' && !is_escaped;
            is_escaped = *byte == b'\\' && !is_escaped;
            counts
        })
        .count()
}

/// Whether a chunk's name is one of these.
fn is_in(names: &HashSet<String>, chunk: &str) -> bool {
    if names.is_empty() {
        return false;
    }
    let name = chunk[1..].split(['<', '{', '$']).next().unwrap_or_default();
    names.contains(&name.to_lowercase())
}

pub(crate) enum Token<'a> {
    /// `^…$`
    Unit(&'a str),
    Blank(&'a str),
}

/// The lexical units of a record and what is between them; None where a unit does not end.
pub(crate) fn tokens(record: &str) -> impl Iterator<Item = Option<Token<'_>>> {
    let bytes = record.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        if at >= bytes.len() {
            return None;
        }
        let start = at;
        let is_unit = bytes[at] == b'^';
        let mut depth = 0_usize;
        let mut in_superblank = false;
        while at < bytes.len() {
            match bytes[at] {
                b'\\' => at += 1,
                b'[' => in_superblank = true,
                b']' => in_superblank = false,
                _ if in_superblank => {}
                b'^' if !is_unit => break,
                b'{' => depth += 1,
                b'}' => depth = depth.saturating_sub(1),
                b'$' if is_unit && depth == 0 => {
                    at += 1;
                    return Some(Some(Token::Unit(&record[start..at])));
                }
                _ => {}
            }
            at += 1;
        }
        // What ends in the middle of a unit, of a superblank or of an escape is not well-formed.
        let is_whole = !is_unit && !in_superblank && at <= bytes.len();
        let blank = is_whole.then(|| Token::Blank(&record[start..at]));
        at = at.min(bytes.len());
        Some(blank)
    })
}

/// The names of the chunks whose answer may depend on the chunks before: those with a rule that
/// reads a variable before it has written it, and those with a rule that writes such a variable.
/// None if that cannot be told.
fn dependent_chunks(rules: &str) -> Option<HashSet<String>> {
    let options = roxmltree::ParsingOptions {
        allow_dtd: true,
        ..roxmltree::ParsingOptions::default()
    };
    let document = roxmltree::Document::parse_with_options(rules, options).ok()?;
    let elements = |name: &'static str| {
        document
            .descendants()
            .filter(move |node| node.has_tag_name(name))
    };
    let macros: HashMap<&str, Node<'_, '_>> = elements("def-macro")
        .filter_map(|node| Some((node.attribute("n")?, node)))
        .collect();
    let mut found = Vec::new();
    let mut inherited = HashSet::new();
    for rule in elements("rule") {
        let mut patterns = rule
            .descendants()
            .filter(|node| node.has_tag_name("pattern-item"));
        let pattern = patterns.next()?.attribute("n")?;
        // Of more than one chunk at a time, the answer is not one unit's.
        if patterns.next().is_some() {
            return None;
        }
        let mut variables = Variables::default();
        let action = rule.children().find(|node| node.has_tag_name("action"))?;
        variables.block(action.children(), HashSet::new(), &macros, 0)?;
        inherited.extend(variables.inherited.iter().copied());
        found.push((pattern, variables));
    }
    let mut names = HashSet::new();
    for (pattern, variables) in found {
        if variables.inherited.is_empty() && variables.written.is_disjoint(&inherited) {
            continue;
        }
        let category = elements("def-cat").find(|node| node.attribute("n") == Some(pattern))?;
        for item in category.children().filter(Node::is_element) {
            let name = item.attribute("name")?;
            if name.contains('*') {
                return None;
            }
            names.insert(name.to_lowercase());
        }
    }
    Some(names)
}

/// What a rule does to variables.
#[derive(Default)]
struct Variables<'a> {
    /// Those that may be read before the rule has written them.
    inherited: HashSet<&'a str>,
    /// Those that may be written.
    written: HashSet<&'a str>,
}

impl<'a> Variables<'a> {
    /// Goes through statements in order. `assigned` are the variables that are written for sure
    /// before them; gives back those that are so after them. None for what cannot be followed.
    fn block(
        &mut self,
        statements: impl Iterator<Item = Node<'a, 'a>>,
        mut assigned: HashSet<&'a str>,
        macros: &HashMap<&str, Node<'a, 'a>>,
        depth: usize,
    ) -> Option<HashSet<&'a str>> {
        const MAX_DEPTH: usize = 16;
        if depth > MAX_DEPTH {
            return None;
        }
        for statement in statements.filter(Node::is_element) {
            let mut inner = statement.children().filter(Node::is_element);
            match statement.tag_name().name() {
                "let" => {
                    let target = inner.next()?;
                    inner.for_each(|value| self.read(value, &assigned));
                    if target.has_tag_name("var") {
                        let name = target.attribute("n")?;
                        self.written.insert(name);
                        assigned.insert(name);
                    } else {
                        self.read(target, &assigned);
                    }
                }
                "append" => {
                    let name = statement.attribute("n")?;
                    if !assigned.contains(name) {
                        self.inherited.insert(name);
                    }
                    self.written.insert(name);
                    inner.for_each(|value| self.read(value, &assigned));
                }
                "modify-case" => {
                    self.read(statement, &assigned);
                    if let Some(name) = inner.next()?.attribute("n") {
                        self.written.insert(name);
                    }
                }
                "choose" => {
                    let mut after: Option<HashSet<&str>> = None;
                    let mut is_complete = false;
                    for branch in inner {
                        let mut statements = branch.children().filter(Node::is_element);
                        if branch.has_tag_name("when") {
                            self.read(statements.next()?, &assigned);
                        } else {
                            is_complete = true;
                        }
                        let then = self.block(statements, assigned.clone(), macros, depth + 1)?;
                        after = Some(match after {
                            Some(others) => others.intersection(&then).copied().collect(),
                            None => then,
                        });
                    }
                    if is_complete {
                        assigned = after.unwrap_or(assigned);
                    }
                }
                "call-macro" => {
                    let called = macros.get(statement.attribute("n")?)?;
                    assigned = self.block(called.children(), assigned, macros, depth + 1)?;
                }
                _ => self.read(statement, &assigned),
            }
        }
        Some(assigned)
    }

    /// An expression, or a statement that writes no variable.
    fn read(&mut self, expression: Node<'a, 'a>, assigned: &HashSet<&'a str>) {
        let variables = expression
            .descendants()
            .filter(|node| node.has_tag_name("var"))
            .filter_map(|node| node.attribute("n"))
            .filter(|name| !assigned.contains(name));
        self.inherited.extend(variables);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memo(dependent: &[&str]) -> Memo {
        Memo {
            kind: Kind::Units {
                dependent: dependent.iter().map(|&name| name.to_owned()).collect(),
            },
            known: Mutex::default(),
        }
    }

    #[test]
    fn what_was_answered_once_is_not_asked_again() {
        let memo = memo(&[]);
        let record = "^a<n>$ ^b<n>$[0]^a<n>$\\^x";
        let plan = memo.plan(record).unwrap();
        assert_eq!(plan.question, "^a<n>$[;]^b<n>$[;]");
        assert_eq!(memo.complete(&plan, "A[;]B[;]").unwrap(), "A B[0]A\\^x");
        let plan = memo.plan("^b<n>$[1] ^c<n>$").unwrap();
        assert_eq!(plan.question, "^c<n>$[;]");
        assert_eq!(memo.complete(&plan, "C[;]").unwrap(), "B[1] C");
        let plan = memo.plan("^b<n>$").unwrap();
        assert_eq!(plan.question, "");
        assert_eq!(memo.complete(&plan, "").unwrap(), "B");
    }

    #[test]
    fn chunks_that_depend_on_others_are_always_asked_in_order() {
        let memo = memo(&["nom"]);
        let record = "^Nom<SN>{^a<n>$ ^b<n>$}$ ^pr<x>{^c$}$ ^nom<SN>{^a<n>$}$ ^nom<SN>{^a<n>$}$";
        for question in [
            "^Nom<SN>{^a<n>$ ^b<n>$}$[;]^pr<x>{^c$}$[;]^nom<SN>{^a<n>$}$[;]^nom<SN>{^a<n>$}$[;]",
            "^Nom<SN>{^a<n>$ ^b<n>$}$[;]^nom<SN>{^a<n>$}$[;]^nom<SN>{^a<n>$}$[;]",
        ] {
            let plan = memo.plan(record).unwrap();
            assert_eq!(plan.question, question);
            let answer = question.replace("^pr<x>{^c$}$", "PR");
            assert_eq!(
                memo.complete(&plan, &answer).unwrap(),
                record.replace("^pr<x>{^c$}$", "PR")
            );
        }
    }

    #[test]
    fn what_has_no_choice_needs_no_choosing() {
        let memo = Memo {
            kind: Kind::Choice,
            known: Mutex::default(),
        };
        let record = r"^a<n>/x<n>$[0]^a\/b<n>/y<n>$ [=1]";
        let plan = memo.plan(record).unwrap();
        assert_eq!(plan.question, "");
        assert_eq!(memo.complete(&plan, "").unwrap(), record);
        assert!(memo.plan("^a<n>/x<n>/y<n>$").is_none());
    }

    #[test]
    fn an_answer_of_another_length_is_refused() {
        let memo = memo(&[]);
        let plan = memo.plan("^a$ ^b$").unwrap();
        assert_eq!(memo.complete(&plan, "A[;]"), None);
        assert_eq!(memo.complete(&plan, "A[;]B"), None);
        assert_eq!(memo.complete(&plan, "A[;]B[;]C[;]"), None);
    }

    #[test]
    fn what_is_not_well_formed_is_left_to_the_stage() {
        for record in ["^a", "a ^b<n>", "[0", "a\\", "^a{^b$"] {
            assert!(memo(&[]).plan(record).is_none(), "{record}");
        }
        assert!(memo(&[]).plan("a \\^b [^$] c").is_some());
    }

    #[test]
    fn it_does_not_grow_without_end() {
        let memo = memo(&[]);
        for n in 0..100_000 {
            let plan = memo.plan(&format!("^{n}<n>$")).unwrap();
            memo.complete(&plan, "something of some length[;]").unwrap();
            assert!(memo.known.lock().unwrap().bytes < MEMO_BYTES + 1024);
        }
    }

    /// The dependent chunks of a file with three macros and these rules, of a chunk name and an
    /// action each.
    fn dependent(rules: &[(&str, &str)]) -> Option<Vec<String>> {
        let mut file = String::from(
            r#"<?xml version="1.0"?><!DOCTYPE postchunk><postchunk><section-def-macros>
            <def-macro n="outer"><call-macro n="inner"/></def-macro>
            <def-macro n="inner"><let><var n="x"/><lit v="y"/></let></def-macro>
            <def-macro n="maybe"><choose><when><test/><let><var n="x"/><lit v="y"/></let></when>
            </choose></def-macro>
            <def-macro n="endless"><call-macro n="endless"/></def-macro>
            </section-def-macros>"#,
        );
        for (number, (name, action)) in rules.iter().enumerate() {
            let rule = format!(
                r#"<def-cat n="c{number}"><cat-item name="{name}"/></def-cat>
                <rule><pattern><pattern-item n="c{number}"/></pattern>
                <action>{action}</action></rule>"#
            );
            file.push_str(&rule);
        }
        file.push_str("</postchunk>");
        let mut names: Vec<String> = dependent_chunks(&file)?.into_iter().collect();
        names.sort();
        Some(names)
    }

    #[test]
    fn a_variable_that_is_written_before_it_is_read_carries_nothing_over() {
        let read = r#"<out><lu><var n="x"/></lu></out>"#;
        let both = r#"<choose><when><test/><call-macro n="inner"/></when>
            <otherwise><let><var n="x"/><lit v="z"/></let></otherwise></choose>"#;
        assert_eq!(
            dependent(&[
                ("a", &format!(r#"<call-macro n="outer"/>{read}"#)),
                ("b", &format!("{both}{read}")),
                ("c", r#"<let><var n="x"/><lit v="y"/></let>"#),
                ("d", "<out/>"),
            ])
            .unwrap(),
            [""; 0]
        );
    }

    #[test]
    fn rules_that_read_what_another_chunk_left_depend_on_those_that_write_it() {
        let read = r#"<out><lu><var n="x"/></lu></out>"#;
        assert_eq!(
            dependent(&[
                ("Reads", read),
                ("reads_maybe", &format!(r#"<call-macro n="maybe"/>{read}"#)),
                ("writes", r#"<call-macro n="outer"/>"#),
                ("appends", r#"<append n="x"><lit v="z"/></append>"#),
                (
                    "tests",
                    r#"<choose><when><test><equal><var n="x"/><lit v=""/></equal></test>
                    </when></choose>"#
                ),
                ("writes_another", r#"<let><var n="z"/><lit v="y"/></let>"#),
            ])
            .unwrap(),
            ["appends", "reads", "reads_maybe", "tests", "writes"]
        );
        assert_eq!(
            dependent(&[(
                "reads_its_own",
                &format!(
                    r#"<let><var n="x"/><concat><var n="x"/><lit v="z"/></concat></let>{read}"#
                )
            )])
            .unwrap(),
            ["reads_its_own"]
        );
    }

    #[test]
    fn rules_that_cannot_be_followed_are_not_remembered() {
        let read = r#"<out><lu><var n="x"/></lu></out>"#;
        assert_eq!(dependent(&[("any*", read)]), None);
        assert_eq!(dependent(&[("a", r#"<call-macro n="endless"/>"#)]), None);
        assert_eq!(dependent(&[("a", r#"<call-macro n="missing"/>"#)]), None);
        assert_eq!(dependent_chunks("<postchunk>"), None);
        assert_eq!(
            dependent_chunks(
                r#"<r><def-cat n="c"><cat-item name="a"/></def-cat><rule><pattern>
                <pattern-item n="c"/><pattern-item n="c"/></pattern><action/></rule></r>"#
            ),
            None
        );
    }
}

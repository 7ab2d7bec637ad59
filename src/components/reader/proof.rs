//! The proof: what went in came out, and what is worth a look.

use std::collections::BTreeSet;
use std::rc::Rc;

use babelwire_wire::rest::{Proof, Reason, Suspicion};
use yew::prelude::*;

use crate::components::parts::paragraph;
use crate::runtime::Store;
use crate::store::{Msg, ReaderMsg};
use crate::words::{Text, fill, number, plural, plural_with, say};

#[derive(PartialEq, Properties)]
pub(super) struct Props {
    pub(super) store: Store,
    pub(super) proof: Rc<Proof>,
    /// Segments that are being translated again.
    pub(super) again: BTreeSet<u64>,
    /// Where the link leads that somebody opens elsewhere.
    pub(super) href: AttrValue,
}

pub(super) struct ProofPanel;

impl Component for ProofPanel {
    type Message = ();
    type Properties = Props;

    fn create(_: &Context<Self>) -> Self {
        Self
    }

    fn view(&self, ctx: &Context<Self>) -> Html {
        let props = ctx.props();
        let proof = &*props.proof;
        let listed = u64::try_from(proof.suspicious.len()).unwrap_or(u64::MAX);
        let more = proof.suspicious_total.saturating_sub(listed);
        html! {
            <section id="proof" class="proof" aria-label={say(Text::Proof)}>
                { paragraph("", summary(proof)) }
                if listed > 0 {
                    <ul>{ for proof.suspicious.iter().map(|one| suspicion(props, one)) }</ul>
                }
                if more > 0 {
                    { paragraph("note", plural(Text::ProofMore, more)) }
                }
            </section>
        }
    }
}

/// `1,960 paragraphs in, 1,960 out. 112 of 112 numbers kept. No paragraph stands out.`
fn summary(proof: &Proof) -> String {
    let paragraphs = &proof.paragraphs;
    let mut sentences = vec![plural_with(
        Text::ProofParagraphs,
        paragraphs.source,
        &[&number(paragraphs.result)],
    )];
    for (text, kept) in [
        (Text::ProofNumbers, &proof.numbers),
        (Text::ProofUrls, &proof.urls),
    ] {
        if kept.source > 0 {
            sentences.push(plural_with(text, kept.source, &[&number(kept.kept)]));
        }
    }
    sentences.push(match proof.suspicious_total {
        0 => say(Text::ProofClean).to_owned(),
        some => plural(Text::ProofSuspicious, some),
    });
    sentences.join(" ")
}

fn suspicion(props: &Props, suspicion: &Suspicion) -> Html {
    let index = suspicion.index;
    let name = fill(Text::ParagraphNumber, &[&number(index.saturating_add(1))]);
    let reasons: Vec<&str> = suspicion.reasons.iter().copied().map(reason).collect();
    let store = props.store.clone();
    let onclick = Callback::from(move |event: MouseEvent| {
        if event.ctrl_key() || event.meta_key() || event.shift_key() {
            return;
        }
        event.prevent_default();
        store.dispatch(Msg::Reader(ReaderMsg::Jump { row: index }));
    });
    let id = ["suspicion-", &index.to_string()].concat();
    let again = if props.again.contains(&index) {
        paragraph("note", say(Text::TranslatingAgain))
    } else {
        let onclick = props
            .store
            .on(move |_: MouseEvent| Msg::Reader(ReaderMsg::Again(index)));
        html! {
            <button type="button" data-look="quiet" aria-describedby={id.clone()} {onclick}>
                { say(Text::TranslateAgain) }
            </button>
        }
    };
    html! {
        <li key={index}>
            <a {id} href={props.href.clone()} {onclick}>{ name }</a>
            <span>{ reasons.join(", ") }</span>
            { again }
        </li>
    }
}

fn reason(reason: Reason) -> &'static str {
    say(match reason {
        Reason::Empty => Text::ReasonEmpty,
        Reason::Unchanged => Text::ReasonUnchanged,
        Reason::Longer => Text::ReasonLonger,
        Reason::Numbers => Text::ReasonNumbers,
        Reason::Urls => Text::ReasonUrls,
        Reason::Failed => Text::ReasonFailed,
    })
}

#[cfg(test)]
mod tests {
    use babelwire_wire::rest::{Kept, Sides};

    use super::*;

    #[test]
    fn a_proof_is_told_in_sentences_and_says_nothing_of_what_there_is_not() {
        let mut proof = Proof {
            paragraphs: Sides {
                source: 1960,
                result: 1960,
            },
            numbers: Kept {
                source: 112,
                kept: 112,
            },
            urls: Kept { source: 0, kept: 0 },
            suspicious_total: 0,
            suspicious: vec![],
        };
        assert_eq!(
            summary(&proof),
            "1,960 paragraphs in, 1,960 out. 112 of 112 numbers kept. No paragraph stands out."
        );
        proof.urls.source = 1;
        proof.suspicious_total = 3;
        assert_eq!(
            summary(&proof),
            "1,960 paragraphs in, 1,960 out. 112 of 112 numbers kept. 0 of 1 link kept. \
             3 paragraphs are worth a look:"
        );
    }
}

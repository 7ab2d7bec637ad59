//! One file of the list.

use std::rc::Rc;

use babelwire_wire::Status;
use web_sys::HtmlElement;
use yew::prelude::*;

use super::super::parts::{named_button, paragraph};
use crate::intl::language_name;
use crate::runtime::Store;
use crate::store::{Command, Key, Msg, Row, Stage};
use crate::words::{self, Text, fill, say};

#[derive(PartialEq, Properties)]
pub(super) struct Props {
    pub(super) store: Store,
    pub(super) row: RowRef,
    /// Whether the reader shows it.
    pub(super) open: bool,
    /// Whether what is read is no translation.
    pub(super) demonstration: bool,
}

/// A row, the same only when it is the very same: rows are replaced, never changed.
#[derive(Clone)]
pub(crate) struct RowRef(pub(crate) Rc<Row>);

impl PartialEq for RowRef {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

pub(super) struct FileRow;

impl Component for FileRow {
    type Message = ();
    type Properties = Props;

    fn create(_: &Context<Self>) -> Self {
        Self
    }

    fn view(&self, ctx: &Context<Self>) -> Html {
        view(ctx.props())
    }
}

fn view(props: &Props) -> Html {
    let row = &*props.row.0;
    let button = |show: bool, verb: Text, of: Text, look: &'static str, make: fn(Key) -> Msg| {
        show.then(|| {
            let name = Some(fill(of, &[&row.name]));
            named_button(look, say(verb), name, row.busy, &props.store, row.key, make)
        })
    };
    let progress = words::progress(row).map(|known| {
        let label = fill(Text::ProgressOf, &[&row.name]);
        match known {
            Some((value, max)) => html! {
                <progress key="known" aria-label={label} value={value.to_string()} max={max.to_string()} />
            },
            None => html! { <progress key="unknown" aria-label={label} /> },
        }
    });
    let download = row.can_download().then(|| {
        let href = row.id().and_then(|id| props.store.result_url(id));
        html! {
            <a class="button" {href} download="" role="button" onkeydown={Callback::from(|event| press(&event))}
                aria-label={fill(Text::DownloadFile, &[&row.name])}>{ say(Text::Download) }</a>
        }
    });
    let tone = match (&row.stage, row.status()) {
        (Stage::Stopped(_), _) | (_, Some(Status::Failed)) => "failed",
        (Stage::Cancelled, _) | (_, Some(Status::Cancelled)) => "stopped",
        _ => "active",
    };
    html! {
        <li class="file" data-tone={tone} aria-current={props.open.then_some("true")}>
            <p class="file-name"><bdi title={row.name.clone()}>{ row.name.clone() }</bdi></p>
            { paragraph("file-facts", facts(row)) }
            { paragraph("file-state", words::state(row)) }
            if props.demonstration && row.can_open() {
                { paragraph("note warn", say(Text::DemonstrationBrief)) }
            }
            { for progress }
            <div class="actions">
                { for button(row.can_open(), Text::Open, Text::OpenFile, "", Msg::Open) }
                { for download }
                { for button(row.can_retry(), Text::Retry, Text::RetryFile, "", |key| Msg::Command(key, Command::Retry)) }
                { for button(row.can_cancel(), Text::Cancel, Text::CancelFile, "quiet", |key| Msg::Command(key, Command::Cancel)) }
                { for button(true, Text::Delete, Text::DeleteFile, "quiet", |key| Msg::Command(key, Command::Delete)) }
            </div>
        </li>
    }
}

fn facts(row: &Row) -> String {
    let size = words::size(row.size);
    if row.target.is_empty() {
        return size;
    }
    let (source, target) = (language_name(&row.source), language_name(&row.target));
    fill(Text::FileFacts, &[&source, &target, &size])
}

/// The space bar presses a button, and this link is one.
fn press(event: &KeyboardEvent) {
    if event.key() == " " {
        event.prevent_default();
        event.target_unchecked_into::<HtmlElement>().click();
    }
}

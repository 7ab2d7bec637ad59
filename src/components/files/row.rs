//! One file of the list.

use std::rc::Rc;

use babelwire_wire::Status;
use web_sys::HtmlElement;
use yew::prelude::*;

use super::super::kept::kept_here;
use super::super::parts::{named_button, paragraph};
use super::encoding::encoding;
use crate::intl::language_name;
use crate::runtime::Store;
use crate::store::{Command, FilesMsg, Key, Msg, Row, Stage};
use crate::words::{self, Text, fill, say};

#[derive(PartialEq, Properties)]
pub(super) struct Props {
    pub(super) store: Store,
    pub(super) row: RowRef,
    /// Whether the reader shows it.
    pub(super) open: bool,
    /// Whether what is read is no translation.
    pub(super) demonstration: bool,
    /// Its place among all, from 1, where not all are in the document.
    pub(super) place: Option<String>,
    /// How many there are then.
    pub(super) size: Option<String>,
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
    let leaving = row.leaving.is_some();
    // Never disabled, which would take the focus from whoever pressed it: what is pressed while an
    // answer is awaited does nothing.
    let button = |show: bool, verb: Text, of: Text, look: &'static str, make: fn(Key) -> Msg| {
        if !show || leaving {
            return Html::default();
        }
        let name = Some(fill(of, &[&row.name]));
        named_button(look, say(verb), name, false, &props.store, row.key, make)
    };
    let progress = words::progress(row).filter(|_| !leaving).map(|known| {
        let label = fill(Text::ProgressOf, &[&row.name]);
        match known {
            Some((value, max)) => html! {
                <progress key="known" aria-label={label} value={value.to_string()} max={max.to_string()} />
            },
            None => html! { <progress key="unknown" aria-label={label} /> },
        }
    });
    let download = |label: Text, name: Text, query: &str| {
        let href = row.id().and_then(|id| props.store.result_url(id));
        let href = href.map(|href| [&*href, query].concat());
        html! {
            <a class="button" {href} download="" role="button" onkeydown={Callback::from(|event| press(&event))}
                aria-label={fill(name, &[&row.name])}>{ say(label) }</a>
        }
    };
    let download = if leaving {
        None
    } else if row.can_download() {
        Some(download(Text::Download, Text::DownloadFile, ""))
    } else if row.can_download_part() {
        let part = download(Text::DownloadPart, Text::DownloadPartOf, "?partial=true");
        Some(part)
    } else {
        None
    };
    let tone = match (&row.stage, row.status()) {
        (Stage::Stopped(_), _) | (_, Some(Status::Failed)) => "failed",
        (Stage::Cancelled, _) | (_, Some(Status::Cancelled)) => "stopped",
        _ if leaving => "stopped",
        _ => "active",
    };
    let state = if leaving {
        say(Text::StateLeaving).to_owned()
    } else {
        words::state(row)
    };
    let line = first_line(row).filter(|_| !leaving);
    // Pressed once more, it deletes at once; as the same element, it keeps the focus.
    let delete = named_button(
        "quiet",
        say(Text::Delete),
        Some(fill(Text::DeleteFile, &[&row.name])),
        false,
        &props.store,
        row.key,
        |key| Msg::Command(key, Command::Delete),
    );
    let back = if leaving {
        undo(&props.store, row)
    } else {
        Html::default()
    };
    // What may be missing is nothing in its place then, so that the others keep their elements, and
    // with these the focus, and whether they are open.
    html! {
        <li class="file" data-tone={tone} data-key={row.key.to_string()}
            data-leaving={leaving.then_some("")} aria-current={props.open.then_some("true")}
            aria-posinset={props.place.clone()} aria-setsize={props.size.clone()}>
            <p class="file-name"><bdi title={row.name.clone()}>{ row.name.clone() }</bdi></p>
            { paragraph("file-facts", facts(row)) }
            { paragraph("file-state", state) }
            if let Some(line) = line {
                <p data-look="file-line" lang={row.source.clone()} dir="auto">{ line.clone() }</p>
            }
            if !leaving {
                { encoding(&props.store, row) }
            }
            if props.demonstration && row.can_open() {
                { paragraph("note warn", say(Text::DemonstrationBrief)) }
            }
            { progress.unwrap_or_default() }
            if !leaving {
                { kept_here(&props.store, row) }
            }
            <div class="actions">
                { button(row.can_open(), Text::Open, Text::OpenFile, "", Msg::Open) }
                { download.unwrap_or_default() }
                { button(row.can_retry(), Text::Retry, Text::RetryFile, "", |key| Msg::Command(key, Command::Retry)) }
                { button(row.can_cancel(), Text::Cancel, Text::CancelFile, "quiet", |key| Msg::Command(key, Command::Cancel)) }
                { back }
                { delete }
            </div>
        </li>
    }
}

/// The first line of a file that is not translated yet, or may be read in a wrong encoding. Else,
/// its text is in the reader.
fn first_line(row: &Row) -> Option<&Rc<str>> {
    if row.can_open() && !row.can_choose_encoding() {
        return None;
    }
    let peek = row.peek.as_ref()?;
    let chosen = row.encoding();
    let reading = peek
        .encodings
        .iter()
        .find(|reading| chosen.as_deref() == Some(&reading.encoding));
    let line = reading.map_or(&peek.line, |reading| &reading.line);
    (!line.is_empty()).then_some(line)
}

/// Whoever is at it has all the time they want: who came to it, that is. A pointer that rests where
/// the button happens to appear enters it without moving.
fn undo(store: &Store, row: &Row) -> Html {
    let key = row.key;
    let hold = |held| store.on(move |()| Msg::Files(FilesMsg::Hold { key, held }));
    let (arrive, depart) = (hold(true), hold(false));
    let onclick = store.press(key, |key| Msg::Files(FilesMsg::Undo(key)));
    html! {
        <button type="button" aria-label={fill(Text::UndoDelete, &[&row.name])} {onclick}
            onfocus={arrive.reform(|_: FocusEvent| ())} onblur={depart.reform(|_: FocusEvent| ())}
            onmousemove={arrive.reform(|_: MouseEvent| ())} onmouseleave={depart.reform(|_: MouseEvent| ())}>
            { say(Text::Undo) }
        </button>
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

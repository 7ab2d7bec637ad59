//! The whole page.

use yew::prelude::*;

use super::connection_chip::connection_chip;
use super::drop_zone::drop_zone;
use super::interface_language::interface_language;
use super::language_bar::{LanguageBar, Props as LanguageBarProps};
use super::parts::{button, paragraph};
use crate::runtime::Store;
use crate::store::{Mode, Msg, Session, State, Trouble};
use crate::words::{Text, fill, say};

/// What the page shows.
#[derive(Debug, PartialEq, Properties)]
pub struct AppProps {
    /// Where it comes from.
    pub store: Store,
}

/// The whole page. Renders once for each batch that the store took in.
#[derive(Debug)]
pub struct App;

impl Component for App {
    type Message = ();
    type Properties = AppProps;

    fn create(ctx: &Context<Self>) -> Self {
        ctx.props().store.listen(ctx.link().callback(|()| ()));
        Self
    }

    fn view(&self, ctx: &Context<Self>) -> Html {
        let store = &ctx.props().store.in_words();
        let state = store.state();
        let full = matches!(state.mode, Mode::Full | Mode::Starting)
            && !matches!(state.session, Session::Out(_));
        let broken_down = matches!(state.mode, Mode::Broken(_));
        html! {
            <>
                <header class="top">
                    <h1>{ "Babelwire" }</h1>
                    if full {
                        <LanguageBar ..LanguageBarProps::new(store, &state) />
                    }
                    if !broken_down {
                        { connection_chip(store, &state) }
                    }
                </header>
                if let Some(account) = store.account() {
                    { (account.top)(store, &state) }
                }
                { match &state.mode {
                    Mode::Broken(trouble) => broken(trouble),
                    // What is to be seen then is above.
                    _ if matches!(state.session, Session::Out(_)) => Html::default(),
                    Mode::LiveConsole => html! {
                        <main class="live">{ for store.desk().map(|desk| (desk.work)(store, &state)) }</main>
                    },
                    Mode::Starting | Mode::Full => work(store, &state),
                } }
                if !broken_down {
                    { footer(store, &state) }
                }
                // Not `for`: without a place of its own it would have what is before it made anew.
                if let Some(desk) = store.desk() {
                    { (desk.end)(store, &state) }
                }
            </>
        }
    }
}

/// What few people need, out of the way.
fn footer(store: &Store, state: &State) -> Html {
    let toggle = store.press(0, |_| Msg::ToggleConsole);
    html! {
        <footer class="foot">
            <button type="button" data-look="quiet" aria-expanded={state.console_open.to_string()}
                aria-controls="console" onclick={toggle}>{ say(Text::Console) }</button>
            if let Some(account) = store.account() {
                { (account.foot)(store, state) }
            }
            { interface_language(store, state) }
        </footer>
    }
}

fn work(store: &Store, state: &State) -> Html {
    let desk = store.desk();
    let layout = match (&state.document, state.rows.is_empty()) {
        (Some(_), _) => "reading",
        (None, true) => "empty",
        (None, false) => "listing",
    };
    html! {
        <main class="work" data-layout={layout}>
            <div class="side">
                { paragraph("tagline", say(Text::Tagline)) }
                { drop_zone(store, state) }
                if state.is_demonstration() {
                    { paragraph("banner warn", say(Text::Demonstration)) }
                }
                if let Some(notice) = &state.notice {
                    <div data-look="banner" role="alert">
                        { paragraph("", notice.clone()) }
                        { button("quiet", say(Text::Ok), store, |_| Msg::DismissNotice) }
                    </div>
                }
                if let Some(desk) = desk {
                    { (desk.side)(store, state) }
                } else {
                    <ul class="files" aria-label={say(Text::Files)}></ul>
                }
                if let Some(trouble) = &state.list_trouble {
                    { paragraph("note warn", fill(Text::ListTrouble, &[trouble])) }
                }
            </div>
            if let Some(desk) = desk {
                { (desk.work)(store, state) }
            }
        </main>
    }
}

fn broken(trouble: &Trouble) -> Html {
    html! {
        <main class="broken" role="alert">
            <h2>{ trouble.title().to_owned() }</h2>
            { paragraph("", trouble.detail().to_owned()) }
        </main>
    }
}

//! Signing in and out.

use yew::prelude::*;

use super::parts::paragraph;
use crate::runtime::{self, Store};
use crate::store::{Session, State};
use crate::words::{Text, say, sentence};

/// Below the header, for whoever is not signed in.
pub(crate) fn top(store: &Store, state: &State) -> Html {
    match &state.session {
        Session::Anybody | Session::In => Html::default(),
        Session::Out(why) => html! {
            <main class="work" data-layout="empty">
                <div class="side">
                    { paragraph("tagline", say(Text::SignInFirst)) }
                    <div class="gate">
                        if let Some(why) = why {
                            <p data-look="banner warn" role="alert">{ sentence(why) }</p>
                        }
                        { sign_in(store) }
                    </div>
                </div>
            </main>
        },
        Session::Ended => html! {
            <div class="ended">
                <div data-look="banner" role="alert">
                    { paragraph("", say(Text::SignInEnded)) }
                    { sign_in(store) }
                </div>
            </div>
        },
    }
}

fn sign_in(store: &Store) -> Html {
    let store = store.clone();
    let onclick = Callback::from(move |_: MouseEvent| runtime::sign_in(&store));
    html! { <button type="button" data-look="primary" {onclick}>{ say(Text::SignIn) }</button> }
}

/// At the page's foot, for whoever is.
pub(crate) fn foot(store: &Store, state: &State) -> Html {
    if state.session != Session::In {
        return Html::default();
    }
    let store = store.clone();
    let onclick = Callback::from(move |_: MouseEvent| runtime::sign_out(&store));
    html! { <button type="button" data-look="quiet" {onclick}>{ say(Text::SignOut) }</button> }
}

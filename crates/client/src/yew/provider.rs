//! The component that owns the connection.

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use ::yew::html::IntoPropValue;
use ::yew::prelude::*;

use super::hub::Hub;
use crate::connection::Options;
use crate::shared::Shared;

/// What a [`ConnectionProvider`] connects to: made from a URL, from [`Options`] in an `Rc`, or from a
/// [`Shared`] connection.
///
/// URLs are compared as texts. Options are compared as pointers, since a function that gives out
/// tokens is equal to itself alone: keep them with `use_memo`, whose result is such an `Rc`.
#[derive(Clone)]
pub struct Target(To);

#[derive(Clone)]
enum To {
    Url(AttrValue),
    Options(Rc<Options>),
    Shared(Shared),
}

impl Target {
    /// A connection for this provider, or the one that it was given.
    fn shared(&self, grace: Option<Duration>) -> Shared {
        let options = match &self.0 {
            To::Url(url) => Options::new(url.as_str()),
            To::Options(options) => Options::clone(options),
            To::Shared(shared) => return shared.clone(),
        };
        match grace {
            Some(grace) => Shared::with_grace(options, grace),
            None => Shared::new(options),
        }
    }
}

impl PartialEq for Target {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (To::Url(one), To::Url(other)) => one == other,
            (To::Options(one), To::Options(other)) => Rc::ptr_eq(one, other),
            (To::Shared(one), To::Shared(other)) => one == other,
            _ => false,
        }
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            To::Url(url) => f.debug_tuple("Target").field(url).finish(),
            To::Options(options) => f.debug_tuple("Target").field(options).finish(),
            To::Shared(shared) => f.debug_tuple("Target").field(shared).finish(),
        }
    }
}

impl IntoPropValue<Target> for &'static str {
    fn into_prop_value(self) -> Target {
        Target(To::Url(self.into()))
    }
}

impl IntoPropValue<Target> for String {
    fn into_prop_value(self) -> Target {
        Target(To::Url(self.into()))
    }
}

impl IntoPropValue<Target> for AttrValue {
    fn into_prop_value(self) -> Target {
        Target(To::Url(self))
    }
}

impl IntoPropValue<Target> for Rc<Options> {
    fn into_prop_value(self) -> Target {
        Target(To::Options(self))
    }
}

impl IntoPropValue<Target> for Shared {
    fn into_prop_value(self) -> Target {
        Target(To::Shared(self))
    }
}

/// The properties of [`ConnectionProvider`].
#[derive(Debug, Clone, PartialEq, Properties)]
pub struct ConnectionProviderProps {
    /// What to connect to: a URL, which is resolved against the page's own address, or `Options`
    /// that are kept in an `Rc`. When it changes, the old connection is closed and the new one
    /// dialled.
    ///
    /// Or a [`Shared`] connection, which others may use as well: outside of Yew, or in all tabs at
    /// once. The provider gives that one back, and leaves it to close by itself.
    pub to: Target,
    /// How long the connection is kept when the last component that uses it is gone. By default
    /// 3 s. A [`Shared`] connection has a grace time of its own.
    #[prop_or_default]
    pub grace: Option<Duration>,
    /// The components that may use the connection.
    #[prop_or_default]
    pub children: Html,
}

/// Owns the connection that the hooks below it use: see [the module](crate::yew).
///
/// It renders its children and nothing else. A provider within another hides the outer one.
///
/// ```no_run
/// use std::rc::Rc;
///
/// use babelwire_client::yew::{ConnectionProvider, use_status};
/// use babelwire_client::{DialFailure, Endpoint, Options};
/// use yew::prelude::*;
///
/// #[component]
/// fn Status() -> Html {
///     let status = use_status();
///     html! { <p role="status">{ status.as_str() }</p> }
/// }
///
/// async fn fresh_token() -> Result<String, DialFailure> {
///     Ok("…".to_owned())
/// }
///
/// #[component]
/// fn App() -> Html {
///     let options = use_memo((), |()| {
///         Options::with_provider(|_dial| async {
///             let token = fresh_token().await?;
///             Ok(Endpoint::new("wss://example.org/prod").with_protocol(token))
///         })
///     });
///     html! { <ConnectionProvider to={options}><Status /></ConnectionProvider> }
/// }
/// ```
#[component]
pub fn ConnectionProvider(props: &ConnectionProviderProps) -> Html {
    let owner = use_memo((props.to.clone(), props.grace), |(to, grace)| {
        let hub = Hub::new(to.shared(*grace));
        let is_own = !matches!(to.0, To::Shared(_));
        Owner { hub, is_own }
    });
    html! {
        <ContextProvider<Hub> context={owner.hub.clone()}>
            { props.children.clone() }
        </ContextProvider<Hub>>
    }
}

/// The provider's hold on its connection.
struct Owner {
    hub: Hub,
    /// Whether the connection is the provider's own.
    is_own: bool,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.hub.detach();
        if self.is_own {
            self.hub.close();
        }
    }
}

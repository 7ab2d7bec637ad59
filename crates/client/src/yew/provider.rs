//! The component that owns the connection.

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use ::yew::html::IntoPropValue;
use ::yew::prelude::*;

use super::hub::Hub;
use crate::connection::Options;

/// What a [`ConnectionProvider`] connects to: made from a URL, or from [`Options`] in an `Rc`.
///
/// URLs are compared as texts. Options are compared as pointers, since a function that gives out
/// tokens is equal to itself alone: keep them with `use_memo`, whose result is such an `Rc`.
#[derive(Clone)]
pub struct Target(To);

#[derive(Clone)]
enum To {
    Url(AttrValue),
    Options(Rc<Options>),
}

impl Target {
    fn options(&self) -> Options {
        match &self.0 {
            To::Url(url) => Options::new(url.as_str()),
            To::Options(options) => Options::clone(options),
        }
    }
}

impl PartialEq for Target {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (To::Url(one), To::Url(other)) => one == other,
            (To::Options(one), To::Options(other)) => Rc::ptr_eq(one, other),
            _ => false,
        }
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            To::Url(url) => f.debug_tuple("Target").field(url).finish(),
            To::Options(options) => f.debug_tuple("Target").field(options).finish(),
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

/// The properties of [`ConnectionProvider`].
#[derive(Debug, Clone, PartialEq, Properties)]
pub struct ConnectionProviderProps {
    /// What to connect to: a URL, which is resolved against the page's own address, or `Options`
    /// that are kept in an `Rc`. When it changes, the old connection is closed and the new one
    /// dialled.
    pub to: Target,
    /// How long the connection is kept when the last component that uses it is gone. By default
    /// 3 s.
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
        Owner(Hub::new(to.options(), *grace))
    });
    html! {
        <ContextProvider<Hub> context={owner.0.clone()}>
            { props.children.clone() }
        </ContextProvider<Hub>>
    }
}

/// The provider's hold on its connection.
struct Owner(Hub);

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.shut();
    }
}

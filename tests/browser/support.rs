//! A page without a backend: what it asks for is written down.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use babelwire::components::{App, AppProps};
use babelwire::runtime::Store;
use babelwire::store::{Effect, Link, Mode, Msg, Preferences, State};
use babelwire_wire::rest::{Languages, Pair};
use babelwire_wire::{Inbound, Status, Translation};
use js_sys::Promise;
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Element, HtmlElement};

pub(crate) struct Page {
    pub(crate) store: Store,
    root: Element,
    styles: Element,
    asked: Rc<RefCell<Vec<Effect>>>,
    app: Option<yew::AppHandle<App>>,
}

impl Page {
    /// A page on which nothing has happened.
    pub(crate) fn new() -> Self {
        let asked = Rc::new(RefCell::new(Vec::new()));
        let written = asked.clone();
        let store = Store::new(State::new(Preferences::default()), move |_, effect| {
            written.borrow_mut().push(effect);
        });
        let document = web_sys::window().unwrap().document().unwrap();
        let root = document.create_element("div").unwrap();
        root.set_id("app");
        let styles = document.create_element("style").unwrap();
        styles.set_text_content(Some(concat!(
            include_str!("../../styles/page.css"),
            include_str!("../../styles/files.css"),
            include_str!("../../styles/reader.css"),
            include_str!("../../styles/more.css"),
        )));
        document.body().unwrap().append_child(&styles).unwrap();
        document.body().unwrap().append_child(&root).unwrap();
        let props = AppProps {
            store: store.clone(),
        };
        let app = yew::Renderer::<App>::with_root_and_props(root.clone(), props).render();
        Self {
            store,
            root,
            styles,
            asked,
            app: Some(app),
        }
    }

    /// Configured and connected, with languages.
    pub(crate) async fn ready() -> Self {
        let page = Self::new();
        page.store.dispatch(Msg::Configured(Ok(Mode::Full)));
        page.store.dispatch(Msg::Link(Link::Open));
        page.tell(Msg::Languages(Ok(languages("apertium")))).await;
        page.asked();
        page
    }

    /// Something happens, and the page has shown it.
    pub(crate) async fn tell(&self, msg: Msg) {
        self.store.dispatch(msg);
        self.shown().await;
    }

    pub(crate) async fn push(&self, translation: &Translation) {
        let snapshot = serde_json::to_string(translation).unwrap();
        self.frame(&format!(
            r#"{{"type":"translation","translation":{snapshot}}}"#
        ))
        .await;
    }

    pub(crate) async fn frame(&self, text: &str) {
        self.tell(Msg::Frame(Inbound::parse(text.to_owned()))).await;
    }

    /// Waits until all that was queued is taken in and shown.
    pub(crate) async fn shown(&self) {
        animation_frame().await;
        animation_frame().await;
    }

    pub(crate) fn asked(&self) -> Vec<Effect> {
        self.asked.take()
    }

    pub(crate) fn all(&self, selector: &str) -> Vec<HtmlElement> {
        let found = self.root.query_selector_all(selector).unwrap();
        (0..found.length())
            .map(|index| found.get(index).unwrap().unchecked_into())
            .collect()
    }

    pub(crate) fn one(&self, selector: &str) -> HtmlElement {
        let mut found = self.all(selector);
        assert_eq!(found.len(), 1, "{selector} in {}", self.root.inner_html());
        found.remove(0)
    }

    /// The button of that name, whether it is its label or its own.
    pub(crate) fn button(&self, name: &str) -> HtmlElement {
        let named = |button: &HtmlElement| {
            button
                .get_attribute("aria-label")
                .or_else(|| button.text_content())
                .is_some_and(|own| own == name)
        };
        let mut found = self.all("button, [role=button]");
        found.retain(named);
        assert_eq!(
            found.len(),
            1,
            "button {name} in {}",
            self.root.inner_html()
        );
        found.remove(0)
    }

    pub(crate) fn has_button(&self, name: &str) -> bool {
        self.all("button, [role=button]").iter().any(|button| {
            button
                .get_attribute("aria-label")
                .or_else(|| button.text_content())
                .is_some_and(|own| own == name)
        })
    }

    pub(crate) fn text(&self) -> String {
        self.root.text_content().unwrap()
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        if let Some(app) = self.app.take() {
            app.destroy();
        }
        self.root.remove();
        self.styles.remove();
    }
}

pub(crate) async fn animation_frame() {
    let promise = Promise::new(&mut |resolve, _| {
        web_sys::window()
            .unwrap()
            .request_animation_frame(&resolve)
            .unwrap();
    });
    JsFuture::from(promise).await.unwrap();
}

/// Counts what is done to an element until it is dropped: for a page, its renders that changed
/// anything.
pub(crate) struct Mutations {
    count: Rc<Cell<u32>>,
    observer: web_sys::MutationObserver,
    _callback: wasm_bindgen::closure::Closure<dyn FnMut()>,
}

impl Mutations {
    pub(crate) fn of(page: &Page) -> Self {
        let count = Rc::new(Cell::new(0));
        let counted = count.clone();
        // Called once for all that one task did.
        let callback = wasm_bindgen::closure::Closure::<dyn FnMut()>::new(move || {
            counted.set(counted.get() + 1);
        });
        let observer = web_sys::MutationObserver::new(callback.as_ref().unchecked_ref()).unwrap();
        let options = web_sys::MutationObserverInit::new();
        options.set_subtree(true);
        options.set_child_list(true);
        options.set_character_data(true);
        options.set_attributes(true);
        observer.observe_with_options(&page.root, &options).unwrap();
        Self {
            count,
            observer,
            _callback: callback,
        }
    }

    pub(crate) fn count(&self) -> u32 {
        self.count.get()
    }
}

impl Drop for Mutations {
    fn drop(&mut self) {
        self.observer.disconnect();
    }
}

pub(crate) fn languages(translator: &str) -> Languages {
    let pair = |source: &str, target: &str, via: &[&str]| Pair {
        source: source.to_owned(),
        target: target.to_owned(),
        via: via.iter().map(|tag| (*tag).to_owned()).collect(),
    };
    Languages {
        translator: translator.to_owned(),
        detect: false,
        pairs: vec![
            pair("en", "es", &[]),
            pair("es", "en", &[]),
            pair("en", "fr", &["es"]),
        ],
    }
}

pub(crate) fn translation(id: &str, name: &str, status: Status, revision: u64) -> Translation {
    Translation {
        id: id.to_owned(),
        name: name.to_owned(),
        size: 2_500_000,
        source: "en".to_owned(),
        target: "es".to_owned(),
        charset: Some("utf-8".to_owned()),
        status,
        done: 412,
        total: 1960,
        failed: 0,
        ahead: None,
        error: None,
        created_at: "2026-01-01T00:00:00Z".to_owned(),
        updated_at: "2026-01-01T00:00:00Z".to_owned(),
        started_at: None,
        finished_at: None,
        revision,
    }
}

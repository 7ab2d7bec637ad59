//! The store in the browser: messages queue, and one batch is taken in for each frame.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::mem::ManuallyDrop;
use std::rc::Rc;

use gloo_file::File;
use gloo_timers::callback::Timeout;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use yew::{Callback, MouseEvent};

use crate::account::Account;
use crate::api::Api;
use crate::desk::{self, Desk};
use crate::source_text::SourceText;
use crate::store::{Effect, FilesMsg, KeptMsg, Key, Link, Msg, Session, State, reduce_front};
use crate::words;

/// How long a batch waits at most, in milliseconds: a hidden page gets no animation frames.
const LATEST: u32 = 250;

/// A handle to the page's one store. Two are equal when they are the same and were given out while
/// the page spoke the same language: a view that has one says everything anew in another.
#[derive(Clone)]
pub struct Store(Rc<Inner>, &'static str);

type Perform = Box<dyn Fn(&Store, Effect)>;

struct Inner {
    /// Never dropped: it lives as long as the page, and the code to drop it is not needed.
    state: RefCell<ManuallyDrop<State>>,
    queue: RefCell<Vec<Msg>>,
    /// The animation frame and the timeout that the next batch waits for.
    awaited: RefCell<Option<(i32, Timeout)>>,
    flush: RefCell<Option<Closure<dyn FnMut()>>>,
    listener: RefCell<Callback<()>>,
    perform: Perform,
    /// The page's other half, once it is here.
    desk: Cell<Option<Desk>>,
    /// The part that signs people in, where they do.
    account: Cell<Option<Account>>,
    /// Whether the other half is being fetched.
    fetching: Cell<bool>,
    /// What can't be taken in before it is here, in order.
    waiting: RefCell<Vec<Msg>>,
    /// Whether the device follows the state: its address, its title, what it keeps.
    lasting: Cell<bool>,
    /// The connection as the root element shows it.
    shown: Cell<Option<Link>>,
    /// What was dropped, pasted or chosen, before its files are taken out.
    brought: RefCell<Vec<JsValue>>,
    files: RefCell<Vec<Option<File>>>,
    api: RefCell<Option<Api>>,
    /// The text of the document in the reader, with its translation's id.
    text: RefCell<Option<(String, SourceText)>>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Store")
    }
}

impl PartialEq for Store {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0) && self.1 == other.1
    }
}

impl Store {
    /// A store that begins with that state and has its effects done by `perform`.
    pub fn new(state: State, perform: impl Fn(&Self, Effect) + 'static) -> Self {
        babelwire_client::lend_parser();
        let inner = Rc::new(Inner {
            state: RefCell::new(ManuallyDrop::new(state)),
            queue: RefCell::default(),
            awaited: RefCell::default(),
            flush: RefCell::default(),
            listener: RefCell::default(),
            perform: Box::new(perform),
            desk: Cell::default(),
            account: Cell::default(),
            fetching: Cell::default(),
            waiting: RefCell::default(),
            lasting: Cell::default(),
            shown: Cell::default(),
            brought: RefCell::default(),
            files: RefCell::default(),
            api: RefCell::default(),
            text: RefCell::default(),
        });
        let store = Self(inner, words::tag());
        let weak = Rc::downgrade(&store.0);
        let flush = Closure::new(move || {
            if let Some(inner) = weak.upgrade() {
                Self(inner, words::tag()).flush();
            }
        });
        *store.0.flush.borrow_mut() = Some(flush);
        store
    }

    /// The same store for a view that speaks the page's language as it is now.
    #[must_use]
    pub fn in_words(&self) -> Self {
        Self(Rc::clone(&self.0), words::tag())
    }

    /// Who hears that something changed; once for each batch.
    pub fn listen(&self, listener: Callback<()>) {
        *self.0.listener.borrow_mut() = listener;
    }

    /// Has the device follow what happens from here on: its address, its title, what it keeps.
    pub(super) fn last(&self) {
        self.0.lasting.set(true);
    }

    /// What is known. Not to be held across anything that may dispatch a batch.
    pub fn state(&self) -> std::cell::Ref<'_, State> {
        std::cell::Ref::map(self.0.state.borrow(), |state| &**state)
    }

    /// Queues something that happened.
    pub fn dispatch(&self, msg: Msg) {
        self.0.queue.borrow_mut().push(msg);
        self.await_frame();
    }

    /// Has the queue taken in before long.
    fn await_frame(&self) {
        let mut awaited = self.0.awaited.borrow_mut();
        if awaited.is_some() {
            return;
        }
        let (Some(window), Some(flush)) = (web_sys::window(), &*self.0.flush.borrow()) else {
            return;
        };
        // Fails for no callback that is a function.
        let frame = window
            .request_animation_frame(flush.as_ref().unchecked_ref())
            .unwrap_or_default();
        let store = self.clone();
        *awaited = Some((frame, Timeout::new(LATEST, move || store.flush())));
    }

    /// A callback that queues what it makes of its event.
    pub fn on<E: 'static>(&self, make: impl Fn(E) -> Msg + 'static) -> Callback<E> {
        let store = self.clone();
        Callback::from(move |event| store.dispatch(make(event)))
    }

    /// A callback of a button: queues what is made of a row's key.
    pub fn press(&self, key: Key, make: fn(Key) -> Msg) -> Callback<MouseEvent> {
        self.on(move |_| make(key))
    }

    /// Takes in all that is queued.
    fn flush(&self) {
        let awaited = self.0.awaited.take();
        if let (Some((frame, timeout)), Some(window)) = (awaited, web_sys::window()) {
            // Whichever of the two called; ending what has ended does nothing.
            let _ = window.cancel_animation_frame(frame);
            drop(timeout);
        }
        let batch = std::mem::take(&mut *self.0.queue.borrow_mut());
        if batch.is_empty() {
            return;
        }
        for msg in batch {
            for effect in self.take_in(msg) {
                (self.0.perform)(self, effect);
            }
        }
        if let Some(desk) = self.desk() {
            (desk.accompany)(&self.state());
        }
        if let (true, Some(desk)) = (self.0.lasting.get(), self.desk()) {
            (desk.keep)(self);
        }
        let link = self.state().link;
        if self.0.shown.replace(Some(link)) != Some(link) {
            show_link(link);
        }
        let listener = self.0.listener.borrow().clone();
        listener.emit(());
    }

    fn take_in(&self, mut msg: Msg) -> Vec<Effect> {
        let state = &mut **self.0.state.borrow_mut();
        if let Some(desk) = self.0.desk.get() {
            return (desk.reduce)(state, msg);
        }
        // Nothing overtakes what waits, but for the connection: it waits for nothing.
        if self.0.waiting.borrow().is_empty()
            || matches!(msg, Msg::Link(_) | Msg::NotLoaded | Msg::Session(_))
        {
            match reduce_front(state, msg) {
                Ok(effects) => return effects,
                Err(back) => msg = back,
            }
        }
        self.fetch_desk();
        if let Some(desk) = self.0.desk.get() {
            return (desk.reduce)(state, msg);
        }
        self.0.waiting.borrow_mut().push(msg);
        Vec::new()
    }

    /// The page's other half, if it is here.
    pub fn desk(&self) -> Option<Desk> {
        self.0.desk.get()
    }

    /// The part that signs people in, where they do.
    pub fn account(&self) -> Option<Account> {
        self.0.account.get()
    }

    pub(super) fn set_account(&self, account: Account) {
        self.0.account.set(Some(account));
    }

    /// Has the page's other half fetched, unless it is here or on its way.
    pub fn fetch_desk(&self) {
        if self.0.desk.get().is_some() || self.0.fetching.replace(true) {
            return;
        }
        let store = self.clone();
        desk::load(move |desk| {
            store.0.fetching.set(false);
            match desk {
                Ok(desk) => {
                    store.0.desk.set(Some(desk));
                    let waiting = store.0.waiting.take();
                    store.0.queue.borrow_mut().splice(..0, waiting);
                    store.dispatch(Msg::Kept(KeptMsg::Begin));
                }
                Err(desk::Missing) => store.dispatch(Msg::NotLoaded),
            }
        });
    }

    // What the state only names.

    /// Takes what somebody brought: an array of files and folders, or a text.
    pub fn bring(&self, brought: JsValue) {
        if matches!(self.state().session, Session::Out(_)) {
            // It would be nobody's.
            return;
        }
        self.0.brought.borrow_mut().push(brought);
        self.dispatch(Msg::Files(FilesMsg::Brought));
    }

    /// What was brought since this was asked last.
    pub(super) fn take_brought(&self) -> Vec<JsValue> {
        self.0.brought.take()
    }

    /// Keeps a file; gives its place.
    pub(super) fn keep_file(&self, file: File) -> Option<u32> {
        let mut files = self.0.files.borrow_mut();
        let place = u32::try_from(files.len()).ok()?;
        files.push(Some(file));
        Some(place)
    }

    /// Takes a file that somebody chose in an earlier visit: gives where it is.
    pub(super) fn hold(&self, file: File) -> Option<u32> {
        let mut files = self.0.files.borrow_mut();
        let place = u32::try_from(files.len()).ok()?;
        files.push(Some(file));
        Some(place)
    }

    /// A file that somebody chose.
    pub(super) fn file(&self, place: u32) -> Option<File> {
        self.0.files.borrow().get(place as usize)?.clone()
    }

    /// Lets go of a file.
    pub(super) fn release(&self, place: u32) {
        if let Some(file) = self.0.files.borrow_mut().get_mut(place as usize) {
            *file = None;
        }
    }

    /// The REST interface, once known.
    pub(super) fn api(&self) -> Option<Api> {
        self.0.api.borrow().clone()
    }

    pub(super) fn set_api(&self, api: Api) {
        *self.0.api.borrow_mut() = Some(api);
    }

    /// Where a translation's result can be downloaded.
    pub fn result_url(&self, id: &str) -> Option<String> {
        Some(self.0.api.borrow().as_ref()?.result_url(id))
    }

    /// Where something of a translation can be downloaded: a path that begins with a slash.
    pub fn download_url(&self, id: &str, what: &str) -> Option<String> {
        Some(self.0.api.borrow().as_ref()?.download_url(id, what))
    }

    /// Keeps the text of the document in the reader.
    pub fn set_text(&self, id: String, text: SourceText) {
        *self.0.text.borrow_mut() = Some((id, text));
    }

    /// A part of the text of the document in the reader, if it is here.
    pub fn source_slice(&self, range: (u64, u64)) -> Option<String> {
        let state = self.0.state.borrow();
        let document = state.document.as_ref()?;
        match &*self.0.text.borrow() {
            Some((id, text)) if *id == document.id => Some(text.slice(range)),
            _ => None,
        }
    }
}

fn show_link(link: Link) {
    let root = web_sys::window()
        .and_then(|window| window.document())
        .and_then(|document| document.document_element());
    if let Some(root) = root {
        // The name is a plain one, so this does not fail.
        let _ = root.set_attribute("data-connection", link.as_str());
    }
}

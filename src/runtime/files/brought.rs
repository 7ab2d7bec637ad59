//! What was dropped, pasted or chosen, taken apart into files.

use gloo_file::File;
use js_sys::{Array, Promise};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{
    FileSystemDirectoryEntry, FileSystemDirectoryReader, FileSystemEntry, FileSystemFileEntry,
    HtmlInputElement,
};

use super::super::Store;
use crate::store::{FilesMsg, Msg, Picked};
use crate::words::{Text, number, say};

/// How many files are handed on at once: the first ones show while the others are still looked for.
const BATCH: usize = 100;

/// Files that systems leave in folders.
const LITTER: [&str; 2] = ["Thumbs.db", "desktop.ini"];

/// Lets the person choose a folder.
pub(super) fn offer_folders(store: &Store) {
    let input = web_sys::window()
        .and_then(|window| window.document())
        .and_then(|document| document.create_element("input").ok())
        .and_then(|element| element.dyn_into::<HtmlInputElement>().ok());
    let Some(input) = input else { return };
    input.set_type("file");
    // A plain name; where it is not known, files can be chosen instead.
    let _ = input.set_attribute("webkitdirectory", "");
    let (store, chosen) = (store.clone(), input.clone());
    let onchange = Closure::once_into_js(move || {
        if let Some(files) = chosen.files() {
            store.bring(Array::from(&files).into());
        }
    });
    input.set_onchange(Some(onchange.unchecked_ref()));
    input.click();
}

/// Takes out the files of what was brought.
pub(super) fn unpack(store: &Store) {
    for brought in store.take_brought() {
        let mut basket = Basket::new(store);
        if let Some(text) = brought.as_string() {
            basket.put_text(&text);
            basket.end();
            continue;
        }
        let items = Array::from(&brought);
        if items
            .iter()
            .all(|item| item.is_instance_of::<web_sys::File>())
        {
            for file in items.iter() {
                basket.put_listed(file.unchecked_into());
            }
            basket.end();
        } else {
            spawn_local(walk(basket, items));
        }
    }
}

/// Files on their way into the list.
struct Basket {
    store: Store,
    picked: Vec<Picked>,
    /// Whether some were handed on before.
    begun: bool,
}

impl Basket {
    fn new(store: &Store) -> Self {
        Self {
            store: store.clone(),
            picked: Vec::new(),
            begun: false,
        }
    }

    fn put(&mut self, file: web_sys::File, path: String, in_folder: bool) {
        let name = file.name();
        if in_folder && (name.starts_with('.') || LITTER.contains(&&*name)) {
            return;
        }
        let (size, modified) = (whole(file.size()), whole(file.last_modified()));
        let Some(place) = self.store.keep_file(File::from(file)) else {
            return;
        };
        self.picked.push(Picked {
            file: place,
            name: path,
            size,
            modified,
            in_folder,
        });
        if self.picked.len() >= BATCH {
            self.hand_on();
        }
    }

    /// A file of an input's list, which has a path when a folder was chosen.
    fn put_listed(&mut self, file: web_sys::File) {
        let path = js_sys::Reflect::get(&file, &"webkitRelativePath".into());
        let path = path.ok().and_then(|path| path.as_string());
        if let Some(path) = path.filter(|path| !path.is_empty()) {
            self.put(file, path, true);
        } else {
            let name = file.name();
            self.put(file, name, false);
        }
    }

    fn put_text(&mut self, text: &str) {
        thread_local! {
            static PASTED: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
        }
        let count = PASTED.get() + 1;
        PASTED.set(count);
        // The second one is like no other.
        let name = match count {
            1 => [say(Text::PastedText), ".txt"].concat(),
            _ => [say(Text::PastedText), " ", &number(count), ".txt"].concat(),
        };
        let file = File::new(&name, text);
        let file: &web_sys::File = file.as_ref();
        self.put(file.clone(), name, false);
    }

    fn hand_on(&mut self) {
        let picked = std::mem::take(&mut self.picked);
        self.store.dispatch(if self.begun {
            Msg::Files(FilesMsg::More(picked))
        } else {
            Msg::Chosen(picked)
        });
        self.begun = true;
    }

    fn end(mut self) {
        if !self.picked.is_empty() {
            self.hand_on();
        } else if !self.begun {
            self.store.dispatch(Msg::Files(FilesMsg::NothingBrought));
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "sizes and times are whole numbers; those before 1970 become 0"
)]
fn whole(number: f64) -> u64 {
    number as u64
}

/// Takes files as they are, and those in folders by their names, folder by folder.
async fn walk(mut basket: Basket, items: Array) {
    let mut stack: Vec<JsValue> = items.iter().collect();
    stack.reverse();
    while let Some(item) = stack.pop() {
        let entry = match item.dyn_into::<web_sys::File>() {
            Ok(file) => {
                let name = file.name();
                basket.put(file, name, false);
                continue;
            }
            // Interfaces that not all browsers have under their names.
            Err(item) => item.unchecked_into::<FileSystemEntry>(),
        };
        if entry.is_directory() {
            let mut inside = entries(entry.unchecked_ref()).await;
            inside.sort_by_key(|entry| std::cmp::Reverse(entry.name()));
            stack.extend(inside.into_iter().map(JsValue::from));
        } else if let Some(file) = file(entry.unchecked_ref()).await {
            let path = entry.full_path();
            basket.put(file, path.trim_start_matches('/').to_owned(), true);
        }
    }
    basket.end();
}

/// All that is in a folder; browsers hand it out in batches, the last of which is empty.
async fn entries(folder: &FileSystemDirectoryEntry) -> Vec<FileSystemEntry> {
    let reader: FileSystemDirectoryReader = folder.create_reader();
    let mut all = Vec::new();
    loop {
        let batch = Promise::new(&mut |resolve, reject| {
            // What it throws, the promise would be rejected with.
            let _ = reader.read_entries_with_callback_and_callback(&resolve, &reject);
        });
        // What can't be read (any more) is passed over, as all that is no text.
        let Ok(batch) = JsFuture::from(batch).await else {
            return all;
        };
        let batch = Array::from(&batch);
        if batch.length() == 0 {
            return all;
        }
        all.extend(batch.iter().map(JsCast::unchecked_into::<FileSystemEntry>));
    }
}

async fn file(entry: &FileSystemFileEntry) -> Option<web_sys::File> {
    let file = Promise::new(&mut |resolve, reject| {
        entry.file_with_callback_and_callback(&resolve, &reject);
    });
    JsFuture::from(file).await.ok()?.dyn_into().ok()
}

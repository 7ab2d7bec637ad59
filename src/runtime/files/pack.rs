//! All results in one archive. The bytes stay with the browser, as Blobs; only what a sum is taken
//! of passes through the page's own memory, part by part.

use js_sys::{Array, Reflect, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{Blob, BlobPropertyBag, HtmlAnchorElement, ReadableStream, Response, Url};

use super::super::Store;
use crate::extras;
use crate::store::{FilesMsg, Msg, Packable, Trouble};
use crate::words::Text;
use crate::zip::{Archive, Crc, Method, Moment, TooLarge};

/// What the browser saves it as.
const NAME: &str = "Babelwire.zip";

/// How long the browser has to begin saving it, in milliseconds.
const SAVING: u32 = 60_000;

/// Less than this does not get smaller, in bytes.
const SMALL: f64 = 128.0;

#[wasm_bindgen]
extern "C" {
    type CompressionStream;

    #[wasm_bindgen(constructor, catch)]
    fn new(format: &str) -> Result<CompressionStream, JsValue>;
}

/// Has an archive of those results made.
pub(super) fn begin(store: &Store, all: Vec<Packable>) {
    let store = store.clone();
    extras::load(move |extras| match extras {
        Ok(extras) => (extras.pack)(&store, all),
        Err(_) => end(
            &store,
            Err(Trouble::passing(
                Text::AnswerCutOff,
                Text::ServerOutOfReachAdvice,
            )),
        ),
    });
}

/// Makes an archive of those results, one after the other, and has it saved.
pub(crate) fn pack(store: &Store, all: Vec<Packable>) {
    let store = store.clone();
    spawn_local(async move {
        let result = archive(&store, all).await;
        end(&store, result);
    });
}

fn end(store: &Store, result: Result<u64, Trouble>) {
    store.dispatch(Msg::Files(FilesMsg::AllPacked(result)));
}

/// Gives how many results could not be fetched.
async fn archive(store: &Store, all: Vec<Packable>) -> Result<u64, Trouble> {
    let mut archive = Archive::new(now());
    let parts = Array::new();
    let mut missing = 0;
    for packable in all {
        let Some(blob) = fetch(store, &packable.id).await else {
            missing += 1;
            continue;
        };
        let Some((crc, (method, packed))) = read(&blob).await else {
            missing += 1;
            continue;
        };
        let sizes = (whole(blob.size()), whole(packed.size()));
        let header = archive
            .add(packable.path, (method, crc), sizes)
            .map_err(too_large)?;
        parts.push(&Uint8Array::from(&*header));
        parts.push(&packed);
        store.dispatch(Msg::Files(FilesMsg::Packed));
    }
    if parts.length() == 0 {
        return Err(Trouble::passing(
            Text::ServerOutOfReach,
            Text::ServerOutOfReachAdvice,
        ));
    }
    let end = archive.end().map_err(too_large)?;
    parts.push(&Uint8Array::from(&*end));
    save(&parts).ok_or_else(|| too_large(TooLarge))?;
    Ok(missing)
}

fn too_large(_: TooLarge) -> Trouble {
    Trouble::lasting(Text::ArchiveTooLarge, Text::ArchiveTooLargeAdvice)
}

async fn fetch(store: &Store, id: &str) -> Option<Blob> {
    let api = store.api()?;
    let response = JsFuture::from(api.open(&api.result_url(id)).ok()?).await;
    let response: Response = response.ok()?.dyn_into().ok()?;
    if !response.ok() {
        return None;
    }
    let blob = JsFuture::from(response.blob().ok()?).await;
    blob.ok()?.dyn_into().ok()
}

/// A result's sum, and its bytes as they go into the archive.
async fn read(blob: &Blob) -> Option<(u32, (Method, Blob))> {
    let stream = blob.stream();
    let reader = Reflect::get(&stream, &"getReader".into()).ok()?;
    let reader: js_sys::Function = reader.dyn_into().ok()?;
    let reader: web_sys::ReadableStreamDefaultReader = reader.call0(&stream).ok()?.unchecked_into();
    let mut crc = Crc::default();
    let mut buffer = Vec::new();
    loop {
        let part = JsFuture::from(reader.read()).await.ok()?;
        let value = Reflect::get(&part, &"value".into()).ok()?;
        let Ok(bytes) = value.dyn_into::<Uint8Array>() else {
            break;
        };
        buffer.resize(bytes.length() as usize, 0);
        bytes.copy_to(&mut buffer);
        crc.update(&buffer);
    }
    let packed = if blob.size() > SMALL {
        deflate(blob).await
    } else {
        None
    };
    let packed = packed.filter(|packed| packed.size() < blob.size());
    Some((
        crc.sum(),
        match packed {
            Some(packed) => (Method::Deflated, packed),
            None => (Method::Stored, blob.clone()),
        },
    ))
}

/// Where the browser can: it has known this format later than the others.
async fn deflate(blob: &Blob) -> Option<Blob> {
    let compression = CompressionStream::new("deflate-raw").ok()?;
    let pipe = Reflect::get(&blob.stream(), &"pipeThrough".into()).ok()?;
    let pipe: js_sys::Function = pipe.dyn_into().ok()?;
    let packed: ReadableStream = pipe
        .call1(&blob.stream(), &compression)
        .ok()?
        .unchecked_into();
    let response = Response::new_with_opt_readable_stream(Some(&packed)).ok()?;
    let blob = JsFuture::from(response.blob().ok()?).await;
    blob.ok()?.dyn_into().ok()
}

fn save(parts: &Array) -> Option<()> {
    let options = BlobPropertyBag::new();
    options.set_type("application/zip");
    let blob = Blob::new_with_blob_sequence_and_options(parts, &options).ok()?;
    let url = Url::create_object_url_with_blob(&blob).ok()?;
    let document = web_sys::window()?.document()?;
    let link: HtmlAnchorElement = document.create_element("a").ok()?.dyn_into().ok()?;
    link.set_href(&url);
    link.set_download(NAME);
    link.click();
    gloo_timers::callback::Timeout::new(SAVING, move || {
        // Fails for no URL.
        let _ = Url::revoke_object_url(&url);
    })
    .forget();
    Some(())
}

/// In the person's own time zone, as archives have it.
fn now() -> Moment {
    let now = js_sys::Date::new_0();
    Moment::new(
        now.get_full_year(),
        [
            now.get_month() + 1,
            now.get_date(),
            now.get_hours(),
            now.get_minutes(),
            now.get_seconds(),
        ],
    )
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the size of a Blob is a whole number"
)]
fn whole(size: f64) -> u64 {
    size as u64
}

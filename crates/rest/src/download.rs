//! Files on their way out: always as attachments, never as pages.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use babelwire_service::{Download, TextStream};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::problem;

/// All but RFC 8187's `attr-char`.
const NOT_ATTR_CHAR: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// An object as a file to be saved, or the way to where it is.
pub(crate) fn download(download: Download) -> Response {
    match download {
        Download::Here(file, object) => {
            let content_type = HeaderValue::from_static(file.content_type);
            let headers = [
                (header::CONTENT_TYPE, content_type),
                (header::CONTENT_LENGTH, HeaderValue::from(object.size)),
                (header::CONTENT_DISPOSITION, attachment(&file.name)),
            ];
            (headers, Body::from_stream(object.bytes)).into_response()
        }
        Download::There(url) => match HeaderValue::try_from(url) {
            Ok(url) => (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, url)]).into_response(),
            Err(_) => problem(
                StatusCode::INTERNAL_SERVER_ERROR,
                "The store gave an address that is none.",
            ),
        },
    }
}

/// A text that is made as it is read, as a file to be saved under `name`.
pub(crate) fn download_text(name: &str, content_type: &'static str, text: TextStream) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(content_type)),
        (header::CONTENT_DISPOSITION, attachment(name)),
    ];
    let mut response = (headers, Body::from_stream(text.bytes)).into_response();
    if let Some(size) = text.size {
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(size));
    }
    response
}

/// The name of a translation's result: `notes.txt` into Spanish is `notes.es.txt`.
pub(crate) fn result_name(name: &str, target: &str) -> String {
    match name.rsplit_once('.') {
        Some((stem, extension))
            if !stem.is_empty() && !extension.is_empty() && extension.len() <= 16 =>
        {
            format!("{stem}.{target}.{extension}")
        }
        _ => format!("{name}.{target}"),
    }
}

/// `Content-Disposition` of RFC 6266: a name of plain ASCII for old readers, and the real one as
/// RFC 8187 has it.
pub fn attachment(name: &str) -> HeaderValue {
    let name: String = name.chars().map(harmless).collect();
    let ascii: String = name
        .chars()
        .map(|char| match char {
            // Old readers take a percent sign for the beginning of an escape.
            '"' | '%' => '_',
            ' '..='~' => char,
            _ => '_',
        })
        .collect();
    let encoded = utf8_percent_encode(&name, NOT_ATTR_CHAR);
    HeaderValue::try_from(format!(
        "attachment; filename=\"{ascii}\"; filename*=UTF-8''{encoded}"
    ))
    .unwrap_or(HeaderValue::from_static("attachment"))
}

/// A character as it may stand in the name of a file on somebody's disk: no path, no control, and
/// none that turns the rest of the name around, which hides what a file is.
fn harmless(char: char) -> char {
    match char {
        '/'
        | '\\'
        | '\u{200e}'
        | '\u{200f}'
        | '\u{61c}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}' => '_',
        char if char.is_control() => '_',
        char => char,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_has_the_language_before_its_extension() {
        assert_eq!(result_name("notes.txt", "es"), "notes.es.txt");
        assert_eq!(result_name("a.b.md", "pt-BR"), "a.b.pt-BR.md");
        assert_eq!(result_name("README", "es"), "README.es");
        assert_eq!(result_name(".profile", "es"), ".profile.es");
        assert_eq!(result_name("odd.", "es"), "odd..es");
    }

    #[test]
    fn a_name_cannot_leave_its_header() {
        for (name, header) in [
            (
                "notes.es.txt",
                "attachment; filename=\"notes.es.txt\"; filename*=UTF-8''notes.es.txt",
            ),
            (
                "../../a\"b\r\nX: y",
                "attachment; filename=\".._.._a_b__X: y\"; \
                 filename*=UTF-8''.._.._a%22b__X%3A%20y",
            ),
            (
                "été 100%.txt",
                "attachment; filename=\"_t_ 100_.txt\"; \
                 filename*=UTF-8''%C3%A9t%C3%A9%20100%25.txt",
            ),
            (
                "evil\u{202e}txt.exe",
                "attachment; filename=\"evil_txt.exe\"; filename*=UTF-8''evil_txt.exe",
            ),
        ] {
            assert_eq!(attachment(name), header, "{name:?}");
        }
    }
}

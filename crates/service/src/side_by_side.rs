//! Both sides of a translation as one page of HTML: everything in it is escaped, it loads nothing
//! and runs nothing.

use babelwire_wire::{Segment, Translation};

/// The page's end.
pub(crate) const TAIL: &str = "</tbody>\n</table>\n</main>\n</body>\n</html>\n";

const STYLE: &str = ":root{color-scheme:light dark}\
body{margin:0;padding:1rem;font:1rem/1.5 system-ui,sans-serif}\
h1{font-size:1.25rem;overflow-wrap:anywhere}\
table{width:100%;border-collapse:collapse;table-layout:fixed}\
th,td{padding:.5rem;text-align:start;vertical-align:top;border-block-end:1px solid #8886}\
td{white-space:pre-wrap;overflow-wrap:anywhere}\
.missing{background:#8882}\
@media print{:root{color-scheme:light}body{padding:0;font-size:10pt}tr{break-inside:avoid}}";

/// The page up to the first row.
pub(crate) fn head(translation: &Translation) -> String {
    let name = escape(&translation.name);
    let source = escape(&translation.source);
    let target = escape(&translation.target);
    let (done, total) = (translation.done, translation.total);
    let so_far = if done < total {
        format!("<p>{done} / {total}</p>\n")
    } else {
        String::new()
    };
    // The policy is in the page as well: a file on a disk has no headers.
    format!(
        "<!DOCTYPE html>\n<html>\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" \
         content=\"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; \
         form-action 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>{name} ({source} → {target})</title>\n<style>{STYLE}</style>\n</head>\n\
         <body>\n<main>\n<h1 dir=\"auto\">{name}</h1>\n{so_far}<table>\n<thead>\n\
         <tr><th scope=\"col\">{source}</th><th scope=\"col\">{target}</th></tr>\n\
         </thead>\n<tbody>\n"
    )
}

/// What writes a row: into which page, the source's words, the kept segment.
pub(crate) fn row(
    translation: &Translation,
) -> impl Fn(&mut String, &str, Option<&Segment>) + Send + 'static {
    let source = language(&translation.source);
    let target = language(&translation.target);
    move |html, text, kept| {
        let translated = kept.filter(|kept| !kept.failed);
        let class = if translated.is_some() {
            ""
        } else {
            " class=\"missing\""
        };
        html.push_str("<tr><td");
        html.push_str(&source);
        html.push_str(" dir=\"auto\">");
        escape_into(html, text);
        html.push_str("</td><td");
        html.push_str(&target);
        html.push_str(" dir=\"auto\"");
        html.push_str(class);
        html.push('>');
        escape_into(html, translated.map_or("", |kept| &kept.text));
        html.push_str("</td></tr>\n");
    }
}

/// The attribute of a language, where it is known.
fn language(tag: &str) -> String {
    if tag == "auto" {
        String::new()
    } else {
        format!(" lang=\"{}\"", escape(tag))
    }
}

fn escape(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    escape_into(&mut html, text);
    html
}

/// Safe between tags and between quotation marks. A NUL and what is no character in HTML cannot be
/// written as references either; a browser shows them as U+FFFD.
fn escape_into(html: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            // Left as it is, a browser would read it as a line feed.
            '\r' => html.push_str("&#13;"),
            character => html.push(character),
        }
    }
}

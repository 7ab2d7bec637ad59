//! What a file is when it is not text, by its first bytes.

/// A kind of file.
pub(super) struct Kind {
    /// With its article: `a PDF document`.
    pub(super) name: &'static str,
    /// What to do instead.
    pub(super) hint: &'static str,
}

const EXPORT: &str = "Export its text as plain text first";
const UNPACK: &str = "Unpack it first and choose the text files inside";
const OTHER: &str = "Choose a plain text file";

/// A file that begins with bytes no text begins with.
pub(super) fn by_signature(head: &[u8]) -> Option<Kind> {
    const SIGNATURES: &[(&[u8], &str, &str)] = &[
        (b"%PDF-", "a PDF document", EXPORT),
        (b"\x89PNG\r\n\x1A\n", "a PNG picture", OTHER),
        (b"\xFF\xD8\xFF", "a JPEG picture", OTHER),
        (b"GIF87a", "a GIF picture", OTHER),
        (b"GIF89a", "a GIF picture", OTHER),
        (b"\x1F\x8B\x08", "a file packed with gzip", UNPACK),
        (b"BZh91AY&SY", "a file packed with bzip2", UNPACK),
        (b"\xFD7zXZ\0", "a file packed with xz", UNPACK),
        (b"\x28\xB5\x2F\xFD", "a file packed with Zstandard", UNPACK),
        (b"7z\xBC\xAF\x27\x1C", "a 7-Zip archive", UNPACK),
        (b"Rar!\x1A\x07", "a RAR archive", UNPACK),
        (b"\x7FELF", "a program (ELF)", OTHER),
        (b"\0asm", "a program (WebAssembly)", OTHER),
        (b"\xCA\xFE\xBA\xBE", "a program (Java or Mach-O)", OTHER),
        (b"\xCF\xFA\xED\xFE", "a program (Mach-O)", OTHER),
        (b"SQLite format 3\0", "an SQLite database", OTHER),
        (
            b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1",
            "an old Microsoft Office document",
            EXPORT,
        ),
    ];
    if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
        return Some(zip(head));
    }
    find(head, SIGNATURES)
}

/// A file that begins with bytes text might begin with too, to be asked only of what is known not
/// to be text.
pub(super) fn by_weak_signature(head: &[u8]) -> Option<Kind> {
    const SIGNATURES: &[(&[u8], &str, &str)] = &[
        (b"MZ", "a Windows program", OTHER),
        (b"BM", "a BMP picture", OTHER),
        (b"RIFF", "a sound, film or WebP picture (RIFF)", OTHER),
        (b"OggS", "a sound or film (Ogg)", OTHER),
        (b"fLaC", "a sound (FLAC)", OTHER),
        (b"ID3", "a sound (MP3)", OTHER),
        (b"II*\0", "a TIFF picture", OTHER),
        (b"MM\0*", "a TIFF picture", OTHER),
        (b"wOF", "a font", OTHER),
        (b"\0\x01\0\0\0", "a font", OTHER),
    ];
    if head.get(4..8) == Some(b"ftyp") {
        return Some(Kind {
            name: "a film or picture (MP4, HEIC or AVIF)",
            hint: OTHER,
        });
    }
    if head.get(257..262) == Some(b"ustar") {
        return Some(Kind {
            name: "a tar archive",
            hint: UNPACK,
        });
    }
    find(head, SIGNATURES)
}

/// Whether the file has UTF-32's byte order mark. Its little-endian one begins with UTF-16's.
pub(super) fn is_utf_32(head: &[u8], size: u64) -> bool {
    size.is_multiple_of(4)
        && (head.starts_with(b"\xFF\xFE\0\0") || head.starts_with(b"\0\0\xFE\xFF"))
}

fn find(head: &[u8], signatures: &[(&[u8], &'static str, &'static str)]) -> Option<Kind> {
    signatures
        .iter()
        .find(|(signature, ..)| head.starts_with(signature))
        .map(|&(_, name, hint)| Kind { name, hint })
}

/// Office documents and books are ZIP archives; their first entries tell.
fn zip(head: &[u8]) -> Kind {
    const MEMBERS: &[(&[u8], &str)] = &[
        (b"mimetypeapplication/epub", "a book (EPUB)"),
        (b"mimetypeapplication/vnd.oasis", "an OpenDocument file"),
        (b"word/", "a Word document"),
        (b"xl/", "an Excel workbook"),
        (b"ppt/", "a PowerPoint presentation"),
        (b"[Content_Types].xml", "a Microsoft Office document"),
    ];
    let beginning = &head[..head.len().min(4096)];
    let member = MEMBERS.iter().find(|(needle, _)| {
        beginning
            .windows(needle.len())
            .any(|window| window == *needle)
    });
    match member {
        Some(&(_, name)) => Kind { name, hint: EXPORT },
        None => Kind {
            name: "a ZIP archive",
            hint: UNPACK,
        },
    }
}

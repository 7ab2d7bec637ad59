//! The parts of a ZIP archive that are not its files' bytes, as PKWARE's APPNOTE.TXT 6.3.10 has
//! them. Pure: where the bytes go is the caller's business.

/// How a file's bytes are in the archive (APPNOTE 4.4.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// As they are.
    Stored,
    /// Compressed with DEFLATE.
    Deflated,
}

impl Method {
    const fn number(self) -> u16 {
        match self {
            Self::Stored => 0,
            Self::Deflated => 8,
        }
    }
}

/// A moment as MS-DOS has it (APPNOTE 4.4.6): to two seconds, from 1980 on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    time: u16,
    date: u16,
}

impl Moment {
    /// That moment; the month and the day count from 1.
    pub fn new(year: u32, [month, day, hour, minute, second]: [u32; 5]) -> Self {
        let year = year.clamp(1980, 2107) - 1980;
        let low = |value: u32| u16::try_from(value & 0xFFFF).unwrap_or_default();
        Self {
            time: low((hour << 11) | (minute << 5) | (second / 2)),
            date: low((year << 9) | (month << 5) | day),
        }
    }
}

/// A file in an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its path, with `/` between folders.
    pub path: String,
    /// How it is in there.
    pub method: Method,
    /// The CRC-32 of its bytes.
    pub crc: u32,
    /// How many bytes it has.
    pub size: u32,
    /// How many of them it takes in the archive.
    pub packed: u32,
    /// Where its local header begins.
    pub offset: u32,
}

/// An archive has more files, or more bytes, than the format can tell without its 64-bit extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLarge;

/// Takes down which files are in an archive, in order.
#[derive(Debug)]
pub struct Archive {
    moment: Moment,
    entries: Vec<Entry>,
    length: u32,
}

impl Archive {
    /// An empty one, made at that moment.
    pub fn new(moment: Moment) -> Self {
        Self {
            moment,
            entries: Vec::new(),
            length: 0,
        }
    }

    /// Another file; gives its local header, which the file's bytes have to follow.
    pub fn add(
        &mut self,
        path: String,
        (method, crc): (Method, u32),
        (size, packed): (u64, u64),
    ) -> Result<Vec<u8>, TooLarge> {
        let entry = Entry {
            path,
            method,
            crc,
            size: u32::try_from(size).map_err(|_| TooLarge)?,
            packed: u32::try_from(packed).map_err(|_| TooLarge)?,
            offset: self.length,
        };
        // APPNOTE 4.3.7.
        let mut header = b"PK\x03\x04".to_vec();
        self.describe(&entry, &mut header)?;
        header.extend(entry.path.as_bytes());
        let length = u32::try_from(header.len()).map_err(|_| TooLarge)?;
        self.length = self
            .length
            .checked_add(length)
            .and_then(|length| length.checked_add(entry.packed))
            .ok_or(TooLarge)?;
        self.entries.push(entry);
        Ok(header)
    }

    /// What both headers of a file have.
    fn describe(&self, entry: &Entry, header: &mut Vec<u8>) -> Result<(), TooLarge> {
        /// 2.0: what DEFLATE and folders need (APPNOTE 4.4.3).
        const VERSION: u16 = 20;
        /// The path is in UTF-8 (APPNOTE 4.4.4, bit 11).
        const UTF_8: u16 = 1 << 11;
        let path = u16::try_from(entry.path.len()).map_err(|_| TooLarge)?;
        for value in [
            VERSION,
            UTF_8,
            entry.method.number(),
            self.moment.time,
            self.moment.date,
        ] {
            header.extend(value.to_le_bytes());
        }
        for value in [entry.crc, entry.packed, entry.size] {
            header.extend(value.to_le_bytes());
        }
        // No extra field.
        for value in [path, 0] {
            header.extend(value.to_le_bytes());
        }
        Ok(())
    }

    /// The central directory and its end, which come after all files.
    pub fn end(self) -> Result<Vec<u8>, TooLarge> {
        let mut directory = Vec::new();
        for entry in &self.entries {
            // APPNOTE 4.3.12. Made as on Unix by version 2.0.
            directory.extend(b"PK\x01\x02");
            directory.extend([20, 3]);
            self.describe(entry, &mut directory)?;
            // No comment, on the first disk, as text, and an ordinary file that its owner can write.
            for value in [0_u16, 0, 1] {
                directory.extend(value.to_le_bytes());
            }
            directory.extend((0o100_644_u32 << 16).to_le_bytes());
            directory.extend(entry.offset.to_le_bytes());
            directory.extend(entry.path.as_bytes());
        }
        let count = u16::try_from(self.entries.len()).map_err(|_| TooLarge)?;
        // The largest numbers say that the real ones are in the 64-bit extension.
        let size = u32::try_from(directory.len()).map_err(|_| TooLarge)?;
        if count == u16::MAX || self.length.checked_add(size).is_none() {
            return Err(TooLarge);
        }
        // APPNOTE 4.3.16.
        directory.extend(b"PK\x05\x06");
        for value in [0, 0, count, count] {
            directory.extend(value.to_le_bytes());
        }
        for value in [size, self.length] {
            directory.extend(value.to_le_bytes());
        }
        directory.extend(0_u16.to_le_bytes());
        Ok(directory)
    }
}

/// The CRC-32 of APPNOTE 4.4.7 over bytes that come in parts.
#[derive(Debug)]
pub struct Crc(u32);

impl Default for Crc {
    fn default() -> Self {
        Self(u32::MAX)
    }
}

impl Crc {
    /// Goes on with these bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        // Four bits at a time: a table of 64 bytes instead of 1 KB, at half the speed.
        const TABLE: [u32; 16] = table();
        for byte in bytes {
            self.0 ^= u32::from(*byte);
            for _ in 0..2 {
                let index = (self.0 & 15) as usize;
                self.0 = (self.0 >> 4) ^ TABLE.get(index).copied().unwrap_or_default();
            }
        }
    }

    /// The sum of all.
    pub fn sum(&self) -> u32 {
        !self.0
    }
}

const fn table() -> [u32; 16] {
    let mut table = [0; 16];
    let mut index = 0;
    while index < table.len() {
        #[expect(clippy::cast_possible_truncation, reason = "at most 15")]
        let mut value = index as u32;
        let mut bit = 0;
        while bit < 4 {
            value = (value >> 1) ^ ((value & 1) * 0xEDB8_8320);
            bit += 1;
        }
        table[index] = value;
        index += 1;
    }
    table
}

#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod tests {
    use std::io::Write;
    use std::process::{Command, Stdio};

    use super::*;

    fn sum(bytes: &[u8]) -> u32 {
        let mut crc = Crc::default();
        for part in bytes.chunks(3) {
            crc.update(part);
        }
        crc.sum()
    }

    #[test]
    fn the_sum_is_the_one_of_the_standard() {
        // The check value of CRC-32/ISO-HDLC.
        assert_eq!(sum(b"123456789"), 0xCBF4_3926);
        assert_eq!(sum(b""), 0);
    }

    #[test]
    fn another_program_unpacks_what_was_packed() {
        let files: [(&str, &str); 4] = [
            ("notes.es.txt", "Una casa blanca.\n"),
            ("cartas/año 1/mayo.es.txt", "¡Hola!\n"),
            ("空.txt", ""),
            ("deflated.txt", "abcabcabc"),
        ];
        // "abcabcabc" in DEFLATE, as zlib packs it.
        let deflated = b"\x4b\x4c\x4a\x4e\x84\x22\x00";
        let mut archive = Archive::new(Moment::new(2026, [11, 22, 21, 7, 30]));
        let mut bytes = Vec::new();
        for (path, text) in files {
            let (method, packed) = match path {
                "deflated.txt" => (Method::Deflated, &deflated[..]),
                _ => (Method::Stored, text.as_bytes()),
            };
            let header = archive.add(
                path.to_owned(),
                (method, sum(text.as_bytes())),
                (text.len() as u64, packed.len() as u64),
            );
            bytes.extend(header.unwrap());
            bytes.extend(packed);
        }
        bytes.extend(archive.end().unwrap());

        let script = "import io, sys, zipfile\n\
            archive = zipfile.ZipFile(io.BytesIO(sys.stdin.buffer.read()))\n\
            assert archive.testzip() is None\n\
            for entry in archive.infolist():\n  \
            print(ascii(entry.filename), ascii(archive.read(entry).decode()), *entry.date_time)\n";
        let mut python = Command::new("python3")
            .args(["-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 is there");
        python.stdin.take().unwrap().write_all(&bytes).unwrap();
        let output = python.wait_with_output().unwrap();
        assert!(output.status.success());
        let listed = String::from_utf8(output.stdout).unwrap();
        let moment = "2026 11 22 21 7 30";
        assert_eq!(
            listed.lines().collect::<Vec<_>>(),
            [
                format!(r"'notes.es.txt' 'Una casa blanca.\n' {moment}"),
                format!(r"'cartas/a\xf1o 1/mayo.es.txt' '\xa1Hola!\n' {moment}"),
                format!(r"'\u7a7a.txt' '' {moment}"),
                format!("'deflated.txt' 'abcabcabc' {moment}"),
            ]
        );
    }

    #[test]
    fn what_the_format_cannot_tell_is_refused() {
        let moment = Moment::new(1969, [1, 1, 0, 0, 0]);
        let mut archive = Archive::new(moment);
        let file = (Method::Stored, 0);
        let large = u64::from(u32::MAX);
        assert_eq!(archive.add("a".into(), file, (large + 1, 1)), Err(TooLarge));
        assert_eq!(archive.add("a".into(), file, (large, large)), Err(TooLarge));
        let mut archive = Archive::new(moment);
        for _ in 0..=u16::MAX {
            archive.add("a".into(), file, (0, 0)).unwrap();
        }
        assert_eq!(archive.end(), Err(TooLarge));
    }
}

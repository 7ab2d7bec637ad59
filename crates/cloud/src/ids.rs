//! Names that nobody else has.

fn hex(bytes: usize) -> String {
    use std::fmt::Write as _;
    let mut random = [0; 16];
    let random = &mut random[..bytes.min(16)];
    // Without random bytes they are zeros: names here are for reading logs, not for secrets.
    let _unlikely = getrandom::fill(random);
    random.iter().fold(String::new(), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}

/// As Lambda's request ids look.
pub(crate) fn uuid() -> String {
    let digits = hex(16);
    let parts = [
        &digits[..8],
        &digits[8..12],
        &digits[12..16],
        &digits[16..20],
        &digits[20..],
    ];
    parts.join("-")
}

/// As API Gateway's request ids look.
pub(crate) fn request() -> String {
    format!("{}=", hex(7))
}

/// As X-Ray's trace ids look.
pub(crate) fn trace() -> String {
    let seconds = jiff::Timestamp::now().as_second();
    format!("1-{seconds:08x}-{}", hex(12))
}

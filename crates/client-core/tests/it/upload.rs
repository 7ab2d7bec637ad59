use std::time::Duration;

use babelwire_client_core::{
    Attempt, Backoff, Instant, Jitter, Upload, UploadConfig, UploadError, UploadOutput, UploadState,
};

const EVEN: Jitter = Jitter::new(0.5);

/// An upload, the clock, and what it did.
struct Desk {
    now: Instant,
    upload: Upload,
    outputs: Vec<UploadOutput>,
}

impl Desk {
    fn started() -> Self {
        let mut desk = Self {
            now: Instant::from_millis(500),
            upload: Upload::new(UploadConfig::default()),
            outputs: Vec::new(),
        };
        desk.upload.start(desk.now);
        desk.drain();
        desk
    }

    fn drain(&mut self) {
        while let Some(output) = self.upload.poll_output() {
            self.outputs.push(output);
        }
    }

    fn sending(&self) -> Attempt {
        match self.upload.state() {
            UploadState::Sending { attempt, .. } => *attempt,
            other => panic!("{other:?}"),
        }
    }

    fn respond(&mut self, status: u16, body: &str) {
        let attempt = self.sending();
        self.upload
            .handle_response(self.now, attempt, status, body, EVEN);
        self.drain();
    }

    fn lose(&mut self) {
        let attempt = self.sending();
        self.upload
            .handle_error(self.now, attempt, UploadError::Network, EVEN);
        self.drain();
    }

    /// Waits for the next timer.
    fn ring(&mut self) {
        self.now = self.upload.poll_timeout().expect("a timer is set");
        self.upload.handle_timeout(self.now, EVEN);
        self.drain();
    }

    fn sends(&self) -> usize {
        self.outputs
            .iter()
            .filter(|output| matches!(output, UploadOutput::Send(_)))
            .count()
    }
}

#[test]
fn a_file_goes_up_and_its_progress_is_told() {
    let mut desk = Desk::started();
    let attempt = desk.sending();
    for sent in [10, 60, 100] {
        desk.upload.handle_progress(desk.now, attempt, sent, 100);
    }
    desk.respond(200, "");
    let sending = |sent, total| {
        UploadOutput::Event(UploadState::Sending {
            attempt,
            sent,
            total,
        })
    };
    assert_eq!(
        desk.outputs,
        [
            UploadOutput::Send(attempt),
            sending(0, 0),
            sending(10, 100),
            sending(60, 100),
            sending(100, 100),
            UploadOutput::Event(UploadState::Done),
        ]
    );
    assert_eq!(desk.upload.poll_timeout(), None);
}

#[test]
fn a_server_that_restarts_in_the_middle_gets_the_file_again_from_its_first_byte() {
    let mut desk = Desk::started();
    desk.lose();
    assert!(matches!(
        desk.upload.state(),
        UploadState::Waiting { failures: 1, delay, error: UploadError::Network, .. }
            if *delay == Backoff::default().delay(1, EVEN)
    ));
    desk.ring();
    desk.respond(503, "");
    desk.ring();
    assert!(matches!(
        desk.upload.state(),
        UploadState::Sending { attempt, sent: 0, .. } if attempt.number() == 3
    ));
    desk.respond(204, "");
    assert_eq!(*desk.upload.state(), UploadState::Done);
}

#[test]
fn a_refusal_is_final_and_says_why_in_the_stores_own_words() {
    for (body, words) in [
        (
            r#"{"type":"about:blank","title":"Too large","status":413,"detail":"At most 100 MB."}"#,
            "At most 100 MB.",
        ),
        (
            r#"{"type":"about:blank","title":"Too large","status":413}"#,
            "Too large",
        ),
        (
            "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code><Message>Request has \
             expired</Message></Error>",
            "Request has expired",
        ),
        ("<html>", "The store refused the file with HTTP status 413."),
    ] {
        let mut desk = Desk::started();
        desk.respond(413, body);
        let UploadState::Failed { error } = desk.upload.state() else {
            panic!("{:?}", desk.upload.state());
        };
        assert_eq!(error.to_string(), words);
        assert_eq!(desk.upload.poll_timeout(), None);
    }
}

#[test]
fn statuses_that_speak_of_the_moment_are_tried_again_and_others_are_not() {
    for status in 100..=599 {
        let mut desk = Desk::started();
        desk.respond(status, "");
        let expected = match status {
            200..=299 => "done",
            408 | 425 | 429 | 500..=599 => "waiting",
            _ => "failed",
        };
        let found = match desk.upload.state() {
            UploadState::Done => "done",
            UploadState::Waiting { .. } => "waiting",
            UploadState::Failed { .. } => "failed",
            other => panic!("{other:?}"),
        };
        assert_eq!(found, expected, "{status}");
    }
}

#[test]
fn a_file_that_cannot_be_sent_is_given_up_after_ten_failures() {
    let mut desk = Desk::started();
    for _ in 1..10 {
        desk.lose();
        desk.ring();
    }
    desk.lose();
    assert_eq!(
        *desk.upload.state(),
        UploadState::Failed {
            error: UploadError::Network
        }
    );
    assert_eq!(desk.sends(), 10);
    assert_eq!(desk.upload.poll_timeout(), None);
}

#[test]
fn an_upload_that_stalls_is_aborted_and_sent_again() {
    let mut desk = Desk::started();
    let first = desk.sending();
    desk.now = desk.now + Duration::from_secs(100);
    desk.upload.handle_progress(desk.now, first, 1, 2);
    let last_news = desk.now;
    desk.ring();
    assert_eq!(desk.now - last_news, UploadConfig::default().stall_timeout);
    assert!(desk.outputs.contains(&UploadOutput::Abort(first)));
    desk.ring();
    // What the aborted attempt may still say is passed over.
    desk.upload.handle_response(desk.now, first, 200, "", EVEN);
    desk.upload.handle_progress(desk.now, first, 2, 2);
    assert_ne!(desk.sending(), first);
    assert!(matches!(
        desk.upload.state(),
        UploadState::Sending { sent: 0, .. }
    ));
}

#[test]
fn an_upload_waits_while_the_machine_is_offline_and_such_losses_are_not_counted() {
    let mut desk = Desk::started();
    for _ in 0..50 {
        desk.upload.handle_offline();
        desk.drain();
        assert_eq!(*desk.upload.state(), UploadState::Offline);
        assert_eq!(desk.upload.poll_timeout(), None);
        desk.upload.handle_online(desk.now, EVEN);
        let before = desk.now;
        desk.ring();
        assert!(desk.now - before <= Backoff::default().base);
    }
    desk.respond(200, "");
    assert_eq!(*desk.upload.state(), UploadState::Done);
}

#[test]
fn an_upload_to_a_server_on_a_machine_without_a_network_is_tried_all_the_same() {
    let mut upload = Upload::new(UploadConfig::default());
    let now = Instant::from_millis(0);
    upload.hint_online(false);
    upload.start(now);
    let Some(UploadOutput::Send(attempt)) = upload.poll_output() else {
        panic!("it is tried");
    };
    upload.handle_response(now, attempt, 503, "", EVEN);
    assert!(
        matches!(upload.state(), UploadState::Waiting { .. }),
        "a server that answers can be reached, whatever the browser says"
    );
}

#[test]
fn an_upload_that_starts_offline_finds_out_by_one_attempt_and_waits() {
    let mut upload = Upload::new(UploadConfig::default());
    let now = Instant::from_millis(0);
    upload.hint_online(false);
    upload.start(now);
    let Some(UploadOutput::Send(attempt)) = upload.poll_output() else {
        panic!("it is tried");
    };
    upload.handle_error(now, attempt, UploadError::Network, EVEN);
    assert_eq!(*upload.state(), UploadState::Offline);
}

#[test]
fn a_cancel_aborts_what_is_under_way_and_is_final() {
    let mut desk = Desk::started();
    let attempt = desk.sending();
    desk.upload.cancel();
    desk.upload.cancel();
    desk.upload
        .handle_response(desk.now, attempt, 200, "", EVEN);
    desk.upload.handle_offline();
    desk.upload.handle_online(desk.now, EVEN);
    desk.drain();
    assert_eq!(
        desk.outputs[2..],
        [
            UploadOutput::Abort(attempt),
            UploadOutput::Event(UploadState::Cancelled)
        ]
    );
    assert_eq!(desk.upload.poll_timeout(), None);
}

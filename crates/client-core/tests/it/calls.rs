use std::collections::BTreeMap;
use std::time::Duration;

use babelwire_client_core::{
    Call, CallError, CallId, CallOptions, Calls, CallsConfig, Closed, Config, Connection,
    CorrelationError, Event, Generation, Instant, Jitter, Outcome, Output, Rejection, SendOutcome,
    with_correlation,
};
use proptest::prelude::*;

const SECOND: u64 = 1_000;

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

/// Generations are a connection's to give.
fn generations(count: usize) -> Vec<Generation> {
    let mut connection = Connection::new(Config::default());
    let mut generations = Vec::new();
    let mut now = at(0);
    connection.connect(now);
    while generations.len() < count {
        while let Some(output) = connection.poll_output() {
            if let Output::Dial { generation, .. } = output {
                generations.push(generation);
                let refused = Closed {
                    code: 1006,
                    reason: String::new(),
                    was_clean: false,
                };
                connection.handle_closed(now, generation, refused, Jitter::new(0.5));
            }
        }
        now = connection.poll_timeout().unwrap();
        connection.handle_timeout(now, Jitter::new(0.5));
    }
    generations
}

struct Desk {
    calls: Calls,
    sockets: Vec<Generation>,
}

fn desk() -> Desk {
    Desk {
        calls: Calls::new(CallsConfig::default(), "k3x9".to_owned()),
        sockets: generations(3),
    }
}

impl Desk {
    fn start(&mut self) -> Call {
        self.calls.start(CallOptions::default()).unwrap()
    }

    /// A call that went out over a socket.
    fn sent(&mut self, millis: u64, socket: usize) -> Call {
        let call = self.start();
        self.calls
            .handle_sent(at(millis), call.id, self.sockets[socket]);
        call
    }

    fn arrives(&mut self, millis: u64, socket: usize, text: &str) -> bool {
        self.calls
            .handle_frame(at(millis), self.sockets[socket], text)
    }

    fn outcomes(&mut self) -> Vec<Outcome> {
        std::iter::from_fn(|| self.calls.poll_outcome()).collect()
    }

    fn ends(&mut self, call: &Call, result: Result<&str, &CallError>) {
        let expected = Outcome {
            call: call.id,
            result: result.map(ToOwned::to_owned).map_err(Clone::clone),
        };
        assert_eq!(self.outcomes(), [expected]);
    }

    fn nothing_ends(&mut self) {
        assert_eq!(self.outcomes(), []);
    }
}

fn answer(call: &Call) -> String {
    with_correlation(r#"{"answer":42}"#, "correlationId", &call.correlation).unwrap()
}

fn gateway(message: &str) -> String {
    format!(r#"{{"message": "{message}", "connectionId":"TXzPWdnOjoECGjA=", "requestId":"r"}}"#)
}

fn is_about(outcome: &Outcome, message: &str) -> bool {
    matches!(&outcome.result, Err(CallError::Gateway(error)) if error.message == message)
}

#[test]
fn each_call_gets_its_own_answer_whatever_the_order() {
    let mut desk = desk();
    let first = desk.sent(0, 0);
    let second = desk.sent(0, 0);
    assert!(desk.arrives(50, 0, &answer(&second)));
    desk.ends(&second, Ok(&answer(&second)));
    assert!(desk.arrives(60, 0, &answer(&first)));
    desk.ends(&first, Ok(&answer(&first)));
    assert_eq!(desk.calls.pending(), 0);
    assert_eq!(desk.calls.poll_timeout(), None);
}

#[test]
fn the_deadline_starts_when_the_request_goes_out_and_not_before() {
    let mut desk = desk();
    let call = desk.start();
    assert_eq!(desk.calls.poll_timeout(), None);
    desk.calls.handle_timeout(at(3600 * SECOND));
    desk.nothing_ends();
    let socket = desk.sockets[0];
    desk.calls.handle_sent(at(3600 * SECOND), call.id, socket);
    let due = at(3629 * SECOND);
    assert_eq!(desk.calls.poll_timeout(), Some(due));
    // Told twice, it is sent once.
    desk.calls.handle_sent(at(3620 * SECOND), call.id, socket);
    desk.calls.handle_timeout(at(3629 * SECOND - 1));
    desk.nothing_ends();
    desk.calls.handle_timeout(due);
    desk.ends(&call, Err(&CallError::TimedOut));
    assert_eq!(desk.calls.poll_timeout(), None);
}

#[test]
fn only_the_dead_sockets_calls_fail_and_in_a_rollover_the_old_one_still_answers() {
    let mut desk = desk();
    let old = desk.sent(0, 0);
    let slow = desk.sent(0, 0);
    let new = desk.sent(10, 1);
    let waiting = desk.start();
    assert!(desk.arrives(20, 0, &answer(&old)), "both sockets live");
    desk.ends(&old, Ok(&answer(&old)));
    let gone = desk.sockets[0];
    desk.calls.handle_socket_gone(gone);
    desk.ends(&slow, Err(&CallError::SocketGone));
    assert!(desk.arrives(30, 1, &answer(&new)));
    desk.ends(&new, Ok(&answer(&new)));
    assert_eq!(desk.calls.pending(), 1);
    let socket = desk.sockets[1];
    desk.calls.handle_sent(at(40), waiting.id, socket);
    assert!(desk.arrives(50, 1, &answer(&waiting)));
}

#[test]
fn an_answer_over_another_socket_or_too_late_is_a_frame_like_any_other() {
    let mut desk = desk();
    let call = desk.sent(0, 0);
    assert!(!desk.arrives(10, 1, &answer(&call)));
    desk.nothing_ends();
    desk.calls.handle_timeout(at(29 * SECOND));
    desk.ends(&call, Err(&CallError::TimedOut));
    assert!(!desk.arrives(30 * SECOND, 0, &answer(&call)));
    let waiting = desk.start();
    assert!(
        !desk.arrives(31 * SECOND, 0, &answer(&waiting)),
        "nobody can answer what was not sent"
    );
    desk.nothing_ends();
}

#[test]
fn an_answer_that_waited_behind_a_frozen_timer_counts() {
    let mut desk = desk();
    let call = desk.sent(0, 0);
    assert!(desk.arrives(60 * SECOND, 0, &answer(&call)));
    desk.calls.handle_timeout(at(60 * SECOND));
    desk.ends(&call, Ok(&answer(&call)));
}

#[test]
fn frames_that_only_look_like_the_answer_are_passed_over() {
    let mut desk = desk();
    let call = desk.sent(0, 0);
    let id = &call.correlation;
    for text in [
        format!(r#"{{"other":"{id}"}}"#),
        format!(r#"{{"deep":{{"correlationId":"{id}"}}}}"#),
        format!(r#"{{"correlationId":["{id}"]}}"#),
        format!(r#"{{"correlationId":"{id}x"}}"#),
        format!(r#"{{"correlationId":"{id}""#),
        r#"{"correlationId":7}"#.to_owned(),
        id.clone(),
        String::new(),
    ] {
        assert!(!desk.arrives(10, 0, &text), "{text}");
    }
    desk.nothing_ends();
}

#[test]
fn a_ping_is_a_call_that_is_known_by_its_data() {
    let mut desk = desk();
    let options = CallOptions {
        field: Some("data"),
        timeout: Some(Duration::from_secs(5)),
        ..CallOptions::default()
    };
    let call = desk.calls.start(options).unwrap();
    let socket = desk.sockets[0];
    desk.calls.handle_sent(at(0), call.id, socket);
    assert_eq!(desk.calls.poll_timeout(), Some(at(5 * SECOND)));
    let reply = with_correlation(r#"{"type":"pong"}"#, "data", &call.correlation).unwrap();
    assert!(desk.arrives(20, 0, &reply));
    desk.ends(&call, Ok(&reply));
}

#[test]
fn an_application_can_bring_its_own_correlation() {
    let mut desk = desk();
    let options = CallOptions {
        correlation: Some("order 7".to_owned()),
        ..CallOptions::default()
    };
    let call = desk.calls.start(options).unwrap();
    assert_eq!(call.correlation, "order 7");
    let socket = desk.sockets[0];
    desk.calls.handle_sent(at(0), call.id, socket);
    assert!(desk.arrives(20, 0, r#"{"correlationId":"order 7"}"#));
}

#[test]
fn what_the_outbox_discards_fails_with_its_reason() {
    let mut desk = desk();
    for why in [
        CallError::Expired,
        CallError::Closed,
        CallError::Rejected(Rejection::Closed),
    ] {
        let call = desk.start();
        desk.calls.fail(call.id, why.clone());
        desk.ends(&call, Err(&why));
        desk.calls.fail(call.id, why);
        desk.nothing_ends();
    }
    let call = desk.sent(0, 0);
    desk.calls.fail(call.id, CallError::Expired);
    desk.nothing_ends();
}

#[test]
fn who_cancels_hears_no_more_and_the_answer_is_a_frame_like_any_other() {
    let mut desk = desk();
    let call = desk.sent(0, 0);
    desk.calls.cancel(call.id);
    assert!(!desk.arrives(10, 0, &answer(&call)));
    desk.calls.handle_timeout(at(60 * SECOND));
    desk.nothing_ends();
    assert_eq!((desk.calls.pending(), desk.calls.poll_timeout()), (0, None));
}

#[test]
fn too_many_calls_are_refused_and_room_is_made_by_each_that_ends() {
    let mut desk = desk();
    let limit = CallsConfig::default().pending;
    let first = desk.sent(0, 0);
    for _ in 1..limit {
        desk.sent(0, 0);
    }
    let refused = desk.calls.start(CallOptions::default());
    assert_eq!(refused, Err(CallError::TooMany));
    desk.arrives(1, 0, &answer(&first));
    assert!(desk.calls.start(CallOptions::default()).is_ok());
}

#[test]
fn a_gateways_error_fails_the_one_call_that_it_can_be_about() {
    for message in [
        "Forbidden",
        "Internal server error",
        "Endpoint request timed out",
        "Something new",
    ] {
        let mut desk = desk();
        let call = desk.sent(0, 0);
        assert!(!desk.arrives(20, 1, &gateway(message)), "another socket's");
        assert!(desk.arrives(30, 0, &gateway(message)), "{message}");
        let outcomes = desk.outcomes();
        assert_eq!(outcomes.len(), 1);
        assert!(outcomes[0].call == call.id && is_about(&outcomes[0], message));
    }
}

#[test]
fn a_gateways_error_that_may_be_about_another_frame_fails_nothing() {
    let forbidden = gateway("Forbidden");
    let failed = gateway("Internal server error");

    let mut two_calls = desk();
    two_calls.sent(0, 0);
    two_calls.sent(0, 0);
    assert!(!two_calls.arrives(10, 0, &forbidden));
    assert!(!two_calls.arrives(10, 0, &failed));

    let mut another_frame = desk();
    let socket = another_frame.sockets[0];
    another_frame.calls.handle_other_sent(at(0), socket);
    another_frame.sent(5 * SECOND, 0);
    assert!(!another_frame.arrives(10 * SECOND - 1, 0, &forbidden));
    assert!(
        another_frame.arrives(10 * SECOND, 0, &forbidden),
        "a round trip later the other frame has its answer"
    );
    another_frame.sent(11 * SECOND, 0);
    assert!(!another_frame.arrives(39 * SECOND - 1, 0, &failed));
    assert!(
        another_frame.arrives(39 * SECOND, 0, &failed),
        "no handler runs for so long"
    );

    let mut given_up = desk();
    let call = given_up.sent(0, 0);
    given_up.calls.cancel(call.id);
    given_up.sent(1, 0);
    assert!(!given_up.arrives(10, 0, &forbidden));

    let mut given_up_later = desk();
    let call = given_up_later.sent(0, 0);
    let socket = given_up_later.sockets[0];
    given_up_later
        .calls
        .handle_other_sent(at(9 * SECOND), socket);
    given_up_later.calls.cancel(call.id);
    given_up_later.sent(10 * SECOND, 0);
    assert!(!given_up_later.arrives(15 * SECOND, 0, &forbidden));

    let mut timed_out = desk();
    timed_out.sent(0, 0);
    timed_out.calls.handle_timeout(at(29 * SECOND));
    timed_out.sent(29 * SECOND, 0);
    assert!(!timed_out.arrives(29 * SECOND + 20, 0, &gateway("Endpoint request timed out")));

    let mut cancelled_before_it_went_out = desk();
    let socket = cancelled_before_it_went_out.sockets[0];
    let call = cancelled_before_it_went_out.start();
    cancelled_before_it_went_out.calls.cancel(call.id);
    cancelled_before_it_went_out
        .calls
        .handle_sent(at(0), call.id, socket);
    cancelled_before_it_went_out.sent(1, 0);
    assert!(!cancelled_before_it_went_out.arrives(10, 0, &forbidden));
}

#[test]
fn a_handler_that_answers_and_then_fails_does_not_fail_the_next_call() {
    let mut desk = desk();
    let first = desk.sent(0, 0);
    desk.arrives(10, 0, &answer(&first));
    let second = desk.sent(11, 0);
    assert!(!desk.arrives(20, 0, &gateway("Internal server error")));
    // What was answered had a route.
    assert!(desk.arrives(30, 0, &gateway("Forbidden")));
    let outcomes = desk.outcomes();
    assert!(outcomes[1].call == second.id && is_about(&outcomes[1], "Forbidden"));
}

#[test]
fn another_sockets_frames_cast_no_doubt_and_an_ended_socket_leaves_nothing_behind() {
    let mut desk = desk();
    let old = desk.sockets[0];
    desk.calls.handle_other_sent(at(0), old);
    desk.sent(1, 1);
    assert!(desk.arrives(10, 1, &gateway("Forbidden")));
    desk.calls.handle_socket_gone(old);
    desk.sent(11, 0);
    assert!(desk.arrives(12, 0, &gateway("Forbidden")));
}

#[test]
fn an_event_with_a_message_is_no_error_of_the_gateway() {
    let mut desk = desk();
    desk.sent(0, 0);
    for text in [
        r#"{"message":"Forbidden"}"#,
        r#"{"type":"note","message":"Forbidden","connectionId":"c","requestId":"r"}"#,
        r#"{"bucketName":"b","bucketKey":"k","message":"came"}"#,
    ] {
        assert!(!desk.arrives(10, 0, text), "{text}");
    }
    desk.nothing_ends();
}

#[test]
fn correlations_differ_from_call_to_call_and_from_tab_to_tab() {
    let mut seen = std::collections::BTreeSet::new();
    for session in ["aaaa", "bbbb"] {
        let mut calls = Calls::new(CallsConfig::default(), session.to_owned());
        for _ in 0..5_000 {
            let call = calls.start(CallOptions::default()).unwrap();
            assert!(call.correlation.starts_with(session));
            assert!(seen.insert(call.correlation));
            calls.cancel(call.id);
        }
    }
}

#[test]
fn a_correlation_is_put_into_any_object_and_into_nothing_else() {
    let put = |object| with_correlation(object, "id", "x");
    for (object, expected) in [
        (r"{}", r#"{"id":"x"}"#),
        (" { } ", r#" { "id":"x"}"#),
        (r#"{"a":1}"#, r#"{"a":1,"id":"x"}"#),
        ("{\"a\":{}\n}\n", "{\"a\":{}\n,\"id\":\"x\"}"),
        (r#"{"a":"{"}"#, r#"{"a":"{","id":"x"}"#),
    ] {
        assert_eq!(put(object).as_deref(), Ok(expected));
    }
    for text in ["", "{", "[]", "7", r#""{}""#, "{}{}", "{'a':1}"] {
        assert_eq!(put(text), Err(CorrelationError::NoObject), "{text}");
    }
    for taken in [r#"{"id":"y"}"#, r#"{"id":null}"#, r#"{"a":1,"id":7}"#] {
        assert_eq!(put(taken), Err(CorrelationError::FieldTaken));
    }
}

#[test]
fn a_call_that_failed_says_so_in_plain_words() {
    let gateway = |message: &str| {
        CallError::Gateway(babelwire_wire::GatewayError {
            message: message.to_owned(),
            connection_id: String::new(),
            request_id: String::new(),
        })
    };
    for (error, words) in [
        (
            gateway("Forbidden"),
            "The gateway answered \"Forbidden\": the backend has no route for this action.",
        ),
        (gateway("Odd"), "The gateway answered \"Odd\"."),
        (
            CallError::TimedOut,
            "The backend did not answer in time. It may have done what was asked.",
        ),
        (
            CallError::Rejected(Rejection::Closed),
            &Rejection::Closed.to_string(),
        ),
    ] {
        assert_eq!(error.to_string(), words);
    }
}

/// A connection and its calls, put together as a driver does.
struct Driver {
    now: Instant,
    connection: Connection,
    calls: Calls,
    dialled: Vec<Generation>,
    /// Frames that reached the application.
    frames: Vec<String>,
    transmitted: Vec<String>,
}

impl Driver {
    fn new(config: &Config) -> Self {
        let mut driver = Self {
            now: at(0),
            connection: Connection::new(*config),
            calls: Calls::new(CallsConfig::default(), "k3x9".to_owned()),
            dialled: Vec::new(),
            frames: Vec::new(),
            transmitted: Vec::new(),
        };
        driver.connection.connect(driver.now);
        driver.obey();
        driver
    }

    fn quiet() -> Config {
        Config {
            heartbeat: None,
            ..Config::default()
        }
    }

    fn present(&self) -> Generation {
        *self.dialled.last().expect("something was dialled")
    }

    fn opens(&mut self) {
        let generation = self.present();
        self.connection
            .handle_opened(self.now, generation, Jitter::new(0.0));
        self.obey();
    }

    fn closes(&mut self, generation: Generation) {
        let lost = Closed {
            code: 1006,
            reason: String::new(),
            was_clean: false,
        };
        self.connection
            .handle_closed(self.now, generation, lost, Jitter::new(0.5));
        self.obey();
    }

    fn receives(&mut self, generation: Generation, text: &str) {
        self.connection
            .handle_frame(self.now, generation, text.into());
        self.obey();
    }

    fn calls(&mut self) -> Call {
        let call = self.calls.start(CallOptions::default()).unwrap();
        let request = with_correlation("{}", "correlationId", &call.correlation).unwrap();
        let outcome = self.connection.send(self.now, request.into());
        self.calls.handle_outcome(call.id, outcome);
        self.obey();
        call
    }

    fn sends(&mut self, text: &str) {
        let outcome = self.connection.send(self.now, text.into());
        assert!(!matches!(outcome, SendOutcome::Rejected(_)));
        self.obey();
    }

    /// Lets time pass until the connection and the calls have nothing due before `end`.
    fn runs_until(&mut self, end: Instant) {
        loop {
            let timers = [self.connection.poll_timeout(), self.calls.poll_timeout()];
            let Some(next) = timers.into_iter().flatten().min().filter(|at| *at <= end) else {
                break;
            };
            self.now = self.now.max(next);
            self.connection.handle_timeout(self.now, Jitter::new(0.5));
            self.calls.handle_timeout(self.now);
            self.obey();
        }
        self.now = end;
    }

    fn obey(&mut self) {
        while let Some(output) = self.connection.poll_output() {
            match output {
                Output::Dial { generation, .. } => self.dialled.push(generation),
                Output::Transmit { payload, .. } => {
                    self.transmitted.push(payload.text().unwrap().to_owned());
                }
                Output::Event(event) => {
                    if self.calls.handle_event(self.now, &event) {
                        continue;
                    }
                    if let Event::Frame { payload, .. } = event {
                        self.frames.push(payload.text().unwrap().to_owned());
                    }
                }
                Output::Abandon { .. } | Output::MeasureBuffer { .. } => {}
            }
        }
    }

    fn outcomes(&mut self) -> Vec<(CallId, Result<String, CallError>)> {
        std::iter::from_fn(|| self.calls.poll_outcome())
            .map(|outcome| (outcome.call, outcome.result))
            .collect()
    }
}

#[test]
fn calls_ride_on_a_connection_and_their_answers_are_kept_from_the_application() {
    let mut driver = Driver::new(&Driver::quiet());
    let queued = driver.calls();
    driver.runs_until(at(5 * SECOND));
    assert_eq!(driver.calls.poll_timeout(), None, "not sent yet");
    driver.opens();
    driver.sends("not a call");
    let direct = driver.calls();
    let due = at(5 * SECOND) + CallsConfig::default().timeout;
    assert_eq!(driver.calls.poll_timeout(), Some(due));
    assert_eq!(driver.transmitted.len(), 3);
    let socket = driver.present();
    driver.receives(socket, r#"{"type":"news"}"#);
    driver.receives(socket, &answer(&direct));
    driver.receives(socket, &answer(&queued));
    let expected = [&direct, &queued].map(|call| (call.id, Ok(answer(call))));
    assert_eq!(driver.outcomes(), expected);
    assert_eq!(driver.frames, [r#"{"type":"news"}"#]);
}

#[test]
fn a_call_that_waits_in_the_outbox_for_too_long_or_until_the_connection_is_closed_fails() {
    let mut driver = Driver::new(&Driver::quiet());
    let expired = driver.calls();
    driver.runs_until(at(3600 * SECOND));
    assert_eq!(driver.outcomes(), [(expired.id, Err(CallError::Expired))]);
    let closed = driver.calls();
    driver.connection.close();
    driver.obey();
    assert_eq!(driver.outcomes(), [(closed.id, Err(CallError::Closed))]);
    let rejected = driver.calls();
    assert_eq!(
        driver.outcomes(),
        [(rejected.id, Err(CallError::Rejected(Rejection::Closed)))]
    );
}

#[test]
fn a_socket_that_dies_takes_its_calls_along_and_not_those_that_wait_for_the_next() {
    let mut driver = Driver::new(&Driver::quiet());
    driver.opens();
    let first = driver.present();
    let lost = driver.calls();
    driver.connection.handle_closing(first);
    let waiting = driver.calls();
    driver.closes(first);
    assert_eq!(driver.outcomes(), [(lost.id, Err(CallError::SocketGone))]);
    driver.runs_until(at(2 * SECOND));
    assert_ne!(driver.present(), first);
    driver.opens();
    let second = driver.present();
    driver.receives(second, &answer(&lost));
    driver.receives(second, &answer(&waiting));
    assert_eq!(driver.outcomes(), [(waiting.id, Ok(answer(&waiting)))]);
    assert_eq!(driver.frames, [answer(&lost)], "too late");
}

#[test]
fn in_a_rollover_calls_are_answered_over_the_old_socket_until_it_is_let_go() {
    let mut driver = Driver::new(&Driver::quiet());
    driver.opens();
    let first = driver.present();
    driver.runs_until(at(100 * 60 * SECOND));
    assert_ne!(driver.present(), first);
    let before = driver.calls();
    let slow = driver.calls();
    driver.opens();
    let after = driver.calls();
    driver.receives(first, &answer(&before));
    assert_eq!(driver.outcomes(), [(before.id, Ok(answer(&before)))]);
    driver.runs_until(at((100 * 60 + 15) * SECOND));
    assert_eq!(driver.outcomes(), [(slow.id, Err(CallError::SocketGone))]);
    let second = driver.present();
    driver.receives(second, &answer(&after));
    assert_eq!(driver.outcomes(), [(after.id, Ok(answer(&after)))]);
}

#[test]
fn a_connection_that_goes_offline_in_a_rollover_takes_the_calls_of_both_sockets_along() {
    let mut driver = Driver::new(&Driver::quiet());
    driver.opens();
    driver.runs_until(at(100 * 60 * SECOND));
    let old = driver.calls();
    driver.opens();
    let new = driver.calls();
    driver.connection.handle_offline(driver.now);
    driver.obey();
    let expected = [old, new].map(|call| (call.id, Err(CallError::SocketGone)));
    assert_eq!(driver.outcomes(), expected);
}

#[test]
fn what_the_application_sends_after_a_call_casts_doubt_on_a_gateways_error() {
    let mut driver = Driver::new(&Driver::quiet());
    driver.opens();
    let socket = driver.present();
    driver.calls();
    driver.receives(socket, &gateway("Forbidden"));
    assert_eq!(driver.outcomes().len(), 1);
    driver.calls();
    driver.sends("not a call");
    driver.receives(socket, &gateway("Forbidden"));
    assert_eq!(driver.outcomes(), []);
    assert_eq!(driver.frames, [gateway("Forbidden")]);
}

#[test]
fn a_second_socket_that_steps_in_for_a_dead_one_does_not_save_its_calls() {
    let mut driver = Driver::new(&Config::default());
    driver.opens();
    let first = driver.present();
    // A backend that answers pings, so that the second socket has to prove itself.
    driver.receives(first, r#"{"type":"pong","data":"hb-1"}"#);
    driver
        .connection
        .handle_visibility(driver.now, false, Jitter::new(0.0));
    while driver.present() == first {
        driver.receives(first, r#"{"type":"news"}"#);
        let soon = driver.now + Duration::from_secs(30);
        driver.runs_until(soon);
    }
    driver.opens();
    let lost = driver.calls();
    driver.closes(first);
    assert!(driver.connection.state().is_open());
    assert_eq!(driver.outcomes(), [(lost.id, Err(CallError::SocketGone))]);
}

#[test]
fn an_unanswered_heartbeat_casts_doubt_on_a_gateways_error_until_it_is_answered() {
    let mut desk = desk();
    let socket = desk.sockets[0];
    desk.sent(0, 0);
    desk.calls.handle_pinged(at(0), socket);
    assert!(!desk.arrives(10, 0, &gateway("Forbidden")));
    desk.calls.handle_ponged(socket);
    assert!(desk.arrives(20, 0, &gateway("Forbidden")));

    // Of two pings, one answer leaves the other.
    desk.sent(30, 0);
    desk.calls.handle_pinged(at(40), socket);
    desk.calls.handle_pinged(at(50), socket);
    desk.calls.handle_ponged(socket);
    assert!(!desk.arrives(60, 0, &gateway("Forbidden")));
}

#[derive(Debug, Clone, Copy)]
enum Input {
    Start,
    Sent(u8, usize),
    Other(usize),
    Answer(u8, usize),
    Error(bool, usize),
    Gone(usize),
    Fail(u8),
    Cancel(u8),
    /// Time passes; the timer may be late.
    Pass(u64, bool),
}

fn input() -> impl Strategy<Value = Input> {
    (0_u8..24, any::<u8>(), 0..3_usize, any::<bool>()).prop_map(|(kind, call, socket, yes)| {
        match kind {
            0..=5 => Input::Start,
            6..=10 => Input::Sent(call, socket),
            11 => Input::Other(socket),
            12..=16 => Input::Answer(call, socket),
            17 => Input::Error(yes, socket),
            18 => Input::Gone(socket),
            19 => Input::Fail(call),
            20 => Input::Cancel(call),
            _ => Input::Pass(u64::from(call) * 40, yes),
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn every_call_ends_once_with_its_own_answer_or_a_true_reason(
        inputs in prop::collection::vec(input(), 0..120)
    ) {
        const LIMIT: usize = 8;
        let config = CallsConfig { pending: LIMIT, ..CallsConfig::default() };
        let mut calls = Calls::new(config, "s".to_owned());
        let sockets = generations(3);
        let mut now = at(0);
        let mut begun: Vec<Call> = Vec::new();
        // Where and when each call that has not ended was sent.
        let mut open: BTreeMap<CallId, Option<(usize, Instant)>> = BTreeMap::new();
        for input in inputs {
            let any = |call: u8| begun.get(usize::from(call) % begun.len().max(1)).cloned();
            let mut gone = None;
            match input {
                Input::Start => match calls.start(CallOptions::default()) {
                    Ok(call) => {
                        open.insert(call.id, None);
                        begun.push(call);
                    }
                    Err(error) => {
                        prop_assert_eq!(error, CallError::TooMany);
                        prop_assert_eq!(open.len(), LIMIT);
                    }
                },
                Input::Sent(call, socket) => if let Some(call) = any(call) {
                    calls.handle_sent(now, call.id, sockets[socket]);
                    if let Some(sent) = open.get_mut(&call.id) {
                        sent.get_or_insert((socket, now));
                    }
                },
                Input::Other(socket) => calls.handle_other_sent(now, sockets[socket]),
                Input::Answer(call, socket) => if let Some(call) = any(call) {
                    let is_due = open.get(&call.id)
                        .is_some_and(|sent| sent.is_some_and(|(over, _)| over == socket));
                    let taken = calls.handle_frame(now, sockets[socket], &answer(&call));
                    prop_assert_eq!(taken, is_due);
                },
                Input::Error(unrouted, socket) => {
                    let alone = open.values().flatten().filter(|(over, _)| *over == socket).count() == 1;
                    let message = if unrouted { "Forbidden" } else { "Internal server error" };
                    let taken = calls.handle_frame(now, sockets[socket], &gateway(message));
                    prop_assert!(alone || !taken);
                }
                Input::Gone(socket) => {
                    gone = Some(socket);
                    calls.handle_socket_gone(sockets[socket]);
                }
                Input::Fail(call) => if let Some(call) = any(call) {
                    calls.fail(call.id, CallError::Expired);
                },
                Input::Cancel(call) => if let Some(call) = any(call) {
                    calls.cancel(call.id);
                    open.remove(&call.id);
                },
                Input::Pass(millis, rings) => {
                    now = now + Duration::from_millis(millis);
                    if rings {
                        calls.handle_timeout(now);
                        prop_assert!(calls.poll_timeout().is_none_or(|until| until > now));
                    }
                }
            }
            while let Some(Outcome { call, result }) = calls.poll_outcome() {
                let sent = open.remove(&call);
                prop_assert!(sent.is_some(), "{:?} ended twice", call);
                let sent = sent.flatten();
                let is_true = match &result {
                    Ok(text) => {
                        let own = begun.iter().find(|other| other.id == call).map(answer);
                        sent.is_some() && own.as_ref() == Some(text)
                    }
                    Err(CallError::TimedOut) => {
                        sent.is_some_and(|(_, at)| now >= at + config.timeout)
                    }
                    Err(CallError::SocketGone) => sent.is_some_and(|(over, _)| gone == Some(over)),
                    Err(CallError::Expired) => sent.is_none(),
                    Err(CallError::Gateway(_)) => sent.is_some(),
                    Err(_) => false,
                };
                prop_assert!(is_true, "{:?} after {:?}", result, sent);
            }
            prop_assert_eq!(calls.pending(), open.len());
            prop_assert!(calls.pending() <= LIMIT);
            let due = open.values().flatten().map(|(_, at)| *at + config.timeout).min();
            prop_assert_eq!(calls.poll_timeout(), due);
            if let Some(socket) = gone {
                prop_assert!(open.values().flatten().all(|(over, _)| *over != socket));
            }
        }
        // None is pending for ever: what was sent has a deadline, and what was not is the outbox's.
        while let Some(until) = calls.poll_timeout() {
            calls.handle_timeout(until);
        }
        for call in &begun {
            calls.fail(call.id, CallError::Closed);
        }
        prop_assert_eq!(calls.pending(), 0);
    }

    #[test]
    fn any_text_can_be_a_correlation(field in "[^\u{0}]{1,8}", text in any::<String>()) {
        let request = with_correlation("{}", &field, &text).unwrap();
        let fields = babelwire_wire::Fields::parse(&request).unwrap();
        prop_assert_eq!(fields.get_text(&field), Some(text.as_str()));
    }
}

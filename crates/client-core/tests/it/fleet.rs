use std::collections::BTreeMap;
use std::time::Duration;

use babelwire_client_core::{Closed, Config, Connection, Instant, Output, State};

use crate::world::Dice;

const CLIENTS: u64 = 10_000;
/// How long a refusal takes.
const REFUSAL: Duration = Duration::from_millis(20);

/// Every dial of every client while a server that all were connected to is away: the second in
/// which it was made, and its attempt.
fn dials(outage: Duration) -> Vec<(u64, u32)> {
    let start = Instant::from_millis(0);
    let lost = Closed {
        code: 1006,
        reason: String::new(),
        was_clean: false,
    };
    let mut all = Vec::new();
    for client in 0..CLIENTS {
        let mut dice = Dice::new(client);
        let mut connection = Connection::new(Config::default());
        connection.connect(start);
        let mut now = start;
        while now - start < outage {
            let mut dialled = None;
            while let Some(output) = connection.poll_output() {
                if let Output::Dial { generation, .. } = output {
                    dialled = Some(generation);
                }
            }
            if let Some(generation) = dialled {
                if let State::Connecting { attempt, .. } = connection.state() {
                    all.push(((now - start).as_secs(), attempt));
                }
                now = now + REFUSAL;
                connection.handle_closed(now, generation, lost.clone(), dice.roll());
            }
            now = connection.poll_timeout().expect("a dial is always due");
            connection.handle_timeout(now, dice.roll());
        }
    }
    all
}

fn busiest<'a>(dials: impl Iterator<Item = &'a (u64, u32)>) -> u64 {
    let mut seconds = BTreeMap::<u64, u64>::new();
    for (second, _) in dials {
        *seconds.entry(*second).or_default() += 1;
    }
    seconds.into_values().max().unwrap_or(0)
}

#[test]
fn ten_thousand_clients_that_lost_one_server_do_not_come_back_as_a_herd() {
    let dials = dials(Duration::from_secs(600));
    for attempt in [5, 8] {
        let busiest = busiest(dials.iter().filter(|dial| dial.1 == attempt));
        assert!(
            (1..=CLIENTS / 10).contains(&busiest),
            "{busiest} of {CLIENTS} dial for the {attempt}th time in one second"
        );
    }
    // By then every client has reached the cap.
    let busiest = busiest(dials.iter().filter(|dial| dial.0 >= 240));
    assert!(
        (1..=500).contains(&busiest),
        "{busiest} dials in one second: API Gateway grants 500 new connections"
    );
}

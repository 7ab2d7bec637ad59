use std::time::Duration;

use babelwire_client_core::{Instant, LeaseOutput, Leases};
use proptest::prelude::*;

const GRACE: Duration = Duration::from_secs(3);

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

fn outputs(leases: &mut Leases) -> Vec<LeaseOutput> {
    std::iter::from_fn(|| leases.poll_output()).collect()
}

#[test]
fn ten_components_share_one_connection_and_the_last_to_leave_closes_it_after_the_grace_time() {
    let mut leases = Leases::default();
    for _ in 0..10 {
        leases.acquire();
    }
    assert_eq!(outputs(&mut leases), [LeaseOutput::Connect]);
    for _ in 0..9 {
        leases.release(at(1_000));
        assert_eq!(leases.poll_timeout(), None);
    }
    leases.release(at(5_000));
    assert_eq!(leases.poll_timeout(), Some(at(8_000)));
    leases.handle_timeout(at(7_999));
    assert_eq!(outputs(&mut leases), []);
    leases.handle_timeout(at(8_000));
    assert_eq!(outputs(&mut leases), [LeaseOutput::Disconnect]);
    assert_eq!(leases.poll_timeout(), None);
    leases.acquire();
    assert_eq!(outputs(&mut leases), [LeaseOutput::Connect]);
}

#[test]
fn a_remount_in_one_tick_neither_closes_nor_dials_even_without_a_grace_time() {
    for grace in [Duration::ZERO, GRACE] {
        let mut leases = Leases::new(grace);
        leases.acquire();
        outputs(&mut leases);
        for tick in 0..1_000 {
            leases.release(at(tick));
            leases.acquire();
            leases.handle_timeout(at(tick));
        }
        assert_eq!(outputs(&mut leases), []);
    }
}

#[test]
fn who_comes_back_before_a_late_timer_rings_finds_the_connection_still_there() {
    let mut leases = Leases::default();
    leases.acquire();
    leases.release(at(0));
    leases.acquire();
    leases.handle_timeout(at(60_000));
    assert_eq!(outputs(&mut leases), [LeaseOutput::Connect]);
}

#[test]
fn a_release_too_many_disturbs_nobody() {
    let mut leases = Leases::default();
    leases.release(at(0));
    assert_eq!(leases.poll_timeout(), None);
    leases.acquire();
    assert_eq!((leases.users(), outputs(&mut leases).len()), (1, 1));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn a_connection_is_there_for_whoever_uses_it_and_gone_a_grace_time_after_the_last(
        inputs in prop::collection::vec((0_u8..3, 0_u64..5_000), 0..100)
    ) {
        let mut leases = Leases::new(GRACE);
        let (mut now, mut users, mut connected) = (at(0), 0_usize, false);
        let mut left = None;
        for (input, millis) in inputs {
            match input {
                0 => {
                    leases.acquire();
                    users += 1;
                }
                1 => {
                    leases.release(now);
                    if users == 1 {
                        left = Some(now);
                    }
                    users = users.saturating_sub(1);
                }
                _ => {
                    now = now + Duration::from_millis(millis);
                    leases.handle_timeout(now);
                }
            }
            for output in outputs(&mut leases) {
                // Neither comes twice in a row.
                prop_assert_eq!(output == LeaseOutput::Connect, !connected);
                connected = output == LeaseOutput::Connect;
                if !connected {
                    prop_assert!(left.is_some_and(|left| now >= left + GRACE));
                }
            }
            prop_assert_eq!(leases.users(), users);
            prop_assert!(users == 0 || connected);
            // A timer is set exactly while somebody has to be woken to close it.
            prop_assert_eq!(leases.poll_timeout().is_some(), users == 0 && connected);
        }
        for _ in 0..users {
            leases.release(now);
        }
        if let Some(until) = leases.poll_timeout() {
            leases.handle_timeout(until);
        }
        prop_assert!(leases.poll_output().is_none_or(|output| output == LeaseOutput::Disconnect));
        prop_assert_eq!(leases.poll_timeout(), None);
    }
}

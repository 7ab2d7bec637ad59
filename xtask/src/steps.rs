//! Steps that a person can follow: each named as it starts, and timed as it ends.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;

/// How often a long step says that it is still at work.
const HEARTBEAT: Duration = Duration::from_secs(20);

/// A run of steps, some of them side by side.
pub(crate) struct Steps {
    total: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    begun: usize,
    running: Vec<(usize, String, Instant)>,
    finished: bool,
}

impl Steps {
    /// A run of `total` steps.
    pub(crate) fn new(total: usize) -> Self {
        Self {
            total,
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does `work` as the step `what`.
    pub(crate) fn step<T>(&self, what: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let began = Instant::now();
        let number = {
            let mut state = self.state();
            state.begun += 1;
            let number = state.begun;
            state.running.push((number, what.to_owned(), began));
            println!("[{number}/{}] {what} …", self.total);
            number
        };
        let result = work();
        let mut state = self.state();
        state.running.retain(|(other, ..)| *other != number);
        let outcome = if result.is_ok() {
            "done in"
        } else {
            "FAILED after"
        };
        println!(
            "[{number}/{}] {what}: {outcome} {}",
            self.total,
            Seconds(began.elapsed())
        );
        result
    }

    /// Runs `work` while saying now and then which steps are still under way.
    pub(crate) fn with_heartbeat<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        std::thread::scope(|scope| {
            let beat = scope.spawn(|| {
                loop {
                    std::thread::park_timeout(HEARTBEAT);
                    let state = self.state();
                    if state.finished {
                        return;
                    }
                    let now: Vec<String> = state
                        .running
                        .iter()
                        .filter(|(_, _, began)| began.elapsed() >= HEARTBEAT / 2)
                        .map(|(_, what, began)| {
                            let what = what.split(',').next().unwrap_or(what);
                            format!("{what} ({})", Seconds(began.elapsed()))
                        })
                        .collect();
                    if !now.is_empty() {
                        println!("      still at work: {}", now.join(", "));
                    }
                }
            });
            let result = work();
            self.state().finished = true;
            beat.thread().unpark();
            result
        })
    }
}

/// A duration as people say it: `0.4 s`, `14 s`, `3 min 12 s`.
pub(crate) struct Seconds(pub(crate) Duration);

impl std::fmt::Display for Seconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let seconds = self.0.as_secs();
        if self.0 < Duration::from_secs(10) {
            write!(f, "{:.1} s", self.0.as_secs_f64())
        } else if seconds < 60 {
            write!(f, "{seconds} s")
        } else {
            write!(f, "{} min {} s", seconds / 60, seconds % 60)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_people_say_them() {
        let say = |ms| Seconds(Duration::from_millis(ms)).to_string();
        assert_eq!(say(420), "0.4 s");
        assert_eq!(say(14_900), "14 s");
        assert_eq!(say(192_000), "3 min 12 s");
    }

    #[test]
    fn a_failing_step_hands_its_error_on() {
        let steps = Steps::new(1);
        let result: Result<()> = steps.step("Failing", || anyhow::bail!("no luck"));
        assert_eq!(result.map_err(|e| e.to_string()), Err("no luck".to_owned()));
        assert!(steps.state().running.is_empty());
    }
}

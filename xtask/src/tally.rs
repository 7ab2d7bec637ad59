//! Counting what tests say about themselves.

use std::ops::AddAssign;

/// How many tests passed and failed.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Passed.
    pub(crate) passed: u64,
    /// Failed, a suite that could not run counted as one.
    pub(crate) failed: u64,
}

impl Tally {
    /// One failure: a suite that could not run.
    pub(crate) const BROKEN: Self = Self {
        passed: 0,
        failed: 1,
    };

    /// What one line of a test program's output adds: libtest's and wasm-bindgen-test's
    /// `test result: ok. 3 passed; 0 failed; …`.
    pub(crate) fn of_libtest_line(line: &str) -> Self {
        if line.contains("test result:") {
            Self::of_words(line)
        } else {
            Self::default()
        }
    }

    /// What pytest's last line adds: `== 2 failed, 31 passed, 1 error in 4.20s ==`, or from a minute
    /// on `== 31 passed in 64.20s (0:01:04) ==`.
    pub(crate) fn of_pytest_line(line: &str) -> Self {
        let end = line.trim_end_matches(['=', ' ']);
        let is_summary = line.contains(" in ")
            && (end.ends_with('s') || (end.ends_with(')') && end.contains("s (")));
        if is_summary {
            Self::of_words(line)
        } else {
            Self::default()
        }
    }

    /// Adds up every `NUMBER passed`, `NUMBER failed` and `NUMBER error(s)`.
    fn of_words(line: &str) -> Self {
        let words: Vec<&str> = line
            .split(|c: char| !c.is_ascii_alphanumeric())
            .filter(|w| !w.is_empty())
            .collect();
        let mut tally = Self::default();
        for pair in words.windows(2) {
            if let [number, what] = pair
                && let Ok(number) = number.parse::<u64>()
            {
                match *what {
                    "passed" => tally.passed += number,
                    "failed" | "error" | "errors" => tally.failed += number,
                    _ => {}
                }
            }
        }
        tally
    }

    /// What Playwright's JSON report says. A test that passed at the second try counts as failed.
    pub(crate) fn of_playwright_report(report: &serde_json::Value) -> Option<Self> {
        let stats = report.get("stats")?;
        let number = |name| stats.get(name).and_then(serde_json::Value::as_u64);
        let errors = report
            .get("errors")
            .and_then(serde_json::Value::as_array)
            .map_or(0, Vec::len);
        Some(Self {
            passed: number("expected")?,
            failed: number("unexpected")? + number("flaky")? + errors as u64,
        })
    }

    /// As it is, but with a failure if the program said that it failed and named none.
    pub(crate) fn with_exit(mut self, success: bool) -> Self {
        if !success && self.failed == 0 {
            self.failed = 1;
        }
        // A suite that ran nothing has not been seen to work.
        if success && self == Self::default() {
            self.failed = 1;
        }
        self
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libtest_lines_are_added_up() {
        let line =
            "test result: FAILED. 12 passed; 3 failed; 1 ignored; 0 measured; 0 filtered out";
        assert_eq!(
            Tally::of_libtest_line(line),
            Tally {
                passed: 12,
                failed: 3
            }
        );
        assert_eq!(
            Tally::of_libtest_line("test it_says_9_passed ... ok"),
            Tally::default()
        );
    }

    #[test]
    fn pytest_errors_count_as_failures() {
        let line = "===== 2 failed, 31 passed, 1 skipped, 1 error in 4.20s =====";
        assert_eq!(
            Tally::of_pytest_line(line),
            Tally {
                passed: 31,
                failed: 3
            }
        );
        assert_eq!(
            Tally::of_pytest_line("41 passed in 7.03s"),
            Tally {
                passed: 41,
                failed: 0
            }
        );
        assert_eq!(
            Tally::of_pytest_line("==== 84 passed in 786.78s (0:13:06) ===="),
            Tally {
                passed: 84,
                failed: 0
            }
        );
        assert_eq!(
            Tally::of_pytest_line("test_one.py ...  [ 50%]"),
            Tally::default()
        );
    }

    #[test]
    fn playwright_s_second_tries_count_as_failures() {
        let report = serde_json::json!({
            "stats": {"expected": 40, "unexpected": 1, "flaky": 2, "skipped": 0},
            "errors": [{"message": "no such file"}],
        });
        assert_eq!(
            Tally::of_playwright_report(&report),
            Some(Tally {
                passed: 40,
                failed: 4
            })
        );
        assert_eq!(Tally::of_playwright_report(&serde_json::json!({})), None);
    }

    #[test]
    fn a_suite_that_broke_or_ran_nothing_has_failed() {
        let some = Tally {
            passed: 4,
            failed: 0,
        };
        assert_eq!(some.with_exit(true), some);
        assert_eq!(
            some.with_exit(false),
            Tally {
                passed: 4,
                failed: 1
            }
        );
        assert_eq!(Tally::default().with_exit(true), Tally::BROKEN);
        assert_eq!(
            Tally {
                passed: 1,
                failed: 2
            }
            .with_exit(false),
            Tally {
                passed: 1,
                failed: 2
            }
        );
    }
}

//! Where one is in a long text, and what has to be in the document for that.
//!
//! The truth is the *anchor*: a row, and how far below the view's upper edge it begins. Whatever
//! becomes of the heights of rows above it, it stays where it is; the browser's own scroll position
//! follows, and is only moved where it has to be.
//!
//! Two measures go down the text. The *height* is the sum of what the rows have. The *position* is
//! what the browser scrolls by, which has a limit (some 17.8 million pixels in Firefox, 33 million
//! in Chromium): a longer text moves 1:1 while it is scrolled, and faster when the scroll bar is
//! dragged.

use std::ops::Range;

use super::heights::Heights;
use crate::store::Place;

/// The longest that the text gets for the browser, in CSS pixels.
const LONGEST: f64 = 16_000_000.0;

/// At both ends of a longer text, that far, position and height are the same.
const END: f64 = 200_000.0;

/// How far the browser's position may be from what the scroll bar should show.
const DRIFT: f64 = 20_000.0;

/// A greater way than so many views is no scrolling but a jump.
const JUMP_VIEWS: f64 = 3.0;

/// The highest that a view can be, in CSS pixels: far more than a screen has. Without styles, or on
/// paper, the text itself would be its view, and all rows would have to be made.
const HIGHEST_VIEW: f64 = 10_000.0;

/// How much is made ready above and below what is in view, in views.
const READY_VIEWS: f64 = 1.5;

/// A view of a long text.
#[derive(Debug, Clone)]
pub(super) struct Scroll {
    pub(super) heights: Heights,
    /// The row that stays where it is.
    anchor: u64,
    /// How far below the upper edge of the view it begins; often less than nothing.
    below: f64,
    /// How high the view is.
    view: f64,
    /// The browser's own position, as far as known.
    position: f64,
}

impl Scroll {
    pub(super) fn new() -> Self {
        Self {
            heights: Heights::new(40.0),
            anchor: 0,
            below: 0.0,
            view: 600.0,
            position: 0.0,
        }
    }

    pub(super) fn set_view(&mut self, height: f64) {
        self.view = height.clamp(1.0, HIGHEST_VIEW);
    }

    /// How long the text is for the browser.
    pub(super) fn length(&self) -> f64 {
        self.heights.total().min(LONGEST)
    }

    /// Whether the browser has moved: by a person then, because what [`Scroll::wanted`] says is
    /// told with [`Scroll::moved`].
    pub(super) fn is_elsewhere(&self, position: f64) -> bool {
        (position - self.position).abs() >= 1.0
    }

    /// The browser is at what was wanted, or as near as it gets.
    pub(super) fn moved(&mut self, position: f64) {
        self.position = position;
    }

    /// From now on, the first row that begins in view stays where it is.
    pub(super) fn hold(&mut self) {
        self.anchor_at(self.y());
    }

    /// The person scrolled.
    pub(super) fn scrolled(&mut self, position: f64) {
        let way = position - self.position;
        let y = if way.abs() > JUMP_VIEWS * self.view {
            self.height_at(position)
        } else {
            self.y() + way
        };
        self.position = position;
        self.anchor_at(y);
    }

    /// Goes to a row that begins so far below the upper edge.
    pub(super) fn go_to(&mut self, row: u64, below: f64) {
        self.anchor = row.min(self.heights.count().saturating_sub(1));
        self.below = below;
        let y = self.y();
        self.anchor_at(y.clamp(0.0, self.last_y().max(0.0)));
    }

    /// Brings a row into view, unless all of it is.
    pub(super) fn show(&mut self, row: u64) {
        let top = self.heights.top(row) - self.y();
        let height = self.heights.height(row);
        if top < 0.0 || top + height.min(self.view) > self.view {
            self.go_to(row, (self.view / 4.0).round());
        }
    }

    /// Goes to where a row is the last one in view.
    pub(super) fn go_to_end_of(&mut self, row: u64) {
        let height = self.heights.height(row);
        self.go_to(row, self.view - height - 1.0);
    }

    pub(super) fn place(&self) -> Place {
        #[expect(clippy::cast_possible_truncation, reason = "the cast saturates")]
        let below = self.below.round() as i32;
        Place {
            row: self.anchor,
            below,
        }
    }

    /// The rows that are in view, at least in part.
    pub(super) fn seen(&self) -> Range<u64> {
        self.rows(self.y(), self.y() + self.view)
    }

    /// The rows that are to be made ready.
    pub(super) fn ready(&self) -> Range<u64> {
        let about = READY_VIEWS * self.view;
        self.rows(self.y() - about, self.y() + self.view + about)
    }

    fn rows(&self, from: f64, to: f64) -> Range<u64> {
        let count = self.heights.count();
        let first = self.heights.row_at(from.max(0.0)).0;
        let last = self.heights.row_at(to.max(0.0)).0;
        first.min(count)..last.saturating_add(1).min(count)
    }

    /// Where, for the browser, a row begins that is near to the view.
    pub(super) fn position_of(&self, row: u64) -> f64 {
        self.position + self.heights.top(row) - self.y()
    }

    /// The browser's position, where it has to be another one: at an end of the text, so that the
    /// end is an end, and where it went too far from what the scroll bar should show. `made` are
    /// the rows in the document.
    pub(super) fn wanted(&self, made: &Range<u64>) -> Option<f64> {
        let right = self.position_at(self.y());
        let drift = (self.position - right).abs();
        let at_end = made.start == 0 || made.end >= self.heights.count();
        let most = if at_end || self.position_of(made.start) < 0.0 {
            0.5
        } else {
            let edge = self.position.min(self.length() - self.view - self.position);
            DRIFT.min(edge / 2.0)
        };
        (drift > most).then_some(right)
    }

    /// How much of the height is above the view.
    fn y(&self) -> f64 {
        self.heights.top(self.anchor) - self.below
    }

    fn last_y(&self) -> f64 {
        self.heights.total() - self.view
    }

    /// The first row that begins in view is the anchor: a row above it that is seen in part may
    /// grow. A row that fills the view is its own.
    fn anchor_at(&mut self, y: f64) {
        let (mut row, mut top) = self.heights.row_at(y.max(0.0));
        let next = top + self.heights.height(row);
        if top < y && next < y + self.view && row + 1 < self.heights.count() {
            (row, top) = (row + 1, next);
        }
        self.anchor = row;
        self.below = top - y;
    }

    /// How much longer the text is than the browser can have it, between its ends.
    fn scale(&self) -> f64 {
        let between = |length: f64| length - self.view - 2.0 * END;
        between(self.heights.total()) / between(self.length())
    }

    fn position_at(&self, y: f64) -> f64 {
        let (total, length) = (self.heights.total(), self.length());
        if total <= length || y < END {
            y
        } else if y > total - self.view - END {
            y - total + length
        } else {
            END + (y - END) / self.scale()
        }
    }

    fn height_at(&self, position: f64) -> f64 {
        let (total, length) = (self.heights.total(), self.length());
        if total <= length || position < END {
            position
        } else if position > length - self.view - END {
            position - length + total
        } else {
            END + (position - END) * self.scale()
        }
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "sums of numbers that a float has exactly")]
mod tests {
    use super::*;

    /// A text of so many rows of 40 pixels, and a view of 600.
    fn text(rows: u64) -> Scroll {
        let mut scroll = Scroll::new();
        scroll.heights.set_count(rows);
        scroll
    }

    /// What the browser shows of a row: how far below the upper edge it is.
    fn seen_at(scroll: &Scroll, row: u64) -> f64 {
        scroll.position_of(row) - scroll.position
    }

    /// Does what a view does after each change.
    fn settle(scroll: &mut Scroll) {
        if let Some(position) = scroll.wanted(&scroll.ready()) {
            assert!(position >= 0.0 && position <= scroll.length());
            scroll.moved(position);
        }
    }

    #[test]
    fn the_rows_in_view_and_a_view_and_a_half_above_and_below_are_made() {
        let mut scroll = text(1000);
        assert_eq!(scroll.seen(), 0..16);
        assert_eq!(scroll.ready(), 0..38);
        scroll.scrolled(4000.0);
        assert_eq!(scroll.seen(), 100..116);
        assert_eq!(scroll.ready(), 77..138);
        scroll.scrolled(39_400.0);
        assert_eq!(scroll.seen(), 985..1000);
    }

    #[test]
    fn rows_that_turn_out_higher_above_do_not_move_what_is_read() {
        let mut scroll = text(10_000);
        scroll.scrolled(200_010.0);
        settle(&mut scroll);
        assert_eq!(
            scroll.place(),
            Place {
                row: 5001,
                below: 30
            }
        );
        for row in 4985..5001 {
            scroll.heights.measure(row, 90.0);
        }
        settle(&mut scroll);
        assert_eq!(seen_at(&scroll, 5001), 30.0);
        assert_eq!(
            scroll.place(),
            Place {
                row: 5001,
                below: 30
            }
        );
    }

    #[test]
    fn what_stays_is_the_first_row_in_view_even_if_the_estimate_took_another_for_it() {
        let mut scroll = text(10_000);
        scroll.scrolled(200_010.0);
        for row in 5001..5040 {
            scroll.heights.measure(row, 10.0);
        }
        scroll.go_to(5030, 100.0);
        settle(&mut scroll);
        scroll.hold();
        assert_eq!(
            scroll.place(),
            Place {
                row: 5020,
                below: 0
            }
        );
        scroll.heights.measure(5025, 50.0);
        settle(&mut scroll);
        assert_eq!(seen_at(&scroll, 5020), 0.0);
    }

    #[test]
    fn the_first_row_is_reached_by_scrolling_up_however_wrong_the_estimate_was() {
        for height in [10.0, 400.0] {
            let mut scroll = text(10_000);
            scroll.scrolled(40_000.0);
            settle(&mut scroll);
            for _ in 0..20_000 {
                if scroll.seen().start == 0 && seen_at(&scroll, 0) == 0.0 {
                    break;
                }
                let seen = scroll.seen();
                for row in scroll.ready() {
                    scroll.heights.measure(row, height);
                }
                let before = seen_at(&scroll, seen.start + 1);
                settle(&mut scroll);
                let stays = seen_at(&scroll, seen.start + 1);
                assert!((before - stays).abs() < 0.01, "{before} {stays}");
                let up = (scroll.position - 100.0).max(0.0);
                scroll.scrolled(up);
            }
            settle(&mut scroll);
            assert_eq!(scroll.seen().start, 0);
            assert_eq!(scroll.position, 0.0);
        }
    }

    #[test]
    fn a_text_longer_than_browsers_can_have_it_is_scrolled_row_by_row_all_the_same() {
        let mut scroll = text(2_000_000);
        assert_eq!(scroll.length(), LONGEST);
        scroll.scrolled(8_000_000.0);
        settle(&mut scroll);
        let middle = scroll.seen().start;
        assert!((990_000..1_010_000).contains(&middle), "{middle}");
        for step in 1..=5000 {
            let position = scroll.position + 120.0;
            scroll.scrolled(position);
            settle(&mut scroll);
            assert_eq!(scroll.seen().start, middle + 3 * step, "step {step}");
        }
    }

    #[test]
    fn both_ends_of_a_text_longer_than_browsers_can_have_it_are_ends() {
        let mut scroll = text(2_000_000);
        let last = scroll.length() - 600.0;
        scroll.scrolled(last);
        settle(&mut scroll);
        assert_eq!(scroll.seen(), 1_999_985..2_000_000);
        assert_eq!(scroll.position, last);
        while scroll.seen().start > 1_980_000 {
            let position = scroll.position - 1000.0;
            scroll.scrolled(position);
            settle(&mut scroll);
        }
        scroll.scrolled(0.0);
        settle(&mut scroll);
        assert_eq!(scroll.seen(), 0..16);
        for _ in 0..20_000 {
            let position = scroll.position + 500.0;
            scroll.scrolled(position);
            settle(&mut scroll);
        }
        assert_eq!(scroll.seen().start, 250_000);
        for _ in 0..20_001 {
            let position = (scroll.position - 500.0).max(0.0);
            scroll.scrolled(position);
            settle(&mut scroll);
        }
        assert_eq!((scroll.seen().start, scroll.position), (0, 0.0));
    }

    #[test]
    fn every_row_can_be_gone_to() {
        for rows in [10, 1000, 2_000_000] {
            let mut scroll = text(rows);
            for row in [0, 3, rows / 2, rows - 1] {
                scroll.go_to(row, 0.0);
                settle(&mut scroll);
                assert!(scroll.seen().contains(&row), "{row} of {rows}");
                let gap = scroll.position_of(row) - scroll.position;
                assert!((-0.01..600.0).contains(&gap), "{row} of {rows} at {gap}");
            }
        }
    }

    #[test]
    fn a_row_in_view_is_not_moved_to_be_shown() {
        let mut scroll = text(1000);
        scroll.scrolled(4010.0);
        let before = scroll.place();
        scroll.show(105);
        assert_eq!(scroll.place(), before);
        scroll.show(300);
        assert_eq!(seen_at(&scroll, 300), 150.0);
    }

    #[test]
    fn the_newest_row_is_shown_at_the_lower_edge() {
        let mut scroll = text(1000);
        scroll.go_to_end_of(500);
        assert_eq!(scroll.seen(), 486..502);
        assert_eq!(seen_at(&scroll, 501), 599.0);
    }

    #[test]
    fn a_text_shorter_than_the_view_stays_at_its_beginning() {
        let mut scroll = text(3);
        scroll.go_to(2, 0.0);
        settle(&mut scroll);
        assert_eq!(scroll.seen(), 0..3);
        assert_eq!(scroll.position, 0.0);
    }
}

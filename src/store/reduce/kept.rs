//! What this device keeps.

use super::super::KeptMsg;
use super::Step;

impl Step<'_> {
    pub(super) fn kept(&mut self, msg: KeptMsg) {
        match msg {}
    }
}

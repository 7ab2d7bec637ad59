//! The files.

mod list;
mod row;

pub(super) use list::file_list;
pub(super) use row::RowRef;

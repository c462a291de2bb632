//! One side of a join. What lies in pieces is put together column by column, when the column is needed:
//! so no more than one of them is in memory twice, and what the result does not have is never read.

use std::borrow::Cow;

use arrow_array::BooleanArray;

use crate::engine::assemble::{self, Place};
use crate::engine::sort::Key;
use crate::engine::{Column, DType, Label, Piece, Result, Table};

/// The rows of one side, in order.
pub(super) enum Side<'a> {
    Table(Cow<'a, Table>),
    /// Pieces that are all alike, at least one.
    Pieces(&'a [Piece]),
}

impl<'a> Side<'a> {
    pub fn of(table: &'a Table) -> Self {
        Side::Table(Cow::Borrowed(table))
    }

    /// The rows of all pieces, one after the other.
    pub fn of_pieces(pieces: &'a [Piece]) -> Result<Self> {
        Ok(match assemble::is_simple(pieces) {
            true => Side::Pieces(pieces),
            false => Side::Table(Cow::Owned(assemble::assemble(pieces)?)),
        })
    }

    /// A table with the labels and dtypes of this side.
    fn head(&self) -> &Table {
        match self {
            Side::Table(table) => table,
            Side::Pieces(pieces) => &pieces[0].table,
        }
    }

    pub fn len(&self) -> usize {
        match self {
            Side::Table(table) => table.len(),
            Side::Pieces(pieces) => pieces.iter().map(Piece::len).sum(),
        }
    }

    pub fn labels(&self) -> Vec<Label> {
        self.head().labels()
    }

    pub fn index_names(&self) -> Vec<Label> {
        self.head().index().names()
    }

    pub fn dtype(&self, label: &Label) -> Result<&DType> {
        Ok(self.head().column(label)?.dtype())
    }

    pub fn column(&self, label: &Label) -> Result<Column> {
        self.column_at(self.head().find(label)?)
    }

    pub fn column_at(&self, at: usize) -> Result<Column> {
        match self {
            Side::Table(table) => Ok(table.column_at(at).clone()),
            Side::Pieces(pieces) => assemble::join(pieces, Place::Column(at)),
        }
    }

    fn index_column(&self, level: usize) -> Result<Column> {
        match self {
            Side::Pieces(pieces) if level < self.head().index().level_count() => {
                assemble::join(pieces, Place::Level(level))
            }
            _ => self.head().index_column(level),
        }
    }

    pub fn index_columns(&self) -> Result<Vec<(Label, Column)>> {
        let names = self.index_names().into_iter().enumerate();
        names
            .map(|(level, name)| Ok((name, self.index_column(level)?)))
            .collect()
    }

    /// The key's values.
    pub fn key(&self, key: &Key) -> Result<Column> {
        match key {
            Key::Column(label) => self.column(label),
            Key::Index(level) => self.index_column(*level),
        }
    }

    /// The rows of which the mask is true.
    pub fn filter(&self, mask: &BooleanArray) -> Result<Table> {
        match self {
            Side::Table(table) => table.filter(mask),
            Side::Pieces(pieces) => assemble::assemble(pieces)?.filter(mask),
        }
    }
}

//! The trait of everything a task returns.

use std::any::Any;
use std::sync::Arc;

use crate::{CodecError, Encoded};

/// What a task returns: a native array, a table, bytes, a Python object.
///
/// Values are immutable once shared. An op that holds the only reference to one may reuse its
/// memory (see [`Inputs`](crate::Inputs)).
pub trait Value: Any + Send + Sync + std::fmt::Debug {
    /// Bytes of memory that go away when the value does (an estimate for foreign objects).
    fn nbytes(&self) -> u64;

    /// Short name of the type for messages: `"array"`, `"table"`, `"pandas.DataFrame"`.
    fn type_name(&self) -> String;

    /// Kind, shape and bytes in a few words, for messages: `"array (10, 3) float64, 240 bytes"`.
    fn describe(&self) -> String {
        format!("{}, {} bytes", self.type_name(), self.nbytes())
    }

    /// The value as frames that [`codec::decode_value`](crate::codec::decode_value) reads.
    fn encode(&self) -> Result<Encoded, CodecError>;

    /// As [`Value::encode`], where that takes no copy, no scope and no time: whoever must not wait asks
    /// for this first.
    fn encode_at_once(&self) -> Option<Encoded> {
        None
    }

    /// Large buffers that the value keeps in memory and may have in common with others, as a view
    /// has that of the array it looks into: for each an address that tells it from the others, and
    /// its bytes.
    fn buffers(&self) -> Vec<(u64, u64)> {
        Vec::new()
    }

    /// Whether pieces of the value will be made that are windows of it as it was written: what is compressed
    /// has none.
    fn has_windows(&self) -> bool {
        false
    }

    /// A part of the value, as a value of its own, if it is one that was made of parts.
    fn part(&self, number: u32) -> Option<ValueRef> {
        let _ = number;
        None
    }

    /// The same, without a copy where that can be: it may keep all of the value in memory.
    fn view_of_part(&self, number: u32) -> Option<ValueRef> {
        self.part(number)
    }

    /// A value made of parts as frames that refer to its memory as it is, for a reader who shares that
    /// with this process and will take parts of it.
    fn encode_in_place(&self) -> Option<Encoded> {
        None
    }
}

impl dyn Value {
    /// The value as a concrete type, if it is one.
    pub fn downcast_ref<T: Value>(&self) -> Option<&T> {
        (self as &dyn Any).downcast_ref::<T>()
    }
}

/// Buffers of fewer bytes are not worth being told of by [`Value::buffers`].
pub const SHARED_BYTES_MIN: u64 = 64 * 1024;

/// A shared value.
pub type ValueRef = Arc<dyn Value>;

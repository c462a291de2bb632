//! What happens to segments when the process forks.

use std::any::Any;
use std::cell::RefCell;

use super::{born, heap};

thread_local! {
    /// Held by the thread that forks, from before until after.
    static HELD: RefCell<Option<[Box<dyn Any>; 2]>> = const { RefCell::new(None) };
}

extern "C" fn before() {
    // In the order in which whoever needs both takes them.
    let held = [born::stop_sharing(), heap::hold()];
    HELD.with(|place| *place.borrow_mut() = Some(held));
}

extern "C" fn in_parent() {
    HELD.with(|place| drop(place.borrow_mut().take()));
}

extern "C" fn in_child() {
    born::switch_off();
    in_parent();
}

/// Has the functions above called around every fork of this process, by whomever.
pub(super) fn prepare() {
    // SAFETY: the functions live as long as the process.
    unsafe { libc::pthread_atfork(Some(before), Some(in_parent), Some(in_child)) };
}

use super::*;
use bytes::Bytes;

/// Tests use the memory of the process one after another.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Memory from here as bytes, freed at the end.
struct Held(NonNull<u8>, usize);

// SAFETY: plain memory that this value owns.
unsafe impl Send for Held {}
// SAFETY: as above.
unsafe impl Sync for Held {}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: allocated with this length and filled.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr(), self.1) }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // SAFETY: from `try_allocate`, and nobody has it any more.
        assert!(unsafe { try_free(self.0.as_ptr()) });
    }
}

/// `None` on a system without huge pages.
fn make(length: usize, value: u8) -> Option<(Bytes, *mut u8)> {
    begin(0);
    let address = try_allocate(length, false)?;
    // SAFETY: just allocated.
    unsafe { address.as_ptr().write_bytes(value, length) };
    Some((Bytes::from_owner(Held(address, length)), address.as_ptr()))
}

/// As another process sees what was lent.
fn read(place: &Place, length: usize) -> Vec<u8> {
    use std::os::unix::fs::FileExt;
    let path = format!("/proc/self/fd/{}", place.descriptor);
    let mut seen = vec![0; length];
    let file = File::open(path).unwrap();
    file.read_exact_at(&mut seen, place.start).unwrap();
    seen
}

#[test]
fn what_is_lent_stays_as_it_was_whatever_is_written_later() {
    let _alone = alone();
    let length = 5 * HUGE + 12_345;
    let Some((bytes, pointer)) = make(length, 7) else {
        return;
    };
    let address = pointer.addr();
    let place = find_to_lend(address, length, true).unwrap();
    assert_eq!(find_to_lend(address, length, true), Some(place.clone()));
    // SAFETY: inside the memory, which may be written to.
    unsafe { pointer.add(HUGE).write_volatile(1) };
    assert_eq!(bytes[HUGE], 1);
    assert_eq!(read(&place, length), vec![7; length]);
    assert!(!is_lendable(address, length), "it is not what was lent");
    assert_eq!(find_to_lend(address, length, true), None);
    let tail = address + 4 * HUGE;
    assert_eq!(
        find_to_lend(tail, HUGE, true),
        None,
        "a small part is not lent"
    );
    let file = File::options()
        .write(true)
        .open(format!("/proc/self/fd/{}", place.descriptor));
    let written = file.and_then(|file| std::os::unix::fs::FileExt::write_at(&file, b"x", 0));
    assert!(written.is_err(), "it is sealed");
}

#[test]
fn freed_memory_is_used_again_only_if_it_was_not_lent() {
    let _alone = alone();
    let length = 9 * HUGE;
    let Some((first, pointer)) = make(length, 1) else {
        return;
    };
    drop(first);
    let (second, again) = make(length - 5, 2).unwrap();
    assert_eq!(again, pointer);
    let place = find_to_lend(again.addr(), length - 5, true).unwrap();
    let kept = File::open(format!("/proc/self/fd/{}", place.descriptor)).unwrap();
    drop(second);
    let (third, _) = make(length, 3).unwrap();
    use std::os::unix::fs::FileExt;
    let mut seen = vec![0; length - 5];
    kept.read_exact_at(&mut seen, 0).unwrap();
    assert_eq!(seen, vec![2; length - 5], "a reader keeps what it has");
    drop(third);
    let zeros = try_allocate(length - 1000, true).unwrap();
    let zeros = Held(zeros, length - 1000);
    assert!(zeros.as_ref().iter().all(|&byte| byte == 0));
}

#[test]
fn a_fork_shares_nothing() {
    let _alone = alone();
    let length = 3 * HUGE;
    let Some((bytes, pointer)) = make(length, 4) else {
        return;
    };
    // SAFETY: the child writes to memory and ends.
    unsafe {
        let child = libc::fork();
        if child == 0 {
            pointer.write_volatile(9);
            libc::_exit(i32::from(pointer.read_volatile() != 9));
        }
        let mut status = 1;
        assert_eq!(libc::waitpid(child, &mut status, 0), child);
        assert_eq!(status, 0);
    }
    assert!(bytes.iter().all(|&byte| byte == 4));
    let place = find_to_lend(pointer.addr(), length, true).unwrap();
    assert_eq!(read(&place, length), vec![4; length]);
}

#[test]
fn small_and_giant_buffers_are_left_to_others() {
    let _alone = alone();
    begin(0);
    assert!(try_allocate(BORN_BYTES_MIN - 1, false).is_none());
    assert!(try_allocate(BORN_BYTES_MAX + 1, false).is_none());
    let mut other = [0u8; 64];
    // SAFETY: not from here, so nothing is done with it.
    assert!(!unsafe { try_free(other.as_mut_ptr()) });
}

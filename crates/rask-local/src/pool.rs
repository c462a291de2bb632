//! Threads kept from run to run.
//!
//! A run asks for helpers; pool threads without work join it, and leave it when it has nothing for
//! them. The run's owner works itself and never waits for a helper to come, only for those that came
//! to leave: so runs may be nested inside tasks without a deadlock, whatever the pool is doing.

use std::collections::VecDeque;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicPtr, Ordering};

use parking_lot::{Condvar, Mutex};

/// Something that pool threads can help with.
pub(crate) trait Help: Sync {
    /// Called on a pool thread. Returns when there is nothing (more) to do for it. `bell` calls more
    /// helpers.
    fn help(&self, bell: Bell<'_>);
}

/// A pointer to work whose owner outlives every use: see [`Summons`].
#[derive(Clone, Copy)]
struct Work(*const dyn Help);

// SAFETY: `Help` is `Sync`, so that a shared reference to it may be used on any thread; how long
// the pointer is valid is `Summons`' matter.
unsafe impl Send for Work {}

pub(crate) struct Pool {
    state: Mutex<State>,
    work_available: Condvar,
    helper_left: Condvar,
    process: u32,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Work>,
    /// Helpers at work, as addresses of what they help with.
    busy: Vec<usize>,
    threads: usize,
    idle: usize,
}

static POOL: AtomicPtr<Pool> = AtomicPtr::new(std::ptr::null_mut());

impl Pool {
    /// This process's pool. After a fork the child gets a new one, since threads do not fork; there
    /// is no lock on the way that another thread could have held at that moment.
    pub(crate) fn get() -> &'static Pool {
        let process = std::process::id();
        loop {
            let current = POOL.load(Ordering::Acquire);
            // SAFETY: the pointer is null or came from `Box::leak`, and pools are never freed.
            if let Some(pool) = unsafe { current.as_ref() }
                && pool.process == process
            {
                return pool;
            }
            let fresh = Box::into_raw(Box::new(Pool {
                state: Mutex::default(),
                work_available: Condvar::new(),
                helper_left: Condvar::new(),
                process,
            }));
            let swapped =
                POOL.compare_exchange(current, fresh, Ordering::AcqRel, Ordering::Acquire);
            if swapped.is_err() {
                // SAFETY: nobody else has seen `fresh`.
                drop(unsafe { Box::from_raw(fresh) });
            }
        }
    }

    fn run_thread(&'static self) {
        let mut state = self.state.lock();
        loop {
            let Some(work) = state.queue.pop_front() else {
                state.idle += 1;
                self.work_available.wait(&mut state);
                state.idle -= 1;
                continue;
            };
            let address = work.0.cast::<()>() as usize;
            state.busy.push(address);
            drop(state);
            // SAFETY: the work was in the queue, so its `Summons` exists, and that does not go
            // before `busy` has lost the address again.
            let help = unsafe { &*work.0 };
            help.help(Bell {
                pool: self,
                work,
                summons: PhantomData,
            });
            state = self.state.lock();
            if let Some(at) = state.busy.iter().position(|&other| other == address) {
                state.busy.swap_remove(at);
            }
            self.helper_left.notify_all();
        }
    }
}

/// The right of one run to have helpers. When dropped, takes back what has not been answered and
/// waits until every helper has left, so that none can outlive what it helps with.
pub(crate) struct Summons<'a> {
    pool: &'static Pool,
    work: Work,
    owner: PhantomData<&'a ()>,
}

/// Calls helpers while a [`Summons`] exists.
#[derive(Clone, Copy)]
pub(crate) struct Bell<'a> {
    pool: &'static Pool,
    work: Work,
    summons: PhantomData<&'a ()>,
}

impl<'a> Summons<'a> {
    pub(crate) fn new(work: &'a (dyn Help + 'a)) -> Self {
        let pointer: *const (dyn Help + 'a) = work;
        // SAFETY: only the lifetime changes; `Drop` keeps the pointer from being used longer than
        // `'a`.
        let pointer = unsafe {
            std::mem::transmute::<*const (dyn Help + 'a), *const (dyn Help + 'static)>(pointer)
        };
        Summons {
            pool: Pool::get(),
            work: Work(pointer),
            owner: PhantomData,
        }
    }

    pub(crate) fn bell(&self) -> Bell<'_> {
        Bell {
            pool: self.pool,
            work: self.work,
            summons: PhantomData,
        }
    }
}

impl Bell<'_> {
    /// Asks for one more helper, with at most `threads` threads in the pool.
    pub(crate) fn ring(&self, threads: usize) {
        let pool = self.pool;
        let mut state = pool.state.lock();
        state.queue.push_back(self.work);
        let spawn = state.idle < state.queue.len() && state.threads < threads;
        state.threads += usize::from(spawn);
        drop(state);
        pool.work_available.notify_one();
        if spawn {
            let thread = std::thread::Builder::new().name("rask-worker".to_string());
            if thread.spawn(move || pool.run_thread()).is_err() {
                pool.state.lock().threads -= 1;
            }
        }
    }
}

impl Drop for Summons<'_> {
    fn drop(&mut self) {
        let address = self.work.0.cast::<()>();
        let mut state = self.pool.state.lock();
        state.queue.retain(|work| work.0.cast::<()>() != address);
        while state.busy.contains(&(address as usize)) {
            self.pool.helper_left.wait(&mut state);
        }
    }
}

//! A cluster in one thread: the scheduler's and the workers' real state machines, with a pretended
//! clock, network and disk, and faults drawn from a seed. The same seed gives the same run.
//!
//! [`simulate`] runs random graphs of several clients while workers die, stop for a while, are
//! replaced, fail to hand values over, and while tasks raise and clients leave. After every event
//! the machines' invariants are checked; at the end every value that a client still wanted has been
//! compared with what it must be, and nothing is left anywhere.
//!
//! * `network`: what happens when; messages arrive in the order sent, after a random time.
//! * `worker`, `client`: pretended shells around the machine of a worker, and in place of users;
//!   `exchange`: what they do, and what follows for others.
//! * `cancelling`: clients that cancel, and want the same again.
//! * `faults`: what goes wrong, and how much of it; `restart` and `troubles`: what happens then.
//! * `study`, `costs`: how much memory a graph takes, beside what its order needs.
//! * `transfers`: hosts, and how fast values move between them.
//! * `unfitting`: tasks that are too large for any worker, which are refused.
//! * `topics`: events of workers, and clients that follow them.

mod absence;
mod cancelling;
mod client;
mod costs;
mod exchange;
mod faults;
mod flakes;
mod graphs;
mod more_shapes;
mod network;
mod pausing;
mod peak;
mod random;
mod reference;
mod restart;
mod retirement;
mod settings;
mod shapes;
mod simulation;
mod study;
mod suggesting;
mod topics;
mod transfers;
mod troubles;
mod unfitting;
pub mod usual_shapes;
mod worker;

pub use costs::Cost;
pub use faults::Faults;
pub use more_shapes::more_shapes;
pub use peak::{AtPeak, Peak};
pub use settings::{Report, Settings};
pub use shapes::{Shape, blow_up_shapes};
pub use simulation::simulate;
pub use study::{Study, StudyCluster, StudyLayer, study, study_between};
pub use transfers::Hosts;

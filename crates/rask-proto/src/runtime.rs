//! Calls into the services of workers and nannies, plugins, and the scheduler's helper process.

use crate::{Failure, Packed, ProtoError};

/// Asks the service of a worker or nanny to do something: a method of an actor, a plugin to be
/// set up, a function to run. Calls over one connection are begun in the order in which they come.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Call {
    #[prost(uint64, tag = "1")]
    pub id: u64,
    /// What is asked for, as in `"actor"`.
    #[prost(string, tag = "2")]
    pub kind: String,
    /// Of whom, as in the name of an actor.
    #[prost(string, tag = "3")]
    pub target: String,
    #[prost(message, optional, tag = "4")]
    pub body: Option<Packed>,
}

/// The outcome of a [`Call`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct CallReply {
    #[prost(uint64, tag = "1")]
    pub id: u64,
    #[prost(message, optional, tag = "2")]
    pub value: Option<Packed>,
    #[prost(message, optional, tag = "3")]
    pub failure: Option<Failure>,
}

/// Where a plugin runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum PluginKind {
    Worker = 0,
    Nanny = 1,
    Scheduler = 2,
}

/// A plugin; its content is the user's and opaque.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Plugin {
    #[prost(enumeration = "PluginKind", tag = "1")]
    pub kind: i32,
    /// Unique among those of its kind.
    #[prost(string, tag = "2")]
    pub name: String,
    /// One registration: a plugin that replaces another of the same name has another serial.
    #[prost(string, tag = "3")]
    pub serial: String,
    #[prost(message, optional, tag = "4")]
    pub content: Option<Packed>,
}

/// Plugins, in the order of their registration.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Plugins {
    #[prost(message, repeated, tag = "1")]
    pub plugins: Vec<Plugin>,
}

/// Names a plugin.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct PluginName {
    #[prost(enumeration = "PluginKind", tag = "1")]
    pub kind: i32,
    #[prost(string, tag = "2")]
    pub name: String,
}

/// Asks for something to be done in the helper process beside the scheduler.
#[derive(Clone, PartialEq, prost::Message)]
pub struct HelperCall {
    /// What is asked for, as in `"run"`.
    #[prost(string, tag = "1")]
    pub kind: String,
    #[prost(string, tag = "2")]
    pub target: String,
    #[prost(message, optional, tag = "3")]
    pub body: Option<Packed>,
}

/// How much there is to do.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Load {
    /// Tasks that are to be run.
    #[prost(uint64, tag = "1")]
    pub pending: u64,
    /// Those of them that could run at once, or do.
    #[prost(uint64, tag = "2")]
    pub ready: u64,
    /// What all of them are thought to take, on one thread.
    #[prost(uint64, tag = "3")]
    pub pending_micros: u64,
}

impl Call {
    pub(crate) fn for_each_packed(
        &mut self,
        visit: &mut dyn FnMut(&mut Packed) -> Result<(), ProtoError>,
    ) -> Result<(), ProtoError> {
        self.body.iter_mut().try_for_each(visit)
    }
}

impl CallReply {
    pub(crate) fn for_each_packed(
        &mut self,
        visit: &mut dyn FnMut(&mut Packed) -> Result<(), ProtoError>,
    ) -> Result<(), ProtoError> {
        self.value.iter_mut().try_for_each(&mut *visit)?;
        let failure = self.failure.iter_mut();
        failure
            .filter_map(|failure| failure.exception.as_mut())
            .try_for_each(visit)
    }
}

impl Plugins {
    pub(crate) fn for_each_packed(
        &mut self,
        visit: &mut dyn FnMut(&mut Packed) -> Result<(), ProtoError>,
    ) -> Result<(), ProtoError> {
        let plugins = self.plugins.iter_mut();
        plugins
            .filter_map(|plugin| plugin.content.as_mut())
            .try_for_each(visit)
    }
}

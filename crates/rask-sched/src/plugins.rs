//! Plugins: kept for the workers and nannies that join later, and never looked into.

use rask_proto::{Plugin, PluginName, Plugins};

/// The plugins registered, in the order of their registration.
#[derive(Debug, Default)]
pub(crate) struct PluginTable {
    plugins: Vec<Plugin>,
}

impl PluginTable {
    /// Keeps a plugin in the place of one of the same kind and name.
    pub fn put(&mut self, plugin: Plugin) {
        let name = PluginName {
            kind: plugin.kind,
            name: plugin.name.clone(),
        };
        self.remove(&name);
        self.plugins.push(plugin);
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Plugin> {
        self.plugins.iter()
    }

    /// Forgets a plugin; what was forgotten.
    pub fn remove(&mut self, name: &PluginName) -> Plugins {
        let is_named = |plugin: &mut Plugin| plugin.kind == name.kind && plugin.name == name.name;
        Plugins {
            plugins: self.plugins.extract_if(.., is_named).collect(),
        }
    }

    /// The plugins of one kind whose names begin with `name`.
    pub fn list(&self, name: &PluginName) -> Plugins {
        let plugins = self.plugins.iter();
        let plugins = plugins
            .filter(|plugin| plugin.kind == name.kind && plugin.name.starts_with(&name.name));
        Plugins {
            plugins: plugins.cloned().collect(),
        }
    }

    /// All of one kind, if there are any.
    pub fn of_kind(&self, kind: rask_proto::PluginKind) -> Option<Plugins> {
        let all = self.list(&PluginName {
            kind: kind as i32,
            name: String::new(),
        });
        (!all.plugins.is_empty()).then_some(all)
    }
}

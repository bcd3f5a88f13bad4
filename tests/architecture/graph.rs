//! The graph of the top-level modules.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::Source;

/// The top-level modules, each with the modules that it imports.
#[derive(Debug)]
pub(crate) struct Graph(BTreeMap<String, BTreeSet<String>>);

impl Graph {
    pub(crate) fn of(sources: &[Source]) -> Self {
        let mut graph: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for source in sources {
            graph.entry(source.top().to_owned()).or_default().extend(source.imports());
        }
        let modules: BTreeSet<String> = graph.keys().cloned().collect();
        for (module, imports) in &mut graph {
            imports.retain(|import| import != module && modules.contains(import));
        }
        Self(graph)
    }

    pub(crate) fn modules(&self) -> Vec<&String> {
        self.0.keys().collect()
    }

    pub(crate) fn imports(&self, module: &str) -> BTreeSet<String> {
        self.0.get(module).cloned().unwrap_or_default()
    }

    /// Returns the modules of a cycle and those that import one, or `None` without a cycle.
    /// It repeatedly removes a module that imports no other.
    pub(crate) fn cycle(&self) -> Option<Vec<String>> {
        let mut left = self.0.clone();
        loop {
            let leaf = left.iter().find(|(_, imports)| imports.is_empty());
            let Some(leaf) = leaf.map(|(module, _)| module.clone()) else { break };
            left.remove(&leaf);
            for imports in left.values_mut() {
                imports.remove(&leaf);
            }
        }
        (!left.is_empty()).then(|| left.into_keys().collect())
    }
}

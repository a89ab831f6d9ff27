//! Taints of nodes, and what lets a pod run in spite of them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A node taint, `key=value:effect`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Taint {
    /// Its key.
    pub key: String,
    /// Its value, empty for none.
    pub value: String,
    /// What it does to pods that do not tolerate it.
    pub effect: TaintEffect,
}

impl fmt::Display for Taint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.value.is_empty() {
            write!(formatter, "{}:{}", self.key, self.effect)
        } else {
            write!(formatter, "{}={}:{}", self.key, self.value, self.effect)
        }
    }
}

/// What a taint does (the three effects of the core/v1 API).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum TaintEffect {
    /// New pods stay away.
    NoSchedule,
    /// New pods stay away if they can.
    PreferNoSchedule,
    /// Running pods leave too.
    NoExecute,
}

impl fmt::Display for TaintEffect {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::NoSchedule => "NoSchedule",
            Self::PreferNoSchedule => "PreferNoSchedule",
            Self::NoExecute => "NoExecute",
        })
    }
}

/// What a pod tolerates (`Toleration` of the core/v1 API).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Toleration {
    /// Key of the taint; empty for every key, with the operator `Exists`.
    pub key: String,
    /// How the value is compared.
    pub operator: TolerationOperator,
    /// The value, for the operator `Equal`.
    pub value: String,
    /// The effect; none for every effect.
    pub effect: Option<TaintEffect>,
}

/// How a toleration compares values.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub enum TolerationOperator {
    /// The values are the same.
    #[default]
    Equal,
    /// Any value.
    Exists,
}

impl Toleration {
    /// Whether it covers `taint` (`ToleratesTaint` of the core/v1 API).
    pub fn covers(&self, taint: &Taint) -> bool {
        let value = self.operator == TolerationOperator::Exists || self.value == taint.value;
        let key = self.key == taint.key || (self.key.is_empty() && self.operator == TolerationOperator::Exists);
        key && value && self.effect.is_none_or(|effect| effect == taint.effect)
    }
}

/// Whether a pod with `tolerations` may come to a node with `taints`.
pub fn tolerates(tolerations: &[Toleration], taints: &[Taint]) -> bool {
    let keeps_away = |taint: &&Taint| taint.effect != TaintEffect::PreferNoSchedule;
    taints.iter().filter(keeps_away).all(|taint| tolerations.iter().any(|toleration| toleration.covers(taint)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn taint(key: &str, value: &str, effect: TaintEffect) -> Taint {
        Taint { key: key.into(), value: value.into(), effect }
    }

    fn toleration(json: &str) -> Toleration {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_toleration_covers_as_kubernetes_says() {
        let gpu = taint("gpu", "a100", TaintEffect::NoSchedule);
        for (json, covers) in [
            (r#"{"operator": "Exists"}"#, true),
            (r#"{"key": "gpu", "operator": "Exists"}"#, true),
            (r#"{"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}"#, true),
            (r#"{"key": "gpu", "operator": "Exists", "effect": "NoExecute"}"#, false),
            (r#"{"key": "gpu", "value": "a100"}"#, true),
            (r#"{"key": "gpu", "operator": "Equal", "value": "h100"}"#, false),
            (r#"{"key": "disk", "operator": "Exists"}"#, false),
            (r#"{"value": "a100"}"#, false),
        ] {
            assert_eq!(toleration(json).covers(&gpu), covers, "{json}");
        }
    }

    #[test]
    fn a_preference_keeps_nobody_away() {
        assert!(tolerates(&[], &[taint("old", "", TaintEffect::PreferNoSchedule)]));
        assert!(!tolerates(&[], &[taint("old", "", TaintEffect::NoExecute)]));
        assert!(tolerates(&[], &[]));
    }
}

//! In which order add-ons are applied.

use std::collections::BTreeMap;

use barque_model::AddonName;

use crate::OrderFault;

/// Sorts add-ons so that each comes after those that it needs; otherwise their order stays. All faults at once.
pub fn in_order(needs: &[(AddonName, Vec<AddonName>)]) -> Result<Vec<AddonName>, Vec<OrderFault>> {
    let by_name: BTreeMap<&AddonName, &[AddonName]> = needs.iter().map(|(name, needed)| (name, needed.as_slice())).collect();
    let missing = needs.iter().flat_map(|(addon, needed)| needed.iter().map(move |needed| (addon, needed)));
    let missing = missing.filter(|(_, needed)| !by_name.contains_key(needed));
    let mut faults: Vec<OrderFault> =
        missing.map(|(addon, needed)| OrderFault::Missing { addon: addon.clone(), needed: needed.clone() }).collect();
    let mut order: Vec<AddonName> = Vec::new();
    for (name, _) in needs {
        // Everyone in a cycle finds it, and everyone who needs them: it is told once.
        if let Err(cycle) = visit(name, &by_name, &mut order, &mut Vec::new())
            && !faults.iter().any(|fault| matches!(fault, OrderFault::Cycle(_)))
        {
            faults.push(cycle);
        }
    }
    if faults.is_empty() { Ok(order) } else { Err(faults) }
}

fn visit<'a>(
    name: &'a AddonName,
    needs: &BTreeMap<&'a AddonName, &'a [AddonName]>,
    order: &mut Vec<AddonName>,
    path: &mut Vec<&'a AddonName>,
) -> Result<(), OrderFault> {
    if order.contains(name) {
        return Ok(());
    }
    if let Some(begin) = path.iter().position(|known| *known == name) {
        return Err(OrderFault::Cycle(path[begin..].iter().copied().chain([name]).cloned().collect()));
    }
    path.push(name);
    for needed in needs.get(name).copied().unwrap_or_default() {
        visit(needed, needs, order, path)?;
    }
    path.pop();
    if needs.contains_key(name) {
        order.push(name.clone());
    }
    Ok(())
}

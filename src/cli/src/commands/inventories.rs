//! What a process had, as `mana show --rank N` tells it.

use std::fmt::Write;

use mana_engine::inventory::Inventory;

use crate::text;

/// Threads, descriptors, memory by kind, and what could not be kept.
pub fn describe(out: &mut String, inventory: &Inventory) -> std::fmt::Result {
    let threads: Vec<_> = inventory
        .threads
        .iter()
        .map(|thread| {
            vec![
                thread.tid.to_string(),
                thread.name.clone(),
                thread.place.clone(),
            ]
        })
        .collect();
    writeln!(
        out,
        "\n{}",
        text::table(&["THREAD", "NAME", "WHERE"], &threads)
    )?;
    let descriptors: Vec<_> = inventory
        .descriptors
        .iter()
        .map(|descriptor| {
            vec![
                descriptor.number.to_string(),
                descriptor.kind.to_owned(),
                descriptor
                    .position_bytes
                    .map(|at| at.to_string())
                    .unwrap_or_default(),
                descriptor.of.clone(),
            ]
        })
        .collect();
    writeln!(
        out,
        "{}",
        text::table(&["DESCRIPTOR", "KIND", "POSITION", "OF"], &descriptors)
    )?;
    let memory: Vec<_> = inventory
        .memory
        .iter()
        .map(|memory| {
            vec![
                memory.kind.to_owned(),
                memory.mappings.to_string(),
                text::bytes(memory.bytes),
            ]
        })
        .collect();
    writeln!(
        out,
        "{}",
        text::table(&["MEMORY", "MAPPINGS", "SIZE"], &memory)
    )?;
    if !inventory.children.is_empty() {
        let children = (1..).zip(&inventory.children).map(|(number, child)| {
            let descriptors: Vec<_> = child.descriptors.iter().map(i32::to_string).collect();
            vec![
                format!("{number}"),
                child.pid.to_string(),
                child.parent.to_string(),
                child.name.clone(),
                descriptors.join(" "),
            ]
        });
        let columns = ["CHILD", "PROCESS", "PARENT", "NAME", "DESCRIPTORS"];
        writeln!(
            out,
            "{}",
            text::table(&columns, &children.collect::<Vec<_>>())
        )?;
    }
    for lost in &inventory.lost {
        writeln!(
            out,
            "not kept: {} ({}): {}. {}",
            lost.object, lost.what, lost.why, lost.then
        )?;
    }
    Ok(())
}
